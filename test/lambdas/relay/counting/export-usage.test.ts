// Exports: CSV and Parquet that other programs read back as the records were; bounded memory; jobs that tell how it ended.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ExportPorts, exportUsage } from "../../../../lambdas/relay/counting/export-usage.ts";
import type { LaneRecord } from "../../../../lambdas/relay/counting/roll-up.ts";
import { partitionOf } from "../../../../lambdas/relay/counting/usage-partition.ts";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { formats } from "../../../../lambdas/relay/formats/index.ts";
import type { Job } from "../../../../lambdas/shared/jobs.ts";
import { noon, recordAt } from "./sample-records.ts";

const hour = 3_600_000;
const yesterday = Date.parse("2026-11-19T00:00:00.000Z");

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), "relay-export-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function rig(records: readonly UsageRecord[], changes: Partial<ExportPorts> = {}) {
  const byPartition = Map.groupBy(records, ({ requestId }) => partitionOf(requestId));
  const files = new Map<string, Buffer[]>();
  const finished = new Set<string>();
  const jobs = new Map<string, Partial<Job>>();
  const note = (jobId: string, job: Partial<Job>) => void jobs.set(jobId, { ...jobs.get(jobId), ...job });
  const ports: ExportPorts = {
    async *records(lane) {
      yield (byPartition.get(`r#${lane.name}`) ?? []).map((record): LaneRecord => ({ ...record, expiresAt: 0 }));
    },
    open(key) {
      files.set(key, []);
      return {
        write: async (bytes) => void files.get(key)?.push(Buffer.from(bytes)),
        finish: async () => {
          finished.add(key);
          return Buffer.concat(files.get(key) ?? []).length;
        },
        abort: async () => void files.delete(key),
      };
    },
    putJob: async (job) => note(job.jobId, job),
    finishJob: async (jobId, end) => note(jobId, end),
    failJob: async (jobId, end) => note(jobId, end),
    beat: async (jobId, heartbeatAt) => note(jobId, { heartbeatAt }),
    hasTime: () => true,
    now: () => noon,
    ...changes,
  };
  return { ports, files, finished, jobs, contentOf: (key: string) => Buffer.concat(files.get(key) ?? []) };
}

async function readBack(bytes: Buffer, format: "csv" | "parquet"): Promise<Record<string, unknown>[]> {
  const file = path.join(directory, `records-${Math.round(bytes.length)}-${format}.${format}`);
  writeFileSync(file, bytes);
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const read = format === "csv" ? `read_csv('${file}', header = true, all_varchar = false)` : `read_parquet('${file}')`;
  const answer = await connection.runAndReadAll(`SELECT * FROM ${read} ORDER BY "requestId"`);
  return answer.getRowObjectsJson() as Record<string, unknown>[];
}

const odd = {
  modelAsked: '=HYPERLINK("x"), "quoted"',
  client: "naïve,client",
  firstByteMilliseconds: null,
  chargedNanoUsd: 4_000_000_000_000_000,
};

describe("the daily export", () => {
  const records = [
    recordAt(yesterday),
    recordAt(yesterday + 13 * hour, odd),
    recordAt(yesterday + 24 * hour - 1),
    recordAt(yesterday - 1),
    recordAt(yesterday + 24 * hour),
  ];
  const wanted = records.slice(0, 3).toSorted((one, other) => (one.requestId < other.requestId ? -1 : 1));

  it("writes the day before into both formats, which DuckDB reads as the records were", async () => {
    const { ports, jobs, finished, contentOf } = rig(records);
    const report = await exportUsage({ scheduledTime: "2026-11-20T02:00:00Z" }, ports);
    expect(report.records).toBe(3);
    const keys = ["csv", "parquet"].map((format) => `relay-usage/day=2026-11-19/records.${format}`);
    expect([...finished]).toEqual(keys);
    expect(jobs.get("relay-usage-2026-11-19")).toMatchObject({ state: "succeeded", counts: { records: 3, files: 2 } });
    for (const format of ["csv", "parquet"] as const) {
      const rows = await readBack(contentOf(`relay-usage/day=2026-11-19/records.${format}`), format);
      expect(rows).toHaveLength(3);
      for (const [index, record] of wanted.entries()) {
        const row = rows[index] ?? {};
        expect(row.requestId).toBe(record.requestId);
        expect(String(row.chargedNanoUsd)).toBe(String(record.chargedNanoUsd));
        expect(String(row.inputTokens)).toBe("100");
        expect(row.firstByteMilliseconds === null).toBe(record.firstByteMilliseconds === null);
        expect(JSON.parse(String(row.serverTools))).toEqual({ web_search: 1 });
        expect(String(row.startedAt).replace(" ", "T")).toContain(record.startedAt.slice(0, 19));
        expect(row.client).toBe(record.client);
      }
      const [, second] = rows;
      // As it is in Parquet; disarmed where a spreadsheet may open it.
      expect(second?.modelAsked).toBe(format === "parquet" ? odd.modelAsked : `'${odd.modelAsked}`);
    }
  });

  it("writes files that can be read also of a day without a request", async () => {
    const { ports, contentOf } = rig([]);
    await exportUsage({ scheduledTime: "2026-11-20T02:00:00Z" }, ports);
    for (const format of ["csv", "parquet"] as const) {
      expect(await readBack(contentOf(`relay-usage/day=2026-11-19/records.${format}`), format)).toEqual([]);
    }
  });
});

it("a request that came just before midnight is in one day's files, though it began to be served just after", async () => {
  const midnight = yesterday + 24 * hour;
  const record = recordAt(midnight - 1, { startedAt: new Date(midnight + 3).toISOString() });
  const exported = await Promise.all(
    ["2026-11-20T02:00:00Z", "2026-11-21T02:00:00Z"].map((scheduledTime) =>
      exportUsage({ scheduledTime }, rig([record]).ports),
    ),
  );
  expect(exported.map(({ records }) => records)).toEqual([1, 0]);
});

describe("an export by hand", () => {
  const wish = {
    export: { jobId: "job-1", from: "2026-11-19T05:30:00Z", to: "2026-11-19T06:30:00Z", format: "csv" as const },
  };

  it("writes the records of its range and no others", async () => {
    const at = (text: string) => recordAt(Date.parse(`2026-11-19T${text}Z`));
    const records = [at("05:29:59.999"), at("05:30:00.000"), at("06:29:59.999"), at("06:30:00.000")];
    const { ports, jobs, contentOf } = rig(records);
    await exportUsage(wish, ports);
    expect(contentOf("relay-usage/by-hand/job-1.csv").toString().trim().split("\r\n")).toHaveLength(3);
    expect(jobs.get("job-1")).toMatchObject({ kind: "relay-usage-export", state: "succeeded" });
  });

  it("leaves no file where it failed, and the job says why", async () => {
    const noTable: AsyncIterable<never> = {
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error("no table")) }),
    };
    const broken = rig([], { records: () => noTable });
    await expect(exportUsage(wish, broken.ports)).rejects.toThrow();
    expect(broken.files.size).toBe(0);
    expect(broken.jobs.get("job-1")).toMatchObject({ state: "failed" });
    const slow = rig([recordAt(Date.parse("2026-11-19T05:45:00Z"))], { hasTime: () => false });
    await expect(exportUsage(wish, slow.ports)).rejects.toMatchObject({ name: "ExportTooLarge" });
    expect(slow.jobs.get("job-1")).toMatchObject({ state: "failed", error: { name: "ExportTooLarge" } });
  });

  it("is refused for no range and for one of more than 31 days", async () => {
    for (const to of [wish.export.from, "2026-12-30T00:00:00Z"]) {
      const wrong = { export: { ...wish.export, to } };
      await expect(exportUsage(wrong, rig([]).ports)).rejects.toMatchObject({ name: "InputInvalid" });
    }
  });
});

describe.each(Object.values(formats))("the format $name", (format) => {
  it("hands its bytes on while it writes, however many records there are", async () => {
    let largest = 0;
    let total = 0;
    const writer = format.open({
      write: async (bytes) => {
        largest = Math.max(largest, bytes.length);
        total += bytes.length;
      },
    });
    const page = Array.from({ length: 5000 }, (_, index) => recordAt(noon + index));
    for (let pages = 0; pages < 12; pages += 1) await writer.write(page);
    await writer.finish();
    expect(total).toBeGreaterThan(100_000);
    // Three groups of 20,000, or twelve pages: no single piece is the file.
    expect(largest).toBeLessThan(total / 2);
  });
});
