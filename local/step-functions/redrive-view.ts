// Whether an execution can be redriven, in the words of the API.
import type { ExecutionRow } from "./rows.ts";

/** RedriveExecution, API reference. */
const redrivableMilliseconds = 14 * 24 * 3600 * 1000;

export interface RedriveView {
  readonly status: "REDRIVABLE" | "NOT_REDRIVABLE" | "REDRIVABLE_BY_MAP_RUN";
  readonly reason?: string;
}

/** `now` in cloud milliseconds. */
export function redriveView(row: ExecutionRow, now: number): RedriveView {
  if (row.status === "RUNNING" || row.status === "SUCCEEDED" || row.status.startsWith("PENDING")) {
    return { status: "NOT_REDRIVABLE", reason: `Execution is ${row.status} and cannot be redriven` };
  }
  if (now - (row.stoppedAt ?? now) > redrivableMilliseconds) {
    return { status: "NOT_REDRIVABLE", reason: "Execution was closed more than 14 days ago and cannot be redriven" };
  }
  if (row.mapRunId !== null) return { status: "REDRIVABLE_BY_MAP_RUN" };
  return { status: "REDRIVABLE" };
}
