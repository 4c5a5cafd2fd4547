// Complete copy: fold the parts' checksums, compare them with the source's, and let the target check the whole once more.
import { CausewayError, isErrorNamed, messageOf } from "../shared/errors.ts";
import { foldParts } from "./checksums/checksum.ts";
import { crc64Nvme, crc64Xz } from "./checksums/crc64.ts";
import type { CompletedUpload, Copy, CopyPlan } from "./copy.ts";
import { proofClassOf } from "./copy.ts";
import { agrees } from "./copy-batch.ts";
import type { LedgerPart } from "./part-ledger.store.ts";
import { lengthOfRange, rangeOfPart } from "./plan-parts.ts";
import type { MultipartTarget, TargetObject } from "./targets/target.ts";

export interface CompleteCopyPorts {
  readonly target: MultipartTarget;
  readLedger(uploadMark: string, firstPart: number, lastPart: number): Promise<LedgerPart[]>;
  keepCompleted(completed: CompletedUpload): Promise<void>;
  now(): number;
}

export interface Folded {
  /** CRC-64/XZ of the whole, decimal text. */
  readonly crc64: string;
  /** The target's full-object checksum, in its text form. */
  readonly checksum: string;
}

/**
 * Errors: `PartsMissing` (ledger and target disagree on some part: it must be sent again), `ProofFailed` (the bytes are
 * not the source's), `TargetExists`, `UploadLost`, `CompletionUnclear` (nothing happened; try again).
 */
export async function completeCopy(copy: Copy, plan: CopyPlan, ports: CompleteCopyPorts): Promise<CompletedUpload> {
  const known = copy.completed;
  if (known?.uploadMark === plan.uploadMark && (await ports.target.describe(plan.key))?.etag === known.etag)
    return known;
  const rows = await ports.readLedger(plan.uploadMark, 1, plan.partCount);
  const folded = fold(plan, rows);
  proveEqual(plan, folded);

  const present = await ports.target.describe(plan.key);
  if (present === null || !isThisUpload(present, plan, folded)) await complete(copy, plan, rows, folded, ports);
  const object = await ports.target.describe(plan.key);
  if (object === null || !isThisUpload(object, plan, folded)) {
    throw new CausewayError("CompletionUnclear", `${plan.key} was completed, but what is there is not it.`);
  }
  const completed: CompletedUpload = {
    uploadMark: plan.uploadMark,
    ...folded,
    proof: proofClassOf(plan),
    versionId: object.versionId,
    etag: object.etag,
    completedAt: new Date(ports.now()).toISOString(),
  };
  await ports.keepCompleted(completed);
  return completed;
}

/** Throws `PartsMissing` unless the rows are parts 1 to n without a gap, each of its planned length. */
export function fold(
  plan: Pick<CopyPlan, "partCount" | "partBytes" | "sizeBytes">,
  rows: readonly LedgerPart[],
): Folded {
  const gaps: number[] = [];
  for (let partNumber = 1; partNumber <= plan.partCount; partNumber += 1) {
    const row = rows[partNumber - 1];
    if (row?.partNumber !== partNumber || row.bytes !== lengthOfRange(rangeOfPart(plan, partNumber)))
      gaps.push(partNumber);
  }
  if (gaps.length > 0 || rows.length !== plan.partCount) throw partsMissing(gaps);
  const crc64 = foldParts(
    crc64Xz,
    rows.map((row) => ({ crc: crc64Xz.parse(row.crc64), bytes: row.bytes })),
  );
  const checksum = foldParts(
    crc64Nvme,
    rows.map((row) => ({ crc: crc64Nvme.parse(row.checksum), bytes: row.bytes })),
  );
  return { crc64: crc64Xz.format(crc64.crc), checksum: crc64Nvme.format(checksum.crc) };
}

/** Throws `ProofFailed` when the source stated a checksum and the copied bytes have another. */
function proveEqual(plan: CopyPlan, folded: Folded): void {
  for (const [where, stated] of [
    ["the inventory's checksum", plan.inventoryCrc64],
    ["the source's x-oss-hash-crc64ecma", plan.sourceFacts.crc64],
  ] as const) {
    if (stated !== null && stated !== folded.crc64) {
      throw new CausewayError("ProofFailed", `The copied bytes have CRC-64 ${folded.crc64}, ${where} is ${stated}.`);
    }
  }
}

async function complete(
  copy: Copy,
  plan: CopyPlan,
  rows: readonly LedgerPart[],
  folded: Folded,
  ports: CompleteCopyPorts,
): Promise<void> {
  const stored = await ports.target.listParts(plan, 1, plan.partCount);
  const storedOf = new Map(stored.map((part) => [part.partNumber, part]));
  const disagreeing = rows.filter((row) => !agrees(row, storedOf.get(row.partNumber)));
  if (disagreeing.length > 0) throw partsMissing(disagreeing.map((row) => row.partNumber));
  try {
    await ports.target.complete({
      ref: plan,
      // As the target listed them: a checksum that it does not state for a part it would not take back either.
      parts: stored,
      sizeBytes: plan.sizeBytes,
      checksum: folded.checksum,
      replacesEtag: plan.replacesEtag,
    });
  } catch (error) {
    await settle(error, copy, plan, folded, ports.target);
  }
}

/** An unclear or refused completion: what lies at the key decides. Returns when it is this copy. */
async function settle(
  error: unknown,
  copy: Copy,
  plan: CopyPlan,
  folded: Folded,
  target: MultipartTarget,
): Promise<void> {
  const present = await target.describe(plan.key);
  if (present !== null && isThisUpload(present, plan, folded)) return;
  if (isErrorNamed(error, "TargetExists") || (present !== null && present.etag !== plan.replacesEtag)) {
    throw new CausewayError(
      "TargetExists",
      `${plan.key} holds an object that ${present?.copyId === copy.copyId ? "another upload of this copy" : "somebody else"} made; it was not touched.`,
      { cause: error },
    );
  }
  if (isErrorNamed(error, "UploadLost", "TargetRefused", "PartsMissing")) throw error;
  if (isErrorNamed(error, "PartDamaged")) {
    throw new CausewayError(
      "ProofFailed",
      `The target found another checksum of the whole than the parts fold to: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
  throw new CausewayError("CompletionUnclear", `Completion failed and no object is there: ${messageOf(error)}`, {
    cause: error,
  });
}

export function isThisUpload(
  present: TargetObject,
  plan: Pick<CopyPlan, "uploadMark" | "sizeBytes">,
  folded: Folded,
): boolean {
  return (
    present.uploadMark === plan.uploadMark &&
    present.sizeBytes === plan.sizeBytes &&
    (present.checksum === null || present.checksum === folded.checksum)
  );
}

/** Enough numbers to look at, not a page of them. */
const mostNumbersNamed = 20;

function partsMissing(numbers: readonly number[]): CausewayError {
  const named = numbers.slice(0, mostNumbersNamed).join(", ");
  return new CausewayError("PartsMissing", `${numbers.length} parts must be sent again: ${named}`);
}
