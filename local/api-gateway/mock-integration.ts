// MOCK integrations, as CDK writes them for CORS: fixed headers and a fixed body, no function behind.
import type { MockAnswer } from "./api-definition.ts";
import { internalServerError } from "./gateway-error.ts";
import type { HttpAnswer } from "./gateway-responses.ts";

/** Throws GatewayError (500) when no answer is for this status. */
export function answerMock(answers: readonly MockAnswer[], statusCode: number): HttpAnswer {
  const matching = answers.find(({ selectionPattern }) => selectionPattern?.test(String(statusCode)));
  const chosen = matching ?? answers.find(({ selectionPattern }) => selectionPattern === undefined);
  if (!chosen) throw internalServerError("API_CONFIGURATION_ERROR");
  const given = Object.entries(chosen.headers);
  const hasType = given.some(([name]) => name.toLowerCase() === "content-type");
  return {
    status: chosen.statusCode,
    headers: hasType ? given : [["Content-Type", "application/json"], ...given],
    body: Buffer.from(chosen.body),
  };
}
