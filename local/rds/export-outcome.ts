// What becomes of an export's tables and what it warns of, with the trouble that was arranged for it.
import type { DatabaseSync } from "node:sqlite";
import { type EngineFamily, familyOf } from "./engines.ts";
import type { ExportTarget } from "./export-bucket.ts";
import type { WarningMessage } from "./export-documents.ts";
import { type PlannedTable, planTables } from "./export-plan.ts";
import type { ExportTask } from "./export-tasks.ts";
import { readTables } from "./source-data.ts";

/** The service in the trust policy of an export's role. */
export const exportPrincipal = "export.rds.amazonaws.com";

/** AWS's own word for what it does not explain. */
export const unknownError = "An unknown internal error occurred.";

/** As AWS's documentation shows it. */
const generalReason = "FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE";

export function familyOfTask(task: ExportTask): EngineFamily {
  const family = familyOf(task.engine);
  if (!family) throw new Error(`Snapshots of ${task.engine} cannot be exported.`);
  return family;
}

export function planOf(database: DatabaseSync, task: ExportTask): PlannedTable[] {
  return planTables(readTables(database), task.exportOnly, familyOfTask(task));
}

export function targetOf(task: ExportTask): ExportTarget {
  const { bucket, prefix, taskId, roleArn, kmsKeyArn } = task;
  return { bucket, folder: prefix === "" ? taskId : `${prefix}/${taskId}`, roleArn, kmsKeyArn };
}

/** Why the table is left out, or undefined. */
export function skipReasonOf(
  task: ExportTask,
  planned: PlannedTable,
  plan: readonly PlannedTable[],
): string | undefined {
  if (planned.skipReason !== undefined) return planned.skipReason;
  if (task.trouble?.outcome !== "skip-tables") return undefined;
  const tables = task.trouble.tables ?? [plan.at(-1)?.target];
  return tables.includes(planned.target) ? "PERMISSIONS_DO_NOT_EXIST" : undefined;
}

export function statusOf(
  task: ExportTask,
  planned: PlannedTable,
  plan: readonly PlannedTable[],
): "COMPLETE" | "FAILED" {
  if (task.trouble?.outcome !== "failed-table") return "COMPLETE";
  return planned.target === (task.trouble.table ?? plan.at(-1)?.target) ? "FAILED" : "COMPLETE";
}

/** From 0 to 1, by rows. */
export function shareDone(plan: readonly PlannedTable[], tablesDone: number): number {
  const weigh = (some: readonly PlannedTable[]) => some.reduce((sum, { table }) => sum + table.rows + 1, 0);
  return weigh(plan.slice(0, tablesDone)) / Math.max(1, weigh(plan));
}

export function warningsOf({ trouble, reports }: ExportTask): WarningMessage {
  return {
    skippedTables: reports.flatMap(({ target, warningMessage }) =>
      warningMessage === undefined ? [] : [{ target, reason: warningMessage }],
    ),
    skippedObjectives:
      trouble?.outcome === "skipped-objectives" ? [{ reason: trouble.reason ?? "FAILED_TO_EXTRACT_OBJECTIVE" }] : [],
    general: trouble?.outcome === "general-warning" ? [{ reason: trouble.reason ?? generalReason }] : [],
  };
}

/** Thrown where an export was arranged to fail; the message becomes its FailureCause. */
export class ArrangedFailure extends Error {}

export function failIfArranged({ trouble }: ExportTask, tablesDone: number): void {
  if (trouble?.outcome !== "fail" || tablesDone < (trouble.afterTables ?? 1)) return;
  throw new ArrangedFailure(trouble.cause ?? unknownError);
}
