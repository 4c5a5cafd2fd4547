// Deliver through a channel: whatever is due, at the channel's pace, folded where it is much; a failure makes it wait.
import { CausewayError } from "../shared/errors.ts";
import type { Alert, Delivery } from "./alert.ts";
import type { Channel } from "./channels/channel.ts";
import { markFailed, markSent } from "./delivery-attempts.ts";
import { alertMessage, largestDigest, type Message, type MessageSettings } from "./messages/message.ts";
import { burstPauseSeconds, planMessages, withinMinute } from "./plan-messages.ts";

/** What one call leaves for the next one. Times in milliseconds since 1970. */
export interface ChannelState {
  /** When the last messages were answered: of the last minute. */
  readonly sentAt: readonly number[];
  /** Nothing is sent before. 0: not paused. */
  readonly pausedUntil: number;
}

export interface DeliverPorts {
  readonly settings: MessageSettings;
  readonly channel: Channel;
  /** Undefined: somebody else is at work on this channel. */
  readonly takeLease: () => Promise<ChannelState | undefined>;
  readonly keepState: (state: ChannelState) => Promise<void>;
  readonly letGo: (state: ChannelState) => Promise<void>;
  /** Whose not-before has passed, oldest first, a bounded number. */
  readonly pending: (now: number) => Promise<readonly Delivery[]>;
  readonly readAlert: (alertId: string) => Promise<Alert | undefined>;
  readonly keepRecords: (deliveries: readonly Delivery[]) => Promise<void>;
  /** Finished deliveries leave the channel's list, others stay in it as they are now. */
  readonly keepPending: (deliveries: readonly Delivery[]) => Promise<void>;
  /** Keeps as dead letters the alerts of these deliveries that no channel took, and that none is going to take. */
  readonly keepUndelivered: (deliveries: readonly Delivery[]) => Promise<void>;
  readonly now: () => number;
  /** Whether there is time for one more message. */
  readonly hasTime: () => boolean;
}

/** How many deliveries were sent. */
export async function deliverChannel(ports: DeliverPorts): Promise<number> {
  // Most calls find nothing to do: they need not fight for the lease.
  if ((await ports.pending(ports.now())).length === 0) return 0;
  const taken = await ports.takeLease();
  if (taken === undefined) return 0;
  let state: ChannelState = { ...taken, sentAt: withinMinute(taken.sentAt, ports.now()) };
  let sent = 0;
  try {
    let works = false;
    while (ports.hasTime()) {
      const now = ports.now();
      if (state.pausedUntil > now) break;
      const due = (await ports.pending(now)).filter(
        ({ nextTryAt, attempts }) =>
          // Once the channel took a message, those that failed before need not sit out their pauses.
          Date.parse(nextTryAt ?? "") <= now || (works && attempts > 0),
      );
      const { groups, isBurst } = planMessages(due, state.sentAt, ports.channel.pace, now);
      if (groups.length === 0) break;
      for (const group of groups) {
        const result = await sendGroup(group, state, ports);
        state = result.state;
        sent += result.sent;
        works = result.sent > 0;
        if (!works) break;
      }
      if (isBurst && state.pausedUntil <= ports.now()) {
        state = { ...state, pausedUntil: ports.now() + burstPauseSeconds * 1000 };
      }
      if (!works && state.pausedUntil > 0) break;
    }
  } finally {
    await ports.letGo(state);
  }
  return sent;
}

/** A crash between the channel's answer and the record sends it again: twice is better than never. */
async function sendGroup(
  group: readonly Delivery[],
  state: ChannelState,
  ports: DeliverPorts,
): Promise<{ state: ChannelState; sent: number }> {
  const message = await composeMessage(group, ports);
  let answer: string;
  try {
    answer = await ports.channel.send(message);
  } catch (error) {
    const named = error instanceof CausewayError ? error : unexpected(error);
    const now = ports.now();
    const { deliveries, pausedUntil } = markFailed(group, named, now);
    await settle(deliveries, ports);
    const after = { sentAt: [...withinMinute(state.sentAt, now), now], pausedUntil: pausedUntil ?? 0 };
    await ports.keepState(after);
    return { state: after, sent: 0 };
  }
  // The time of the answer: the channel counted the message no later than that.
  const now = ports.now();
  const after = { sentAt: [...withinMinute(state.sentAt, now), now], pausedUntil: 0 };
  await settle(markSent(group, message.messageId, answer, now), ports);
  await ports.keepState(after);
  return { state: after, sent: group.length };
}

async function composeMessage(group: readonly Delivery[], ports: DeliverPorts): Promise<Message> {
  const [only, another] = group;
  if (only !== undefined && another === undefined) {
    const alert = await ports.readAlert(only.alertId);
    if (alert !== undefined) return alertMessage(alert, only, ports.settings);
  }
  return largestDigest(group, ports.settings, (message) => ports.channel.fits(message));
}

/** In this order: whatever breaks off in between is done again, for the channel's list still has it. */
async function settle(deliveries: readonly Delivery[], ports: DeliverPorts): Promise<void> {
  await ports.keepRecords(deliveries);
  const lost = deliveries.filter(({ state }) => state === "failed" || state === "given-up");
  if (lost.length > 0) await ports.keepUndelivered(lost);
  await ports.keepPending(deliveries);
}

/** A defect of an adapter must not hold up what waits behind it for ever: it is tried like a channel that is down. */
function unexpected(error: unknown): CausewayError {
  return new CausewayError("ChannelUnavailable", `It broke off: ${String(error)}`, { cause: error });
}
