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

/** Where a 429 names no reset. */
const rateLimitMilliseconds = minute;

/** Whether somebody paid is looked at so often. */
const quotaSpentMilliseconds = hour;

/** Resets are monthly at the longest; what is stated beyond is a mistake of the answer, or of our reading. */
const longestStatedMilliseconds = 35 * 24 * hour;
const shortestStatedMilliseconds = second;

export function healthy(now: number, failures = 0): AccountCondition {
  return { state: "healthy", since: now, until: null, failures };
}

/**
 * `undefined`: the answer changes nothing, because what is known came after the request was sent. So of two hundred
 * requests that fail together one counts, and an old answer does not undo what a person or a probe did since.
 */
export function afterFailure(
  present: AccountCondition | undefined,
  change: AccountChange,
  sentAt: number,
  now: number,
): AccountCondition | undefined {
  if (present !== undefined && sentAt < present.since) return undefined;
  // What only a person or a probe mends is not turned into a pause that is over by itself.
  const needsHelp = present !== undefined && present.state !== "healthy" && present.until === null;
  if (needsHelp && change.state !== "unauthorised" && change.state !== "blocked") return undefined;
  const failures = (present?.failures ?? 0) + 1;
  return { state: change.state, since: now, until: untilOf(change, failures, now), failures };
}

/** `undefined`: nothing to change. A request sent before the account fell ill does not show that it is well again. */
export function afterSuccess(present: AccountCondition, sentAt: number, now: number): AccountCondition | undefined {
  if (present.state === "healthy" && present.failures === 0) return undefined;
  return sentAt < present.since ? undefined : healthy(now);
}

/** By the schedule. Failures stay counted until a success: whoever fails again at once is paused for longer. */
export function afterPause(present: AccountCondition, now: number): AccountCondition | undefined {
  if (present.state === "healthy" || present.until === null || present.until > now) return undefined;
  const isOwnPause = present.state === "failing" || present.state === "overloaded";
  return healthy(now, isOwnPause ? present.failures : 0);
}

function untilOf({ state, until }: AccountChange, failures: number, now: number): number | null {
  if (state === "unauthorised" || state === "blocked") return null;
  if (until !== undefined && Number.isFinite(until)) {
    return Math.ceil(Math.min(Math.max(until, now + shortestStatedMilliseconds), now + longestStatedMilliseconds));
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
