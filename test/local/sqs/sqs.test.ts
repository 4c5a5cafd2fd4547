// SQS under the official client: visibility, delays, dead-letter queues, restarts.
import { createHash } from "node:crypto";
import {
  AddPermissionCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { queueUrl } from "../../../local/sqs/queue.ts";
import { createSqsService, type SqsService } from "../../../local/sqs/sqs.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const queueArn = (name: string) => `arn:aws:sqs:${region}:${accountId}:${name}`;

let rig: ServiceRig<{ sqs: SqsService }>;
let client: SQSClient;
let QueueUrl: string;

beforeEach(async () => {
  rig = await startServiceRig((context) => {
    const sqs = createSqsService(context);
    sqs.createQueue({ name: "dead" });
    sqs.createQueue({ name: "work", redrive: { deadLetterQueueArn: queueArn("dead"), maximumReceiveCount: 2 } });
    sqs.createQueue({ name: "small", delaySeconds: 10, retentionSeconds: 60, largestMessageBytes: 1024 });
    return { sqs };
  });
  connect();
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

/** Anew after the clock was moved: signatures carry the time. */
function connect(): void {
  client?.destroy();
  client = new SQSClient(rig.clientSettings());
  QueueUrl = queueUrl(rig.url, accountId, "work");
}
function advance(seconds: number): void {
  rig.clock.advance(seconds * 1000);
  connect();
}
const send = (MessageBody: string, others: Partial<SendMessageCommandInput> = {}) =>
  client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...others }));
const receive = async (others: Partial<ReceiveMessageCommandInput> = {}) =>
  (await client.send(new ReceiveMessageCommand({ QueueUrl, ...others }))).Messages ?? [];
const bodies = async (others: Partial<ReceiveMessageCommandInput> = {}) =>
  (await receive({ MaxNumberOfMessages: 10, ...others })).map(({ Body }) => Body);
const inQueue = (name: string) => ({ QueueUrl: queueUrl(rig.url, accountId, name) });

describe("sending and receiving", () => {
  test("a message comes with its sums, which the client checks, and the attributes that were asked for", async () => {
    const MessageAttributes = {
      kind: { DataType: "String", StringValue: "ü" },
      count: { DataType: "Number.int", StringValue: "7" },
      bytes: { DataType: "Binary", BinaryValue: Buffer.from([0, 255]) },
    };
    const sentMessage = await send("größer", { MessageAttributes });
    const [message] = await receive({
      MessageAttributeNames: ["All"],
      MessageSystemAttributeNames: ["All"],
    });
    expect(message).toMatchObject({
      MessageId: sentMessage.MessageId,
      Body: "größer",
      MD5OfBody: sentMessage.MD5OfMessageBody,
      MD5OfMessageAttributes: sentMessage.MD5OfMessageAttributes,
      MessageAttributes: { ...MessageAttributes, bytes: { BinaryValue: new Uint8Array([0, 255]) } },
      Attributes: { ApproximateReceiveCount: "1", SentTimestamp: expect.stringMatching(/^\d{13}$/) },
    });
    await send("plain", { MessageAttributes });
    const [plain] = await receive({ MessageAttributeNames: ["ki.*", "count"] });
    expect(Object.keys(plain?.MessageAttributes ?? {}).sort()).toEqual(["count", "kind"]);
    expect(plain).not.toHaveProperty("Attributes");
  });

  test("the sum over attributes covers name, type, transport and value, each with its length", async () => {
    const answer = await send("x", { MessageAttributes: { a: { DataType: "String", StringValue: "b" } } });
    const text = (value: string) => [0, 0, 0, value.length, ...Buffer.from(value)];
    const expected = createHash("md5").update(Buffer.from([...text("a"), ...text("String"), 1, ...text("b")]));
    expect(answer.MD5OfMessageAttributes).toBe(expected.digest("hex"));
  });

  test("batches have an outcome for each entry", async () => {
    const batch = await client.send(
      new SendMessageBatchCommand({
        QueueUrl,
        Entries: [
          { Id: "a", MessageBody: "1" },
          { Id: "b", MessageBody: "\u0000" },
          { Id: "c", MessageBody: "3" },
        ],
      }),
    );
    expect(batch.Successful?.map(({ Id }) => Id)).toEqual(["a", "c"]);
    expect(batch.Failed).toMatchObject([{ Id: "b", Code: "InvalidMessageContents", SenderFault: true }]);
    const messages = await receive({ MaxNumberOfMessages: 10 });
    expect(messages.map(({ Body }) => Body)).toEqual(["1", "3"]);
    const Entries = messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    const deleted = await client.send(
      new DeleteMessageBatchCommand({ QueueUrl, Entries: [...Entries, { Id: "x", ReceiptHandle: "?" }] }),
    );
    expect(deleted.Successful).toHaveLength(2);
    expect(deleted.Failed).toMatchObject([{ Id: "x", Code: "ReceiptHandleIsInvalid" }]);
    advance(31);
    expect(await bodies()).toEqual([]);
  });

  test.each([
    ["EmptyBatchRequest", []],
    ["BatchEntryIdsNotDistinct", ["a", "a"]],
    ["InvalidBatchEntryId", ["a b"]],
    ["TooManyEntriesInBatchRequest", Array.from({ length: 11 }, (_, index) => String(index))],
  ])("a batch is refused as %s", async (name, ids) => {
    const Entries = ids.map((Id) => ({ Id, MessageBody: "x" }));
    await expect(client.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).rejects.toMatchObject({ name });
  });
});

describe("visibility", () => {
  test("a received message is hidden, comes back, and is gone once it is deleted", async () => {
    await send("1");
    const [first] = await receive();
    expect(await bodies()).toEqual([]);
    advance(31);
    const [second] = await receive({ MessageSystemAttributeNames: ["ApproximateReceiveCount"] });
    expect(second?.Attributes).toEqual({ ApproximateReceiveCount: "2" });
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: first?.ReceiptHandle }));
    advance(31);
    expect(
      (await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }))).Attributes,
    ).toMatchObject({ ApproximateNumberOfMessages: "1", ApproximateNumberOfMessagesNotVisible: "0" });
    await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: second?.ReceiptHandle }));
    expect(await bodies()).toEqual([]);
  });

  test("the time can be stretched, and given back", async () => {
    await send("1");
    const [message] = await receive({ VisibilityTimeout: 5 });
    const change = (VisibilityTimeout: number) =>
      client.send(
        new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout }),
      );
    await change(100);
    advance(60);
    expect(await bodies()).toEqual([]);
    await change(0);
    await expect(change(10)).rejects.toMatchObject({ name: "MessageNotInflight" });
    expect(await bodies()).toEqual(["1"]);
  });

  test("a message that is received too often moves to the dead-letter queue with its id", async () => {
    const { MessageId } = await send("poison");
    for (let attempt = 0; attempt < 2; attempt += 1) {
      expect(await bodies()).toEqual(["poison"]);
      advance(31);
    }
    expect(await bodies()).toEqual([]);
    const [dead] = await receive({ ...inQueue("dead"), MessageSystemAttributeNames: ["All"] });
    expect(dead).toMatchObject({
      MessageId,
      Body: "poison",
      Attributes: { ApproximateReceiveCount: "1", DeadLetterQueueSourceArn: queueArn("work") },
    });
  });

  test("delay and retention are kept", async () => {
    await send("late", inQueue("small"));
    await send("now", { ...inQueue("small"), DelaySeconds: 0 });
    expect(await bodies({ ...inQueue("small"), VisibilityTimeout: 0 })).toEqual(["now"]);
    advance(11);
    expect(await bodies({ ...inQueue("small"), VisibilityTimeout: 0 })).toEqual(["late", "now"]);
    advance(60);
    expect(await bodies(inQueue("small"))).toEqual([]);
  });
});

describe("long polling", () => {
  test("waits for a message that is sent meanwhile, also from inside the cloud", async () => {
    const waiting = receive({ WaitTimeSeconds: 20, MessageAttributeNames: ["All"] });
    await expect.poll(() => rig.authorized.length).toBe(1);
    rig.services.sqs.sendMessage(queueArn("work"), "hello", { RULE_ARN: "arn:rule" });
    expect(await waiting).toMatchObject([
      { Body: "hello", MessageAttributes: { RULE_ARN: { DataType: "String", StringValue: "arn:rule" } } },
    ]);
  });

  test("ends empty in cloud time, and gets what becomes visible while it waits", async () => {
    const empty = receive({ WaitTimeSeconds: 20 });
    await expect.poll(() => rig.authorized.length).toBe(1);
    rig.clock.advance(20_000);
    expect(await empty).toEqual([]);
    await send("hidden", { DelaySeconds: 10 });
    const seen = receive({ WaitTimeSeconds: 20 });
    await expect.poll(() => rig.authorized.length).toBe(3);
    rig.clock.advance(10_000);
    expect(await seen).toMatchObject([{ Body: "hidden" }]);
  });

  test("a caller that goes away takes no message with it", async () => {
    const leaving = new AbortController();
    const sleeps = vi.spyOn(rig.clock, "sleep");
    const waiting = client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), {
      abortSignal: leaving.signal,
    });
    await expect.poll(() => sleeps.mock.calls.length).toBe(1);
    leaving.abort();
    await expect(waiting).rejects.toThrow();
    // Until the queue has heard of it.
    await expect.poll(() => sleeps.mock.calls[0]?.[1]?.signal?.aborted).toBe(true);
    await send("1");
    expect(await bodies()).toEqual(["1"]);
  });
});

describe("queues", () => {
  test("are found by name and describe themselves", async () => {
    const found = await client.send(new GetQueueUrlCommand({ QueueName: "work" }));
    expect(found.QueueUrl).toBe(QueueUrl);
    const listed = await client.send(new ListQueuesCommand({ QueueNamePrefix: "w" }));
    expect(listed.QueueUrls).toEqual([QueueUrl]);
    const { Attributes } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn", "RedrivePolicy"] }),
    );
    expect(Attributes).toEqual({
      QueueArn: queueArn("work"),
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: queueArn("dead"), maxReceiveCount: 2 }),
    });
  });

  test("keep their messages over a restart, and can be emptied once a minute", async () => {
    await send("1");
    await rig.restart();
    connect();
    expect(await bodies({ VisibilityTimeout: 0 })).toEqual(["1"]);
    await client.send(new PurgeQueueCommand({ QueueUrl }));
    expect(await bodies()).toEqual([]);
    await expect(client.send(new PurgeQueueCommand({ QueueUrl }))).rejects.toMatchObject({
      name: "PurgeQueueInProgress",
    });
  });

  test("refuse what they do not know, by name", async () => {
    await expect(send("x", inQueue("none"))).rejects.toMatchObject({ name: "QueueDoesNotExist" });
    await expect(client.send(new GetQueueUrlCommand({ QueueName: "none" }))).rejects.toMatchObject({
      name: "QueueDoesNotExist",
    });
    await expect(send("x".repeat(1025), inQueue("small"))).rejects.toThrow("1024 bytes");
    await expect(send("x", { MessageGroupId: "g" })).rejects.toThrow("MessageGroupId");
    await expect(client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: "?" }))).rejects.toMatchObject({
      name: "ReceiptHandleIsInvalid",
    });
    const other = new AddPermissionCommand({ QueueUrl, Label: "l", AWSAccountIds: ["1"], Actions: ["*"] });
    await expect(client.send(other)).rejects.toThrow("AddPermission");
    expect(() => rig.services.sqs.createQueue({ name: "orders.fifo" })).toThrow("no FIFO queues");
    expect(() => rig.services.sqs.sendMessage(queueArn("none"), "x")).toThrow("does not exist");
  });

  test("ask for AWS's action on their ARN", async () => {
    await send("1");
    await receive();
    expect(rig.authorized).toMatchObject([
      { action: "sqs:SendMessage", resource: queueArn("work") },
      { action: "sqs:ReceiveMessage", resource: queueArn("work") },
    ]);
    rig.denied.add("sqs:SendMessage");
    await expect(send("2")).rejects.toThrow("may not sqs:SendMessage");
  });
});
