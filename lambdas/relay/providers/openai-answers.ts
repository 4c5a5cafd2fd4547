// What OpenAI's answers, and those of its compatible peers, say of the account: limits, quota, keys, projects, countries.
import {
  changed,
  fieldsOf,
  judgeFailure,
  lacking,
  ofFamily,
  ownWords,
  pass,
  readVendorError,
  saidOf,
  untilOf,
  type VendorError,
} from "./account-verdicts.ts";
import { judgeGateway } from "./gateway-answers.ts";
import type { AccountChange, Asked, UpstreamAnswer, Verdict } from "./provider.ts";
import { durationOf, plausible, retryAfterOf } from "./reset-times.ts";

type Headers = Readonly<Record<string, string>>;

/** Codes and types of money that is gone. Not to be tried again by itself, so without a time. */
const spentCodes: ReadonlySet<string> = new Set([
  "insufficient_quota",
  "billing_hard_limit_reached",
  "insufficient_balance",
  "exceeded_current_quota_error",
  "quota_exceeded",
]);

/** Codes of an account that is closed, or called from where it may not be. */
const blockedCodes: ReadonlySet<string> = new Set([
  "account_deactivated",
  "access_terminated",
  "billing_not_active",
  "unsupported_country_region_territory",
  "ip_not_authorized",
]);

const blockedMessage =
  /account (is not active|has been (deactivated|disabled|suspended))|country, region, or territory/i;

/** A key or project that may not do this, though it may do other things: another account may. Some name the project. */
const lackedCodes: ReadonlySet<string> = new Set([
  "model_not_found",
  "insufficient_permissions",
  "model_not_available",
]);
const lackedMessage =
  /does not have access to|missing scopes|insufficient permissions|not allowed to (access|sample from) (this )?model/i;

/** Some peers, Google's compatible endpoint among them, answer a wrong key with 400. */
const wrongKeyMessage = /^(API key not valid|API key expired|Incorrect API key|Invalid API key)/i;

/** A 403 about what was asked, as moderating relays answer (OpenRouter). */
const policyError = /moderation|flagged|content[_ ]?policy|content[_ ]?filter|safety|violat/i;

/** The account's limit is smaller than this one request: waiting does not help. */
const tooLargeForLimit = /^Request too large for /;

export function judgeOpenai(answer: UpstreamAnswer, asked: Asked, now: number): Verdict {
  const { status } = answer;
  if (status < 300) return pass;
  const { error, json } = readVendorError(answer.body);
  const ofGateway = judgeGateway(answer, asked, error);
  if (ofGateway !== undefined) return ofGateway;
  const said = saidOf(answer, error);
  const names = [error.code, error.type];
  if (status === 429 || status === 402 || status === 403) {
    if (status === 402 || names.some((name) => spentCodes.has(name))) return changed({ state: "quota-spent", said });
  }
  const failure = judgeFailure(answer, asked, error, now);
  if (failure !== undefined) return failure;
  if (status === 401 || status === 403 || status === 429) {
    // A code says more than words, which may be the client's own.
    if (status !== 429 && names.some((name) => lackedCodes.has(name))) return lacking();
    if (names.some((name) => blockedCodes.has(name)) || blockedMessage.test(ownWords(error, asked))) {
      return changed({ state: "blocked", said });
    }
    if (status !== 429 && lackedMessage.test(error.message)) return lacking();
  }
  if (status === 401 || (status === 400 && wrongKeyMessage.test(error.message))) {
    return changed({ state: "unauthorised", said });
  }
  if (status === 429)
    return tooLargeForLimit.test(error.message) ? lacking() : limited(answer, error, json, asked, now, said);
  if (status !== 403 || isOfPolicy(error, json)) return pass;
  return changed({ state: "failing", isDoubtful: true, said, ...ofFamily(asked) });
}

/** Of a success: a limit with nothing left, for long enough to matter. Limits hold per model. */
export function foreseeOpenai(headers: Headers, asked: Asked, now: number): AccountChange | undefined {
  const until = bucketReset(headers, now);
  // A bucket that is full again within a second is no reason to send anybody elsewhere.
  if (until === undefined || until - now < 1000) return undefined;
  return { state: "rate-limited", said: "the answer's rate-limit headers", until, ...ofFamily(asked) };
}

function limited(
  { headers }: UpstreamAnswer,
  error: VendorError,
  json: unknown,
  asked: Asked,
  now: number,
  said: string,
): Verdict {
  // ChatGPT's own backend: the account's whole window is closed.
  if (error.type === "usage_limit_reached" || error.code === "usage_limit_reached") {
    const { resets_at: at, resets_in_seconds: seconds } = fieldsOf(fieldsOf(json).error);
    const until = typeof at === "number" ? at * 1000 : typeof seconds === "number" ? now + seconds * 1000 : undefined;
    return changed({ state: "quota-spent", said, ...untilOf(plausible(until, now)) });
  }
  const until = retryAfterOf(headers, now) ?? bucketReset(headers, now) ?? messageReset(error, now);
  return changed({ state: "rate-limited", said, ...untilOf(until), ...ofFamily(asked) });
}

function isOfPolicy(error: VendorError, json: unknown): boolean {
  const { reasons } = fieldsOf(fieldsOf(fieldsOf(json).error).metadata);
  return Array.isArray(reasons) || [error.code, error.type, error.message].some((text) => policyError.test(text));
}

/** The later of the buckets with nothing left; `x-ratelimit-reset-…` says how long: `6m0s`, `20ms`. */
function bucketReset(headers: Headers, now: number): number | undefined {
  const resets = ["requests", "tokens"]
    .filter((bucket) => headers[`x-ratelimit-remaining-${bucket}`] === "0")
    .map((bucket) => durationOf(headers[`x-ratelimit-reset-${bucket}`]) ?? 0);
  return resets.length === 0 ? undefined : plausible(now + Math.max(...resets), now);
}

/** "Please try again in 1h12m0s." */
function messageReset({ message }: VendorError, now: number): number | undefined {
  const [, duration] = /try again in ([\d.]+(?:ms|s|m|h|d)[\d.hms]*)/i.exec(message) ?? [];
  const milliseconds = durationOf(duration?.replace(/\.$/, ""));
  return milliseconds === undefined ? undefined : plausible(now + milliseconds, now);
}

/** Codes and types of errors as they come in a stream, with the HTTP status that they have elsewhere. */
export const openaiStatuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  invalid_prompt: 400,
  content_filter: 400,
  insufficient_quota: 429,
  rate_limit_exceeded: 429,
  server_error: 500,
  server_is_overloaded: 503,
  slow_down: 503,
};
