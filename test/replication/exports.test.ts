// Whole runs of exports on the local cloud: what is exported, what is not and why, what is partial, what fails.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { JobView } from "../../lambdas/shared/jobs.ts";
import type { FaultRule } from "../../local/rig/faults.ts";
import { ExportsRig } from "./exports-rig.ts";

let rig: ExportsRig;

beforeAll(async () => {
  rig = await ExportsRig.start();
});

afterEach(() => rig.faults.clear());

afterAll(async () => {
  await rig?.close();
});

const outcomeOf = (job: JobView, word: string) => job.units.find(({ title }) => title.includes(word))?.outcome;
const reasonOf = (job: JobView, word: string) => job.units.find(({ title }) => title.includes(word))?.reason ?? "";

/** What a Parquet file holds, as DuckDB reads it. */
async function rowsOf(parquet: Buffer): Promise<unknown[][]> {
  const folder = mkdtempSync(path.join(tmpdir(), "causeway-parquet-"));
  try {
    const file = path.join(folder, "part.parquet");
    writeFileSync(file, parquet);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const result = await connection.runAndReadAll(`SELECT * FROM '${file}' ORDER BY 1`);
    const rows = result.getRows();
    connection.closeSync();
    instance.closeSync();
    return rows;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("a run of exports", () => {
  it("exports the newest snapshot of each database that can be, and says of every other one why it is not", async () => {
    rig.addSnapshot({ databaseId: "orders", snapshotId: "orders-old", hoursOld: 25 });
    const orders = rig.addSnapshot({ databaseId: "orders", snapshotId: "orders-new", hoursOld: 2 });
    rig.cloud.rds.addSnapshot({ databaseId: "orders", snapshotId: "orders-theirs", type: "shared" });
    rig.cloud.rds.addSnapshot({ databaseId: "orders", snapshotId: "orders-coming", status: "creating" });
    const cluster = rig.addSnapshot({ databaseId: "ledger", engine: "aurora-postgresql" });
    rig.addSnapshot({ databaseId: "stale", hoursOld: 30 });
    rig.addSnapshot({ databaseId: "foreign", engine: "oracle-ee" });
    rig.cloud.rds.ensureDatabase({ databaseId: "bare", engine: "postgres", engineVersion: "16.3" });

    const run = await rig.run();
    expect(run.status, `${run.error} ${run.cause}`).toBe("SUCCEEDED");
    const { job } = run;
    expect(job.state).toBe("succeeded-with-warnings");
    expect(
      Object.fromEntries(
        ["orders-new", "orders-old", "orders-theirs", "orders-coming", "ledger", "stale", "foreign", "bare"].map(
          (word) => [word, outcomeOf(job, word)],
        ),
      ),
    ).toEqual({
      "orders-new": "exported",
      "orders-old": "superseded",
      "orders-theirs": "set-aside",
      "orders-coming": "set-aside",
      ledger: "exported",
      stale: "refused",
      foreign: "refused",
      bare: "refused",
    });
    expect(reasonOf(job, "orders-theirs")).toMatch(/^shared: it belongs to the account 999900001111/);
    expect(reasonOf(job, "stale")).toMatch(/^too old: .* 30 hours ago, and the recovery point objective is 26$/);
    expect(reasonOf(job, "foreign")).toMatch(/^engine: RDS exports no snapshots of oracle-ee/);
    const invalid = await rig.events("SnapshotInvalid");
    expect(invalid.map(({ databaseId }) => databaseId).sort()).toEqual(["bare", "foreign", "stale"]);

    const receipt = await rig.expectExported(orders.arn);
    expect(receipt.target.prefix).toMatch(/^mysql\/rds-exports\/orders\/e[0-9a-f]{40}-a1\/$/);
    expect((await rig.expectExported(cluster.arn)).target.prefix).toMatch(/^postgresql\/rds-exports\/ledger\//);
    const exported = await rig.events("SnapshotExported");
    expect(exported.map(({ databaseId, tables, files }) => [databaseId, tables, files]).sort()).toEqual([
      ["ledger", 2, 2],
      ["orders", 2, 2],
    ]);

    const [file = ""] = (await rig.keys(receipt.target.prefix)).filter((key) =>
      /orders\/shop\.customers|shop\.customers\/.*parquet$/.test(key),
    );
    const rows = await rowsOf(await rig.object(file));
    expect(rows).toHaveLength(20);
    expect(rows[2]).toEqual([3, "customers 3 你好"]);
  });

  it("exports nothing twice, and again when it is forced to", async () => {
    const { arn } = rig.addSnapshot({ databaseId: "once" });
    await rig.run({ snapshotArns: [arn] });
    const again = await rig.run({ snapshotArns: [arn] });
    expect(outcomeOf(again.job, "once")).toBe("already-exported");
    const forced = await rig.run({ snapshotArns: [arn], force: true });
    expect(outcomeOf(forced.job, "once")).toBe("exported");
    expect((await rig.tasksOf(arn)).map((task) => task.ExportTaskIdentifier?.slice(-3)).sort()).toEqual(["-a1", "-a2"]);
    expect((await rig.item(arn))?.result?.taskId).toMatch(/-a2$/);
  });

  it("is refused with a clear error when it is asked for what it does not understand or cannot find", async () => {
    const unknown = await rig.run({ snapshotArn: "arn" });
    expect([unknown.status, unknown.cause]).toEqual(["FAILED", expect.stringContaining("InputInvalid")]);
    const absent = "arn:aws:rds:us-east-1:000000000000:snapshot:absent";
    const missing = await rig.run({ snapshotArns: [absent] });
    expect(missing.job.state).toBe("failed");
    expect(missing.job.sentence).toContain(
      `SnapshotNotFound: Not among the snapshots of this account and region, nor shared with it: ${absent}`,
    );
  });

  it("is started by its schedule, under a name of its own, and says so", async () => {
    await rig.cloud.scheduler.fire("causeway-local-export-rds-snapshot", Date.parse("2026-11-21T05:00:00Z"));
    await rig.cloud.scheduler.settled();
    const executionArn = `${rig.cloud.output("ExportRdsSnapshotArn").replace(":stateMachine:", ":execution:")}:exports-20261121T050000Z`;
    await expect
      .poll(async () => (await rig.waitFor(executionArn).catch(() => undefined))?.status, { timeout: 30_000 })
      .toBe("SUCCEEDED");
    expect(await rig.events("ScheduledRunStarted")).toContainEqual({
      schedule: "causeway-local-export-rds-snapshot",
      scheduledTime: expect.stringContaining("2026-11-21T05:00:00"),
      runId: "exports-20261121T050000Z",
    });
  });
});

describe("an export that RDS calls complete", () => {
  it("is partial, never complete, when RDS warns, skipped a table, or states no success of one", async () => {
    const kinds = [
      { databaseId: "skipping", outcome: "skip-tables", missing: /orders: skipped by RDS/ },
      { databaseId: "failing-table", outcome: "failed-table", missing: /its status is FAILED/ },
      { databaseId: "warning", outcome: "general-warning", missing: /^RDS warns: / },
    ] as const;
    const snapshots = kinds.map(({ databaseId, outcome }) => {
      const snapshot = rig.addSnapshot({ databaseId });
      rig.cloud.rds.arrange({ snapshotId: snapshot.snapshotId, outcome });
      return snapshot;
    });
    const run = await rig.run({ snapshotArns: snapshots.map(({ arn }) => arn) });
    expect([run.status, run.job.state]).toEqual(["SUCCEEDED", "succeeded-with-warnings"]);
    const partial = await rig.events("SnapshotExportPartial");
    for (const [index, { databaseId, missing }] of kinds.entries()) {
      expect(outcomeOf(run.job, databaseId)).toBe("partial");
      expect(reasonOf(run.job, databaseId)).toMatch(/^Missing: /);
      const item = await rig.item(snapshots[index]?.arn ?? "");
      expect(item?.state).toBe("partial");
      const receipt = await rig.receipt(item?.result?.receiptKey ?? "");
      expect(receipt.outcome).toBe("partial");
      expect(receipt.missing).toEqual([expect.stringMatching(missing)]);
      expect(partial.find((event) => event.databaseId === databaseId)).toMatchObject({ missing: receipt.missing });
    }
    const told = (await rig.events("SnapshotExported")).map(({ databaseId }) => databaseId);
    expect(told).not.toContain("skipping");
  });

  it("is complete when RDS only remarks on its own empty database", async () => {
    const { arn, snapshotId } = rig.addSnapshot({ databaseId: "remarked", engine: "postgres" });
    rig.cloud.rds.arrange({ snapshotId, outcome: "database-warning" });
    await rig.run({ snapshotArns: [arn] });
    const receipt = await rig.expectExported(arn);
    expect(receipt.remarks).toEqual([expect.stringMatching(/^postgres: /)]);
  });
});

describe("an export that goes wrong", () => {
  it("fails with RDS's cause, and the next run makes the next attempt", async () => {
    const { arn, snapshotId } = rig.addSnapshot({ databaseId: "broken" });
    rig.cloud.rds.arrange({ snapshotId, outcome: "fail", cause: "The LOB in shop.orders is too large." });
    const failed = await rig.run({ snapshotArns: [arn] });
    expect(failed.status).toBe("FAILED");
    expect(reasonOf(failed.job, "broken")).toBe("ExportFailed: The LOB in shop.orders is too large.");
    expect(await rig.item(arn)).toMatchObject({ state: "failed", lastError: { error: "ExportFailed" }, attempt: 1 });
    expect((await rig.item(arn))?.claim).toBeUndefined();
    expect(await rig.events("SnapshotExportFailed")).toContainEqual(
      expect.objectContaining({
        databaseId: "broken",
        error: "ExportFailed",
        cause: "The LOB in shop.orders is too large.",
      }),
    );
    const next = await rig.run({ snapshotArns: [arn] });
    expect(outcomeOf(next.job, "broken")).toBe("exported");
    expect((await rig.expectExported(arn)).taskId).toMatch(/-a2$/);
  });

  it("is no failure when the snapshot is deleted while it runs: RDS goes on without it", async () => {
    const { arn, snapshotId } = rig.addSnapshot({ databaseId: "vanishing" });
    rig.cloud.rds.arrange({ snapshotId, outcome: "snapshot-deleted" });
    const run = await rig.run({ snapshotArns: [arn] });
    expect(outcomeOf(run.job, "vanishing")).toBe("exported");
    await rig.expectExported(arn);
  });

  it("ends well when RDS throttles, breaks off, and answers too late", async () => {
    const { arn } = rig.addSnapshot({ databaseId: "throttled" });
    const troubles: FaultRule[] = [
      { service: "rds", operation: "DescribeDBSnapshots", times: 2, effect: { kind: "throttle" } },
      { service: "rds", operation: "StartExportTask", effect: { kind: "reset-after-work" } },
      { service: "rds", operation: "DescribeExportTasks", fromCall: 2, times: 2, effect: { kind: "throttle" } },
      { service: "s3", operation: "ListObjectsV2", times: 2, effect: { kind: "throttle" } },
      { service: "dynamodb", operation: "UpdateItem", fromCall: 3, times: 2, effect: { kind: "fail-after-work" } },
    ];
    rig.faults.add(...troubles);
    const run = await rig.run({ snapshotArns: [arn] });
    expect(run.status, `${run.error} ${run.cause}`).toBe("SUCCEEDED");
    await rig.expectExported(arn);
    expect(await rig.tasksOf(arn)).toHaveLength(1);
  });
});
