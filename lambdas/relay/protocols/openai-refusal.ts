// Refusals in OpenAI's words: what makes Codex and the SDKs stop or try again (facts 2.2 and the table of 2.6).
import type { Refusal } from "../refusal.ts";
import type { HttpAnswer } from "./protocol.ts";
import { type RefusalKind, type RefusalTerms, retryHeaders, termsOf } from "./refusal-terms.ts";

/** Status, type, and the code where clients look for one of their own; else the refusal's name is the code. */
type Form = readonly [status: number, type: string, code?: string];

/**
 * Codex stops at once at 400 and at the code `insufficient_quota`, and tries six times at 402, 403 and 404: so a model
 * that may not be used is a 400 with OpenAI's own code for it, and a spent budget is never a 402.
 */
const forms: Readonly<Record<RefusalKind, Form>> = {
  authentication: [401, "invalid_request_error", "invalid_api_key"],
  permission: [403, "invalid_request_error"],
  model: [400, "invalid_request_error", "model_not_found"],
  unsupported: [501, "invalid_request_error"],
  "not-found": [404, "invalid_request_error"],
  method: [405, "invalid_request_error"],
  upgrade: [426, "invalid_request_error"],
  "too-large": [413, "invalid_request_error"],
  invalid: [400, "invalid_request_error"],
  rate: [429, "requests", "rate_limit_exceeded"],
  spent: [429, "insufficient_quota", "insufficient_quota"],
  unavailable: [503, "server_error"],
  overloaded: [503, "server_error"],
  timeout: [504, "server_error"],
};

export interface OpenaiError {
  readonly message: string;
  readonly type: string;
  readonly param: null;
  readonly code: string;
}

export function openaiError(
  refusal: Refusal,
  now: number,
): { status: number; terms: RefusalTerms; error: OpenaiError } {
  const terms = termsOf(refusal, now);
  const [status, type, code = terms.code] = forms[terms.kind];
  const unit = refusal.name === "TokensPerMinute" ? "tokens" : type;
  return { status, terms, error: { message: terms.message, type: unit, param: null, code } };
}

export function refuseOpenai(refusal: Refusal, requestId: string, now: number): HttpAnswer {
  const { status, terms, error } = openaiError(refusal, now);
  const { allow } = refusal.facts;
  return {
    status,
    headers: {
      ...retryHeaders(terms),
      "x-request-id": requestId,
      ...(allow !== undefined && { allow: allow.join(", ") }),
    },
    body: JSON.stringify({ error }),
  };
}
