// Start export: take the claim, adopt an attempt that runs or is complete, else start the next one if a place is free.
import { CausewayError, isErrorNamed, messageOf } from "../../shared/errors.ts";
import type { JobUnit } from "../../shared/jobs.ts";
import { newClaim } from "../copy.ts";
import type { ExportTasksStore } from "../export-tasks.store.ts";
import type { ExportsStore } from "../exports.store.ts";
import type { ExportItem, ExportState } from "./export-item.ts";
import { type ExportTask, hasStatus, isUnderWay } from "./export-task.ts";
import { attemptOf, type ExportLine, exportPrefixOf, highestAttempt, isTaskId, taskIdOf } from "./snapshot.ts";

export interface StartExportSettings {
  readonly bucket: string;
  readonly keyPrefix: string;
  /** Of the account's export tasks, those that Causeway may use. */
  readonly mostConcurrentTasks: number;
}

export interface StartExportPorts {
  readonly exports: Pick<ExportsStore, "read" | "claim" | "reserveAttempt" | "noteRunning" | "leaveWaiting" | "letGo">;
  readonly tasks: Pick<ExportTasksStore, "ofSnapshot" | "underWay" | "start" | "read">;
  isExecutionClosed(executionArn: string): Promise<boolean>;
  isCancelRequested(): Promise<boolean>;
  now(): number;
}

export interface StartInput {
  readonly executionArn: string;
  readonly line: ExportLine;
  /** How often it has waited for a place in this run. */
  readonly waits: number;
  /** RFC 3339: whoever finds no place then leaves. */
  readonly waitUntil: string;
}

export type Started =
  | {
      readonly outcome: "follow";
      readonly taskId: string;
      /** Of the export in S3, without the task's id. */
      readonly prefix: string;
      readonly waitSeconds: number;
      readonly isAdopted: boolean;
    }
  | { readonly outcome: "wait"; readonly waitSeconds: number; readonly reason: string }
  /** Nothing was begun; it is in the queue for the next run. */
  | { readonly outcome: "waiting"; readonly reason: string }
  | { readonly outcome: "cancelled" }
  | { readonly outcome: "already-exported" };

/** RDS's quota of export tasks under way in an account and region. */
const placesInAccount = 5;
const firstWaitSeconds = 30;
const longestWaitSeconds = 300;

/** 30 s, 45 s, 68 s … up to 5 minutes. */
export function waitSecondsAfter(looks: number): number {
  return Math.min(longestWaitSeconds, Math.round(firstWaitSeconds * 1.5 ** Math.min(looks, 10)));
}

/** Throws `ClaimedElsewhere`, `SnapshotNotFound`, `SnapshotNotExportable`. */
export async function startExport(
  input: StartInput,
  settings: StartExportSettings,
  ports: StartExportPorts,
): Promise<Started> {
  const { line, executionArn } = input;
  const item = await takeClaim(input, ports);
  const isDone = item?.state === "complete" || item?.state === "partial";
  // Another run was quicker between the list and now.
  if (isDone && !line.force) {
    await ports.exports.letGo(line.exportId, executionArn, item.state);
    return { outcome: "already-exported" };
  }
  const tasks = await ports.tasks.ofSnapshot(line.snapshot.arn);
  const found = chooseAttempt(input, settings, item, tasks);
  if (found.adopt !== undefined) return follow(input, settings, found.attempt, found.adopt, ports);
  if (await ports.isCancelRequested()) return { outcome: "cancelled" };
  const obstacle = await obstacleTo(line, settings, tasks, ports);
  if (obstacle !== undefined) return waitOrLeave(input, obstacle, ports);
  return start(input, settings, found.attempt, ports);
}

async function start(
  input: StartInput,
  settings: StartExportSettings,
  attempt: number,
  ports: StartExportPorts,
): Promise<Started> {
  const { line, executionArn } = input;
  if (attempt > highestAttempt) {
    throw new CausewayError("SnapshotNotExportable", `${highestAttempt} attempts were made at ${line.snapshot.arn}.`);
  }
  // Kept first: whoever comes after a death at the next call asks for the same task, and finds it there.
  await ports.exports.reserveAttempt(line.exportId, executionArn, attempt);
  const taskId = taskIdOf(line.exportId, attempt);
  const prefix = exportPrefixOf(settings.keyPrefix, line.snapshot);
  const answer = await ports.tasks.start({ taskId, snapshotArn: line.snapshot.arn, prefix });
  if (answer === "no-place") return waitOrLeave(input, "RDS runs as many export tasks as it may", ports);
  // Another stage that lists at the same minute asks for the same id: its task writes into its own bucket.
  const isForeign = answer === "exists" && (await ports.tasks.read(taskId))?.bucket !== settings.bucket;
  if (isForeign) return waitOrLeave(input, `another stage of Causeway was quicker with the task ${taskId}`, ports);
  return follow(input, settings, attempt, { taskId, startedAt: null, isNew: answer === "started" }, ports);
}

async function follow(
  { line, executionArn }: StartInput,
  settings: StartExportSettings,
  attempt: number,
  task: { readonly taskId: string; readonly startedAt: string | null; readonly isNew?: boolean },
  ports: StartExportPorts,
): Promise<Started> {
  const at = new Date(ports.now()).toISOString();
  const running = { attempt, taskId: task.taskId, startedAt: task.startedAt ?? at };
  await ports.exports.noteRunning(line.exportId, executionArn, running, at);
  return {
    outcome: "follow",
    taskId: task.taskId,
    prefix: exportPrefixOf(settings.keyPrefix, line.snapshot),
    waitSeconds: firstWaitSeconds,
    isAdopted: task.isNew !== true,
  };
}

/** A claim is taken over only when it has expired and the execution that holds it is closed. */
async function takeClaim({ line, executionArn }: StartInput, ports: StartExportPorts): Promise<ExportItem | undefined> {
  const item = await ports.exports.read(line.exportId);
  const held = item?.claim;
  const now = ports.now();
  if (held !== undefined && held.executionArn !== executionArn) {
    const isDead = Date.parse(held.expiresAt) < now && (await ports.isExecutionClosed(held.executionArn));
    if (!isDead) throw claimedElsewhere(line, held.executionArn);
  }
  const state = item?.state ?? "waiting";
  const kept: ExportState = ["running", "complete", "partial"].includes(state) ? state : "waiting";
  const at = new Date(now).toISOString();
  const seen = held?.executionArn === executionArn ? undefined : held;
  if (!(await ports.exports.claim(line, kept, newClaim(executionArn, now), seen, at))) {
    throw claimedElsewhere(line, "another run, which was quicker");
  }
  return item;
}

function claimedElsewhere(line: ExportLine, holder: string): CausewayError {
  return new CausewayError("ClaimedElsewhere", `The export of ${line.snapshot.arn} is held by ${holder}.`);
}

/** The task to adopt, or the number of the next attempt. */
function chooseAttempt(
  { line, executionArn }: StartInput,
  settings: StartExportSettings,
  item: ExportItem | undefined,
  tasks: readonly ExportTask[],
): { attempt: number; adopt?: ExportTask } {
  const numbered = tasks.flatMap((task) => {
    const attempt = attemptOf(line.exportId, task.taskId);
    return attempt === undefined ? [] : [{ attempt, task }];
  });
  // Another stage of Causeway has the same ids, and another bucket: its attempts only use up numbers.
  const own = numbered.filter(({ task }) => task.bucket === settings.bucket);
  const running = own.find(({ task }) => isUnderWay(task));
  if (running !== undefined) return { attempt: running.attempt, adopt: running.task };
  const isMine = item?.attemptBy === executionArn;
  const mine = isMine ? own.find(({ attempt }) => attempt === item.attempt) : undefined;
  // This run's own attempt is adopted whatever became of it: it has one in each run.
  if (mine !== undefined) return { attempt: mine.attempt, adopt: mine.task };
  const latest = own.reduce<(typeof own)[number] | undefined>(
    (last, one) => (last === undefined || one.attempt > last.attempt ? one : last),
    undefined,
  );
  if (latest !== undefined && hasStatus(latest.task, "COMPLETE") && !line.force) {
    return { attempt: latest.attempt, adopt: latest.task };
  }
  const used = Math.max(0, ...numbered.map(({ attempt }) => attempt));
  const reserved = item?.attempt ?? 0;
  const wasStarted = item?.taskId === taskIdOf(line.exportId, reserved);
  // A number that was kept and never came to a task is used; one whose task RDS has forgotten is not used again.
  return { attempt: reserved > used ? reserved + (wasStarted ? 1 : 0) : used + 1 };
}

/** Why no task can be started now; undefined if one can. */
async function obstacleTo(
  line: ExportLine,
  { bucket, mostConcurrentTasks }: StartExportSettings,
  tasks: readonly ExportTask[],
  ports: Pick<StartExportPorts, "tasks">,
): Promise<string | undefined> {
  const foreign = tasks.find((task) => isUnderWay(task));
  if (foreign !== undefined) return `another tool exports ${line.snapshot.snapshotId} now (${foreign.taskId})`;
  const underWay = await ports.tasks.underWay();
  const own = underWay.filter((task) => isTaskId(task.taskId) && task.bucket === bucket);
  if (underWay.length >= placesInAccount) {
    return `${underWay.length} export tasks run in the account, ${own.length} of them Causeway's, and RDS allows ${placesInAccount}`;
  }
  if (own.length >= mostConcurrentTasks) {
    return `${own.length} export tasks of Causeway's run, and replication.exports.mostConcurrentTasks is ${mostConcurrentTasks}`;
  }
  return undefined;
}

async function waitOrLeave(input: StartInput, obstacle: string, ports: StartExportPorts): Promise<Started> {
  const now = ports.now();
  const waitSeconds = waitSecondsAfter(input.waits);
  if (now + waitSeconds * 1000 < Date.parse(input.waitUntil)) return { outcome: "wait", waitSeconds, reason: obstacle };
  const cause = `No place became free in this run: ${obstacle}. It stays in the queue; the next run takes it up.`;
  await ports.exports.leaveWaiting(input.line.exportId, {
    executionArn: input.executionArn,
    error: "ExportSlotsTaken",
    cause,
    at: new Date(now).toISOString(),
  });
  return { outcome: "waiting", reason: cause };
}

export type UnitChanges = Partial<Omit<JobUnit, "unitId">>;

/** Starts, and tells the job's unit what came of it. Throws what `startExport` throws. */
export async function startAndReport(
  input: StartInput,
  settings: StartExportSettings,
  ports: StartExportPorts,
  updateUnit: (changes: UnitChanges) => Promise<void>,
): Promise<Started> {
  const finishedAt = () => new Date(ports.now()).toISOString();
  try {
    const started = await startExport(input, settings, ports);
    await updateUnit(unitChangesOf(started, finishedAt()));
    return started;
  } catch (error) {
    if (isErrorNamed(error, "ClaimedElsewhere")) {
      const outcome = "claimed-elsewhere";
      await updateUnit({ phase: outcome, outcome, reason: messageOf(error), finishedAt: finishedAt() });
    }
    throw error;
  }
}

function unitChangesOf(started: Started, finishedAt: string): UnitChanges {
  switch (started.outcome) {
    case "follow":
      return { phase: started.isAdopted ? "found a task of an earlier attempt" : "RDS is restoring the snapshot" };
    case "wait":
      return { phase: `waiting for a free export task: ${started.reason}` };
    case "waiting":
      return { phase: "waiting", outcome: "waiting", reason: started.reason, finishedAt };
    case "already-exported":
      return { phase: started.outcome, outcome: started.outcome, reason: "another run was quicker", finishedAt };
    case "cancelled":
      return { phase: "cancelling" };
  }
}
