// Listing for a run: every backup once, each with a verdict, nothing left out in silence, and what each step is told.
import { describe, expect, it } from "vitest";
import type { SourceBackup } from "../../../lambdas/replication/backup.ts";
import { listedBackupSchema } from "../../../lambdas/replication/backup.ts";
import type { CopyState } from "../../../lambdas/replication/copy.ts";
import type { InstanceProblem, InventoryFilter } from "../../../lambdas/replication/inventories/inventory.ts";
import { type ListBackupsSettings, listBackups, type RunRequest } from "../../../lambdas/replication/list-backups.ts";
import type { EventDetail } from "../../../lambdas/shared/events.ts";
import type { Job, JobUnit } from "../../../lambdas/shared/jobs.ts";
import { at, me, now, runId, sourceBackup } from "./copy-facts.ts";

const hour = 3_600_000;
const settings: ListBackupsSettings = {
  instanceIds: ["rm-1", "rm-2"],
  windowHours: 48,
  maximumAgeHours: 0,
  includeDeletedInstances: true,
  concurrentBackups: 5,
  largestObjectBytes: 1_000_000,
};
const backup = (backupId: string, more: Partial<SourceBackup> = {}): SourceBackup => ({
  ...sourceBackup,
  backupId,
  fileName: `${backupId}.xb`,
  ...more,
});

/** Runs the list over what the inventory has, and gives everything that came of it. */
async function run(
  inventory: readonly SourceBackup[] | AsyncIterable<SourceBackup>,
  request: RunRequest = {},
  options: {
    states?: Record<string, CopyState>;
    problems?: InstanceProblem[];
    settings?: Partial<ListBackupsSettings>;
  } = {},
) {
  const seen = {
    filters: [] as InventoryFilter[],
    jobs: [] as Job[],
    units: [] as JobUnit[],
    lines: [] as { key: string; lines: readonly object[] }[],
    invalid: [] as EventDetail<"BackupInvalid">[],
    askedStates: 0,
  };
  const listing = listBackups(
    { runId, executionArn: me, request },
    { ...settings, ...options.settings },
    {
      inventory: {
        async *list(filter, onProblem) {
          seen.filters.push(filter);
          for (const problem of options.problems ?? []) onProblem(problem);
          yield* inventory;
        },
        locate: () => Promise.reject(new Error("no address is asked for while listing")),
      },
      statesOf: async (copyIds) => {
        seen.askedStates += copyIds.length;
        return new Map(Object.entries(options.states ?? {}));
      },
      putLines: async (key, lines) => void seen.lines.push({ key, lines }),
      putJob: async (job) => void seen.jobs.push(job),
      putUnits: async (_jobId, units) => void seen.units.push(...units),
      reportInvalid: async (details) => void seen.invalid.push(...details),
      now: () => now,
    },
  );
  return { seen, listing };
}

describe("the list of a run", () => {
  it("holds every backup that is worth copying, as a line without an address", async () => {
    const { seen, listing } = await run([backup("1"), backup("2", { method: "Logical", instanceDeleted: true })]);
    expect(await listing).toEqual({
      runId,
      listKey: `runs/${runId}/backups.jsonl`,
      resultPrefix: `runs/${runId}/results`,
      concurrentBackups: 5,
      copyCount: 2,
      refusedCount: 0,
      alreadyCopiedCount: 0,
    });
    expect(seen.lines).toHaveLength(1);
    const lines = seen.lines[0]?.lines.map((line) => listedBackupSchema.strict().parse(line));
    expect(lines).toMatchObject([
      { copyId: "aliyun-rds:rm-1:1", restorability: "physical", force: false },
      { copyId: "aliyun-rds:rm-1:2", restorability: "logical", instanceDeleted: true },
    ]);
    expect(seen.units.map(({ unitId, phase }) => [unitId, phase])).toEqual([
      ["aliyun-rds:rm-1:1", "waiting"],
      ["aliyun-rds:rm-1:2", "waiting"],
    ]);
    expect(seen.jobs).toMatchObject([
      { jobId: runId, phase: "listing backups", state: "running", executionArn: me, startedAt: at },
      { phase: "copying", counts: { found: 2, listed: 2 } },
    ]);
  });

  it("holds a backup once that the pages showed twice, and keeps what was known of it first", async () => {
    const detached = backup("1", { instanceDeleted: true, engine: "unknown", crc64: null });
    const { seen, listing } = await run([backup("1", { crc64: "7" }), backup("2"), backup("2"), detached]);
    expect(await listing).toMatchObject({ copyCount: 2 });
    expect(seen.lines[0]?.lines).toMatchObject([{ backupId: "1", engine: "mysql", crc64: "7" }, { backupId: "2" }]);
  });

  it("is written also when it is empty", async () => {
    const { seen, listing } = await run([]);
    expect(await listing).toMatchObject({ copyCount: 0 });
    expect(seen.lines).toEqual([{ key: `runs/${runId}/backups.jsonl`, lines: [] }]);
  });

  it("leaves out what is refused, and says why: to the job and to the world", async () => {
    const { seen, listing } = await run([
      backup("1", { status: "Failed" }),
      backup("2", { method: "Snapshot", hasLink: false, fileName: null }),
      backup("3", { sizeBytes: 1_000_001 }),
      backup("4"),
    ]);
    expect(await listing).toMatchObject({ copyCount: 1, refusedCount: 3 });
    const refused = seen.units.filter(({ outcome }) => outcome === "refused");
    expect(refused.map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/^failed/),
      expect.stringMatching(/^snapshot-only/),
      expect.stringMatching(/^too large/),
    ]);
    expect(refused.every(({ bytesTotal, finishedAt }) => bytesTotal === 0 && finishedAt === at)).toBe(true);
    expect(seen.invalid).toMatchObject([{ runId, backupId: "1" }, { backupId: "2" }, { backupId: "3" }]);
  });

  it("leaves out what is copied already, unless it is forced; a failed copy comes again", async () => {
    const states: Record<string, CopyState> = {
      "aliyun-rds:rm-1:1": "verified",
      "aliyun-rds:rm-1:2": "copied-unverified",
      "aliyun-rds:rm-1:3": "failed",
      "aliyun-rds:rm-1:4": "copying",
    };
    const found = ["1", "2", "3", "4"].map((id) => backup(id));
    const { seen, listing } = await run(found, {}, { states });
    expect(await listing).toMatchObject({ copyCount: 2, alreadyCopiedCount: 2 });
    expect(seen.units.filter(({ outcome }) => outcome === "already-copied")).toHaveLength(2);
    expect(seen.askedStates).toBe(4);
    const forced = await run(found, { force: true }, { states });
    expect(await forced.listing).toMatchObject({ copyCount: 4, alreadyCopiedCount: 0 });
    expect(forced.seen.lines[0]?.lines).toMatchObject([
      { force: true },
      { force: true },
      { force: true },
      { force: true },
    ]);
  });

  it("names an instance that could not be listed, which fails the run, and lists the rest", async () => {
    const problems = [{ instanceId: "rm-2", reason: "SourceRefused: Forbidden.RAM" }];
    const { seen, listing } = await run([backup("1")], {}, { problems });
    expect(await listing).toMatchObject({ copyCount: 1 });
    expect(seen.units).toContainEqual(
      expect.objectContaining({ outcome: "failed", reason: "SourceRefused: Forbidden.RAM", finishedAt: at }),
    );
  });
});

describe("what the inventory is asked for", () => {
  it("is the stage's instances and window unless the request says otherwise", async () => {
    const { seen, listing } = await run([]);
    await listing;
    expect(seen.filters).toEqual([
      {
        instanceIds: ["rm-1", "rm-2"],
        window: { startMilliseconds: now - 48 * hour, endMilliseconds: now },
        types: [],
        methods: [],
        includeDeletedInstances: true,
      },
    ]);
  });

  it("is the request's instances, window, types and methods", async () => {
    const window = { start: "2026-11-01T00:00:00+08:00", end: "2026-11-02T00:00:00Z" };
    const { seen, listing } = await run([], {
      instanceIds: ["rm-9"],
      window,
      types: ["FullBackup"],
      methods: ["Logical"],
    });
    await listing;
    expect(seen.filters).toMatchObject([
      {
        instanceIds: ["rm-9"],
        window: { startMilliseconds: Date.UTC(2026, 9, 31, 16), endMilliseconds: Date.UTC(2026, 10, 2) },
        types: ["FullBackup"],
        methods: ["Logical"],
      },
    ]);
  });

  it.each([
    ["that ends before it starts", { start: "2026-11-02T00:00:00Z", end: "2026-11-01T00:00:00Z" }],
    ["of no length", { start: "2026-11-02T00:00:00Z", end: "2026-11-02T00:00:00Z" }],
    ["that is no time", { start: "yesterday", end: "2026-11-02T00:00:00Z" }],
  ])("is refused for a window %s", async (_, window) => {
    const { seen, listing } = await run([], { window });
    await expect(listing).rejects.toMatchObject({ name: "InputInvalid", message: expect.stringContaining("window") });
    expect(seen.filters).toEqual([]);
    // The job is there, so that whoever watches sees the failure.
    expect(seen.jobs).toHaveLength(1);
  });

  it("is narrowed to the backups asked for, each of which must be there", async () => {
    const found = ["1", "2", "3"].map((id) => backup(id));
    const { seen, listing } = await run(found, { backupIds: ["3", "1"] });
    expect(await listing).toMatchObject({ copyCount: 2 });
    expect(seen.lines[0]?.lines).toMatchObject([{ backupId: "1" }, { backupId: "3" }]);
    const missing = await run(found, { backupIds: ["1", "8", "9"] });
    await expect(missing.listing).rejects.toMatchObject({
      name: "BackupNotFound",
      message: expect.stringMatching(/8, 9/),
    });
    expect(missing.seen.lines).toEqual([]);
  });
});

describe("a window with too many backups", () => {
  async function* endless(): AsyncGenerator<SourceBackup> {
    for (let id = 0; ; id += 1) yield backup(String(id));
  }

  async function* just(count: number): AsyncGenerator<SourceBackup> {
    for (let id = 0; id < count; id += 1) yield backup(String(id));
  }

  it("is refused with advice, for nothing may be left out in silence, and does not read on for ever", async () => {
    const { seen, listing } = await run(endless());
    await expect(listing).rejects.toMatchObject({
      name: "TooManyBackups",
      message: expect.stringContaining("narrower"),
    });
    expect(seen.lines).toEqual([]);
    expect(seen.units).toEqual([]);
  });

  it("is taken up to ten thousand, and not one more", async () => {
    const { listing } = await run(just(10_000));
    expect(await listing).toMatchObject({ copyCount: 10_000 });
    const { listing: larger } = await run(just(10_001));
    await expect(larger).rejects.toMatchObject({ name: "TooManyBackups" });
  });
});
