// Alerts on the local cloud: from an event on the bus to a message in the group, and to the news that it is over.
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { details } from "../lambdas/alerts/sample-events.ts";
import { AlertsRig } from "./alerts-rig.ts";

let rig: AlertsRig;

beforeAll(async () => {
  rig = await AlertsRig.start();
});

afterEach(() => {
  rig.faults.clear();
});

afterAll(async () => {
  await rig?.close();
});

describe("a copy that failed", () => {
  it("is told to the group and by mail, with what to do, and again when it is made good", async () => {
    await rig.emit("BackupCopyFailed", details.BackupCopyFailed);
    await rig.settled();
    expect(rig.group).toHaveLength(1);
    expect(rig.group[0]).toContain("Critical: A backup was not copied: aliyun-rds:rm-1:101");
    expect(rig.group[0]).toContain("SourceChanged: the source was replaced while it was read");
    expect(rig.group[0]).toContain("docs/runbook.md#a-copy-failed");
    expect(rig.mails.map(({ subject }) => subject)).toEqual([
      "[local] Critical: A backup was not copied: aliyun-rds:rm-1:101",
    ]);
    await rig.emit("BackupReplicated", details.BackupReplicated);
    await rig.settled();
    expect(rig.group).toHaveLength(2);
    expect(rig.group[1]).toContain("Recovered: A backup was not copied: aliyun-rds:rm-1:101");
    const sent = await rig.listDeliveries();
    expect(sent.map(({ channel, kind, state }) => `${channel} ${kind} ${state}`).sort()).toEqual([
      "log raised sent",
      "log recovered sent",
      "mail raised sent",
      "mail recovered sent",
      "wecom raised sent",
      "wecom recovered sent",
    ]);
  });
});

describe("an event that nobody understands", () => {
  it("is kept for a person, and holds up no other", async () => {
    const before = rig.group.length;
    const bus = new EventBridgeClient(rig.cloud.clientConfig());
    const entry = {
      EventBusName: "causeway-local",
      Source: "causeway.replication",
      DetailType: "BackupCopyFailed",
      Detail: "{}",
    };
    await bus.send(new PutEventsCommand({ Entries: [entry, { ...entry, DetailType: "NeverHeardOf" }] }));
    await rig.emit("MirrorFailed", details.MirrorFailed);
    await rig.settled();
    expect(rig.group).toHaveLength(before + 1);
    const QueueUrl = rig.cloud.output("UnreadEventsQueueUrl");
    const queues = new SQSClient(rig.cloud.clientConfig());
    const { Messages = [] } = await queues.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    expect(Messages.map(({ Body = "" }) => JSON.parse(Body)["detail-type"]).sort()).toEqual([
      "BackupCopyFailed",
      "NeverHeardOf",
    ]);
  });
});

describe("a storm of a thousand events", () => {
  it("becomes a few messages, and none of them is lost", { timeout: 180_000 }, async () => {
    const before = rig.group.length;
    const ids = Array.from({ length: 1_000 }, (_, index) => `storm-${index}`);
    // Every event twice, some late: as a bus may do.
    rig.faults.add(
      {
        service: "sqs-delivery",
        resourceIncludes: "alerts-events",
        times: 30,
        probability: 0.05,
        effect: { kind: "duplicate-event", deliveries: 2 },
      },
      {
        service: "sqs-delivery",
        resourceIncludes: "alerts-events",
        times: 10,
        probability: 0.05,
        effect: { kind: "reorder-event" },
      },
    );
    await rig.emit("BackupCopyFailed", ...ids.map((id) => ({ ...details.BackupCopyFailed, copyId: id })));
    await rig.settled();
    for (let round = 0; round < 5 && (await rig.pending("wecom")) > 0; round += 1) await rig.tick();
    const sent = (await rig.listDeliveries({ channel: "wecom", state: "sent" })).filter(({ subject }) =>
      subject.startsWith("storm-"),
    );
    expect(new Set(sent.map(({ subject }) => subject)).size).toBe(1_000);
    expect(sent).toHaveLength(1_000);
    const messages = rig.group.slice(before);
    expect(messages.length).toBeLessThanOrEqual(12);
    expect(new Set(sent.map(({ messageId }) => messageId)).size).toBe(messages.length);
    for (const content of messages) expect(Buffer.byteLength(content)).toBeLessThanOrEqual(4096);
    // What the digests count is what was told one by one taken from the thousand.
    const counted = messages.map((content) => Number(/\] (\d+) alerts in one message/.exec(content)?.[1] ?? 1));
    expect(counted.reduce((sum, count) => sum + count, 0)).toBe(1_000);
  });
});
