// The schema beside an export: which databases, under which keys, within which limits; and what is told of it.
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { ExportResult } from "../../../../lambdas/replication/exports/export-item.ts";
import { keepSchema } from "../../../../lambdas/replication/exports/keep-schema.ts";
import { exportableOf, exportIdOf } from "../../../../lambdas/replication/exports/snapshot.ts";
import { summariseExports } from "../../../../lambdas/replication/exports/summarise-exports.ts";
import { tellOfExport } from "../../../../lambdas/replication/exports/tell-of-export.ts";
import type { ConnectionTls, OnOmitted, SchemaReader } from "../../../../lambdas/replication/schemas/schema.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import type { JobUnit } from "../../../../lambdas/shared/jobs.ts";
import { now, snapshot } from "./snapshot-facts.ts";

function stage(
  read: (database: string, onOmitted: OnOmitted) => AsyncIterable<string>,
  databases: string[] = ["shop"],
  { host = "h", tls = { mode: "rds" } }: { host?: string; tls?: ConnectionTls } = {},
) {
  const written = new Map<string, string>();
  let isOpen = false;
  const reader: SchemaReader = {
    kind: "schema",
    databases: async () => ["a/b", "shop"],
    read,
    close: async () => {
      isOpen = false;
    },
  };
  const kept = keepSchema(
    { prefix: "mysql/rds-exports/orders", taskId: "t-a1", connection: { host, port: 3306, databases } },
    {
      credentials: async () => ({ username: "u", password: "p", tls }),
      open: async () => {
        isOpen = true;
        return reader;
      },
      write: async (key, pieces) => {
        let text = "";
        for await (const piece of pieces) text += piece;
        written.set(key, text);
        return { bytes: text.length, sha256: createHash("sha256").update(text).digest("hex") };
      },
      now: () => now,
    },
  );
  return { kept, written, isOpen: () => isOpen };
}

async function* pieces(...texts: string[]) {
  yield* texts;
}

describe("keeping a schema", () => {
  it("writes a file for each database that is named, beside the export's own folder", async () => {
    const { kept, written, isOpen } = stage((database) => pieces("-- ", database));
    expect(await kept).toMatchObject({
      kept: true,
      kind: "schema",
      files: [{ database: "shop", bytes: 7, omitted: [] }],
    });
    expect([...written]).toEqual([["mysql/rds-exports/orders/schema/t-a1/shop.sql", "-- shop"]]);
    expect(isOpen()).toBe(false);
  });

  it("writes all of the server's databases where none is named, whatever their names", async () => {
    const { kept, written } = stage((database) => pieces(database), []);
    await kept;
    expect([...written.keys()]).toEqual([
      "mysql/rds-exports/orders/schema/t-a1/a%2Fb.sql",
      "mysql/rds-exports/orders/schema/t-a1/shop.sql",
    ]);
  });

  it("names what the server did not show, within a limit", async () => {
    const { kept } = stage(async function* (_database, onOmitted) {
      for (let index = 0; index < 500; index += 1) onOmitted(`view v${index}: ${"x".repeat(1_000)}`);
      yield "";
    });
    const outcome = await kept;
    const omitted = outcome.kept ? outcome.files[0]?.omitted : [];
    expect(omitted).toHaveLength(100);
    expect(omitted?.[0]).toHaveLength(300);
  });

  it("sends no password in the clear to another machine, whatever the secret says", async () => {
    const tls = { mode: "off" } as const;
    const far = stage((database) => pieces(database), ["shop"], { host: "orders.example.internal", tls });
    await expect(far.kept).rejects.toMatchObject({
      name: "SchemaNotKept",
      message: expect.stringContaining("orders.example.internal"),
    });
    expect(far.written.size).toBe(0);
    for (const host of ["127.0.0.1", "localhost", "::1"]) {
      expect(await stage((database) => pieces(database), ["shop"], { host, tls }).kept).toMatchObject({ kept: true });
    }
  });

  it("says no more than the workflow's payloads hold, with the cure", async () => {
    const names = Array.from({ length: 400 }, (_, index) => `${"库".repeat(60)}${index}`);
    const { kept, isOpen } = stage((database) => pieces(database), names);
    await expect(kept).rejects.toMatchObject({
      name: "SchemaNotKept",
      message: expect.stringContaining("name those that matter"),
    });
    expect(isOpen()).toBe(false);
  });

  it("gives up, and closes the connection, when the server does, or when there is no end to it", async () => {
    const broken = stage(async function* () {
      yield "CREATE";
      throw new CausewayError("SchemaNotKept", "The database answers: gone");
    });
    await expect(broken.kept).rejects.toMatchObject({ name: "SchemaNotKept" });
    expect(broken.isOpen()).toBe(false);
    const endless = stage(async function* () {
      for (;;) yield "x".repeat(64 * 1024 ** 2);
    });
    await expect(endless.kept).rejects.toMatchObject({
      name: "SchemaNotKept",
      message: expect.stringContaining("268435456 bytes"),
    });
  });
});

const found = snapshot();
const line = { exportId: exportIdOf(found.arn), snapshot: exportableOf(found), force: false };
const result = {
  bucket: "backups",
  prefix: "mysql/rds-exports/orders",
  taskId: "t-a1",
  tables: 2,
  files: 3,
  missing: [] as string[],
  missingCount: 0,
  receiptKey: "r",
} as unknown as ExportResult;

async function tell(changes: Partial<ExportResult>, schema: Parameters<typeof tellOfExport>[0]["schema"] = null) {
  const units: object[] = [];
  const events: unknown[][] = [];
  await tellOfExport(
    { runId: "run", line, schema },
    { ...result, ...changes },
    {
      updateUnit: async (unit) => void units.push(unit),
      events: { send: async (...event) => void events.push(event) },
      now: () => now,
    },
  );
  return { unit: units[0], event: events[0] };
}

describe("what is told of an export", () => {
  it("is that it is there, with its tables and files", async () => {
    const { unit, event } = await tell({});
    expect(unit).toEqual({
      phase: "exported",
      outcome: "exported",
      receiptKey: "r",
      finishedAt: "2026-11-20T12:00:00.000Z",
    });
    expect(event).toEqual([
      "SnapshotExported",
      [expect.objectContaining({ prefix: "mysql/rds-exports/orders/t-a1/", tables: 2, files: 3 })],
    ]);
  });

  it("is that it is partial, never that it is there, with what is missing", async () => {
    const missing = Array.from({ length: 7 }, (_, index) => `shop.t${index}: skipped`);
    const { unit, event } = await tell({ missing, missingCount: 7 });
    expect(unit).toMatchObject({
      outcome: "partial",
      reason: expect.stringMatching(/^Missing: shop\.t0.*; and 2 more\.$/),
    });
    expect(event).toEqual(["SnapshotExportPartial", [expect.objectContaining({ missing, receiptKey: "r" })]]);
  });

  it("is a warning, and no more, when its schema was not kept", async () => {
    const { unit, event } = await tell({}, { kept: false, error: "SchemaNotKept", cause: "no way in" });
    expect(unit).toMatchObject({ outcome: "exported", reason: "The schema was not kept: SchemaNotKept: no way in" });
    expect(event?.[0]).toBe("SnapshotExported");
  });
});

describe("the summary of a run", () => {
  const unit = (outcome: string | undefined, reason?: string): JobUnit => ({
    unitId: "u",
    title: "orders s",
    phase: "",
    bytesTotal: 10,
    startedAt: "",
    ...(outcome !== undefined && { outcome }),
    ...(reason !== undefined && { reason }),
  });

  it.each<[string, JobUnit[], string]>([
    [
      "succeeded",
      [unit("exported"), unit("superseded", "r"), unit("set-aside", "r"), unit("already-exported", "r")],
      "1 exported, 1 already-exported, 1 superseded, 1 set-aside.",
    ],
    ["succeeded", [], "No snapshot was found."],
    ["succeeded-with-warnings", [unit("exported", "the schema was not kept")], "1 exported."],
    ["succeeded-with-warnings", [unit("partial")], "1 partial."],
    ["succeeded-with-warnings", [unit("waiting")], "1 waiting."],
    ["succeeded-with-warnings", [unit("refused")], "1 refused."],
    ["cancelled", [unit("cancelled"), unit("partial")], "1 partial, 1 cancelled."],
    ["failed", [unit("failed"), unit("cancelled")], "1 cancelled, 1 failed."],
    ["failed", [unit(undefined)], "1 failed."],
  ])("is %s", (state, units, sentence) => {
    expect(summariseExports("run", units, null)).toMatchObject({ state, sentence });
  });

  it("is failed when the run itself broke off, and says how", () => {
    const failure = { Error: "SnapshotNotFound", Cause: JSON.stringify({ errorMessage: "gone" }) };
    expect(summariseExports("run", [], failure)).toMatchObject({
      state: "failed",
      sentence: "The run broke off: SnapshotNotFound: gone",
    });
  });
});
