// What Gemini's answers say of the account: google.rpc's statuses, reasons, retry times and quotas.
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
import { durationOf, plausible, retryAfterOf } from "./reset-times.ts";

/** ErrorInfo.reason (google.api.ErrorReason) of keys that are wrong; Google answers them with 400. */
const unauthorisedReasons: ReadonlySet<string> = new Set([
  "API_KEY_INVALID",
  "API_KEY_EXPIRED",
  "API_KEY_NOT_FOUND",
  "ACCESS_TOKEN_EXPIRED",
  "ACCESS_TOKEN_TYPE_UNSUPPORTED",
  "CREDENTIALS_MISSING",
]);

/** Of projects that are closed, or keys that may not be used from here or for this API. */
const blockedReasons: ReadonlySet<string> = new Set([
  "SERVICE_DISABLED",
  "BILLING_DISABLED",
  "CONSUMER_SUSPENDED",
  "CONSUMER_INVALID",
  "USER_PROJECT_DENIED",
  "API_KEY_SERVICE_BLOCKED",
  "API_KEY_HTTP_REFERRER_BLOCKED",
  "API_KEY_IP_ADDRESS_BLOCKED",
  "API_KEY_ANDROID_APP_BLOCKED",
  "API_KEY_IOS_APP_BLOCKED",
]);

const keyMessage = /API key (not valid|expired|not found)|unregistered callers|reported as leaked/i;
const blockedMessage = /location is not supported|has been (suspended|disabled)|billing/i;
const spentMessage = /prepayment credits are depleted|credits? (are|is) (depleted|exhausted)/i;

/** Things of another project: files, tuned models, cached contents. As a 404 says it elsewhere. */
const othersThing =
  /permission to access (the )?(file|tuned ?model|cached ?content|corpus|document)|or it may not exist/i;

/** Quotas per day begin anew at midnight of Google's own zone (ai.google.dev/gemini-api/docs/rate-limits). */
const quotaZone = "America/Los_Angeles";

export function judgeGemini(answer: UpstreamAnswer, asked: Asked, now: number): Verdict {
  const { status } = answer;
  if (status < 300) return pass;
  const { error, json } = readVendorError(answer.body);
  const failure = judgeGateway(answer, asked, error) ?? judgeFailure(answer, asked, error, now);
  if (failure !== undefined) return failure;
  const details = detailsOf(json);
  const said = saidOf(answer, error);
  if (status === 429) return changed({ ...exhausted(answer, details, asked, now), said });
  if (status === 402) return changed({ state: "quota-spent", said });
  if (status !== 400 && status !== 401 && status !== 403) return pass;
  const reason = details.map((detail) => textOf(detail.reason)).find((text) => text !== "") ?? "";
  if (status === 401 || unauthorisedReasons.has(reason)) return changed({ state: "unauthorised", said });
  if (blockedReasons.has(reason)) return changed({ state: "blocked", said });
  return status === 400 ? judgeInvalid(error, said) : judgeForbidden(error, asked, said);
}

/** A 400 is about the request, except where its message is one of Google's own about the key, the place or the bill. */
function judgeInvalid({ type, message }: VendorError, said: string): Verdict {
  if (type === "INVALID_ARGUMENT")
    return /^API key (not valid|expired|not found)/.test(message) ? changed({ state: "unauthorised", said }) : pass;
  if (type !== "FAILED_PRECONDITION") return pass;
  if (spentMessage.test(message)) return changed({ state: "quota-spent", said });
  return blockedMessage.test(message) ? changed({ state: "blocked", said }) : pass;
}

function judgeForbidden(error: VendorError, asked: Asked, said: string): Verdict {
  const message = ownWords(error, asked);
  if (keyMessage.test(message)) return changed({ state: "unauthorised", said });
  if (othersThing.test(message)) return pass;
  if (blockedMessage.test(message)) return changed({ state: "blocked", said });
  if (/\bmodel\b/i.test(message)) return lacking();
  return changed({ state: "failing", isDoubtful: true, said, ...ofFamily(asked) });
}

/**
 * A quota per day is spent until Google's midnight, whatever RetryInfo says (seconds, at times); one per minute until
 * RetryInfo's delay is over. Most quotas hold per model.
 */
function exhausted(
  answer: UpstreamAnswer,
  details: readonly Fields[],
  asked: Asked,
  now: number,
): Pick<AccountChange, "state" | "until" | "family"> {
  const quotaIds = details
    .flatMap((detail) => (Array.isArray(detail.violations) ? detail.violations : []))
    .map((violation) => textOf(fieldsOf(violation).quotaId));
  const isOfAll = quotaIds.length > 0 && quotaIds.every((id) => id !== "" && !/PerModel/i.test(id));
  const family = isOfAll ? {} : ofFamily(asked);
  if (quotaIds.some((id) => /PerDay/i.test(id))) return { state: "quota-spent", until: nextMidnight(now), ...family };
  const delay = details
    .map((detail) => durationOf(textOf(detail.retryDelay)))
    .find((milliseconds) => milliseconds !== undefined);
  const until = delay === undefined ? retryAfterOf(answer.headers, now) : plausible(now + delay, now);
  return { state: "rate-limited", ...untilOf(until), ...family };
}

type Fields = Readonly<Record<string, unknown>>;

function detailsOf(json: unknown): Fields[] {
  const { details } = fieldsOf(fieldsOf(json).error);
  return Array.isArray(details) ? details.map(fieldsOf) : [];
}

const hourMilliseconds = 3_600_000;

/** The zone's offset is whole hours, so its midnight is one of the next 25 full hours. */
function nextMidnight(now: number): number {
  const hourThere = new Intl.DateTimeFormat("en-US", { timeZone: quotaZone, hour: "numeric", hourCycle: "h23" });
  const firstHour = (Math.floor(now / hourMilliseconds) + 1) * hourMilliseconds;
  for (let hour = 0; hour <= 25; hour += 1) {
    const at = firstHour + hour * hourMilliseconds;
    if (Number(hourThere.format(at)) === 0) return at;
  }
  return firstHour + 24 * hourMilliseconds;
}

/** google.rpc's statuses as they come in a stream, with their HTTP status (google/rpc/code.proto). */
export const geminiStatuses: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};
