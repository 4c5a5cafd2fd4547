// List snapshots: all that RDS has, each judged; those to export are queued in the table and go to the work bucket as lines.
import { CausewayError } from "../../shared/errors.ts";
import type { EventDetail } from "../../shared/events.ts";
import type { Job, JobUnit } from "../../shared/jobs.ts";
import type { ExportsStore } from "../exports.store.ts";
import { type Choice, chooseRequested, chooseSnapshots, databaseKeyOf } from "./choose-snapshots.ts";
import type { ExportItem } from "./export-item.ts";
import type { ExportRequest } from "./export-request.ts";
import {
  type ExportableSnapshot,
  type ExportLine,
  exportableOf,
  exportEngines,
  exportIdOf,
  type Snapshot,
} from "./snapshot.ts";

export interface Database {
  readonly databaseId: string;
  readonly isCluster: boolean;
  readonly engine: string;
  readonly arn: string;
}

export interface ListSnapshotsSettings {
  /** Empty: every database of the region. */
  readonly databaseIds: readonly string[];
  readonly recoveryPointObjectiveHours: number;
  readonly largestSnapshotBytes: number;
  readonly mostConcurrentTasks: number;
  readonly accountId: string;
  readonly region: string;
}

export interface ListSnapshotsPorts {
  readonly snapshots: {
    /** All pages of all types; throws `TooManyBackups` above the store's limit. */
    list(): AsyncIterable<Snapshot>;
    databases(): Promise<Database[]>;
  };
  readonly exports: Pick<ExportsStore, "readMany" | "openItems" | "queue" | "refuse">;
  putLines(key: string, lines: readonly object[]): Promise<void>;
  putJob(job: Job): Promise<void>;
  updateJob(jobId: string, changes: Partial<Omit<Job, "jobId">>): Promise<void>;
  putUnits(jobId: string, units: readonly JobUnit[]): Promise<void>;
  reportInvalid(snapshots: readonly EventDetail<"SnapshotInvalid">[]): Promise<void>;
  now(): number;
}

export interface ListedExports {
  readonly runId: string;
  readonly listKey: string;
  readonly resultPrefix: string;
  readonly concurrentExports: number;
  readonly exportCount: number;
  /** Exports that found no free task by then stay waiting, for the next run. */
  readonly waitUntil: string;
}

/** What has waited for a free task this long is left to the next run, which may be nearer to it. */
const longestWaitMilliseconds = 12 * 3_600_000;
/** An item that has been open for longer was left by a run that nothing can be known of any more. */
const openForMilliseconds = 30 * 24 * 3_600_000;

export async function listSnapshots(
  run: { runId: string; executionArn: string; request: ExportRequest },
  settings: ListSnapshotsSettings,
  ports: ListSnapshotsPorts,
): Promise<ListedExports> {
  const now = ports.now();
  const at = new Date(now).toISOString();
  const job: Job = {
    jobId: run.runId,
    kind: "snapshot-export",
    state: "running",
    phase: "listing snapshots",
    startedAt: at,
    heartbeatAt: at,
    executionArn: run.executionArn,
  };
  await ports.putJob(job);
  const found = await judge(run.request, settings, ports, now);
  const toExport = found.choices.filter(({ verdict }) => verdict === "export");
  const force = run.request.force ?? false;
  const requested = run.request.snapshotArns !== undefined;
  const lines: ExportLine[] = [
    ...toExport.map(({ exportId, snapshot }) => ({
      exportId,
      snapshot: exportableOf(snapshot),
      force: force || found.forcedBefore.has(exportId),
    })),
    ...found.adopted.map(({ exportId, snapshot }) => ({ exportId, snapshot, force: false })),
  ];
  for (const line of lines) await ports.exports.queue({ ...line, requested }, at);
  for (const choice of found.choices.filter(({ isReported, verdict }) => isReported && verdict === "refused")) {
    await ports.exports.refuse(choice.exportId, exportableOf(choice.snapshot), choice.reason ?? "", at);
  }
  for (const item of found.dropped) await ports.exports.refuse(item.exportId, item.snapshot, item.reason, at);

  const listKey = `runs/${run.runId}/snapshots.jsonl`;
  await ports.putLines(listKey, lines);
  await ports.putUnits(run.runId, [
    ...lines.map((line) => unitOf(line, at)),
    ...found.choices
      .filter(({ verdict }) => verdict !== "export")
      .map((choice) => endedUnit(choice.exportId, titleOf(choice.snapshot), choice.verdict, choice.reason ?? "", at)),
    ...found.gone.map((item) => endedUnit(item.exportId, titleOf(item.snapshot), "refused", item.reason, at)),
    ...found.bare.map((database) =>
      endedUnit(
        `database:${databaseKeyOf(database)}`,
        `${database.databaseId} (no snapshot)`,
        "refused",
        noSnapshot,
        at,
      ),
    ),
  ]);
  await ports.reportInvalid(invalidOf(run.runId, found));
  // Not put anew: somebody may have asked for its end meanwhile.
  await ports.updateJob(run.runId, {
    phase: "exporting",
    counts: { found: found.choices.length, listed: lines.length },
  });
  return {
    runId: run.runId,
    listKey,
    resultPrefix: `runs/${run.runId}/results`,
    concurrentExports: settings.mostConcurrentTasks,
    exportCount: lines.length,
    waitUntil: new Date(now + longestWaitMilliseconds).toISOString(),
  };
}

const noSnapshot = "no snapshot: RDS has none of this database that is its own";

interface DroppedItem {
  readonly exportId: string;
  readonly snapshot: ExportableSnapshot;
  readonly reason: string;
}

interface Judged {
  readonly choices: readonly Choice[];
  /** Tasks of an earlier run whose snapshot is gone: they go on without it. */
  readonly adopted: readonly ExportItem[];
  /** They waited, and cannot or need not be exported any more. */
  readonly dropped: readonly DroppedItem[];
  /** Those of the dropped whose snapshot is gone. */
  readonly gone: readonly DroppedItem[];
  /** Databases without a snapshot. */
  readonly bare: readonly Database[];
  /** Those that an earlier run was to export anew, and left waiting. */
  readonly forcedBefore: ReadonlySet<string>;
}

async function judge(
  request: ExportRequest,
  settings: ListSnapshotsSettings,
  ports: ListSnapshotsPorts,
  now: number,
): Promise<Judged> {
  const wanted = new Set(settings.databaseIds.map((id) => id.toLowerCase()));
  const isWanted = (databaseId: string) => wanted.size === 0 || wanted.has(databaseId.toLowerCase());
  const asked = request.snapshotArns === undefined ? undefined : new Set(request.snapshotArns);
  // By ARN: pages that shift while they are read may show a snapshot twice.
  const found = new Map<string, Snapshot>();
  for await (const snapshot of ports.snapshots.list()) {
    if (asked ? asked.has(snapshot.arn) : isWanted(snapshot.databaseId)) found.set(snapshot.arn, snapshot);
  }
  const snapshots = [...found.values()];
  const databases = (await ports.snapshots.databases()).filter(({ databaseId }) => isWanted(databaseId));
  const known = await ports.exports.readMany(snapshots.map(({ arn }) => exportIdOf(arn)));
  const rules = {
    ...settings,
    nowMilliseconds: now,
    force: request.force ?? false,
    liveDatabases: new Set(databases.map(databaseKeyOf)),
  };
  const waiting = [...known.values()].filter(({ state }) => state === "waiting");
  const forcedBefore = new Set(waiting.filter(({ force }) => force === true).map(({ exportId }) => exportId));
  if (asked !== undefined) {
    refuseMissing([...asked].filter((arn) => !found.has(arn)));
    const choices = chooseRequested(snapshots, known, rules);
    return { choices, adopted: [], dropped: [], gone: [], bare: [], forcedBefore };
  }
  const choices = chooseSnapshots(snapshots, known, rules);
  const open = await ports.exports.openItems(new Date(now - openForMilliseconds).toISOString());
  const unlisted = open.filter(({ snapshot }) => !found.has(snapshot.arn) && isWanted(snapshot.databaseId));
  const gone = unlisted
    .filter(({ state }) => state === "waiting")
    .map(({ exportId, snapshot }) => ({ exportId, snapshot, reason: "gone: it was deleted before its export began" }));
  return {
    choices,
    adopted: unlisted.filter(({ state }) => state === "running"),
    gone,
    dropped: [...gone, ...supersededItems(choices, known)],
    bare: bareDatabases(databases, snapshots, settings.accountId),
    forcedBefore,
  };
}

/** Those that waited until a newer snapshot of their database came. */
function supersededItems(choices: readonly Choice[], known: ReadonlyMap<string, ExportItem>): DroppedItem[] {
  return choices.flatMap(({ exportId, snapshot, verdict, reason }) => {
    const isDropped = known.get(exportId)?.state === "waiting" && (verdict === "superseded" || verdict === "set-aside");
    return isDropped ? [{ exportId, snapshot: exportableOf(snapshot), reason: reason ?? "" }] : [];
  });
}

function bareDatabases(databases: readonly Database[], snapshots: readonly Snapshot[], accountId: string): Database[] {
  const own = snapshots.filter(({ arn, type }) => arn.split(":")[4] === accountId && type !== "shared");
  const covered = new Set(own.map(databaseKeyOf));
  return databases.filter((one) => exportEngines.includes(one.engine) && !covered.has(databaseKeyOf(one)));
}

function refuseMissing(missing: readonly string[]): void {
  if (missing.length === 0) return;
  throw new CausewayError(
    "SnapshotNotFound",
    `Not among the snapshots of this account and region, nor shared with it: ${missing.join(", ")}. ` +
      "A public snapshot must be copied into this account first.",
  );
}

function invalidOf(runId: string, { choices, gone, bare }: Judged): EventDetail<"SnapshotInvalid">[] {
  return [
    ...choices
      .filter(({ isReported }) => isReported)
      .map(({ exportId, snapshot, reason }) => ({
        runId,
        exportId,
        databaseId: snapshot.databaseId,
        snapshotArn: snapshot.arn,
        reason: reason ?? "",
      })),
    ...gone.map(({ exportId, snapshot, reason }) => ({
      runId,
      exportId,
      databaseId: snapshot.databaseId,
      snapshotArn: snapshot.arn,
      reason,
    })),
    // There is no snapshot to name: the database's own ARN stands for it.
    ...bare.map(({ databaseId, arn }) => ({
      runId,
      exportId: exportIdOf(arn),
      databaseId,
      snapshotArn: arn,
      reason: noSnapshot,
    })),
  ];
}

function titleOf(snapshot: Pick<Snapshot, "databaseId" | "snapshotId">): string {
  return `${snapshot.databaseId} ${snapshot.snapshotId}`;
}

function unitOf({ exportId, snapshot }: ExportLine, startedAt: string): JobUnit {
  const bytesTotal = snapshot.sizeBytes ?? 0;
  return { unitId: exportId, title: titleOf(snapshot), phase: "waiting", bytesTotal, startedAt };
}

function endedUnit(unitId: string, title: string, outcome: string, reason: string, at: string): JobUnit {
  return { unitId, title, phase: outcome, bytesTotal: 0, startedAt: at, finishedAt: at, outcome, reason };
}
