// Refusals in Anthropic's words: what makes Claude Code and the SDKs stop or try again (facts 2.1 and the table of 2.6).
import type { Refusal } from "../refusal.ts";
import type { HttpAnswer } from "./protocol.ts";
import { type RefusalKind, retryHeaders, termsOf } from "./refusal-terms.ts";

/** 529 is Anthropic's own status. A model that may not be used is "not found": Claude Code reads 403 as a failed login. */
const forms = {
  authentication: [401, "authentication_error"],
  permission: [403, "permission_error"],
  model: [404, "not_found_error"],
  unsupported: [501, "invalid_request_error"],
  "not-found": [404, "not_found_error"],
  method: [405, "invalid_request_error"],
  upgrade: [426, "invalid_request_error"],
  "too-large": [413, "request_too_large"],
  invalid: [400, "invalid_request_error"],
  rate: [429, "rate_limit_error"],
  spent: [402, "billing_error"],
  unavailable: [503, "api_error"],
  overloaded: [529, "overloaded_error"],
  timeout: [504, "timeout_error"],
} as const satisfies Record<RefusalKind, readonly [number, string]>;

/** The envelope, as it also stands in an `error` event. */
export function anthropicError(refusal: Refusal, now: number, requestId?: string) {
  const terms = termsOf(refusal, now);
  // A window that ends is a limit of rate, told not to be tried; what only a payment ends is a bill.
  const isWindow = terms.kind === "spent" && terms.retryAfterSeconds !== undefined;
  const [status, type] = forms[isWindow ? "rate" : terms.kind];
  const error = { type, message: terms.message, details: { error_code: terms.code } };
  return { status, terms, body: { type: "error", error, ...(requestId !== undefined && { request_id: requestId }) } };
}

export function refuseAnthropic(refusal: Refusal, requestId: string, now: number): HttpAnswer {
  const { status, terms, body } = anthropicError(refusal, now, requestId);
  const { allow } = refusal.facts;
  return {
    status,
    headers: {
      ...retryHeaders(terms),
      "request-id": requestId,
      ...(allow !== undefined && { allow: allow.join(", ") }),
    },
    body: JSON.stringify(body),
  };
}
