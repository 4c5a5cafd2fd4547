// Which deliveries become which messages: a few are told one by one, a burst is folded into digests, none is left out.
import type { Delivery } from "./alert.ts";
import type { Severity } from "./event-facts.ts";

export interface ChannelPace {
  /** What the channel takes in any sixty seconds. */
  readonly messagesPerMinute: number;
  /** So many alerts within a minute are told one by one; more are a burst. */
  readonly alertsOneByOne: number;
  /** What one message holds at most. */
  readonly mostAlertsPerMessage: number;
}

/** While a burst goes on, a channel tells what came in only so often. */
export const burstPauseSeconds = 30;

const minuteMilliseconds = 60_000;

export interface MessagePlan {
  readonly groups: readonly (readonly Delivery[])[];
  /** More comes in than is told one by one: what follows waits for `burstPauseSeconds`. */
  readonly isBurst: boolean;
}

/** How many messages may be sent now, if those at these times (milliseconds since 1970) were the last ones. */
export function freeMessages(sentAt: readonly number[], pace: ChannelPace, now: number): number {
  return Math.max(0, pace.messagesPerMinute - withinMinute(sentAt, now).length);
}

export function withinMinute(sentAt: readonly number[], now: number): number[] {
  return sentAt.filter((moment) => moment > now - minuteMilliseconds);
}

/**
 * `due` in order of time. Every delivery is in exactly one group, unless so many are due that `free` messages do not
 * hold them: the rest stays due. Folded, the gravest come first.
 */
export function planMessages(
  due: readonly Delivery[],
  sentAt: readonly number[],
  pace: ChannelPace,
  now: number,
): MessagePlan {
  const free = freeMessages(sentAt, pace, now);
  if (due.length === 0 || free === 0) return { groups: [], isBurst: false };
  const recent = withinMinute(sentAt, now).length;
  if (recent + due.length <= pace.alertsOneByOne && due.length <= free) {
    return { groups: due.map((delivery) => [delivery]), isBurst: false };
  }
  const ordered = [...due].sort((left, right) => weight[left.severity] - weight[right.severity]);
  const groups: Delivery[][] = [];
  for (let from = 0; from < ordered.length && groups.length < free; from += pace.mostAlertsPerMessage) {
    groups.push(ordered.slice(from, from + pace.mostAlertsPerMessage));
  }
  return { groups, isBurst: true };
}

const weight: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };
