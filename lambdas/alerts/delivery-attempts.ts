// What an attempt makes of a delivery: sent, to be tried again after a growing pause, refused, or given up.
import { type CausewayError, retryableByName } from "../shared/errors.ts";
import type { Delivery } from "./alert.ts";

/** Between attempts that a channel did not answer well, in seconds. After the last one it is given up: an hour in all. */
export const pausesSeconds = [30, 60, 120, 240, 480, 960, 1_800] as const;

/** WeCom counts by the minute; a second more, for clocks differ. */
export const throttlePauseSeconds = 61;

/** A channel that only ever asks to slow down is given up after a day. */
const longestThrottledMilliseconds = 24 * 60 * 60 * 1000;

/** Answers are kept for people: no page of HTML. */
const mostAnswerCharacters = 300;

/** Errors that are cured by somebody soon, as well as those that pass by themselves: a missing secret is put. */
const triedAgain = new Set<string>(["SecretMissing"]);

export interface Attempted {
  readonly deliveries: Delivery[];
  /** The channel is left alone until then; milliseconds since 1970. */
  readonly pausedUntil: number | undefined;
}

export function markSent(deliveries: readonly Delivery[], messageId: string, answer: string, now: number): Delivery[] {
  return deliveries.map((delivery) => ({
    ...delivery,
    state: "sent",
    attempts: delivery.attempts + 1,
    firstTriedAt: delivery.firstTriedAt ?? new Date(now).toISOString(),
    answer: answer.slice(0, mostAnswerCharacters),
    error: null,
    nextTryAt: null,
    finishedAt: new Date(now).toISOString(),
    messageId,
  }));
}

/** A throttled attempt does not count towards giving up: the channel works. */
export function markFailed(deliveries: readonly Delivery[], error: CausewayError, now: number): Attempted {
  if (error.name === "ChannelThrottled") return afterThrottle(deliveries, error, now);
  if (!retryableByName[error.name] && !triedAgain.has(error.name)) {
    return { deliveries: deliveries.map((delivery) => finish(delivery, "failed", error, now)), pausedUntil: undefined };
  }
  const tried = deliveries.map((delivery) => {
    const pauseSeconds = pausesSeconds[delivery.attempts];
    if (pauseSeconds === undefined) return finish(delivery, "given-up", error, now);
    return { ...attempted(delivery, error, now), nextTryAt: new Date(now + pauseSeconds * 1000).toISOString() };
  });
  // What comes new meanwhile waits with the one that will be tried first: the channel is down for all of them.
  const next = tried.flatMap(({ nextTryAt }) => (nextTryAt === null ? [] : [Date.parse(nextTryAt)]));
  return { deliveries: tried, pausedUntil: next.length === 0 ? undefined : Math.min(...next) };
}

function afterThrottle(deliveries: readonly Delivery[], error: CausewayError, now: number): Attempted {
  const seconds = Math.max(throttlePauseSeconds, Math.min(Number(error.details.retryAfterSeconds ?? 0), 900));
  const pausedUntil = now + seconds * 1000;
  const nextTryAt = new Date(pausedUntil).toISOString();
  const waiting = deliveries.map((delivery) =>
    delivery.firstTriedAt !== null && now - Date.parse(delivery.firstTriedAt) > longestThrottledMilliseconds
      ? finish(delivery, "given-up", error, now)
      : { ...attempted(delivery, error, now), attempts: delivery.attempts, nextTryAt },
  );
  return { deliveries: waiting, pausedUntil };
}

function attempted(delivery: Delivery, error: CausewayError, now: number): Delivery {
  return {
    ...delivery,
    attempts: delivery.attempts + 1,
    firstTriedAt: delivery.firstTriedAt ?? new Date(now).toISOString(),
    answer: error.message.slice(0, mostAnswerCharacters),
    error: error.name,
  };
}

function finish(delivery: Delivery, state: "failed" | "given-up", error: CausewayError, now: number): Delivery {
  return { ...attempted(delivery, error, now), state, nextTryAt: null, finishedAt: new Date(now).toISOString() };
}
