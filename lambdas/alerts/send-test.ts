// Send test: a marked message through one channel, whatever the rules say, and what the channel answered.
import { CausewayError } from "../shared/errors.ts";
import type { Delivery } from "./alert.ts";
import type { Channel } from "./channels/channel.ts";
import { markSent } from "./delivery-attempts.ts";
import { type MessageSettings, testMessage } from "./messages/message.ts";

export interface TestPorts {
  readonly settings: MessageSettings;
  /** Undefined: the stage has none of this name. */
  readonly channelOf: (name: string) => Channel | undefined;
  readonly keepRecord: (delivery: Delivery) => Promise<void>;
  /** It counts towards the channel's minute. */
  readonly noteSent: (channel: string, at: number) => Promise<void>;
  readonly now: () => number;
}

export interface TestOutcome {
  readonly channel: string;
  readonly delivered: boolean;
  readonly answer: string;
  readonly error: string | null;
  readonly deliveryId: string;
}

/** Throws `NotFound` for a channel that the stage does not have. A channel that fails is an answer, not an error. */
export async function sendTest(
  { channel: name, by, workId }: { channel: string; by: string; workId: string },
  ports: TestPorts,
): Promise<TestOutcome> {
  const channel = ports.channelOf(name);
  if (channel === undefined) {
    throw new CausewayError("NotFound", `The stage has no channel ${name}; GET /api/alerts/rules lists its channels.`);
  }
  const delivery = testDelivery(name, workId, ports.now());
  const message = testMessage(delivery, by, ports.settings);
  let tried: Delivery;
  try {
    const answer = await channel.send(message);
    [tried = delivery] = markSent([delivery], message.messageId, answer, ports.now());
  } catch (error) {
    if (!(error instanceof CausewayError)) throw error;
    // Whoever asked is told at once, and asks again: a test is not tried anew behind their back.
    const finishedAt = new Date(ports.now()).toISOString();
    tried = {
      ...delivery,
      state: "failed",
      attempts: 1,
      firstTriedAt: finishedAt,
      answer: error.message,
      error: error.name,
      nextTryAt: null,
      finishedAt,
    };
  }
  await ports.keepRecord(tried);
  await ports.noteSent(name, ports.now());
  const { deliveryId, answer, error } = tried;
  return { channel: name, delivered: tried.state === "sent", answer: answer ?? "", error, deliveryId };
}

function testDelivery(channel: string, workId: string, now: number): Delivery {
  const raisedAt = new Date(now).toISOString();
  const alertId = `test-${workId}`;
  return {
    deliveryId: `${raisedAt}#${alertId}#${channel}`,
    alertId,
    channel,
    kind: "test",
    event: null,
    severity: "info",
    subject: "",
    raisedAt,
    state: "pending",
    attempts: 0,
    firstTriedAt: null,
    answer: null,
    error: null,
    notBefore: raisedAt,
    nextTryAt: raisedAt,
    finishedAt: null,
    messageId: null,
  };
}
