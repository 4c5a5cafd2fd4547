// Refusals in Google's words: what makes Gemini CLI stop or try again (facts 2.3 and the table of 2.6).
import type { Refusal } from "../refusal.ts";
import type { HttpAnswer } from "./protocol.ts";
import { type RefusalKind, type RefusalTerms, retryHeaders, termsOf } from "./refusal-terms.ts";

/** A wrong key is a 400 with the reason API_KEY_INVALID at Google, and a missing one a 403: clients look for these. */
const forms = {
  authentication: [400, "INVALID_ARGUMENT"],
  permission: [403, "PERMISSION_DENIED"],
  model: [404, "NOT_FOUND"],
  unsupported: [501, "UNIMPLEMENTED"],
  "not-found": [404, "NOT_FOUND"],
  method: [405, "INVALID_ARGUMENT"],
  upgrade: [426, "FAILED_PRECONDITION"],
  "too-large": [413, "INVALID_ARGUMENT"],
  invalid: [400, "INVALID_ARGUMENT"],
  rate: [429, "RESOURCE_EXHAUSTED"],
  spent: [429, "RESOURCE_EXHAUSTED"],
  unavailable: [503, "UNAVAILABLE"],
  overloaded: [503, "UNAVAILABLE"],
  timeout: [504, "DEADLINE_EXCEEDED"],
} as const satisfies Record<RefusalKind, readonly [number, string]>;

const detailType = "type.googleapis.com/google.rpc.";

/** The envelope, as it also stands in a stream. */
export function geminiError(refusal: Refusal, now: number) {
  const terms = termsOf(refusal, now);
  const [status, code] = refusal.name === "KeyMissing" ? forms.permission : forms[terms.kind];
  const isKeyInvalid = refusal.name === "KeyInvalid";
  const reason = isKeyInvalid ? "API_KEY_INVALID" : terms.code.toUpperCase();
  const details = [
    { "@type": `${detailType}ErrorInfo`, reason, domain: "causeway", metadata: {} },
    ...quotaDetails(terms),
  ];
  const message = isKeyInvalid ? `API key not valid. ${terms.message}` : terms.message;
  return { status, terms, body: { error: { code: status, message, status: code, details } } };
}

export function refuseGemini(refusal: Refusal, requestId: string, now: number): HttpAnswer {
  const { status, terms, body } = geminiError(refusal, now);
  const { allow } = refusal.facts;
  return {
    status,
    headers: {
      ...retryHeaders(terms),
      "x-request-id": requestId,
      ...(allow !== undefined && { allow: allow.join(", ") }),
    },
    body: JSON.stringify(body),
  };
}

/**
 * Gemini CLI gives up at a quota whose id says PerDay, and tries again at one that says PerMinute after `retryDelay`:
 * so a spent budget is one "PerDay", whatever its window; the message says which.
 */
function quotaDetails({ kind, code, retry, retryAfterSeconds }: RefusalTerms): object[] {
  if (kind !== "rate" && kind !== "spent") return [];
  const quotaMetric = `causeway/${code}`;
  const quotaId = `Causeway${retry ? "PerMinute" : "PerDay"}-${code}`;
  const failure = { "@type": `${detailType}QuotaFailure`, violations: [{ quotaMetric, quotaId }] };
  if (!retry || retryAfterSeconds === undefined) return [failure];
  return [failure, { "@type": `${detailType}RetryInfo`, retryDelay: `${retryAfterSeconds}s` }];
}
