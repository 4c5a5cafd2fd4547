// Record receipt: sign the facts of a completed copy, write them once, and mark the copy as done.
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import type { Copy, CopyResult, CopyState } from "./copy.ts";
import { isVerified } from "./copy.ts";
import type { Receipt, SignedReceipt } from "./receipt.ts";
import { canonicalJson, receiptKeyOf, receiptOf, sha256Of, signReceipt } from "./receipt.ts";

export interface RecordReceiptPorts {
  read(copyId: string): Promise<Copy | undefined>;
  sign(digest: Buffer): Promise<{ keyId: string; value: string }>;
  /** Writes unless there is one; returns what is there then. */
  writeOnce(key: string, body: string): Promise<string>;
  finish(copyId: string, executionArn: string, state: CopyState, result: CopyResult): Promise<void>;
}

export async function recordReceipt(
  input: { runId: string; copyId: string; executionArn: string },
  ports: RecordReceiptPorts,
): Promise<CopyResult> {
  const copy = await ports.read(input.copyId);
  // The call before this one may have died after its last write.
  if (copy?.result?.executionArn === input.executionArn && copy.claim === undefined) return copy.result;
  const { plan, completed } = copy ?? {};
  if (copy === undefined || plan === undefined || completed === undefined || completed.uploadMark !== plan.uploadMark) {
    throw new CausewayError("ReceiptConflict", `${input.copyId} has no completed upload to record.`);
  }
  const receipt = receiptOf(copy, plan, completed, input.executionArn);
  const key = receiptKeyOf(plan);
  const written = await ports.writeOnce(key, await signReceipt(receipt, (digest) => ports.sign(digest)));
  const kept = (JSON.parse(written) as SignedReceipt).receipt;
  if (!sameFacts(kept, receipt)) {
    throw new CausewayError("ReceiptConflict", `${key} holds a receipt of other facts; receipts are never replaced.`);
  }
  const result: CopyResult = {
    bucket: plan.bucket,
    key: plan.key,
    versionId: completed.versionId,
    bytes: plan.sizeBytes,
    proof: completed.proof,
    crc64: completed.crc64,
    checksum: completed.checksum,
    completedAt: completed.completedAt,
    receiptKey: key,
    receiptSha256: sha256Of(written),
    executionArn: input.executionArn,
    runId: input.runId,
  };
  const state = isVerified(completed.proof) ? "verified" : "copied-unverified";
  try {
    await ports.finish(copy.copyId, input.executionArn, state, result);
  } catch (error) {
    // A write whose answer was lost is sent again by the SDK, and finds its own work done.
    const now = isErrorNamed(error, "ClaimLost") ? await ports.read(copy.copyId) : undefined;
    if (now?.result?.receiptKey !== key || now.result.executionArn !== input.executionArn) throw error;
  }
  return result;
}

/** An earlier attempt may have written it under another execution; what it says of source and target must be the same. */
function sameFacts(left: Receipt, right: Receipt): boolean {
  return (
    canonicalJson([left.copyId, left.source, left.target, left.proof]) ===
    canonicalJson([right.copyId, right.source, right.target, right.proof])
  );
}
