// Next condition: what an account is after an answer, a success, or the end of its pause. Pure; times in milliseconds.
import type { AccountChange } from "../providers/provider.ts";
import type { AccountCondition } from "./account.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

/** Pauses of an account that fails, by its failures in a row; the last one stays. */
export const growingPausesMilliseconds = [
  10 * second,
  30 * second,
  minute,
  2 * minute,
  5 * minute,
  10 * minute,
  30 * minute,
] as const;

/** An overload is the provider's, not the account's, and passes sooner. */
const longestOverloadMilliseconds = 2 * minute;

/**
 * A list of models may be answered where messages are refused. So whom such a test brought back, and a message locked out
 * again, waits for the next one's good word, by the times that this happened in a row.
 */
const relapsePausesMilliseconds = [0, hour, 2 * hour, 4 * hour, 8 * hour, 24 * hour] as const;

/** What one key alone says of an account never pauses it; so long at most it is that key's last choice. */
const longestAccusalMilliseconds = 30 * minute;

/** Where a 429 names no reset. */
const rateLimitMilliseconds = minute;

/** Whether somebody paid is looked at so often. */
const quotaSpentMilliseconds = hour;

/** Resets are monthly at the longest; what is stated beyond is a mistake of the answer, or of our reading. */
const longestStatedMilliseconds = 35 * 24 * hour;
const shortestStatedMilliseconds = second;
/** A limit has an end that the upstream knows; of a failure it does not, whatever its `retry-after` says. */
const longestStatedOfFailureMilliseconds = 30 * minute;

export function healthy(now: number, failures = 0): AccountCondition {
  return { state: "healthy", since: now, until: null, failures };
}

/**
 * `undefined`: the answer changes nothing, because what is known came after the request was sent. So of two hundred
 * requests that fail together one counts, and an old answer does not undo what a person or a probe did since.
 *
 * `accuser`: the key whose request failed; undefined: the relay's own. A doubtful failure of one key is its word alone,
 * however often: a request on which upstreams break, sent again and again, would else pause every account for everybody.
 * When another key's request fails after it, or one fails beyond doubt, the account is at fault.
 */
export function afterFailure(
  present: AccountCondition | undefined,
  change: AccountChange,
  sentAt: number,
  now: number,
  accuser?: string,
): AccountCondition | undefined {
  if (present !== undefined && sentAt < present.since) return undefined;
  // What only a person or a probe mends is not turned into a pause that is over by itself, and is no worse for being said again.
  const isNewLockOut =
    (change.state === "unauthorised" || change.state === "blocked") && change.state !== present?.state;
  if (present !== undefined && isLockedOut(present) && !isNewLockOut) return undefined;
  if (change.isDoubtful && accuser !== undefined && !isAccusedByAnother(present, accuser)) {
    return afterAccusal(present, change, now, accuser);
  }
  const failures = (present?.failures ?? 0) + 1;
  return { state: change.state, since: now, until: untilOf(change, failures, now), failures };
}

/** The same key as last time, and nothing certain: it says nothing new of the account. */
export function isHearsay(
  present: AccountCondition | undefined,
  { isDoubtful }: AccountChange,
  accuser: string | undefined,
): boolean {
  return isDoubtful === true && accuser !== undefined && present?.accusedBy === accuser;
}

function isAccusedByAnother(present: AccountCondition | undefined, accuser: string): boolean {
  return present?.accusedBy !== undefined && present.accusedBy !== accuser && present.failures > 0;
}

/**
 * The first step of the growing pauses, and as long again as it stands already. It begins where it began, so that any
 * success since then ends it, however often it is repeated. A pause that still runs rests on more, or is this one.
 */
function afterAccusal(
  present: AccountCondition | undefined,
  { state }: AccountChange,
  now: number,
  accusedBy: string,
): AccountCondition | undefined {
  const failures = present?.failures ?? 0;
  if (present !== undefined && present.state !== "healthy" && (present.until ?? now) > now) return undefined;
  const since = present?.accusedBy === accusedBy && failures > 0 ? present.since : now;
  const lasts = Math.min(Math.max(growingPausesMilliseconds[0], now - since), longestAccusalMilliseconds);
  return { state, since, until: now + lasts, failures: Math.max(1, failures), accusedBy };
}

/** `undefined`: nothing to change. A request sent before the account fell ill does not show that it is well again. */
export function afterSuccess(present: AccountCondition, sentAt: number, now: number): AccountCondition | undefined {
  if (present.state === "healthy" && present.failures === 0) return undefined;
  return sentAt < present.since ? undefined : { ...healthy(now), ...accuserOf(present) };
}

/**
 * `undefined`: nothing to change. A test by schedule, which asked for no more than a list of models. It is given requests
 * again, and the first of them shows whether it is well: until then failures stay counted.
 */
export function afterList(present: AccountCondition, sentAt: number, now: number): AccountCondition | undefined {
  if (present.accusedBy !== undefined || present.state === "healthy") return afterSuccess(present, sentAt, now);
  const relapses = Math.min(Math.max(present.failures, 1), relapsePausesMilliseconds.length) - 1;
  const pause = isLockedOut(present) ? (relapsePausesMilliseconds[relapses] ?? 0) : 0;
  if (sentAt < present.since || now - present.since < pause) return undefined;
  return healthy(now, present.failures);
}

/** Only a person or a test brings it back. */
export function isLockedOut({ state, until }: AccountCondition): boolean {
  return state !== "healthy" && until === null;
}

/** By the schedule. Failures stay counted until a success: whoever fails again at once is paused for longer. */
export function afterPause(present: AccountCondition, now: number): AccountCondition | undefined {
  if (present.state === "healthy" || present.until === null || present.until > now) return undefined;
  if (present.accusedBy !== undefined) return { ...present, state: "healthy", until: null };
  const isOwnPause = present.state === "failing" || present.state === "overloaded";
  return healthy(now, isOwnPause ? present.failures : 0);
}

function accuserOf({ accusedBy }: AccountCondition): Pick<AccountCondition, "accusedBy"> {
  return accusedBy === undefined ? {} : { accusedBy };
}

function untilOf({ state, until }: AccountChange, failures: number, now: number): number | null {
  if (state === "unauthorised" || state === "blocked") return null;
  if (until !== undefined && Number.isFinite(until)) {
    const isFailure = state === "failing" || state === "overloaded";
    const longest = isFailure ? longestStatedOfFailureMilliseconds : longestStatedMilliseconds;
    return Math.ceil(Math.min(Math.max(until, now + shortestStatedMilliseconds), now + longest));
  }
  const { length } = growingPausesMilliseconds;
  const growing = growingPausesMilliseconds[Math.min(failures, length) - 1] ?? minute;
  switch (state) {
    case "failing":
      return now + growing;
    case "overloaded":
      return now + Math.min(growing, longestOverloadMilliseconds);
    case "rate-limited":
      return now + Math.max(rateLimitMilliseconds, Math.min(growing, 10 * minute));
    case "quota-spent":
      return now + quotaSpentMilliseconds;
  }
}
