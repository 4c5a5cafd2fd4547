// Record export: read what is there, sign it as a receipt, write it once, and mark the export as complete or partial.
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import { newClaim } from "../copy.ts";
import type { ExportTasksStore } from "../export-tasks.store.ts";
import type { ExportsStore } from "../exports.store.ts";
import { readableCause } from "../readable-cause.ts";
import { sha256Of, signReceipt } from "../receipt.ts";
import type { ReceiptsStore } from "../receipts.store.ts";
import type { SigningKeyStore } from "../signing-key.store.ts";
import type { ExportResult } from "./export-item.ts";
import {
  type ExportReceipt,
  exportReceiptKeyOf,
  exportReceiptOf,
  mostTablesInReceipt,
  type SchemaOutcome,
  sameExport,
  signedExportReceiptSchema,
  tableLines,
  tablesKeyOf,
} from "./export-receipt.ts";
import { type ExportTask, hasStatus } from "./export-task.ts";
import { type ExportFacts, type ReadExportPorts, readExport } from "./read-export.ts";

export interface RecordExportPorts {
  readonly exports: Pick<ExportsStore, "read" | "renewClaim" | "finish">;
  readonly tasks: Pick<ExportTasksStore, "read">;
  readonly files: ReadExportPorts;
  readonly receipts: Pick<ReceiptsStore, "writeOnce">;
  readonly key: Pick<SigningKeyStore, "sign">;
  now(): number;
}

export interface RecordInput {
  readonly runId: string;
  readonly executionArn: string;
  readonly exportId: string;
  readonly taskId: string;
  /** Null: not asked for. */
  readonly schema: SchemaOutcome | null;
}

/** RDS may call the task complete a moment before its last file is to be seen. */
const infoIsLateMilliseconds = 10 * 60_000;

/** Throws `ExportFailed`, `ClaimLost`, `ReceiptConflict`, and `TargetUnavailable` while RDS's last file is awaited. */
export async function recordExport(input: RecordInput, ports: RecordExportPorts): Promise<ExportResult> {
  const { exportId, executionArn, taskId } = input;
  const item = await ports.exports.read(exportId);
  // The call before this one may have died after its last write.
  if (item?.result?.executionArn === executionArn && item.result.taskId === taskId && item.claim === undefined) {
    return item.result;
  }
  if (item === undefined) throw new CausewayError("ClaimLost", `There is no export ${exportId} any more.`);
  await ports.exports.renewClaim(exportId, newClaim(executionArn, ports.now()));
  const task = await ports.tasks.read(taskId);
  if (task === undefined || !hasStatus(task, "COMPLETE")) {
    throw new CausewayError(
      "ExportFailed",
      `The export task ${taskId} is not complete: ${task?.status ?? "it is gone"}.`,
    );
  }
  const facts = await readExport(task, ports.files);
  waitForLastFile(task, facts, ports.now());
  const tablesFile = facts.tables.length > mostTablesInReceipt ? await writeTables(task, facts, ports) : null;
  const receipt = exportReceiptOf({
    item,
    task,
    facts,
    schema: readableSchema(input.schema),
    tablesFile,
    executionArn,
    recordedAt: new Date(ports.now()).toISOString(),
  });
  const key = exportReceiptKeyOf(task);
  const written = await ports.receipts.writeOnce(key, await signReceipt(receipt, (digest) => ports.key.sign(digest)));
  const kept = parseReceipt(key, written);
  if (!sameExport(kept, receipt)) {
    throw new CausewayError("ReceiptConflict", `${key} holds a receipt of other facts; receipts are never replaced.`);
  }
  const result: ExportResult = {
    bucket: task.bucket,
    prefix: task.prefix,
    taskId,
    tables: kept.tables.count,
    files: kept.files.count,
    bytes: kept.files.bytes,
    missing: kept.missing,
    missingCount: kept.missingCount,
    schema: schemaStateOf(kept.schema),
    receiptKey: key,
    receiptSha256: sha256Of(written),
    completedAt: kept.recordedAt,
    executionArn,
    runId: input.runId,
  };
  try {
    await ports.exports.finish(exportId, executionArn, kept.outcome, result);
  } catch (error) {
    // A write whose answer was lost is sent again by the SDK, and finds its own work done.
    const now = isErrorNamed(error, "ClaimLost") ? await ports.exports.read(exportId) : undefined;
    if (now?.result?.receiptKey !== key || now.result.executionArn !== executionArn) throw error;
  }
  return result;
}

function waitForLastFile(task: ExportTask, facts: ExportFacts, now: number): void {
  const isYoung = task.endedAt !== null && now - Date.parse(task.endedAt) < infoIsLateMilliseconds;
  if (isYoung && facts.missing.some((sentence) => sentence.startsWith("export_info: RDS left none"))) {
    throw new CausewayError("TargetUnavailable", `RDS's last file of ${task.taskId} is not to be seen in S3 yet.`);
  }
}

async function writeTables(task: ExportTask, facts: ExportFacts, ports: Pick<RecordExportPorts, "receipts">) {
  const key = tablesKeyOf(task);
  const written = await ports.receipts.writeOnce(key, tableLines(facts.tables));
  return { key, sha256: sha256Of(written), bytes: Buffer.byteLength(written) };
}

function parseReceipt(key: string, text: string): ExportReceipt {
  const parsed = signedExportReceiptSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new CausewayError("ReceiptConflict", `${key} holds something that is no receipt.`);
  return parsed.data.receipt;
}

/** The workflow hands on a failure as Step Functions has it. */
function readableSchema(schema: SchemaOutcome | null): SchemaOutcome | null {
  return schema?.kept === false ? { ...schema, cause: readableCause(schema.cause) } : schema;
}

function schemaStateOf(schema: SchemaOutcome | null): ExportResult["schema"] {
  if (schema === null) return "none";
  return schema.kept ? "kept" : "not-kept";
}
