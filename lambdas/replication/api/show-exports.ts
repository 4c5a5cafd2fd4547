// Exports of snapshots as they are kept: a page of them, and one with its receipt.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import { CausewayError } from "../../shared/errors.ts";
import type { ExportItem, ExportState } from "../exports/export-item.ts";
import type { ExportsStore } from "../exports.store.ts";
import type { exportShape, exportWithReceipt } from "./answers.ts";
import type { PageOf } from "./pages.ts";
import { type ReadReceipt, readReceipt } from "./read-receipt.ts";

export interface ExportsQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly state?: ExportState | undefined;
}

type ShownExport = z.input<typeof exportShape>;

const position = z.strictObject({ exportId: z.string(), changedAt: z.string(), listing: z.string() });

export async function listExports(
  { state, limit, cursor }: ExportsQuery,
  list: ExportsStore["list"],
): Promise<PageOf<ShownExport>> {
  const scope = ["exports", state ?? null];
  const after = readCursor(scope, cursor, position);
  const { items, next } = await list({ states: state === undefined ? [] : [state], limit, after });
  return { items: items.map(describe), cursor: next === null ? null : writeCursor(scope, next) };
}

/** Throws `NotFound`. */
export async function showExport(
  exportId: string,
  read: (exportId: string) => Promise<ExportItem | undefined>,
  readText: ReadReceipt,
): Promise<z.input<typeof exportWithReceipt>> {
  const item = await read(exportId);
  if (item === undefined) throw new CausewayError("NotFound", `There is no export ${exportId}.`);
  return { ...describe(item), receipt: await readReceipt(item.result?.receiptKey, readText) };
}

function describe(item: ExportItem): ShownExport {
  const { exportId, state, changedAt, snapshot, lastError, result } = item;
  const { arn, snapshotId, databaseId, isCluster, engine, takenAt, sizeBytes } = snapshot;
  return {
    ...{ exportId, state, changedAt, snapshotArn: arn, snapshotId, databaseId, isCluster, engine, takenAt, sizeBytes },
    attempts: item.attempt ?? 0,
    taskId: item.taskId ?? null,
    error: lastError === undefined ? null : { name: lastError.error, cause: lastError.cause, at: lastError.at },
    result: result === undefined ? null : { ...result, missing: [...result.missing], jobId: result.runId },
  };
}
