// Redriving a dead-letter queue under the official client.
import {
  CancelMessageMoveTaskCommand,
  ChangeMessageVisibilityBatchCommand,
  ListMessageMoveTasksCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
  type StartMessageMoveTaskCommandInput,
} from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { queueUrl } from "../../../local/sqs/queue.ts";
import { createSqsService, type SqsService } from "../../../local/sqs/sqs.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../service-rig.ts";

const queueArn = (name: string) => `arn:aws:sqs:${region}:${accountId}:${name}`;
const dead = queueArn("dead");

let rig: ServiceRig<{ sqs: SqsService }>;
let client: SQSClient;

beforeEach(async () => {
  rig = await startServiceRig((context) => {
    const sqs = createSqsService(context);
    const redrive = { deadLetterQueueArn: dead, maximumReceiveCount: 1 };
    for (const name of ["mirror", "alerts"]) sqs.createQueue({ name, visibilityTimeoutSeconds: 10, redrive });
    for (const name of ["dead", "other"]) sqs.createQueue({ name });
    return { sqs };
  });
  connect();
});
afterEach(async () => {
  client.destroy();
  expect(rig.defects).toEqual([]);
  await rig.close();
});

function connect(): void {
  client?.destroy();
  client = new SQSClient(rig.clientSettings());
}
const urlOf = (name: string) => queueUrl(rig.url, accountId, name);
const receive = async (name: string) => {
  const asked = { QueueUrl: urlOf(name), MaxNumberOfMessages: 10, MessageSystemAttributeNames: ["All" as const] };
  return (await client.send(new ReceiveMessageCommand(asked))).Messages ?? [];
};
const bodies = async (name: string) => (await receive(name)).map(({ Body }) => Body);
const start = (others: Partial<StartMessageMoveTaskCommandInput> = {}) =>
  client.send(new StartMessageMoveTaskCommand({ SourceArn: dead, ...others }));
const tasks = async (MaxResults = 1) =>
  (await client.send(new ListMessageMoveTasksCommand({ SourceArn: dead, MaxResults }))).Results ?? [];
const ended = () => expect.poll(async () => (await tasks())[0]?.Status).not.toBe("RUNNING");

/** Sent to these queues, received once too often, and so dead. Returns their ids by body. */
async function die(...messages: readonly (readonly [queue: string, body: string])[]): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const [queue, MessageBody] of messages) {
    const { MessageId } = await client.send(new SendMessageCommand({ QueueUrl: urlOf(queue), MessageBody }));
    ids.set(MessageBody, MessageId ?? "");
  }
  const queues = new Set(messages.map(([queue]) => queue));
  for (const queue of queues) await receive(queue);
  rig.clock.advance(11_000);
  connect();
  for (const queue of queues) expect(await receive(queue)).toEqual([]);
  return ids;
}

describe("a move task", () => {
  test("brings each message back to the queue it came from, as a new message", async () => {
    const ids = await die(["mirror", "1"], ["alerts", "2"], ["mirror", "3"]);
    await start();
    await ended();
    expect(await tasks()).toEqual([
      {
        Status: "COMPLETED",
        SourceArn: dead,
        ApproximateNumberOfMessagesMoved: 3,
        ApproximateNumberOfMessagesToMove: 3,
        StartedTimestamp: expect.any(Number),
      },
    ]);
    const [first, third] = await receive("mirror");
    expect([first?.Body, third?.Body]).toEqual(["1", "3"]);
    expect(first?.MessageId).not.toBe(ids.get("1"));
    expect(first?.Attributes).toMatchObject({ ApproximateReceiveCount: "1" });
    expect(first?.Attributes).not.toHaveProperty("DeadLetterQueueSourceArn");
    expect(await bodies("alerts")).toEqual(["2"]);
    expect(await bodies("dead")).toEqual([]);
  });

  test("may send them elsewhere, at a rate, and can be cancelled", async () => {
    await die(["mirror", "1"], ["mirror", "2"], ["mirror", "3"]);
    const { TaskHandle } = await start({ DestinationArn: queueArn("other"), MaxNumberOfMessagesPerSecond: 1 });
    await expect.poll(async () => (await tasks())[0]?.ApproximateNumberOfMessagesMoved).toBe(1);
    await expect(start()).rejects.toMatchObject({ name: "UnsupportedOperation" });
    expect(await tasks()).toMatchObject([{ Status: "RUNNING", TaskHandle, MaxNumberOfMessagesPerSecond: 1 }]);
    const cancelled = await client.send(new CancelMessageMoveTaskCommand({ TaskHandle }));
    expect(cancelled.ApproximateNumberOfMessagesMoved).toBe(1);
    rig.clock.advance(5000);
    connect();
    expect(await bodies("other")).toEqual(["1"]);
    expect((await tasks())[0]).not.toHaveProperty("TaskHandle");
    await expect(client.send(new CancelMessageMoveTaskCommand({ TaskHandle }))).rejects.toMatchObject({
      name: "UnsupportedOperation",
    });
    await start();
    await ended();
    expect(await bodies("mirror")).toEqual(["2", "3"]);
    expect((await tasks(10)).map(({ Status }) => Status)).toEqual(["COMPLETED", "CANCELLED"]);
  });

  test("goes on after a restart", async () => {
    await die(["mirror", "1"], ["mirror", "2"], ["mirror", "3"]);
    await start({ MaxNumberOfMessagesPerSecond: 1 });
    await rig.restart();
    connect();
    rig.services.sqs.start();
    await expect
      .poll(async () => {
        rig.clock.advance(1000);
        connect();
        return (await tasks())[0]?.Status;
      })
      .toBe("COMPLETED");
    expect(await bodies("mirror")).toEqual(["1", "2", "3"]);
  });

  test("fails at a message that was sent to the dead-letter queue directly, and says so", async () => {
    await die(["mirror", "1"]);
    await client.send(new SendMessageCommand({ QueueUrl: urlOf("dead"), MessageBody: "stray" }));
    await start();
    await ended();
    expect(await tasks()).toMatchObject([
      {
        Status: "FAILED",
        FailureReason: "CouldNotDetermineMessageSource",
        ApproximateNumberOfMessagesMoved: 1,
        ApproximateNumberOfMessagesToMove: 2,
      },
    ]);
    await start({ DestinationArn: queueArn("alerts") });
    await ended();
    expect(await bodies("alerts")).toEqual(["stray"]);
  });

  test("is refused where AWS refuses it", async () => {
    await expect(start({ SourceArn: queueArn("none") })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    await expect(start({ SourceArn: queueArn("other") })).rejects.toThrow("configured as a Dead Letter Queue");
    await expect(start({ DestinationArn: queueArn("none") })).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
    await expect(start({ MaxNumberOfMessagesPerSecond: 501 })).rejects.toThrow("MaxNumberOfMessagesPerSecond");
    await expect(client.send(new CancelMessageMoveTaskCommand({ TaskHandle: "x" }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
  });

  test("asks for the permissions of AWS's guide: to take from one queue and to send to the others", async () => {
    await die(["mirror", "1"]);
    rig.authorized.length = 0;
    await start();
    await tasks();
    expect(rig.authorized.map(({ action, resource }) => `${action} ${resource}`)).toEqual([
      ...["StartMessageMoveTask", "ReceiveMessage", "DeleteMessage", "GetQueueAttributes"].map(
        (name) => `sqs:${name} ${dead}`,
      ),
      `sqs:SendMessage ${queueArn("mirror")}`,
      `sqs:ListMessageMoveTasks ${dead}`,
      `sqs:GetQueueAttributes ${dead}`,
    ]);
    rig.denied.add("sqs:SendMessage");
    await expect(start({ DestinationArn: queueArn("other") })).rejects.toThrow("may not sqs:SendMessage");
  });
});

test("the visibility of several messages changes in one call, with an outcome for each", async () => {
  for (const MessageBody of ["1", "2"]) {
    await client.send(new SendMessageCommand({ QueueUrl: urlOf("other"), MessageBody }));
  }
  const Entries = (await receive("other")).map(({ ReceiptHandle }, index) => ({
    Id: String(index),
    ReceiptHandle,
    VisibilityTimeout: 0,
  }));
  const answer = await client.send(
    new ChangeMessageVisibilityBatchCommand({
      QueueUrl: urlOf("other"),
      Entries: [...Entries, { Id: "x", ReceiptHandle: "?", VisibilityTimeout: 0 }],
    }),
  );
  expect(answer.Successful?.map(({ Id }) => Id)).toEqual(["0", "1"]);
  expect(answer.Failed).toMatchObject([{ Id: "x", Code: "ReceiptHandleIsInvalid" }]);
  expect(await bodies("other")).toEqual(["1", "2"]);
});
