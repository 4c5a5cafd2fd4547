// Exports of snapshots under the official client: what lies in the bucket, read back with DuckDB.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterEach, describe, expect, test } from "vitest";
import { bucket, RdsRig, snapshotArn } from "./rds-rig.ts";
import { everyType, orderRows, shop } from "./shop-database.ts";

let rig: RdsRig;
let folder: string | undefined;
afterEach(async () => {
  await rig.close();
  if (folder) rmSync(folder, { recursive: true });
  folder = undefined;
});

async function shopRig() {
  rig = await RdsRig.start();
  rig.rds.ensureDatabase(shop);
  rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-1" });
}

/** Downloads what lies under the prefix and asks DuckDB; values come as JSON would write them. */
async function query(keyPart: string, select: string): Promise<unknown[][]> {
  folder ??= mkdtempSync(path.join(tmpdir(), "causeway-duckdb-"));
  const keys = (await rig.keys()).filter((key) => key.includes(keyPart) && key.endsWith(".parquet"));
  const files: string[] = [];
  for (const key of keys) {
    const file = path.join(folder, key.replaceAll("/", "_"));
    writeFileSync(file, await rig.object(key));
    files.push(file);
  }
  const instance = await DuckDBInstance.create(":memory:");
  try {
    const connection = await instance.connect();
    const list = files.map((file) => `'${file}'`).join(", ");
    const reader = await connection.runAndReadAll(select.replaceAll("FILES", `read_parquet([${list}])`));
    return reader.getRowsJson() as unknown[][];
  } finally {
    instance.closeSync();
  }
}

describe("what an export writes", () => {
  test("every row of every table is there, in the layout of AWS", async () => {
    await shopRig();
    expect(await rig.startExport()).toMatchObject({
      Status: "STARTING",
      PercentProgress: 0,
      TotalExtractedDataInGB: 0,
    });
    await rig.rds.settled();
    expect(await rig.task("t1")).toMatchObject({ Status: "COMPLETE", PercentProgress: 100, S3Prefix: "mysql/shop" });
    expect(await rig.task("t1")).not.toHaveProperty("WarningMessage");
    const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
    expect((await rig.keys()).map((key) => key.replace(uuid, "UUID"))).toEqual([
      "mysql/shop/t1/audit/audit.log/1/_SUCCESS",
      "mysql/shop/t1/audit/audit.log/1/part-00000-UUID-c000.gz.parquet",
      "mysql/shop/t1/audit/audit.log/2/_SUCCESS",
      "mysql/shop/t1/audit/audit.log/2/part-00000-UUID-c000.gz.parquet",
      "mysql/shop/t1/export_info_t1.json",
      "mysql/shop/t1/export_tables_info_t1_from_1_to_4.json",
      "mysql/shop/t1/shop/shop.empty/1/_SUCCESS",
      "mysql/shop/t1/shop/shop.every_type/1/_SUCCESS",
      "mysql/shop/t1/shop/shop.every_type/1/part-00000-UUID-c000.gz.parquet",
      "mysql/shop/t1/shop/shop.orders/1/_SUCCESS",
      // No part 1: no order has a number in that range.
      "mysql/shop/t1/shop/shop.orders/1/part-00000-UUID-c000.gz.parquet",
      "mysql/shop/t1/shop/shop.orders/1/part-00002-UUID-c000.gz.parquet",
      "mysql/shop/t1/shop/shop.orders/1/part-00002-UUID-c001.gz.parquet",
    ]);
    const counts =
      "SELECT count(*)::INT, count(DISTINCT id)::INT, sum(total)::VARCHAR, count(customer)::INT FROM FILES";
    const total = Array.from({ length: orderRows }, (_none, index) => index * 100 + (index % 100)).reduce(
      (a, b) => a + b,
    );
    const withCustomer = orderRows - Math.ceil(orderRows / 7);
    expect(await query("shop.orders/", counts)).toEqual([
      [orderRows, orderRows, (total / 100).toFixed(2), withCustomer],
    ]);
    expect(await query("audit.log/", "SELECT count(*)::INT, count(DISTINCT line)::INT FROM FILES")).toEqual([
      [5_000, 5_000],
    ]);
  });

  test("values come back as they were, whatever their type", async () => {
    await shopRig();
    await rig.exportSnapshot();
    const names = everyType.columns.map(({ name }) => (name === "bytes" ? "hex(bytes)" : `"${name}"::VARCHAR`));
    expect(await query("every_type", `SELECT ${names.join(", ")} FROM FILES`)).toEqual([
      [
        "-9223372036854775808",
        "18446744073709551615",
        "-2147483648",
        "4294967295",
        "-1234.567",
        "1234567890123456789012345678.0123456789",
        "0.1",
        "1969-12-31 23:59:59.5",
        "2026-11-20",
        'naïve — 中文 🚢\n\t"quoted"',
        "00FF80",
        '{"a":[1,null]}',
      ],
      Array(12).fill(null),
    ]);
    const types = await query("every_type", "DESCRIBE SELECT * FROM FILES");
    expect(types.map(([name, type]) => `${name} ${type}`)).toEqual([
      "big BIGINT",
      "huge DECIMAL(20,0)",
      "int INTEGER",
      "uint BIGINT",
      "small_decimal DECIMAL(7,3)",
      "long_decimal DECIMAL(38,10)",
      "ratio DOUBLE",
      "at TIMESTAMP",
      "day VARCHAR",
      "text VARCHAR",
      "bytes BLOB",
      "json VARCHAR",
    ]);
  });

  test("its documents tell the status of every table, and are written after the tables", async () => {
    await shopRig();
    const { TaskStartTime, TaskEndTime } = await rig.exportSnapshot();
    const info = await rig.json("mysql/shop/t1/export_info_t1.json");
    expect([info.taskStartTime, info.taskEndTime]).toEqual([TaskStartTime?.toISOString(), TaskEndTime?.toISOString()]);
    expect(info).toMatchObject({
      exportTaskIdentifier: "t1",
      status: "COMPLETE",
      percentProgress: 100,
      exportedFilesPath: "mysql/shop/t1",
      s3Bucket: bucket,
      kmsKeyId: rig.keyArn,
      exportOnly: [],
    });
    const { perTableStatus } = await rig.json("mysql/shop/t1/export_tables_info_t1_from_1_to_4.json");
    const puts = rig.iam.calls.list().filter(({ action }) => action === "s3:PutObject");
    expect(puts.slice(-2).map(({ resource }) => resource.slice(resource.indexOf("export_")))).toEqual([
      "export_tables_info_t1_from_1_to_4.json",
      "export_info_t1.json",
    ]);
    expect(perTableStatus).toMatchObject([
      {
        target: "shop.shop.orders",
        status: "COMPLETE",
        tableStatistics: { partitioningInfo: { numberOfPartitions: "3" } },
      },
      { target: "shop.shop.every type", status: "COMPLETE" },
      { target: "shop.shop.empty", status: "COMPLETE" },
      { target: "audit.audit.log", status: "COMPLETE" },
    ]);
    expect(perTableStatus).toMatchObject([
      {
        schemaMetadata: {
          originalTypeMappings: [{ columnName: "id", originalType: "bigint unsigned" }, {}, {}, {}, {}],
        },
      },
      {},
      {},
      {},
    ]);
  });

  test("PostgreSQL keeps decimals and times as text, and its tables under their schema", async () => {
    rig = await RdsRig.start();
    rig.rds.ensureDatabase({
      databaseId: "pg",
      engine: "aurora-postgresql",
      engineVersion: "16.4",
      tables: [
        {
          database: "app",
          schema: "sales",
          name: "rows",
          columns: [
            { name: "id", type: "integer" },
            { name: "price", type: "numeric(20,4)" },
            { name: "at", type: "timestamp with time zone" },
            { name: "ok", type: "boolean" },
            { name: "raw", type: "bytea" },
          ],
          primaryKey: "id",
          rows: [[1, "1.2300", "2026-11-20 03:30:00+00", 1, new Uint8Array([7])]],
        },
      ],
    });
    const { arn } = rig.rds.addSnapshot({ databaseId: "pg", snapshotId: "rds:pg-2026-11-20", type: "automated" });
    expect(arn).toContain(":cluster-snapshot:rds:pg-2026-11-20");
    await rig.exportSnapshot({ SourceArn: arn });
    expect((await rig.keys()).filter((key) => key.includes("/app/sales.rows/1/part-00000-"))).toHaveLength(1);
    expect(await query("sales.rows", 'SELECT id, price, "at", ok, hex(raw) FROM FILES')).toEqual([
      [1, "1.2300", "2026-11-20 03:30:00+00", true, "07"],
    ]);
  });

  test("a SQLite file of the user's is exported as its tables are called", async () => {
    rig = await RdsRig.start();
    folder = mkdtempSync(path.join(tmpdir(), "causeway-sqlite-"));
    const file = path.join(folder, "own.sqlite");
    const own = new DatabaseSync(file);
    own.exec(`CREATE TABLE "crm.people" (id INTEGER PRIMARY KEY, name VARCHAR(20), born DATE);
      INSERT INTO "crm.people" VALUES (1, 'Ada', '1815-12-10'), (2, NULL, NULL);
      CREATE TABLE notes (text); INSERT INTO notes VALUES ('x')`);
    own.close();
    rig.rds.ensureDatabase({ databaseId: "my-own", engine: "mariadb", engineVersion: "10.11", sqliteFile: file });
    rig.rds.addSnapshot({ databaseId: "my-own", snapshotId: "own-1" });
    await rig.exportSnapshot({ SourceArn: snapshotArn("own-1") });
    expect(await query("/crm/crm.people/", "SELECT id, name, born FROM FILES ORDER BY id")).toEqual([
      [1, "Ada", "1815-12-10"],
      [2, null, null],
    ]);
    expect(await query("/my_own/my_own.notes/", "SELECT text FROM FILES")).toEqual([["x"]]);
  });

  test("a snapshot keeps what was in the database when it was taken", async () => {
    await shopRig();
    const live = new DatabaseSync(path.join(rig.folder, "rds", "databases", "shop.sqlite"));
    live.exec("DELETE FROM table_1 WHERE id > 10");
    live.close();
    rig.rds.ensureDatabase(shop);
    rig.rds.addSnapshot({ databaseId: "shop", snapshotId: "shop-1" });
    await rig.exportSnapshot();
    expect(await query("shop.orders/", "SELECT count(*)::INT FROM FILES")).toEqual([[orderRows]]);
  });

  test("only what ExportOnly names is written", async () => {
    await shopRig();
    await rig.exportSnapshot({ ExportOnly: ["audit", "shop.orders"] });
    const { perTableStatus } = await rig.json("mysql/shop/t1/export_tables_info_t1_from_1_to_2.json");
    expect(perTableStatus).toMatchObject([{ target: "shop.shop.orders" }, { target: "audit.audit.log" }]);
    expect((await rig.json("mysql/shop/t1/export_info_t1.json")).exportOnly).toEqual(["audit", "shop.orders"]);
  });
});
