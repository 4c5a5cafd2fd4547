// The life of an export task in cloud time: progress, cancelling, restarts, other tools' tasks, lists.
import {
  CancelExportTaskCommand,
  DescribeDBSnapshotsCommand,
  DescribeExportTasksCommand,
  type DescribeExportTasksMessage,
} from "@aws-sdk/client-rds";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Clock } from "../../../local/rig/clock.ts";
import { bucket, noon, RdsRig, snapshotArn } from "./rds-rig.ts";
import { orders, shop } from "./shop-database.ts";

let rig: RdsRig;
/** Stands still unless it is moved. */
let clock: Clock;
const fullSizeBytes = 40 * 1024 ** 3;

beforeEach(async () => {
  clock = new Clock({ startAtMilliseconds: noon });
  rig = await RdsRig.start({ clock, pace: { startingSeconds: 600, secondsPerTable: 300 } });
  rig.rds.ensureDatabase(shop);
  rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-1", fullSizeBytes, createdAtMilliseconds: noon });
});
afterEach(() => rig.close());

const cancel = (ExportTaskIdentifier = "t1") =>
  rig.client().send(new CancelExportTaskCommand({ ExportTaskIdentifier }));

type Task = Awaited<ReturnType<RdsRig["task"]>>;

/** Moves the clock ahead, and gives the task real time for its work in between, until it is as expected. */
async function drive(isReached: (task: Task) => boolean, seen: Task[] = []): Promise<Task> {
  for (let round = 0; round < 1_000; round += 1) {
    const task = await rig.task("t1");
    seen.push(task);
    if (isReached(task)) return task;
    clock.advance(20_000);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`The task is still ${JSON.stringify(await rig.task("t1"))}.`);
}

const isRunning = ({ Status }: Task) => Status === "IN_PROGRESS";
const isPartlyDone = ({ PercentProgress = 0 }: Task) => PercentProgress > 0;
const isComplete = ({ Status }: Task) => Status === "COMPLETE";

describe("a task", () => {
  test("restores first, then grows table by table, and is complete when everything is told", async () => {
    const started = await rig.startExport();
    expect(started).toMatchObject({ SourceType: "SNAPSHOT", SnapshotTime: new Date(noon), KmsKeyId: rig.keyArn });
    expect(started).not.toHaveProperty("TaskStartTime");
    const seen: Task[] = [];
    const done = await drive(isComplete, seen);
    const states = seen.map(
      ({ Status, PercentProgress, TotalExtractedDataInGB }) =>
        `${Status} ${PercentProgress}% ${TotalExtractedDataInGB} GB`,
    );
    // By rows: 9,001, 3, 1 and 5,001 of 14,006.
    const steps = ["STARTING 0% 0 GB", "IN_PROGRESS 0% 0 GB", "IN_PROGRESS 64% 25 GB", "COMPLETE 100% 40 GB"];
    expect([...new Set(states)].filter((state) => steps.includes(state))).toEqual(steps);
    expect(new Set(states).size).toBeLessThanOrEqual(steps.length + 1);
    const seconds = (time: Date | undefined) => (Number(time) - noon) / 1000;
    expect(seconds(done.TaskStartTime)).toBeGreaterThanOrEqual(600);
    expect(seconds(done.TaskEndTime) - seconds(done.TaskStartTime)).toBeGreaterThanOrEqual(4 * 300);
  });

  test("that is cancelled passes through CANCELING, stops, and leaves what it has written", async () => {
    await rig.startExport();
    await drive(isPartlyDone);
    expect(await cancel()).toMatchObject({ Status: "CANCELING" });
    expect((await rig.task("t1")).Status).toBe("CANCELING");
    expect(await drive(({ Status }) => Status === "CANCELED")).toMatchObject({ TaskEndTime: expect.any(Date) });
    const keys = await rig.keys();
    expect(keys.filter((key) => key.includes("shop.orders/")).length).toBeGreaterThan(0);
    expect(keys.filter((key) => key.includes("export_"))).toEqual([]);
    await expect(cancel()).rejects.toMatchObject({ name: "InvalidExportTaskStateFault" });
    await expect(cancel("none")).rejects.toMatchObject({ name: "ExportTaskNotFoundFault" });
    // Its slot and its snapshot are free again.
    expect(await rig.startExport({ ExportTaskIdentifier: "t2" })).toMatchObject({ Status: "STARTING" });
  });

  test("goes on after a restart where it was, and every row is written once", async () => {
    await rig.startExport();
    await rig.restart();
    expect((await rig.task("t1")).Status).toBe("STARTING");
    // The second file of the first table hangs: the restart comes in the middle of that table.
    const hangs = { kind: "delay", milliseconds: 1e12 } as const;
    rig.faults.add({
      service: "s3",
      operation: "PutObject",
      resourceIncludes: "shop.orders",
      fromCall: 2,
      effect: hangs,
    });
    await drive(isRunning);
    while (rig.faults.fired.length === 0) {
      clock.advance(20_000);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect((await rig.keys()).filter((key) => key.includes("/part-"))).toHaveLength(1);
    await rig.restart();
    await drive(isPartlyDone);
    const written = await rig.keys();
    await rig.restart();
    expect(await rig.task("t1")).toMatchObject({ Status: "IN_PROGRESS", TotalExtractedDataInGB: 25 });
    await drive(isComplete);
    expect(await rig.keys()).toEqual(expect.arrayContaining(written));
    expect((await rig.keys()).filter((key) => key.includes("shop.orders/1/part-"))).toHaveLength(3);
    const { perTableStatus } = JSON.parse(
      (await rig.object("mysql/shop/t1/export_tables_info_t1_from_1_to_4.json")).toString("utf8"),
    );
    expect(perTableStatus).toHaveLength(4);
  });

  test("gets over a throttled and failing bucket", async () => {
    rig.faults.add(
      { service: "s3", operation: "PutObject", fromCall: 2, times: 2, effect: { kind: "throttle" } },
      { service: "s3", operation: "PutObject", fromCall: 5, effect: { kind: "reset" } },
    );
    await rig.startExport();
    await drive(isComplete);
    expect(rig.faults.fired).toHaveLength(3);
    expect((await rig.keys()).filter((key) => key.includes("shop.orders/1/part-"))).toHaveLength(3);
  });

  test("that is being cancelled when the cloud is closed is cancelled after the restart", async () => {
    await rig.startExport();
    await cancel();
    await rig.restart();
    expect((await drive(({ Status }) => Status === "CANCELED")).PercentProgress).toBe(0);
    expect(await rig.keys()).toEqual([]);
  });

  test("outlives its snapshot: whoever deletes that while it is exported loses nothing of the export", async () => {
    rig.rds.arrange({ snapshotId: "shop-1", outcome: "snapshot-deleted" });
    await rig.startExport();
    await drive(isRunning);
    const describe = new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: "shop-1" });
    await expect(rig.client().send(describe)).rejects.toMatchObject({ name: "DBSnapshotNotFoundFault" });
    await rig.restart();
    await drive(isComplete);
    expect((await rig.keys()).filter((key) => key.includes("shop.orders/1/part-"))).toHaveLength(3);
  });

  test("can be made slow", async () => {
    rig.rds.arrange({ outcome: "slow", secondsPerTable: 86_400 });
    await rig.startExport();
    await drive(isRunning);
    clock.advance(80_000_000);
    await clock.sleep(0);
    expect(await rig.task("t1")).toMatchObject({ Status: "IN_PROGRESS", PercentProgress: 0 });
  });
});

describe("lists of tasks", () => {
  const ids = async (question: DescribeExportTasksMessage) => {
    const { ExportTasks = [] } = await rig.client().send(new DescribeExportTasksCommand(question));
    return ExportTasks.map(({ ExportTaskIdentifier }) => ExportTaskIdentifier);
  };
  const byStatus = (...Values: string[]) => ({ Filters: [{ Name: "status", Values }] });

  test("show other tools' tasks beside ours, and filter by status in lower case", async () => {
    rig.rds.occupySlots(2);
    clock.advance(1_000);
    await rig.startExport();
    expect(await ids({})).toEqual(["another-tool-1", "another-tool-2", "t1"]);
    expect(await ids(byStatus("starting"))).toEqual(["t1"]);
    expect(await ids(byStatus("starting", "in_progress"))).toHaveLength(3);
    expect(await ids(byStatus("complete"))).toEqual([]);
    await expect(ids(byStatus("STARTING"))).rejects.toMatchObject({ name: "InvalidParameterValue" });
    expect(await ids({ SourceArn: snapshotArn("shop-1") })).toEqual(["t1"]);
    expect(await ids({ SourceType: "CLUSTER" })).toEqual([]);
    expect(await ids({ Filters: [{ Name: "s3-bucket", Values: [bucket] }] })).toEqual(["t1"]);
    rig.rds.occupySlots(0);
    expect(await ids(byStatus("in_progress"))).toEqual([]);
    expect(await ids(byStatus("complete"))).toEqual(["another-tool-1", "another-tool-2"]);
    await rig.restart();
    rig.rds.occupySlots(1);
    expect(await ids(byStatus("in_progress"))).toEqual(["another-tool-3"]);
    expect(await cancel("another-tool-3")).toMatchObject({ Status: "CANCELING" });
    expect(await ids(byStatus("canceled"))).toEqual(["another-tool-3"]);
  });

  test("an answer that is lost after the work leaves a task that the next call finds", async () => {
    rig.faults.add({ service: "rds", operation: "StartExportTask", effect: { kind: "reset-after-work" } });
    await expect(rig.startExport()).rejects.toThrow();
    expect(await ids({})).toEqual(["t1"]);
    await expect(rig.startExport()).rejects.toMatchObject({ name: "ExportTaskAlreadyExistsFault" });
  });

  test("a table of one row is a partition of its own", async () => {
    rig.rds.ensureDatabase({
      databaseId: "one",
      engine: "mysql",
      engineVersion: "8.4",
      tables: [{ ...orders, rows: [[7, null, "1.00", "2026-11-20 00:00:00", 1]] }],
    });
    rig.rds.addSnapshot({ databaseId: "one", snapshotId: "one-1" });
    await rig.startExport({ SourceArn: snapshotArn("one-1") });
    await drive(isComplete);
    expect((await rig.keys()).filter((key) => key.endsWith(".parquet"))).toHaveLength(1);
  });
});
