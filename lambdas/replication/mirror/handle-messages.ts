// A batch of the queue's messages: each key once, some at a time; what is not done comes again, later each time.
import type { CausewayError } from "../../shared/errors.ts";
import type { KeyWish } from "./mirror-key.ts";
import { type Hint, type QueueMessage, readMessage } from "./read-message.ts";

export interface HandleMessagesPorts {
  readonly bucket: string;
  /** Receives of one message until it goes to the dead letters. */
  readonly mostReceives: number;
  readonly keysAtOnce: number;
  /** Ends with the invocation's time: keys that are not begun by then come again. */
  readonly signal: AbortSignal;
  work(wish: KeyWish): Promise<unknown>;
  /** A message that is not done with comes again after so many seconds. */
  delay(message: QueueMessage, seconds: number): Promise<void>;
  /** AWS's errors by their names, which tell whether they pass. */
  nameError(error: unknown): CausewayError;
  onProblem(error: CausewayError, message: QueueMessage, sourceKey?: string): void;
  random(): number;
}

/** As Lambda reads it with ReportBatchItemFailures: all others are done with. */
export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

const firstDelaySeconds = 15;
const longestDelaySeconds = 600;

interface KeyMessages {
  readonly sourceKey: string;
  readonly hints: Hint[];
  readonly messages: QueueMessage[];
}

export async function handleMessages(
  messages: readonly QueueMessage[],
  ports: HandleMessagesPorts,
): Promise<BatchAnswer> {
  const failed: string[] = [];
  const giveBack = async (message: QueueMessage, thrown: unknown, sourceKey?: string) => {
    const error = ports.nameError(thrown);
    ports.onProblem(error, message, sourceKey);
    failed.push(message.messageId);
    const receives = message.attributes.ApproximateReceiveCount;
    // Without it the message comes again all the same, once the queue's own time is over.
    await ports.delay(message, delaySeconds(error, receives, ports.random())).catch(() => undefined);
  };

  const keys = new Map<string, KeyMessages>();
  for (const message of messages) {
    try {
      const hint = readMessage(message.body, ports.bucket);
      const known = keys.get(hint.sourceKey);
      if (known === undefined)
        keys.set(hint.sourceKey, { sourceKey: hint.sourceKey, hints: [hint], messages: [message] });
      else {
        known.hints.push(hint);
        known.messages.push(message);
      }
    } catch (error) {
      await giveBack(message, error);
    }
  }

  const queue = [...keys.values()];
  const worker = async () => {
    for (let key = queue.shift(); key !== undefined; key = queue.shift()) {
      try {
        ports.signal.throwIfAborted();
        await ports.work(wishOf(key, ports.mostReceives));
      } catch (error) {
        for (const message of key.messages) await giveBack(message, error, key.sourceKey);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(ports.keysAtOnce, queue.length) }, worker));
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}

/** Several hints at one key are one wish: the oldest time, and `again` if any of them says so. */
function wishOf({ sourceKey, hints, messages }: KeyMessages, mostReceives: number): KeyWish {
  const since = hints.flatMap((hint) => hint.since ?? []).sort()[0];
  return {
    sourceKey,
    since,
    again: hints.some((hint) => hint.again === true),
    isLastAttempt: messages.every(({ attributes }) => attributes.ApproximateReceiveCount >= mostReceives),
  };
}

/** What waiting does not mend goes to the dead letters without delay. */
function delaySeconds({ retryable }: CausewayError, receives: number, share: number): number {
  if (!retryable) return 0;
  const ceiling = Math.min(longestDelaySeconds, firstDelaySeconds * 2 ** (receives - 1));
  return Math.ceil(ceiling * (0.5 + share / 2));
}
