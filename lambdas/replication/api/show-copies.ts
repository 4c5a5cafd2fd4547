// Copies as they are kept: a page of them, and one with its receipts.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import { CausewayError } from "../../shared/errors.ts";
import type { CopiesPage, CopiesQuestion, ListedCopy } from "../copies.store.ts";
import type { Copy, CopyState } from "../copy.ts";
import type { copyShape, copyWithReceipts } from "./answers.ts";
import type { PageOf } from "./pages.ts";
import { type ReadReceipt, readReceipt } from "./read-receipt.ts";

export interface CopiesQuery {
  readonly cursor?: string | undefined;
  readonly limit: number;
  readonly state?: CopyState | undefined;
  readonly instanceId?: string | undefined;
  readonly engine?: string | undefined;
}

type ShownCopy = z.input<typeof copyShape>;

const position = z.strictObject({ copyId: z.string(), changedAt: z.string() });

export async function listCopies(
  query: CopiesQuery,
  list: (question: CopiesQuestion) => Promise<CopiesPage>,
): Promise<PageOf<ShownCopy>> {
  const { state, instanceId, engine, limit } = query;
  const scope = ["copies", state ?? null, instanceId ?? null, engine ?? null];
  const after = readCursor(scope, query.cursor, position);
  const page = await list({ state, instanceId, engine, most: limit, after });
  return {
    items: page.copies.map(describe),
    cursor: page.position === undefined ? null : writeCursor(scope, page.position),
  };
}

/** Throws `NotFound`. The table also counts egress, in items that are no copies. */
export async function showCopy(
  copyId: string,
  read: (copyId: string) => Promise<Copy | undefined>,
  readText: ReadReceipt,
): Promise<z.input<typeof copyWithReceipts>> {
  const copy = copyId.startsWith("egress#") ? undefined : await read(copyId);
  if (copy === undefined) throw new CausewayError("NotFound", `There is no copy ${copyId}.`);
  const key = copy.result?.receiptKey;
  const [ofCopy, ofMirror] = await Promise.all([
    readReceipt(key, readText),
    // Beside it, once the object is in OSS as well.
    readReceipt(key?.replace(/\/copy\.json$/, "/mirror-oss.json"), readText),
  ]);
  return { ...describe(copy), receipts: { copy: ofCopy, mirror: ofMirror } };
}

function describe(copy: ListedCopy): ShownCopy {
  const { copyId, backup, state, restorability, changedAt, key, lastError, result } = copy;
  const { instanceId, backupId, engine, fileName, sizeBytes, startedAt } = backup;
  return {
    ...{ copyId, state, instanceId, backupId, engine, fileName, sizeBytes, startedAt, restorability, key },
    changedAt: changedAt ?? null,
    error: lastError === undefined ? null : { name: lastError.error, cause: lastError.cause, at: lastError.at },
    result: result === undefined ? null : { ...result, jobId: result.runId },
  };
}
