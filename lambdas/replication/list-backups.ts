// List backups: all that the inventory has in the window, each judged; the ones to copy go to the work bucket as lines.

import { CausewayError } from "../shared/errors.ts";
import type { EventDetail } from "../shared/events.ts";
import type { Job, JobUnit } from "../shared/jobs.ts";
import type { ListedBackup, SourceBackup } from "./backup.ts";
import { copyIdOf } from "./backup.ts";
import type { CopyState } from "./copy.ts";
import type { BackupInventory, InstanceProblem, InventoryFilter } from "./inventories/inventory.ts";
import type { ValidationRules } from "./validate-backup.ts";
import { validateBackup } from "./validate-backup.ts";

/** What an operator may give to the execution; `{}` means everything new. */
export interface RunRequest {
  readonly instanceIds?: readonly string[] | undefined;
  readonly backupIds?: readonly string[] | undefined;
  readonly window?: { readonly start: string; readonly end: string } | undefined;
  readonly types?: readonly string[] | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly force?: boolean | undefined;
}

export interface ListBackupsSettings {
  readonly instanceIds: readonly string[];
  readonly windowHours: number;
  readonly maximumAgeHours: number;
  readonly includeDeletedInstances: boolean;
  readonly concurrentBackups: number;
  readonly largestObjectBytes: number;
}

export interface ListBackupsPorts {
  readonly inventory: BackupInventory;
  statesOf(copyIds: readonly string[]): Promise<Map<string, CopyState>>;
  putLines(key: string, lines: readonly object[]): Promise<void>;
  putJob(job: Job): Promise<void>;
  putUnits(jobId: string, units: readonly JobUnit[]): Promise<void>;
  /** Tells the world of backups that are not worth copying. */
  reportInvalid(backups: readonly EventDetail<"BackupInvalid">[]): Promise<void>;
  now(): number;
}

interface RefusedBackup {
  readonly backup: SourceBackup;
  readonly reason: string;
}

export interface ListedRun {
  readonly runId: string;
  readonly listKey: string;
  readonly resultPrefix: string;
  readonly concurrentBackups: number;
  readonly copyCount: number;
  readonly refusedCount: number;
  readonly alreadyCopiedCount: number;
}

/** A run copies at most so many; more is refused with the advice to narrow the window, for nothing may be left out silently. */
const mostBackupsPerRun = 10_000;
const hourMilliseconds = 3_600_000;

export async function listBackups(
  run: { runId: string; executionArn: string; request: RunRequest },
  settings: ListBackupsSettings,
  ports: ListBackupsPorts,
): Promise<ListedRun> {
  const now = ports.now();
  const startedAt = new Date(now).toISOString();
  const job: Job = {
    jobId: run.runId,
    kind: "replication-run",
    state: "running",
    phase: "listing backups",
    startedAt,
    heartbeatAt: startedAt,
    executionArn: run.executionArn,
  };
  await ports.putJob(job);

  const problems: InstanceProblem[] = [];
  const filter = filterOf(run.request, settings, now);
  const found = await collect(ports.inventory, filter, run.request.backupIds, problems);
  const { listed, refused, alreadyCopied } = await sort(found, run.request.force ?? false, ports, {
    nowMilliseconds: now,
    maximumAgeHours: settings.maximumAgeHours,
    largestObjectBytes: settings.largestObjectBytes,
  });

  const listKey = `runs/${run.runId}/backups.jsonl`;
  await ports.putLines(listKey, listed);
  await ports.putUnits(run.runId, [
    ...listed.map((backup) => unitOf(backup, startedAt)),
    ...refused.map(({ backup, reason }) => refusedUnit(backup, reason, startedAt)),
    ...problems.map((problem) => problemUnit(problem, startedAt)),
    ...alreadyCopied.map((backup) => refusedUnit(backup, "already copied and verified", startedAt, "already-copied")),
  ]);
  await ports.reportInvalid(
    refused.map(({ backup, reason }) => ({
      runId: run.runId,
      copyId: copyIdOf(backup),
      instanceId: backup.instanceId,
      backupId: backup.backupId,
      reason,
    })),
  );
  await ports.putJob({ ...job, phase: "copying", counts: { found: found.length, listed: listed.length } });
  return {
    runId: run.runId,
    listKey,
    resultPrefix: `runs/${run.runId}/results`,
    concurrentBackups: settings.concurrentBackups,
    copyCount: listed.length,
    refusedCount: refused.length,
    alreadyCopiedCount: alreadyCopied.length,
  };
}

function filterOf(request: RunRequest, settings: ListBackupsSettings, now: number): InventoryFilter {
  const window = request.window
    ? { startMilliseconds: Date.parse(request.window.start), endMilliseconds: Date.parse(request.window.end) }
    : { startMilliseconds: now - settings.windowHours * hourMilliseconds, endMilliseconds: now };
  if (!(window.startMilliseconds < window.endMilliseconds)) {
    throw new CausewayError("InputInvalid", "request.window: start must be before end.");
  }
  return {
    instanceIds: request.instanceIds ?? settings.instanceIds,
    window,
    types: request.types ?? [],
    methods: request.methods ?? [],
    includeDeletedInstances: settings.includeDeletedInstances,
  };
}

async function collect(
  inventory: BackupInventory,
  filter: InventoryFilter,
  backupIds: readonly string[] | undefined,
  problems: InstanceProblem[],
): Promise<SourceBackup[]> {
  // By id: pages that shift while they are read may show a backup twice.
  const found = new Map<string, SourceBackup>();
  for await (const backup of inventory.list(filter, (problem) => problems.push(problem))) {
    if (backupIds && !backupIds.includes(backup.backupId)) continue;
    // The first stays: of an instance deleted meanwhile, the list of detached backups knows less.
    if (!found.has(copyIdOf(backup))) found.set(copyIdOf(backup), backup);
    if (found.size > mostBackupsPerRun) {
      throw new CausewayError(
        "TooManyBackups",
        `More than ${mostBackupsPerRun} backups are in the window. Start the run with a narrower window or fewer instances.`,
      );
    }
  }
  const missing = backupIds?.filter((id) => ![...found.values()].some((backup) => backup.backupId === id)) ?? [];
  if (missing.length > 0) {
    throw new CausewayError("BackupNotFound", `Not in the window, or not there at all: ${missing.join(", ")}.`);
  }
  return [...found.values()];
}

async function sort(
  found: readonly SourceBackup[],
  force: boolean,
  ports: Pick<ListBackupsPorts, "statesOf">,
  rules: ValidationRules,
): Promise<{ listed: ListedBackup[]; refused: RefusedBackup[]; alreadyCopied: SourceBackup[] }> {
  const listed: ListedBackup[] = [];
  const refused: RefusedBackup[] = [];
  const alreadyCopied: SourceBackup[] = [];
  const states = await ports.statesOf(found.map(copyIdOf));
  for (const backup of found) {
    const state = states.get(copyIdOf(backup));
    if (!force && (state === "verified" || state === "copied-unverified")) {
      alreadyCopied.push(backup);
      continue;
    }
    const verdict = validateBackup(backup, rules);
    if (!verdict.copyable || backup.fileName === null || backup.startedAt === null) {
      refused.push({ backup, reason: verdict.copyable ? "no file name or start time" : verdict.reason });
      continue;
    }
    listed.push({
      copyId: copyIdOf(backup),
      source: backup.source,
      instanceId: backup.instanceId,
      engine: backup.engine,
      backupId: backup.backupId,
      fileName: backup.fileName,
      sizeBytes: backup.sizeBytes,
      startedAt: backup.startedAt,
      crc64: backup.crc64,
      restorability: verdict.restorability,
      instanceDeleted: backup.instanceDeleted,
      force,
    });
  }
  return { listed, refused, alreadyCopied };
}

function unitOf(backup: ListedBackup, startedAt: string): JobUnit {
  return {
    unitId: backup.copyId,
    title: `${backup.instanceId} ${backup.fileName}`,
    phase: "waiting",
    bytesTotal: backup.sizeBytes,
    startedAt,
  };
}

/** An instance that could not be listed fails the run, after everything else was copied. */
function problemUnit(problem: InstanceProblem, at: string): JobUnit {
  const { instanceId, reason } = problem;
  const title = `${instanceId} (its backups could not be listed)`;
  return {
    unitId: `instance:${instanceId}`,
    title,
    phase: "failed",
    bytesTotal: 0,
    startedAt: at,
    finishedAt: at,
    outcome: "failed",
    reason,
  };
}

function refusedUnit(backup: SourceBackup, reason: string, at: string, outcome = "refused"): JobUnit {
  return {
    unitId: copyIdOf(backup),
    title: `${backup.instanceId} ${backup.fileName ?? backup.backupId}`,
    phase: outcome,
    bytesTotal: 0,
    startedAt: at,
    finishedAt: at,
    outcome,
    reason,
  };
}
