// What an export says about itself: export_info, export_tables_info, and the task's WarningMessage.
// Their members are not documented by AWS; these are those that public readers of real exports rely on.
import type { PlannedTable } from "./export-plan.ts";
import type { ExportTask } from "./export-tasks.ts";
import type { ParquetColumn } from "./parquet-columns.ts";

/** One entry of export_tables_info. */
export interface TableReport {
  readonly target: string;
  /** Absent for what was left out. */
  readonly status?: "COMPLETE" | "FAILED";
  readonly warningMessage?: string;
  readonly sizeGB?: number;
  readonly tableStatistics?: object;
  readonly schemaMetadata?: object;
}

export interface WarningMessage {
  readonly skippedTables: readonly { readonly target: string; readonly reason: string }[];
  readonly skippedObjectives: readonly { readonly reason: string }[];
  readonly general: readonly { readonly reason: string }[];
}

export interface WrittenTable {
  readonly startedAtMilliseconds: number;
  readonly endedAtMilliseconds: number;
  readonly partitions: number;
  /** Of the Parquet files. */
  readonly bytes: number;
}

/** Tables told in one export_tables_info file. */
const tablesPerFile = 100;
const bytesPerGb = 1024 ** 3;

export function reportWritten(
  { target, table }: PlannedTable,
  columns: readonly ParquetColumn[],
  written: WrittenTable,
  status: "COMPLETE" | "FAILED",
): TableReport {
  return {
    tableStatistics: {
      extractionStartTime: new Date(written.startedAtMilliseconds).toISOString(),
      extractionEndTime: new Date(written.endedAtMilliseconds).toISOString(),
      partitioningInfo: {
        numberOfPartitions: String(written.partitions),
        numberOfCompletedPartitions: String(status === "COMPLETE" ? written.partitions : 0),
      },
    },
    schemaMetadata: {
      originalTypeMappings: table.columns.map(({ name, type }, index) => ({
        columnName: name,
        originalType: type,
        expectedExportedType: columns[index]?.exportedType,
      })),
    },
    status,
    sizeGB: written.bytes / bytesPerGb,
    target,
  };
}

export function reportSkipped(target: string, reason: string): TableReport {
  return { warningMessage: reason, target };
}

export interface Document {
  readonly name: string;
  readonly text: string;
}

/** An export without tables has none of these. */
export function tablesInfo(taskId: string, reports: readonly TableReport[]): Document[] {
  const documents: Document[] = [];
  for (let from = 0; from < reports.length; from += tablesPerFile) {
    const some = reports.slice(from, from + tablesPerFile);
    documents.push({
      name: `export_tables_info_${taskId}_from_${from + 1}_to_${from + some.length}.json`,
      text: JSON.stringify({ perTableStatus: some }),
    });
  }
  return documents;
}

/** The last object that an export writes: who sees it sees all. */
export function exportInfo(task: ExportTask, exportedFilesPath: string, endedAtMilliseconds: number): Document {
  return {
    name: `export_info_${task.taskId}.json`,
    text: JSON.stringify({
      exportTaskIdentifier: task.taskId,
      sourceArn: task.sourceArn,
      exportOnly: task.exportOnly,
      snapshotTime: new Date(task.snapshotTimeMilliseconds).toISOString(),
      taskStartTime: new Date(task.startedAtMilliseconds ?? task.requestedAtMilliseconds).toISOString(),
      taskEndTime: new Date(endedAtMilliseconds).toISOString(),
      s3Bucket: task.bucket,
      s3Prefix: task.prefix,
      exportedFilesPath,
      iamRoleArn: task.roleArn,
      kmsKeyId: task.kmsKeyArn,
      status: "COMPLETE",
      percentProgress: 100,
      totalExportedDataInGB: task.fullSizeBytes / bytesPerGb,
    }),
  };
}

/** Undefined when there is nothing to warn of. */
export function warningMessage({ skippedTables, skippedObjectives, general }: WarningMessage): string | undefined {
  if (skippedTables.length + skippedObjectives.length + general.length === 0) return undefined;
  return JSON.stringify({ skippedTables, skippedObjectives, general });
}
