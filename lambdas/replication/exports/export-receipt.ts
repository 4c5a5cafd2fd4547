// The receipt of an export: which snapshot, what RDS was to do, what lies in S3 of each table, and what does not.
import * as z from "zod";
import { canonicalJson, signatureSchema } from "../receipt.ts";
import type { ExportItem } from "./export-item.ts";
import type { ExportTask } from "./export-task.ts";
import type { ExportFacts, TableFacts } from "./read-export.ts";

export const exportReceiptFormat = "causeway/export-receipt/1";

/** More are in a file of their own, whose SHA-256 the receipt states. */
export const mostTablesInReceipt = 200;
export const mostMissingInReceipt = 100;

const tableSchema = z.object({ target: z.string(), status: z.string(), files: z.number(), bytes: z.number() });

/** What became of the schema: kept, tried and not kept, or (null) not asked for. */
export const schemaOutcomeSchema = z.discriminatedUnion("kept", [
  z.object({
    kept: z.literal(true),
    /** `schema`: statements that load into an empty server. `inventory`: a description to read. */
    kind: z.enum(["schema", "inventory"]),
    capturedAt: z.string(),
    files: z.array(
      z.object({
        database: z.string(),
        key: z.string(),
        sha256: z.string(),
        bytes: z.number(),
        /** Objects that the server did not show, each with the reason. */
        omitted: z.array(z.string()),
      }),
    ),
  }),
  z.object({ kept: z.literal(false), error: z.string(), cause: z.string() }),
]);

export type SchemaOutcome = z.infer<typeof schemaOutcomeSchema>;

export const exportReceiptSchema = z.object({
  format: z.literal(exportReceiptFormat),
  exportId: z.string(),
  taskId: z.string(),
  executionArn: z.string(),
  source: z.object({
    kind: z.literal("aws-rds"),
    snapshotArn: z.string(),
    snapshotId: z.string(),
    databaseId: z.string(),
    engine: z.string(),
    engineVersion: z.string(),
    type: z.string(),
    takenAt: z.string().nullable(),
    sizeBytes: z.number().nullable(),
    isEncrypted: z.boolean(),
  }),
  target: z.object({ kind: z.literal("s3"), bucket: z.string(), prefix: z.string() }),
  outcome: z.enum(["complete", "partial"]),
  sentence: z.string(),
  restorability: z.literal("parquet-analytic"),
  missing: z.array(z.string()).max(mostMissingInReceipt),
  missingCount: z.number(),
  remarks: z.array(z.string()),
  warningMessage: z.string().nullable(),
  tables: z.object({
    count: z.number(),
    list: z.array(tableSchema).max(mostTablesInReceipt),
    /** JSON lines, of all tables; null when `list` has them all. */
    file: z.object({ key: z.string(), sha256: z.string(), bytes: z.number() }).nullable(),
  }),
  files: z.object({ count: z.number(), bytes: z.number(), objects: z.number() }),
  schema: schemaOutcomeSchema.nullable(),
  taskStartedAt: z.string().nullable(),
  taskEndedAt: z.string().nullable(),
  recordedAt: z.string(),
});

export type ExportReceipt = z.infer<typeof exportReceiptSchema>;

export const signedExportReceiptSchema = z.object({ receipt: exportReceiptSchema, signature: signatureSchema });

const sentences = {
  complete:
    "RDS states success for every table, and the files of each lie in S3. They are Parquet, for analysis: no server restores from them.",
  partial: "Something of the snapshot is not in S3, although RDS calls the task complete. What is missing is listed.",
} as const;

const longestSentence = 500;

/** WarningMessage may name every table; the receipt lists what is missing anyway. */
const mostWarningLetters = 10_000;

export interface ReceiptParts {
  readonly item: ExportItem;
  readonly task: ExportTask;
  readonly facts: ExportFacts;
  readonly schema: SchemaOutcome | null;
  readonly tablesFile: ExportReceipt["tables"]["file"];
  readonly executionArn: string;
  readonly recordedAt: string;
}

export function exportReceiptOf(parts: ReceiptParts): ExportReceipt {
  const { item, task, facts } = parts;
  const { snapshot } = item;
  const outcome = facts.isComplete ? "complete" : "partial";
  return {
    format: exportReceiptFormat,
    exportId: item.exportId,
    taskId: task.taskId,
    executionArn: parts.executionArn,
    source: {
      kind: "aws-rds",
      snapshotArn: snapshot.arn,
      snapshotId: snapshot.snapshotId,
      databaseId: snapshot.databaseId,
      engine: snapshot.engine,
      engineVersion: snapshot.engineVersion,
      type: snapshot.type,
      takenAt: snapshot.takenAt,
      sizeBytes: snapshot.sizeBytes,
      isEncrypted: snapshot.isEncrypted,
    },
    target: { kind: "s3", bucket: task.bucket, prefix: `${task.prefix}/${task.taskId}/` },
    outcome,
    sentence: sentences[outcome],
    restorability: "parquet-analytic",
    missing: facts.missing.slice(0, mostMissingInReceipt).map((sentence) => sentence.slice(0, longestSentence)),
    missingCount: facts.missing.length,
    remarks: [...facts.remarks],
    warningMessage: task.warningMessage?.slice(0, mostWarningLetters) ?? null,
    tables: {
      count: facts.tables.length,
      list: parts.tablesFile === null ? [...facts.tables] : [],
      file: parts.tablesFile,
    },
    files: { count: facts.files, bytes: facts.bytes, objects: facts.objects },
    schema: parts.schema,
    taskStartedAt: task.startedAt,
    taskEndedAt: task.endedAt,
    recordedAt: parts.recordedAt,
  };
}

/** One task, one receipt. */
export function exportReceiptKeyOf(task: Pick<ExportTask, "prefix" | "taskId">): string {
  return `receipts/${task.prefix}/${task.taskId}/export.json`;
}

/** The list of all tables, beside the receipt. */
export function tablesKeyOf(task: Pick<ExportTask, "prefix" | "taskId">): string {
  return `receipts/${task.prefix}/${task.taskId}/tables.jsonl`;
}

export function tableLines(tables: readonly TableFacts[]): string {
  return tables.map((table) => `${canonicalJson(table)}\n`).join("");
}

/** Whether two receipts state the same of the export itself; who wrote it, when, and the schema may differ. */
export function sameExport(left: ExportReceipt, right: ExportReceipt): boolean {
  const of = ({ exportId, taskId, source, target, outcome, missing, missingCount, tables, files }: ExportReceipt) =>
    canonicalJson([exportId, taskId, source, target, outcome, missing, missingCount, tables, files]);
  return of(left) === of(right);
}
