// Complete copy: fold the parts' checksums, compare them with the source's, and let the target check the whole once more.
import { CausewayError, isErrorNamed, messageOf } from "../shared/errors.ts";
import { foldParts } from "./checksums/checksum.ts";
import { crc64Nvme, crc64Xz } from "./checksums/crc64.ts";
import type { CompletedUpload, Copy, CopyPlan, UploadPlan } from "./copy.ts";
import { proofClassOf } from "./copy.ts";
import { agrees } from "./copy-batch.ts";
import type { LedgerPart } from "./part-ledger.store.ts";
import { lengthOfRange, rangeOfPart } from "./plan-parts.ts";
import { anyEtag, type ChecksumTexts, checksumFor, type MultipartTarget, type TargetObject } from "./targets/target.ts";

export interface CompleteUploadPorts {
  readonly target: MultipartTarget;
  readLedger(uploadMark: string, firstPart: number, lastPart: number): Promise<LedgerPart[]>;
}

export interface CompleteCopyPorts extends CompleteUploadPorts {
  keepCompleted(completed: CompletedUpload): Promise<void>;
  now(): number;
}

/** Both checksums of the whole, folded from its parts: CRC-64/XZ in decimal, CRC-64/NVME in base64. */
export type Folded = ChecksumTexts;

/** A checksum that somebody stated for the whole; null: they stated none. */
export interface StatedChecksum {
  readonly where: string;
  readonly of: keyof Folded;
  readonly value: string | null;
}

/**
 * Errors: `PartsMissing` (ledger and target disagree on some part: it must be sent again), `ProofFailed` (the bytes are
 * not the source's), `TargetExists`, `UploadLost`, `CompletionUnclear` (nothing happened; try again).
 */
export async function completeCopy(copy: Copy, plan: CopyPlan, ports: CompleteCopyPorts): Promise<CompletedUpload> {
  const known = copy.completed;
  if (known?.uploadMark === plan.uploadMark && (await ports.target.describe(plan.key))?.etag === known.etag)
    return known;
  const stated: StatedChecksum[] = [
    { where: "the inventory's checksum", of: "crc64", value: plan.inventoryCrc64 },
    { where: "the source's x-oss-hash-crc64ecma", of: "crc64", value: plan.sourceFacts.crc64 },
  ];
  const { folded, object } = await completeUpload(plan, copy.copyId, stated, ports);
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

/** The same for any source and target; `owner` is the copy id that the upload was begun with. Errors as for `completeCopy`. */
export async function completeUpload(
  plan: UploadPlan,
  owner: string,
  stated: readonly StatedChecksum[],
  ports: CompleteUploadPorts,
): Promise<{ folded: Folded; object: TargetObject }> {
  const { target } = ports;
  const rows = await ports.readLedger(plan.uploadMark, 1, plan.partCount);
  const folded = fold(plan, rows);
  proveEqual(stated, folded);

  const present = await target.describe(plan.key);
  if (present === null || !isThisUpload(target, present, plan, folded)) {
    await complete(owner, plan, rows, folded, target);
  }
  const object = await target.describe(plan.key);
  if (object === null || !isThisUpload(target, object, plan, folded)) {
    throw new CausewayError("CompletionUnclear", `${plan.key} was completed, but what is there is not it.`);
  }
  return { folded, object };
}

/** Throws `PartsMissing` unless the rows are parts 1 to n without a gap, each of its planned length. */
export function fold(
  plan: Pick<UploadPlan, "partCount" | "partBytes" | "sizeBytes">,
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

/** Throws `ProofFailed` when a checksum was stated and the copied bytes have another. */
function proveEqual(stated: readonly StatedChecksum[], folded: Folded): void {
  for (const { where, of, value } of stated) {
    if (value !== null && value !== folded[of]) {
      throw new CausewayError("ProofFailed", `The copied bytes have CRC-64 ${folded[of]}, ${where} is ${value}.`);
    }
  }
}

async function complete(
  owner: string,
  plan: UploadPlan,
  rows: readonly LedgerPart[],
  folded: Folded,
  target: MultipartTarget,
): Promise<void> {
  const stored = await target.listParts(plan, 1, plan.partCount);
  const storedOf = new Map(stored.map((part) => [part.partNumber, part]));
  const disagreeing = rows.filter((row) => !agrees(target, row, storedOf.get(row.partNumber)));
  if (disagreeing.length > 0) throw partsMissing(disagreeing.map((row) => row.partNumber));
  try {
    await target.complete({
      ref: plan,
      // As the target listed them: a checksum that it does not state for a part it would not take back either.
      parts: stored,
      sizeBytes: plan.sizeBytes,
      checksum: checksumFor(target, folded),
      replacesEtag: plan.replacesEtag,
    });
  } catch (error) {
    await settle(error, owner, plan, folded, target);
  }
}

/** An unclear or refused completion: what lies at the key decides. Returns when it is this copy. */
async function settle(
  error: unknown,
  owner: string,
  plan: UploadPlan,
  folded: Folded,
  target: MultipartTarget,
): Promise<void> {
  const present = await target.describe(plan.key);
  if (present !== null && isThisUpload(target, present, plan, folded)) return;
  const standsInTheWay = present !== null && plan.replacesEtag !== anyEtag && present.etag !== plan.replacesEtag;
  if (isErrorNamed(error, "TargetExists") || standsInTheWay) {
    throw new CausewayError(
      "TargetExists",
      `${plan.key} holds an object that ${present?.copyId === owner ? "another upload of this copy" : "somebody else"} made; it was not touched.`,
      { cause: error },
    );
  }
  if (isErrorNamed(error, "UploadLost", "TargetRefused", "PartsMissing", "ProofFailed")) throw error;
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
  target: Pick<MultipartTarget, "checksum">,
  present: TargetObject,
  plan: Pick<UploadPlan, "uploadMark" | "sizeBytes">,
  folded: Folded,
): boolean {
  return (
    present.uploadMark === plan.uploadMark &&
    present.sizeBytes === plan.sizeBytes &&
    (present.checksum === null || present.checksum === checksumFor(target, folded))
  );
}

/** Enough numbers to look at, not a page of them. */
const mostNumbersNamed = 20;

function partsMissing(numbers: readonly number[]): CausewayError {
  const named = numbers.slice(0, mostNumbersNamed).join(", ");
  return new CausewayError("PartsMissing", `${numbers.length} parts must be sent again: ${named}`);
}
