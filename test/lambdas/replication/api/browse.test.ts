// What Aliyun and RDS have now, as the API answers it: windows, limits, verdicts, and pages that nothing falls out of.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BrowseQuery, browseBackups } from "../../../../lambdas/replication/api/browse-backups.ts";
import { browseSnapshots, type SnapshotsQuery } from "../../../../lambdas/replication/api/browse-snapshots.ts";
import type { SourceBackup } from "../../../../lambdas/replication/backup.ts";
import type { CopyState } from "../../../../lambdas/replication/copy.ts";
import { exportIdOf, type Snapshot } from "../../../../lambdas/replication/exports/snapshot.ts";
import type { InventoryFilter } from "../../../../lambdas/replication/inventories/inventory.ts";

const now = Date.parse("2026-11-20T12:00:00.000Z");
const day = 86_400_000;

function backup(backupId: string, more: Partial<SourceBackup> = {}): SourceBackup {
  return {
    source: "aliyun-rds",
    instanceId: "rm-1",
    engine: "mysql",
    backupId,
    fileName: `${backupId}.xb`,
    sizeBytes: 10,
    method: "Physical",
    type: "FullBackup",
    status: "Success",
    startedAt: new Date(now - 3_600_000).toISOString(),
    endedAt: null,
    expiresAt: null,
    crc64: null,
    isAvailable: true,
    metaStatus: "OK",
    isEncrypted: false,
    isArchived: false,
    hasLink: true,
    instanceDeleted: false,
    hostInstanceId: null,
    ...more,
  };
}

interface BackupsScene {
  readonly windowHours?: number;
  readonly states?: Readonly<Record<string, CopyState>>;
  readonly instanceIds?: readonly string[];
}

async function browse(query: Partial<BrowseQuery>, found: readonly SourceBackup[], scene: BackupsScene = {}) {
  const asked: InventoryFilter[] = [];
  const answer = await browseBackups(
    { limit: 30, ...query },
    {
      instanceIds: scene.instanceIds ?? [],
      windowHours: scene.windowHours ?? 168,
      maximumAgeHours: 0,
      includeDeletedInstances: true,
      largestObjectBytes: 1000,
    },
    {
      inventory: {
        async *list(filter: InventoryFilter) {
          asked.push(filter);
          yield* found;
        },
        locate: () => Promise.reject(new Error("no address is asked for")),
        instances: async ({ instanceId }) => ({
          instances: [
            {
              source: "aliyun-rds",
              instanceId: "rm-1",
              description: null,
              engine: "mysql",
              engineVersion: null,
              status: null,
            },
          ].filter((one) => instanceId === undefined || instanceId === one.instanceId),
          hasMore: false,
        }),
      },
      statesOf: async () => new Map(Object.entries(scene.states ?? {})),
      now: () => now,
    },
  );
  return { answer, asked };
}

describe("one instance's backups", () => {
  it("are those of the schedule's window, of a month at most", async () => {
    const usual = await browse({ instanceId: "rm-1" }, [backup("1")]);
    expect(usual.asked[0]?.window).toEqual({ startMilliseconds: now - 7 * day, endMilliseconds: now });
    const long = await browse({ instanceId: "rm-1" }, [backup("1")], { windowHours: 9000 });
    expect(long.asked[0]?.window.startMilliseconds).toBe(now - 31 * day);
    const given = { instanceId: "rm-1", start: "2026-10-01T00:00:00.000Z", end: "2026-11-01T00:00:00.000Z" };
    expect((await browse(given, [backup("1")])).answer).toMatchObject({
      window: { start: given.start, end: given.end },
    });
    const tooLong = { ...given, end: "2026-11-01T00:00:00.001Z" };
    await expect(browse(tooLong, [])).rejects.toMatchObject({ name: "InputInvalid" });
  });

  it("are each there once, the newest first, those without a time last", async () => {
    const at = (hours: number) => ({ startedAt: new Date(now - hours * 3_600_000).toISOString() });
    const found = [
      backup("old", at(9)),
      backup("none", { startedAt: null }),
      backup("new", at(1)),
      backup("old", at(9)),
    ];
    const { answer } = await browse({ instanceId: "rm-1" }, found);
    expect(answer.items.map((item) => ("backupId" in item ? item.backupId : ""))).toEqual(["new", "old", "none"]);
  });

  it("say what a run would do with them, and what is known of their copies", async () => {
    const found = [
      backup("new"),
      backup("copied"),
      backup("failed before"),
      backup("huge", { sizeBytes: 1001 }),
      backup("unknown", { sizeBytes: Number.NaN }),
      // Already copied, although it could not be any more.
      backup("gone", { hasLink: false, fileName: null }),
    ];
    const id = (backupId: string) => `aliyun-rds:rm-1:${backupId}`;
    const states = {
      [id("copied")]: "copied-unverified",
      [id("failed before")]: "failed",
      [id("gone")]: "verified",
    } as const;
    const { answer } = await browse({ instanceId: "rm-1" }, found, { states });
    const told = answer.items.map((item) =>
      "verdict" in item ? [item.backupId, item.verdict, item.copyState, item.reason?.split(":")[0] ?? null] : [],
    );
    expect(told).toEqual([
      ["new", "copyable", null, null],
      ["copied", "copied", "copied-unverified", null],
      ["failed before", "copyable", "failed", null],
      ["huge", "refused", null, "too large"],
      ["unknown", "refused", null, "size unknown"],
      ["gone", "copied", "verified", null],
    ]);
    expect(answer.items[4]).toMatchObject({ sizeBytes: null });
  });

  it("are refused above 2,000, with what to do", async () => {
    const many = Array.from({ length: 2001 }, (_, index) => backup(String(index)));
    await expect(browse({ instanceId: "rm-1" }, many)).rejects.toMatchObject({
      name: "TooManyBackups",
      message: expect.stringContaining("Ask for a shorter one."),
    });
    expect((await browse({ instanceId: "rm-1" }, many.slice(1))).answer.items).toHaveLength(2000);
  });

  it("are none of an instance that has none, and 404 of one that there is not", async () => {
    expect((await browse({ instanceId: "rm-1" }, [])).answer.items).toEqual([]);
    await expect(browse({ instanceId: "rm-2" }, [])).rejects.toMatchObject({ name: "NotFound" });
  });
});

function snapshot(snapshotId: string, more: Partial<Snapshot> = {}): Snapshot {
  return {
    arn: `arn:aws:rds:eu-central-1:000000000000:snapshot:${snapshotId}`,
    snapshotId,
    databaseId: "orders",
    isCluster: false,
    engine: "mysql",
    engineVersion: "8.0.39",
    engineMode: null,
    type: "manual",
    status: "available",
    takenAt: new Date(now - 3_600_000).toISOString(),
    createdAt: null,
    sizeBytes: 10,
    storageType: "gp3",
    isEncrypted: false,
    encryptionType: null,
    kmsKeyId: null,
    ...more,
  };
}

const settings = {
  databaseIds: [] as readonly string[],
  recoveryPointObjectiveHours: 26,
  largestSnapshotBytes: 1000,
  accountId: "000000000000",
  region: "eu-central-1",
};

function browseThem(query: Partial<SnapshotsQuery>, found: readonly Snapshot[], chosen = settings) {
  return browseSnapshots({ limit: 100, ...query }, chosen, {
    snapshots: {
      async *list() {
        yield* found;
      },
      databases: async () => [],
    },
    knownExports: async () => new Map(),
    now: () => now,
  });
}

describe("snapshots", () => {
  it("come by pages, each once and in one order, whatever the pages' size and however many are of one time", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(fc.stringMatching(/^[0-9a-f]{1,4}$/), fc.option(fc.integer({ min: 0, max: 3 }))), {
          selector: ([id]) => id,
          maxLength: 20,
        }),
        fc.integer({ min: 1, max: 7 }),
        async (described, limit) => {
          const found = described.map(([id, hours]) =>
            snapshot(id, { takenAt: hours === null ? null : new Date(now - hours * 3_600_000).toISOString() }),
          );
          const whole = (await browseThem({}, found)).items.map(({ arn }) => arn);
          const paged: string[] = [];
          let cursor: string | null | undefined;
          do {
            const page = await browseThem({ limit, cursor: cursor ?? undefined }, found);
            paged.push(...page.items.map(({ arn }) => arn));
            cursor = page.cursor;
          } while (cursor !== null);
          expect(paged).toEqual(whole);
          expect([...whole].sort()).toEqual(found.map(({ arn }) => arn).sort());
        },
      ),
      { numRuns: 60 },
    );
  });

  it("that come while pages are read push nothing out of the pages behind", async () => {
    const at = (hours: number) => new Date(now - hours * 3_600_000).toISOString();
    const found = [1, 2, 3, 4].map((hours) => snapshot(`s${hours}`, { takenAt: at(hours) }));
    const first = await browseThem({ limit: 2 }, found);
    const later = [snapshot("newest", { takenAt: at(0) }), ...found];
    const second = await browseThem({ limit: 2, cursor: first.cursor ?? "" }, later);
    expect(second.items.map(({ snapshotId }) => snapshotId)).toEqual(["s3", "s4"]);
    expect(second.cursor).toBeNull();
  });

  it("of databases that the stage does not name are set aside, and do not count as newer ones", async () => {
    const found = [snapshot("a"), snapshot("b", { databaseId: "stock" })];
    const { items } = await browseThem({}, found, { ...settings, databaseIds: ["ORDERS"] });
    expect(Object.fromEntries(items.map(({ snapshotId, verdict, reason }) => [snapshotId, [verdict, reason]]))).toEqual(
      {
        a: ["export", null],
        b: ["set-aside", "not chosen: replication.exports.databaseIds does not name its database"],
      },
    );
    expect(items[0]?.exportId).toBe(exportIdOf(items[0]?.arn ?? ""));
  });

  it("are a conflict where the stage exports nothing, and nobody asks RDS", async () => {
    const refused = browseSnapshots({ limit: 1 }, undefined, {
      snapshots: {
        list: () => {
          throw new Error("RDS was asked");
        },
        databases: () => Promise.reject(new Error("RDS was asked")),
      },
      knownExports: async () => new Map(),
      now: () => now,
    });
    await expect(refused).rejects.toMatchObject({ name: "Conflict" });
  });
});
