// Exports that leave something out, or fail: by what is in the database, by missing permissions, or as arranged.
import { afterEach, describe, expect, test } from "vitest";
import { bucket, exportRoleArn, RdsRig, snapshotArn } from "./rds-rig.ts";
import { shop } from "./shop-database.ts";

let rig: RdsRig;
afterEach(() => rig.close());

async function shopRig() {
  rig = await RdsRig.start();
  rig.rds.ensureDatabase(shop);
  rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-1" });
}

describe("an export that is not whole", () => {
  test("tables whose names or columns AWS cannot write are left out with a warning, though the task is COMPLETE", async () => {
    rig = await RdsRig.start();
    const table = (name: string, column: string) => ({
      database: "odd",
      name,
      columns: [{ name: column, type: "int" }],
      rows: [[1]],
    });
    rig.rds.ensureDatabase({
      databaseId: "odd",
      engine: "mysql",
      engineVersion: "8.4",
      tables: [table("good", "id"), table("a/b", "id"), table("spaced", "two words"), table("braced", "a{b")],
    });
    rig.rds.addSnapshot({ databaseId: "odd", snapshotId: "odd-1" });
    const task = await rig.exportSnapshot({ SourceArn: snapshotArn("odd-1") });
    expect(task.Status).toBe("COMPLETE");
    const { skippedTables, skippedObjectives, general } = JSON.parse(task.WarningMessage ?? "");
    expect(skippedTables.map(({ target }: { target: string }) => target)).toEqual([
      "odd.odd.a/b",
      "odd.odd.spaced",
      "odd.odd.braced",
    ]);
    expect([skippedObjectives, general]).toEqual([[], []]);
    const written = (await rig.keys()).filter((key) => key.endsWith(".parquet"));
    expect(written.every((key) => key.includes("/odd.good/"))).toBe(true);
    const { perTableStatus } = await rig.json("mysql/shop/t1/export_tables_info_t1_from_1_to_4.json");
    expect((perTableStatus as { status?: string }[]).map(({ status }) => status)).toEqual([
      "COMPLETE",
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("skipped tables, general warnings and failed tables can be asked for, each for one export", async () => {
    await shopRig();
    rig.rds.arrange({ outcome: "skip-tables", tables: ["shop.shop.orders"] });
    rig.rds.arrange({ snapshotId: "another", outcome: "fail" });
    rig.rds.arrange({ snapshotId: "shop-1", outcome: "general-warning" });
    rig.rds.arrange({ outcome: "failed-table", table: "shop.shop.empty" });
    const skipped = await rig.exportSnapshot({ ExportTaskIdentifier: "skipped" });
    expect(JSON.parse(skipped.WarningMessage ?? "").skippedTables).toMatchObject([{ target: "shop.shop.orders" }]);
    expect((await rig.keys()).some((key) => key.includes("skipped/shop/shop.orders/"))).toBe(false);
    const warned = await rig.exportSnapshot({ ExportTaskIdentifier: "warned" });
    expect(warned).toMatchObject({
      Status: "COMPLETE",
      WarningMessage:
        '{"skippedTables":[],"skippedObjectives":[],"general":[{"reason":"FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE"}]}',
    });
    const failedTable = await rig.exportSnapshot({ ExportTaskIdentifier: "failed-table" });
    expect(failedTable).not.toHaveProperty("WarningMessage");
    const { perTableStatus } = await rig.json(
      "mysql/shop/failed-table/export_tables_info_failed-table_from_1_to_4.json",
    );
    expect(perTableStatus).toMatchObject([{}, {}, { target: "shop.shop.empty", status: "FAILED" }, {}]);
    expect(await rig.exportSnapshot({ ExportTaskIdentifier: "good" })).not.toHaveProperty("WarningMessage");
  });

  test("objectives that are skipped are a warning, a note on an empty database is none", async () => {
    await shopRig();
    rig.rds.arrange({ outcome: "skipped-objectives", reason: "ODD" });
    rig.rds.arrange({ outcome: "database-warning" });
    const skipped = await rig.exportSnapshot({ ExportTaskIdentifier: "skipped" });
    expect(JSON.parse(skipped.WarningMessage ?? "").skippedObjectives).toEqual([{ reason: "ODD" }]);
    const noted = await rig.exportSnapshot({ ExportTaskIdentifier: "noted" });
    expect(noted).not.toHaveProperty("WarningMessage");
    const { perTableStatus } = await rig.json("mysql/shop/noted/export_tables_info_noted_from_1_to_5.json");
    expect((perTableStatus as object[]).at(-1)).toEqual({ target: "postgres", warningMessage: expect.any(String) });
  });

  test("a failed task says why, and leaves what it wrote, but neither document", async () => {
    await shopRig();
    rig.rds.arrange({ outcome: "fail", cause: "The disk was full.", afterTables: 1 });
    expect(await rig.exportSnapshot()).toMatchObject({ Status: "FAILED", FailureCause: "The disk was full." });
    const keys = await rig.keys();
    expect(keys.filter((key) => key.includes("shop.orders/"))).not.toEqual([]);
    expect(keys.filter((key) => key.includes("every_type") || key.includes("export_"))).toEqual([]);
  });

  test("a role that loses its permission under way fails the task in AWS's words", async () => {
    await shopRig();
    await rig.startExport();
    rig.iam.withhold({
      roleArn: exportRoleArn,
      policyName: "own",
      statementIndex: 1,
      action: "s3:PutObject*",
    });
    await rig.rds.settled();
    expect(await rig.task("t1")).toMatchObject({
      Status: "FAILED",
      FailureCause: `The IAM role ${exportRoleArn} isn't authorized to call s3:PutObject on the S3 bucket ${bucket}. Review your permissions and retry the export.`,
    });
  });

  test("a value that is not of its column's type fails the task, and the operator is told which", async () => {
    rig = await RdsRig.start();
    rig.rds.ensureDatabase({
      databaseId: "bad",
      engine: "mysql",
      engineVersion: "8.4",
      tables: [{ database: "bad", name: "t", columns: [{ name: "price", type: "decimal(4,2)" }], rows: [["123.45"]] }],
    });
    rig.rds.addSnapshot({ databaseId: "bad", snapshotId: "bad-1" });
    const task = await rig.exportSnapshot({ SourceArn: snapshotArn("bad-1") });
    expect(task).toMatchObject({ Status: "FAILED", FailureCause: "An unknown internal error occurred." });
    expect(rig.problems).toEqual([
      "The export t1 failed: price (decimal(4,2)): 123.45 is no decimal of 4 digits, 2 of them after the point",
    ]);
  });
});
