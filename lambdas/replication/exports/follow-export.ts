// Follow export: one look at a running task: its progress into the job, a wish to cancel into RDS, its end to the workflow.
import type { WorkerProgress } from "../../shared/jobs.ts";
import { newClaim } from "../copy.ts";
import type { ExportTasksStore } from "../export-tasks.store.ts";
import type { ExportsStore } from "../exports.store.ts";
import { type ExportTask, hasStatus } from "./export-task.ts";
import type { ExportLine } from "./snapshot.ts";
import { waitSecondsAfter } from "./start-export.ts";

export interface FollowExportPorts {
  readonly exports: Pick<ExportsStore, "read" | "renewClaim">;
  readonly tasks: Pick<ExportTasksStore, "read" | "cancel">;
  isCancelRequested(): Promise<boolean>;
  /** Of the unit: a phase for people, and how far the task says that it is. */
  report(progress: Progress): Promise<void>;
  now(): number;
}

export interface Progress {
  readonly phase: string;
  readonly percent: number;
}

export interface FollowInput {
  readonly executionArn: string;
  readonly line: ExportLine;
  readonly taskId: string;
  /** Looks before this one. */
  readonly looks: number;
}

export type Followed =
  | { readonly state: "running"; readonly waitSeconds: number; readonly percent: number }
  | { readonly state: "complete" }
  | { readonly state: "cancelled" }
  /** Cancelled, and everybody was told. */
  | { readonly state: "ended-cancelled" }
  /** As a state machine's error, for the cleaning up that follows. */
  | { readonly state: "failed"; readonly failure: { readonly Error: string; readonly Cause: string } };

export async function followExport(input: FollowInput, ports: FollowExportPorts): Promise<Followed> {
  const item = await ports.exports.read(input.line.exportId);
  // The call before this one may have died after its last write.
  if (item?.state === "cancelled" && item.endedBy === input.executionArn) return { state: "ended-cancelled" };
  await ports.exports.renewClaim(input.line.exportId, newClaim(input.executionArn, ports.now()));
  const task = await ports.tasks.read(input.taskId);
  if (task === undefined) return failed(`RDS does not know the export task ${input.taskId} any more.`);
  if (hasStatus(task, "COMPLETE")) {
    await ports.report({ phase: "reading what was exported", percent: 100 });
    return { state: "complete" };
  }
  if (hasStatus(task, "FAILED")) return failed(task.failureCause ?? "RDS names no cause.");
  if (hasStatus(task, "CANCELED")) return { state: "cancelled" };
  const isEnding = task.status.toUpperCase() === "CANCELING";
  const isUnwanted = !isEnding && (await ports.isCancelRequested());
  if (isUnwanted) await ports.tasks.cancel(input.taskId);
  await ports.report({ phase: isUnwanted || isEnding ? "cancelling" : phaseOf(task), percent: task.percent });
  return {
    state: "running",
    // What is being cancelled ends soon: it is looked at again soon.
    waitSeconds: waitSecondsAfter(isUnwanted || isEnding ? 0 : input.looks),
    percent: task.percent,
  };
}

function failed(cause: string): Followed {
  return { state: "failed", failure: { Error: "ExportFailed", Cause: cause } };
}

/** RDS first restores a copy of the whole database, which may take long and shows no progress. */
function phaseOf(task: ExportTask): string {
  return task.status.toUpperCase() === "STARTING" ? "RDS is restoring the snapshot" : `exporting, ${task.percent} %`;
}

/** Bytes of the snapshot's size as the task's percentage has them: RDS tells no others while it works. */
export function progressOf({ exportId, snapshot }: ExportLine, { percent }: Progress, now: number): WorkerProgress {
  return {
    unitId: exportId,
    worker: "export",
    bytesDone: Math.floor(((snapshot.sizeBytes ?? 0) * percent) / 100),
    partsDone: 0,
    at: new Date(now).toISOString(),
    bytesPerSecond: 0,
  };
}
