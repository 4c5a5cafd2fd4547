// The queue's messages: what they mean, which come again and when, and that one bad message harms no other.
import { describe, expect, it } from "vitest";
import { handleMessages } from "../../../../lambdas/replication/mirror/handle-messages.ts";
import type { KeyWish } from "../../../../lambdas/replication/mirror/mirror-key.ts";
import {
  type QueueMessage,
  queueBatchSchema,
  readMessage,
} from "../../../../lambdas/replication/mirror/read-message.ts";
import { namedError } from "../../../../lambdas/shared/aws-errors.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";

const bucket = "backups";
const objectEvent = (key: string, time = "2026-11-20T12:00:00Z", from = bucket) =>
  JSON.stringify({
    source: "aws.s3",
    "detail-type": "Object Created",
    time,
    detail: { bucket: { name: from }, object: { key } },
  });

let count = 0;
function message(body: string, receives = 1): QueueMessage {
  count += 1;
  return { messageId: `m${count}`, receiptHandle: "h", body, attributes: { ApproximateReceiveCount: receives } };
}

async function handle(
  messages: readonly QueueMessage[],
  work: (wish: KeyWish) => Promise<void> = async () => undefined,
) {
  const wishes: KeyWish[] = [];
  const delays = new Map<string, number>();
  const problems: unknown[] = [];
  let now = 0;
  let most = 0;
  const { batchItemFailures } = await handleMessages(messages, {
    bucket,
    mostReceives: 8,
    keysAtOnce: 3,
    signal: new AbortController().signal,
    async work(wish) {
      wishes.push(wish);
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      await work(wish).finally(() => (now -= 1));
    },
    delay: async ({ messageId }, seconds) => void delays.set(messageId, seconds),
    nameError: namedError,
    onProblem: (error) => problems.push(error),
    random: () => 1,
  });
  return { wishes, delays, problems, most, failed: batchItemFailures.map(({ itemIdentifier }) => itemIdentifier) };
}

describe("a message", () => {
  it.each(["a b+%2B.xb", "备份", "quotes\"'", "a/b/c"])("of S3 names its key as it is: %s", (key) => {
    expect(readMessage(objectEvent(key), bucket)).toEqual({ sourceKey: key, since: "2026-11-20T12:00:00.000Z" });
  });

  it("may tell that a copy has its receipt, or be one of ours", () => {
    const detail = { bucket, key: "mysql/x", copyId: "aliyun-rds:a:b" };
    const copied = {
      "detail-type": "BackupReplicated",
      source: "causeway.replication",
      time: "2026-11-20T12:00:00Z",
      detail,
    };
    expect(readMessage(JSON.stringify(copied), bucket)).toMatchObject({ sourceKey: "mysql/x" });
    expect(readMessage('{"sourceKey":"mysql/x","again":true}', bucket)).toEqual({ sourceKey: "mysql/x", again: true });
  });

  it.each([
    "",
    "{",
    "[]",
    "{}",
    '"mysql/x"',
    '{"sourceKey":""}',
    '{"sourceKey":"x","also":1}',
    objectEvent("x", "noon"),
    objectEvent("x", "2026-11-20T12:00:00Z", "other"),
  ])("that is none of these is refused by name: %s", (body) => {
    expect(() => readMessage(body, bucket)).toThrowError(expect.objectContaining({ name: "InputInvalid" }));
  });

  it("comes from Lambda with its count as text", () => {
    const record = { messageId: "m", receiptHandle: "h", body: "{}", attributes: { ApproximateReceiveCount: "3" } };
    expect(queueBatchSchema.parse({ Records: [record] }).Records[0]?.attributes.ApproximateReceiveCount).toBe(3);
  });
});

describe("a batch", () => {
  it("works each key once, some at a time, for all of its messages", async () => {
    const messages = [
      message(objectEvent("a", "2026-11-20T12:00:05Z")),
      message(objectEvent("b")),
      message(objectEvent("a", "2026-11-20T12:00:01Z")),
      message('{"sourceKey":"a","again":true}'),
      ...["c", "d", "e"].map((key) => message(objectEvent(key))),
    ];
    const { wishes, failed, most } = await handle(messages);
    expect(wishes).toHaveLength(5);
    expect(wishes[0]).toEqual({ sourceKey: "a", since: "2026-11-20T12:00:01.000Z", again: true, isLastAttempt: false });
    expect(failed).toEqual([]);
    expect(most).toBe(3);
  });

  it("gives back what failed and what makes no sense, and nothing else", async () => {
    const [bad, broken, twin, good] = [
      message("?"),
      message(objectEvent("a")),
      message(objectEvent("a")),
      message(objectEvent("b")),
    ];
    const { failed, problems } = await handle([bad, broken, twin, good], async ({ sourceKey }) => {
      if (sourceKey === "a") throw new CausewayError("TargetUnavailable", "503");
    });
    expect(new Set(failed)).toEqual(new Set([bad.messageId, broken.messageId, twin.messageId]));
    expect(problems).toHaveLength(3);
  });

  it("waits longer each time for what may pass, and not at all for what will not", async () => {
    const seconds: number[] = [];
    for (const receives of [1, 2, 3, 6, 8]) {
      const { delays } = await handle([message(objectEvent("a"), receives)], () =>
        Promise.reject(new CausewayError("TargetUnavailable", "503")),
      );
      seconds.push(...delays.values());
    }
    expect(seconds).toEqual([15, 30, 60, 480, 600]);
    const refused = await handle([message(objectEvent("a"))], () =>
      Promise.reject(new CausewayError("TargetRefused", "403")),
    );
    expect([...refused.delays.values()]).toEqual([0]);
    const throttled = Object.assign(new Error("Please reduce your request rate."), { name: "SlowDown", $metadata: {} });
    const aws = await handle([message(objectEvent("a"))], () => Promise.reject(throttled));
    expect([...aws.delays.values()]).toEqual([15]);
    expect(aws.problems).toMatchObject([{ name: "AwsUnavailable" }]);
  });

  it("knows the last attempt, when all of a key's messages are at theirs", async () => {
    const last = await handle([message(objectEvent("a"), 8)]);
    expect(last.wishes[0]).toMatchObject({ isLastAttempt: true });
    const mixed = await handle([message(objectEvent("a"), 8), message(objectEvent("a"), 2)]);
    expect(mixed.wishes[0]).toMatchObject({ isLastAttempt: false });
  });
});
