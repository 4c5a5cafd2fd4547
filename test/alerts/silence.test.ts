// What did not happen, on the local cloud: databases without recovery points, schedules that started nothing, dead letters.
import { PurgeQueueCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { details } from "../lambdas/alerts/sample-events.ts";
import { AlertsRig } from "./alerts-rig.ts";

let rig: AlertsRig;

beforeAll(async () => {
  rig = await AlertsRig.start({ schedules: [schedule] });
  // No scheduled run starts: nothing but the check for silence notices.
  rig.faults.add({
    service: "lambda",
    resourceIncludes: "StartRun",
    times: 1_000,
    effect: { kind: "kill", atCall: 1, when: "before" },
  });
});

afterAll(async () => {
  await rig?.close();
});

/** Titles of what the group was told since the last call. */
let told = 0;
function news(): string[] {
  const titles = rig.group
    .slice(told)
    .map((content) => (content.split("\n")[0] ?? "").replace(/<[^>]*>/g, "").replace("### [local] ", ""));
  told = rig.group.length;
  return titles.sort();
}

const hour = 60;
const schedule = "causeway-local-replicate-backups";

async function later(minutes: number): Promise<string[]> {
  rig.clock.advance(minutes * 60_000);
  await rig.checkSilence({ expectedDatabaseIds: "never-seen" });
  await rig.tick(2);
  return news();
}

describe("silence", () => {
  it("is an alarm, though no job ever ran, and ends with the first sign of life", { timeout: 120_000 }, async () => {
    expect(await later(0)).toEqual([]);
    await rig.emit("BackupReplicated", details.BackupReplicated);
    await rig.settled();
    // The stage's limit is 30 hours.
    expect(await later(29 * hour)).not.toContain("Critical: No new recovery point: rm-1");
    expect(await later(2 * hour)).toEqual(
      expect.arrayContaining(["Critical: No new recovery point: never-seen", "Critical: No new recovery point: rm-1"]),
    );
    expect((await later(1 * hour)).filter((title) => title.includes("recovery point"))).toEqual([]);
    await rig.emit("BackupReplicated", { ...details.BackupReplicated, copyId: "newer" });
    await rig.settled();
    await rig.tick();
    expect(news()).toContain("Recovered: No new recovery point: rm-1");
    await rig.emit("SnapshotExported", { ...details.SnapshotExported, databaseId: "never-seen" });
    await rig.settled();
    await rig.tick();
    expect(news()).toContain("Recovered: No new recovery point: never-seen");
  });

  it("of a schedule is an alarm an hour after it was due, until it starts its run again", {
    timeout: 120_000,
  }, async () => {
    const missed = `A schedule did not start its run: ${schedule}`;
    const since = rig.group.filter((content) => content.includes(missed));
    expect(since).toHaveLength(1);
    expect(since[0]).toContain("Its last start: never.");
    rig.faults.clear();
    await rig.cloud.scheduler.fire(schedule, rig.clock.now());
    await expect
      .poll(
        async () => {
          await rig.tick();
          return news();
        },
        { timeout: 30_000 },
      )
      .toContain(`Recovered: ${missed}`);
  });
});

describe("dead letters", () => {
  it("that wait are an alarm once, and their end is told", { timeout: 120_000 }, async () => {
    const queues = new SQSClient(rig.cloud.clientConfig());
    const QueueUrl = rig.cloud.output("MissedRunsQueueUrl");
    await queues.send(new PurgeQueueCommand({ QueueUrl }));
    await later(1);
    await queues.send(new SendMessageCommand({ QueueUrl, MessageBody: "{}" }));
    const waiting = (titles: readonly string[]) => titles.filter((title) => title.includes("Dead letters wait"));
    expect(waiting(await later(1))).toEqual([expect.stringMatching(/^Critical: Dead letters wait: .*MissedRuns/)]);
    expect(waiting(await later(15))).toEqual([]);
    await queues.send(new PurgeQueueCommand({ QueueUrl }));
    expect(waiting(await later(15))).toEqual([expect.stringMatching(/^Recovered: Dead letters wait: .*MissedRuns/)]);
  });
});
