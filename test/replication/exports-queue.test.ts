// Who exports, and when: places that are taken, queues that outlive a run, runs at the same time, tasks that are adopted.
import { StopExecutionCommand } from "@aws-sdk/client-sfn";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ExportsRig } from "./exports-rig.ts";

let rig: ExportsRig;

/** Some of these live through half a day of cloud time, in looks of five minutes each. */
vi.setConfig({ testTimeout: 180_000 });

beforeEach(async () => {
  rig = await ExportsRig.start();
});

afterEach(async () => {
  await rig?.close();
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 8_000; tries += 1) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  throw new Error("it did not come to pass within two minutes");
}

const outcomes = (job: { units: readonly { outcome?: string }[] }) =>
  job.units.map(({ outcome }) => outcome ?? "").sort();

describe("the places for export tasks", () => {
  it("are shared with other tools: the sixth task waits until one is free, and all are exported", async () => {
    const snapshots = [1, 2, 3].map(() => rig.addSnapshot());
    rig.cloud.rds.occupySlots(4);
    const run = await rig.run();
    expect(run.status, `${run.error} ${run.cause}`).toBe("SUCCEEDED");
    expect(outcomes(run.job)).toEqual(["exported", "exported", "exported"]);
    const times = (await Promise.all(snapshots.map(({ arn }) => rig.tasksOf(arn)))).flat();
    expect(times).toHaveLength(3);
    const ordered = times
      .map((task) => ({ from: task.TaskStartTime?.getTime() ?? 0, to: task.TaskEndTime?.getTime() ?? 0 }))
      .sort((left, right) => left.from - right.from);
    // One place: each began when the one before had ended.
    for (const [index, { from }] of ordered.entries()) expect(from).toBeGreaterThanOrEqual(ordered[index - 1]?.to ?? 0);
  });

  it("are waited for only so long; what was not begun stays in the queue, and the next run takes it up", async () => {
    const old = rig.addSnapshot({ databaseId: "orders", snapshotId: "asked-for", hoursOld: 20 });
    rig.cloud.rds.occupySlots(5);
    const full = await rig.run({ snapshotArns: [old.arn] });
    expect([full.status, full.job.state, ...outcomes(full.job)]).toEqual([
      "SUCCEEDED",
      "succeeded-with-warnings",
      "waiting",
    ]);
    expect(full.job.percent).toBe(0);
    expect(await rig.item(old.arn)).toMatchObject({ state: "waiting", lastError: { error: "ExportSlotsTaken" } });
    expect((await rig.item(old.arn))?.claim).toBeUndefined();

    rig.cloud.rds.occupySlots(0);
    const newer = rig.addSnapshot({ databaseId: "orders", snapshotId: "newer" });
    const next = await rig.run();
    expect(outcomes(next.job)).toEqual(["exported", "exported"]);
    await rig.expectExported(old.arn);
    await rig.expectExported(newer.arn);
  });

  it("are given to the newest: what waited unasked is dropped when a newer snapshot has come, or its own has gone", async () => {
    const old = rig.addSnapshot({ databaseId: "orders", snapshotId: "yesterday", hoursOld: 20 });
    const gone = rig.addSnapshot({ databaseId: "passing", snapshotId: "gone" });
    rig.cloud.rds.occupySlots(5);
    const full = await rig.run();
    expect(outcomes(full.job)).toEqual(["waiting", "waiting"]);
    rig.cloud.rds.occupySlots(0);
    rig.cloud.rds.removeSnapshot(gone.snapshotId);
    const newer = rig.addSnapshot({ databaseId: "orders", snapshotId: "today", hoursOld: -12 });
    await rig.run();
    expect(await rig.item(old.arn)).toMatchObject({
      state: "refused",
      lastError: { cause: expect.stringContaining("today") },
    });
    expect(await rig.item(gone.arn)).toMatchObject({
      state: "refused",
      lastError: { cause: expect.stringContaining("gone") },
    });
    await rig.expectExported(newer.arn);
    expect((await rig.events("SnapshotInvalid")).filter((event) => event.snapshotArn === gone.arn)).toHaveLength(1);
  });
});

describe("two runs at once", () => {
  it("start one task: the other run leaves it alone", async () => {
    const { arn } = rig.addSnapshot();
    const runs = await Promise.all([rig.run(), rig.run()]);
    expect(runs.map(({ status }) => status)).toEqual(["SUCCEEDED", "SUCCEEDED"]);
    const both = runs.flatMap(({ job }) => outcomes(job)).sort();
    expect(both).toContain("exported");
    expect(["already-exported", "claimed-elsewhere"]).toContain(both.find((outcome) => outcome !== "exported"));
    expect(await rig.tasksOf(arn)).toHaveLength(1);
    await rig.expectExported(arn);
  });
});

describe("a run that ends in the middle of an export", () => {
  it("leaves its task to the next run, which adopts it", async () => {
    const { arn, snapshotId } = rig.addSnapshot();
    rig.cloud.rds.arrange({ snapshotId, outcome: "slow", secondsPerTable: 36_000 });
    const executionArn = await rig.start();
    await until(async () => (await rig.item(arn))?.state === "running");
    await rig.states.send(new StopExecutionCommand({ executionArn }));
    // Not a leap: a request of the export's under way would arrive 21 minutes after it was signed.
    await rig.clock.sleep(21 * 60_000);
    const run = await rig.run();
    expect(outcomes(run.job), JSON.stringify(run.job.units)).toEqual(["exported"]);
    expect((await rig.expectExported(arn)).taskId).toMatch(/-a1$/);
    expect(await rig.tasksOf(arn)).toHaveLength(1);
  });
});

describe("a run that somebody cancels", () => {
  it("cancels the task in RDS, ends as cancelled, and says so", async () => {
    const { arn, snapshotId } = rig.addSnapshot();
    rig.cloud.rds.arrange({ snapshotId, outcome: "slow", secondsPerTable: 72_000 });
    const executionArn = await rig.start();
    await until(async () => (await rig.item(arn))?.state === "running");
    await rig.requestCancel(executionArn.split(":").at(-1) ?? "");
    const run = await rig.waitFor(executionArn);
    expect([run.status, run.job.state, ...outcomes(run.job)]).toEqual(["SUCCEEDED", "cancelled", "cancelled"]);
    expect((await rig.tasksOf(arn)).map(({ Status }) => Status)).toEqual(["CANCELED"]);
    expect(await rig.item(arn)).toMatchObject({ state: "cancelled" });
    expect((await rig.item(arn))?.claim).toBeUndefined();
    expect(await rig.events("SnapshotExportCancelled")).toEqual([expect.objectContaining({ snapshotArn: arn })]);
    expect(await rig.events("SnapshotExported")).toEqual([]);
  });

  it("starts nothing of what waits for a place", async () => {
    const { arn } = rig.addSnapshot();
    rig.cloud.rds.occupySlots(5);
    const executionArn = await rig.start();
    await until(async () => (await rig.item(arn))?.claim !== undefined);
    await rig.requestCancel(executionArn.split(":").at(-1) ?? "");
    const run = await rig.waitFor(executionArn);
    expect([run.job.state, ...outcomes(run.job)]).toEqual(["cancelled", "cancelled"]);
    expect(await rig.tasksOf(arn)).toEqual([]);
  });
});
