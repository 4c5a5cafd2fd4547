// What a client can have an upstream repeat must not speak against the account: its model's name stands in error messages.
import { expect, test } from "vitest";
import { judgeAnthropic } from "../../../../lambdas/relay/providers/anthropic-answers.ts";
import { judgeGemini } from "../../../../lambdas/relay/providers/gemini-answers.ts";
import { judgeOpenai } from "../../../../lambdas/relay/providers/openai-answers.ts";
import type { Provider } from "../../../../lambdas/relay/providers/provider.ts";

const now = Date.parse("2026-11-20T12:00:00.000Z");

function stateAfter(judge: Provider["judge"], status: number, error: object, model: string): string {
  const body = Buffer.from(JSON.stringify({ error }));
  const verdict = judge({ status, headers: {}, body }, { model }, now);
  return verdict.kind === "pass" ? "pass" : (verdict.change?.state ?? "lacking");
}

test.each([
  [judgeAnthropic, "oauth", { type: "permission_error", message: "You have no permission to use oauth." }, "lacking"],
  [judgeAnthropic, "oauth-9", { type: "permission_error", message: "No access to model oauth-9." }, "failing"],
  [
    judgeOpenai,
    "country,_region,_or_territory",
    { code: "model_not_found", message: "Project `p` does not have access to model `country,_region,_or_territory`" },
    "lacking",
  ],
  [
    judgeOpenai,
    "x",
    { code: "model_not_found", message: "Project `p` does not have access to model `account has been disabled`" },
    "lacking",
  ],
  [
    judgeGemini,
    "billing-1",
    { code: 403, status: "PERMISSION_DENIED", message: "You may not use the model models/billing-1." },
    "lacking",
  ],
])("%o: the name %s blocks no account", (judge, model, error, expected) => {
  expect(stateAfter(judge, 403, error, model)).toBe(expected);
});

test("what the vendor says itself counts as before", () => {
  expect(stateAfter(judgeAnthropic, 403, { message: "OAuth authentication is not allowed." }, "claude")).toBe(
    "blocked",
  );
  expect(stateAfter(judgeGemini, 403, { message: "Project x has been suspended." }, "gemini")).toBe("blocked");
  expect(stateAfter(judgeOpenai, 403, { code: "account_deactivated", message: "" }, "gpt-4o")).toBe("blocked");
});

test("what an upstream says is one line without control letters: it is shown in terminals", () => {
  const body = Buffer.from(JSON.stringify({ error: { message: "bad\u001b]0;title\u0007 \u009b2J\r\nkey" } }));
  const verdict = judgeOpenai({ status: 401, headers: {}, body }, { model: "m" }, now);
  expect(verdict.kind === "account" && verdict.change?.said).toBe("HTTP 401: bad ]0;title 2J key");
});
