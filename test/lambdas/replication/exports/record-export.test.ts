// What an export has left, judged: complete only if everything says so; and the receipt that states it, written once.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ExportItem, ExportResult } from "../../../../lambdas/replication/exports/export-item.ts";
import { signedExportReceiptSchema } from "../../../../lambdas/replication/exports/export-receipt.ts";
import type { ExportTask } from "../../../../lambdas/replication/exports/export-task.ts";
import { readExport } from "../../../../lambdas/replication/exports/read-export.ts";
import { recordExport } from "../../../../lambdas/replication/exports/record-export.ts";
import { exportableOf, exportIdOf, taskIdOf } from "../../../../lambdas/replication/exports/snapshot.ts";
import { now, snapshot } from "./snapshot-facts.ts";

const me = "arn:aws:states:x:1:execution:me";
const found = snapshot();
const exportId = exportIdOf(found.arn);
const taskId = taskIdOf(exportId, 1);
const prefix = "mysql/rds-exports/orders";
const place = `${prefix}/${taskId}/`;

const task: ExportTask = {
  taskId,
  status: "COMPLETE",
  bucket: "backups",
  prefix,
  percent: 100,
  startedAt: "2026-11-20T10:00:00.000Z",
  endedAt: "2026-11-20T11:00:00.000Z",
  failureCause: null,
  warningMessage: null,
  extractedGigabytes: 1,
};

const complete = (target: string, more: object = {}) => ({ target, status: "COMPLETE", sizeGB: 0.001, ...more });
const infoText = JSON.stringify({ exportTaskIdentifier: taskId, status: "COMPLETE", extra: 1 });

/** The objects of an export: RDS's lists with these tables, and a Parquet file of each folder. */
function objects(tables: object[], folders: string[], more: Record<string, string> = {}): Record<string, string> {
  return {
    [`${place}export_info_${taskId}.json`]: infoText,
    [`${place}export_tables_info_${taskId}_from_1_to_${tables.length}.json`]: JSON.stringify({
      perTableStatus: tables,
    }),
    ...Object.fromEntries(folders.map((folder) => [`${place}${folder}/1/part-00000-u-c000.gz.parquet`, "PAR1data"])),
    ...more,
  };
}

const filesOf = (there: Record<string, string>) => ({
  async *list(start: string) {
    for (const [key, text] of Object.entries(there).sort(([left], [right]) => (left < right ? -1 : 1))) {
      if (key.startsWith(start)) yield { key, bytes: text.length };
    }
  },
  readText: async (key: string) => there[key] ?? "",
});

const read = (there: Record<string, string>, changes: Partial<ExportTask> = {}) =>
  readExport({ ...task, ...changes }, filesOf(there));

const good = objects(
  [complete("shop.orders"), complete("shop.customers")],
  ["shop/shop.orders", "shop/shop.customers"],
);

describe("an export", () => {
  it("is complete when every table has success and its files are there", async () => {
    expect(await read(good)).toEqual({
      isComplete: true,
      missing: [],
      remarks: [],
      tables: [
        { target: "shop.orders", status: "COMPLETE", files: 1, bytes: 8 },
        { target: "shop.customers", status: "COMPLETE", files: 1, bytes: 8 },
      ],
      files: 2,
      bytes: 16,
      objects: 4,
      statusFiles: 1,
    });
  });

  it("is read from many lists, and finds tables of PostgreSQL and of names that RDS changed", async () => {
    const facts = await read(
      objects([complete("shop.public.orders")], ["shop/public.orders", "shop/my_schema.a_b"], {
        [`${place}export_tables_info_${taskId}_from_2_to_2.json`]: JSON.stringify({
          perTableStatus: [complete('shop.my schema.a"b'), complete("shop.public.empty", { sizeGB: 0 })],
        }),
        [`${place}shop/public.empty/1/_SUCCESS`]: "",
      }),
    );
    expect(facts).toMatchObject({ isComplete: true, statusFiles: 2, files: 2, objects: 6 });
    expect(facts.tables.map(({ target, files }) => [target, files])).toContainEqual(['shop.my schema.a"b', 1]);
  });

  it("takes a remark on PostgreSQL's own empty database as that", async () => {
    const facts = await read(
      objects([complete("shop.public.o"), { target: "postgres", warningMessage: "empty" }], ["shop/public.o"]),
    );
    expect([facts.isComplete, facts.remarks]).toEqual([true, ["postgres: empty"]]);
  });

  it.each<[string, Record<string, string>, Partial<ExportTask>, (string | RegExp)[]]>([
    [
      "RDS skipped tables, stated as objects or as texts",
      good,
      {
        warningMessage: JSON.stringify({
          skippedTables: [{ target: "shop.big", reason: "ROW_TOO_LARGE" }, "shop.odd"],
          skippedObjectives: [],
          general: [{ reason: "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE" }],
        }),
      },
      [
        "shop.big: skipped by RDS: ROW_TOO_LARGE",
        "shop.odd: skipped by RDS",
        "RDS warns: FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE",
      ],
    ],
    ["RDS warns in words nobody knows", good, { warningMessage: "beware" }, ["RDS warns: beware"]],
    ["RDS warns of nothing in particular", good, { warningMessage: '{"general":[]}' }, [/^RDS warns: /]],
    [
      "a table has no success",
      objects([complete("shop.o"), { target: "shop.p", status: "FAILED", warningMessage: "w" }], ["shop/shop.o"]),
      {},
      ["shop.p: its status is FAILED (w)"],
    ],
    ["a table has no status", objects([{ target: "shop.p", warningMessage: "skipped" }], []), {}, ["shop.p: skipped"]],
    [
      "a table's partitions are not all there",
      objects(
        [
          complete("shop.o", {
            tableStatistics: { partitioningInfo: { numberOfPartitions: "3", numberOfCompletedPartitions: "2" } },
          }),
        ],
        ["shop/shop.o"],
      ),
      {},
      ["shop.o: 2 of its 3 partitions are exported"],
    ],
    [
      "a table's files are not there",
      objects([complete("shop.o")], []),
      {},
      ["shop.o: RDS calls it exported, and no file of it is in S3"],
    ],
    [
      "a folder has no status",
      objects([complete("shop.o")], ["shop/shop.o", "shop/shop.p"]),
      {},
      [/^1 folders of tables/],
    ],
    [
      "a whole database is warned of",
      objects([complete("shop.o"), { target: "crm", warningMessage: "no access" }], ["shop/shop.o"]),
      {},
      ["crm: no access"],
    ],
    [
      "a list is broken",
      { ...good, [`${place}export_tables_info_${taskId}_from_9_to_9.json`]: "{" },
      {},
      [/the list is not as RDS documents it$/],
    ],
    [
      "export_info states another status",
      { ...good, [`${place}export_info_${taskId}.json`]: infoText.replace("COMPLETE", "FAILED") },
      {},
      [/it states the status FAILED/],
    ],
    [
      "export_info speaks of another task",
      { ...good, [`${place}export_info_${taskId}.json`]: infoText.replace(taskId, "other") },
      {},
      [/speaks of the task other/],
    ],
    ["nothing is there", {}, {}, [/^export_info: RDS left none/, /^export_tables_info: RDS left no list/]],
  ])("is partial when %s", async (_what, there, changes, missing) => {
    const facts = await read(there, changes);
    expect(facts.isComplete).toBe(false);
    expect(facts.missing).toEqual(missing.map((one) => (typeof one === "string" ? one : expect.stringMatching(one))));
  });
});

function stage(
  there: Record<string, string>,
  changes: { item?: Partial<ExportItem>; task?: Partial<ExportTask> } = {},
) {
  const receipts = new Map<string, string>();
  const finished: [string, ExportResult][] = [];
  const item = { exportId, snapshot: exportableOf(found), state: "running", ...changes.item } as ExportItem;
  const ports = {
    exports: {
      read: async () => item,
      renewClaim: async () => undefined,
      finish: async (_id: string, _arn: string, state: string, result: ExportResult) =>
        void finished.push([state, result]),
    },
    tasks: { read: async () => ({ ...task, ...changes.task }) },
    files: filesOf(there),
    receipts: {
      writeOnce: async (key: string, body: string) => {
        if (!receipts.has(key)) receipts.set(key, body);
        return receipts.get(key) ?? "";
      },
    },
    key: { sign: async () => ({ keyId: "k", value: "v" }) },
    now: () => now,
  };
  const record = () => recordExport({ runId: "r", executionArn: me, exportId, taskId, schema: null }, ports);
  return { record, receipts, finished };
}

const receiptKey = `receipts/${place}export.json`;

describe("a receipt", () => {
  it("is written once, outside every mirrored prefix, and found again by whoever comes later", async () => {
    const { record, receipts, finished } = stage(good);
    const first = await record();
    expect([...receipts.keys()]).toEqual([receiptKey]);
    expect(await record()).toEqual(first);
    expect(finished.map(([state]) => state)).toEqual(["complete", "complete"]);
    const text = receipts.get(receiptKey) ?? "";
    expect(first.receiptSha256).toBe(createHash("sha256").update(text).digest("hex"));
    expect(signedExportReceiptSchema.parse(JSON.parse(text)).receipt).toMatchObject({
      outcome: "complete",
      restorability: "parquet-analytic",
    });
  });

  it("says partial, with what is missing, for anything less", async () => {
    const { record, receipts, finished } = stage(good, { task: { warningMessage: "beware" } });
    await record();
    expect(finished.map(([state]) => state)).toEqual(["partial"]);
    expect(JSON.parse(receipts.get(receiptKey) ?? "").receipt).toMatchObject({
      outcome: "partial",
      missing: ["RDS warns: beware"],
      warningMessage: "beware",
    });
  });

  it("is never replaced by one of other facts", async () => {
    const { record, receipts } = stage(good);
    await record();
    const changed = stage({ ...good, [`${place}shop/shop.orders/1/part-00001.gz.parquet`]: "PAR1" });
    changed.receipts.set(receiptKey, receipts.get(receiptKey) ?? "");
    await expect(changed.record()).rejects.toMatchObject({ name: "ReceiptConflict" });
    changed.receipts.set(receiptKey, "{}");
    await expect(changed.record()).rejects.toMatchObject({ name: "ReceiptConflict" });
  });

  it("of many tables points to their list by its SHA-256, and names only the first of many losses", async () => {
    const names = Array.from({ length: 1_000 }, (_, index) => `shop.t${index}`);
    const tables = names.map((name, index) => (index < 300 ? { target: name, status: "FAILED" } : complete(name)));
    const { record, receipts } = stage(
      objects(
        tables,
        names.map((name) => `shop/${name}`),
      ),
    );
    const result = await record();
    expect([result.tables, result.missingCount, result.missing.length]).toEqual([1_000, 300, 100]);
    const { receipt } = JSON.parse(receipts.get(receiptKey) ?? "");
    const list = receipts.get(receipt.tables.file.key) ?? "";
    expect(receipt.tables.list).toEqual([]);
    expect(createHash("sha256").update(list).digest("hex")).toBe(receipt.tables.file.sha256);
    expect(list.split("\n").filter((line) => line !== "")).toHaveLength(1_000);
    expect((receipts.get(receiptKey) ?? "").length).toBeLessThan(50_000);
  });

  it("waits for RDS's last file for a while, before it calls it missing", async () => {
    const { [`${place}export_info_${taskId}.json`]: _late, ...rest } = good;
    const young = stage(rest, { task: { endedAt: new Date(now - 60_000).toISOString() } });
    await expect(young.record()).rejects.toMatchObject({ name: "TargetUnavailable", retryable: true });
    const old = stage(rest, { task: { endedAt: new Date(now - 700_000).toISOString() } });
    await old.record();
    expect(old.finished.map(([state]) => state)).toEqual(["partial"]);
  });

  it("is not made of a task that is not complete", async () => {
    await expect(stage(good, { task: { status: "IN_PROGRESS" } }).record()).rejects.toMatchObject({
      name: "ExportFailed",
    });
  });
});
