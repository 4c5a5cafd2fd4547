// What Anthropic's answers say of the account: limits of the API and of subscriptions, bills, keys and closed organisations.
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
  textOf,
  untilOf,
  type VendorError,
} from "./account-verdicts.ts";
import { judgeGateway } from "./gateway-answers.ts";
import type { AccountChange, Asked, UpstreamAnswer, Verdict } from "./provider.ts";
import { plausible, retryAfterOf, timeOf, unixSecondsOf } from "./reset-times.ts";

type Headers = Readonly<Record<string, string>>;

/** Limits of the API: each has `-limit`, `-remaining` and `-reset` (RFC 3339). */
const buckets = ["requests", "tokens", "input-tokens", "output-tokens"] as const;
const prefix = "anthropic-ratelimit";
const unified = `${prefix}-unified`;

/** `error.details.error_code`s of money; the rest of the open list is about the request. */
const spendCodes: ReadonlySet<string> = new Set(["enforced_spend_limit_reached", "contract_spend_limit_reached"]);

/** These come as 400 invalid_request_error, although nothing is wrong with the request. */
const spendMessage = /^Your credit balance is too low|^You have reached your specified (API|workspace) usage limits/i;
const regain = /regain access on (\d{4}-\d{2}-\d{2}) at (\d{2}:\d{2}) UTC/i;
const closedMessage =
  /^This organization has been disabled|^(This|Your) (account|organization|workspace) (has been|was|is) (disabled|suspended|banned)/i;

/**
 * 403s that tell of the account or of where it calls from, and not of what was asked. Not "Request not allowed": it comes
 * and goes, and for one program where another with the same key and address is served
 * (github.com/di-sukharev/opencommit/issues/411).
 */
const blockedMessage =
  /has been (disabled|suspended|banned|revoked)|not available in your (country|region)|unsupported (country|region)|IP address|oauth/i;

/** 403s for what this account may not use: another one may. Models, betas, features, "the specified resource". */
const lackedMessage =
  /permission to (use|access)|does not have access|not (enabled|available|allowed) for (your|this) (organization|account|workspace)|\bbeta\b/i;

/** A 429 about this one request: the account's plan has no long context (github.com/Wei-Shaw/sub2api/issues/572). */
const lackedLongContext = /extra usage is required for long context/i;

export function judgeAnthropic(answer: UpstreamAnswer, asked: Asked, now: number): Verdict {
  const { status } = answer;
  if (status < 300) return pass;
  const { error, json } = readVendorError(answer.body);
  const failure = judgeGateway(answer, asked, error) ?? judgeFailure(answer, asked, error, now);
  if (failure !== undefined) return failure;
  const said = saidOf(answer, error);
  const code = textOf(fieldsOf(fieldsOf(fieldsOf(json).error).details).error_code);
  if (status === 402 || spendCodes.has(code) || (status === 400 && spendMessage.test(error.message))) {
    return changed({
      state: "quota-spent",
      said,
      ...untilOf(spendUntil(error, now) ?? retryAfterOf(answer.headers, now)),
    });
  }
  if (status === 401) return changed({ state: "unauthorised", said });
  if (status === 429 && lackedLongContext.test(error.message)) return lacking();
  if (status === 429) return changed({ state: "rate-limited", said, ...rateLimit(answer.headers, asked, now) });
  if ((status === 400 || status === 403) && closedMessage.test(error.message))
    return changed({ state: "blocked", said });
  if (status !== 403) return pass;
  if (blockedMessage.test(ownWords(error, asked))) return changed({ state: "blocked", said });
  if (lackedMessage.test(error.message)) return lacking();
  // Unknown: others take over, and this one pauses for as long as it goes on.
  return changed({ state: "failing", isDoubtful: true, said, ...ofFamily(asked) });
}

/** Of a success: a limit of the API with nothing left, or a window of a subscription that is closed. */
export function foreseeAnthropic(headers: Headers, asked: Asked, now: number): AccountChange | undefined {
  const said = "the answer's rate-limit headers";
  const window = closedWindow(headers, now);
  if (window !== undefined && headers[`${unified}-overage-status`] !== "allowed") {
    return { state: "rate-limited", said, ...untilOf(window.until), ...(window.ofFamily && ofFamily(asked)) };
  }
  const until = bucketReset(headers, now);
  return until === undefined ? undefined : { state: "rate-limited", said, until, ...ofFamily(asked) };
}

/**
 * `retry-after` is when the next request is taken; a bucket's reset is when it is full again, which is later. The API's
 * limits hold per class of models; a subscription's window holds for all, unless its name ends in a family (`7d_opus`).
 */
function rateLimit(headers: Headers, asked: Asked, now: number): Pick<AccountChange, "until" | "family"> {
  const window = closedWindow(headers, now);
  if (window !== undefined) {
    const until = window.until ?? retryAfterOf(headers, now);
    return { ...untilOf(until), ...(window.ofFamily && ofFamily(asked)) };
  }
  const until = retryAfterOf(headers, now) ?? bucketReset(headers, now);
  return { ...untilOf(until), ...ofFamily(asked) };
}

/** `anthropic-ratelimit-unified-<window>-status: rejected`; `-reset` is in seconds since 1970. */
function closedWindow(headers: Headers, now: number): { until: number | undefined; ofFamily: boolean } | undefined {
  const isClosed = headers[`${unified}-status`] === "rejected";
  const closed = Object.keys(headers).flatMap((name) => {
    const [, window] = /^anthropic-ratelimit-unified-(.+)-status$/.exec(name) ?? [];
    return window !== undefined && window !== "overage" && headers[name] === "rejected" ? [window] : [];
  });
  if (!isClosed && closed.length === 0) return undefined;
  const claim = headers[`${unified}-representative-claim`] ?? "";
  const resets = closed.map((window) => unixSecondsOf(headers[`${unified}-${window}-reset`], now) ?? 0);
  const latest = Math.max(0, ...resets);
  const until = latest > 0 ? latest : unixSecondsOf(headers[`${unified}-reset`], now);
  // "five_hour" and "seven_day" are everybody's; "seven_day_opus" and "7d_opus" a family's.
  const isOfFamily =
    closed.length > 0
      ? closed.every((window) => /^\d+[a-z]+_[a-z]/.test(window))
      : /^(five_hour|seven_day)_[a-z]/.test(claim);
  return { until, ofFamily: isOfFamily };
}

function bucketReset(headers: Headers, now: number): number | undefined {
  const resets = buckets
    .filter((bucket) => headers[`${prefix}-${bucket}-remaining`] === "0")
    .map((bucket) => timeOf(headers[`${prefix}-${bucket}-reset`], now) ?? 0);
  return plausible(Math.max(0, ...resets), now);
}

/** "You will regain access on 2026-12-01 at 00:00 UTC." */
function spendUntil({ message }: VendorError, now: number): number | undefined {
  const [, day, time] = regain.exec(message) ?? [];
  return day === undefined ? undefined : timeOf(`${day}T${time}:00Z`, now);
}

/** Types of errors as they come in a stream, with their HTTP status (facts/relay.md 2.1). */
export const anthropicStatuses: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
};
