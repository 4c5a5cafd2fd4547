// An export task of RDS, and how its statuses are read.

export interface ExportTask {
  readonly taskId: string;
  /** STARTING, IN_PROGRESS, COMPLETE, FAILED, CANCELING, CANCELED. */
  readonly status: string;
  readonly bucket: string;
  readonly prefix: string;
  /** 0 to 100. */
  readonly percent: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly failureCause: string | null;
  /** JSON text of what was left out, although the status is COMPLETE. */
  readonly warningMessage: string | null;
  readonly extractedGigabytes: number | null;
}

export interface TaskWish {
  readonly taskId: string;
  readonly snapshotArn: string;
  readonly prefix: string;
}

export function isUnderWay(task: Pick<ExportTask, "status">): boolean {
  return ["STARTING", "IN_PROGRESS", "CANCELING"].includes(task.status.toUpperCase());
}

export function hasStatus(task: Pick<ExportTask, "status">, status: "COMPLETE" | "FAILED" | "CANCELED"): boolean {
  return task.status.toUpperCase() === status;
}
