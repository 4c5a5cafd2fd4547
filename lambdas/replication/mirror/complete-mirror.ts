// Complete mirror: the parts become an object of OSS that is proved equal; then the key is looked at once more, and let go.
import { CausewayError } from "../../shared/errors.ts";
import { type CompleteUploadPorts, completeUpload, type StatedChecksum } from "../complete-copy.ts";
import type { MirrorStore } from "../mirror.store.ts";
import { type CurrentObject, type HeldKey, isMirrored, type MirroredVersion, type MirrorItem } from "./mirror-item.ts";
import type { MirrorEvents } from "./mirror-key.ts";
import { workflowLeaseUntil } from "./plan-mirror.ts";
import {
  type MirrorPlaces,
  type MirrorReceiptPorts,
  readCopyProof,
  recordMirrorReceipt,
} from "./record-mirror-receipt.ts";

export interface CompleteMirrorPorts extends CompleteUploadPorts, MirrorReceiptPorts {
  readonly places: MirrorPlaces;
  readonly mirror: Pick<MirrorStore, "renew" | "read" | "settle" | "giveBack">;
  readonly events: Pick<MirrorEvents, "mirrored">;
  current(sourceKey: string): Promise<CurrentObject | null>;
  enqueue(sourceKey: string): Promise<void>;
  now(): number;
}

export interface CompletedMirror {
  readonly sourceKey: string;
  /** `handed-over`: something newer is in S3, and in the queue by now. */
  readonly outcome: "mirrored" | "already-mirrored" | "kept-deleted" | "handed-over";
  readonly bytes: number;
  readonly receiptKey: string | null;
}

/** Rounds of looking again before the key is left to the queue. */
const mostRounds = 4;

/** Errors: those of `completeUpload`, `MirrorLeaseLost`, `ReceiptConflict`. `isUploaded`: there are parts to complete. */
export async function completeMirror(
  held: HeldKey & { readonly isUploaded: boolean },
  ports: CompleteMirrorPorts,
): Promise<CompletedMirror> {
  const { sourceKey, fence } = held;
  const before = await ports.mirror.read(sourceKey);
  // A call before this one let go, and died, or its answer was lost.
  if (before?.settledFence === fence) return outcomeOf(before, "already-mirrored");
  let item = await ports.mirror.renew(held, workflowLeaseUntil(ports.now()));
  const isAnew = held.isUploaded;
  // Once more where a call before this one died: the object is found as it was made.
  if (isAnew) item = { ...item, mirrored: await finishUpload(item, ports) };
  for (let round = 0; round < mostRounds; round += 1) {
    const current = await ports.current(sourceKey);
    if (current !== null && !isMirrored(item.mirrored, current)) break;
    const mirrored = current === null ? item.mirrored : await withReceipt(item, current, ports);
    if (isAnew && round === 0 && mirrored !== undefined) {
      const { targetKey } = item;
      const { versionId, bytes, crc64, receiptKey } = mirrored;
      await ports.events.mirrored({ sourceKey, versionId, targetKey, bytes, crc64, receiptKey });
    }
    const deletedAt = current === null ? new Date(ports.now()).toISOString() : undefined;
    const newer = await ports.mirror.settle(held, { wanted: item.wanted, mirrored, deletedAt });
    item = { ...(newer ?? item), ...(mirrored === undefined ? {} : { mirrored }) };
    if (newer === undefined) {
      return outcomeOf(item, current === null ? "kept-deleted" : isAnew ? "mirrored" : "already-mirrored");
    }
  }
  // First the lease, so that whoever takes the message can work at once. Between the two the check for lag looks after it.
  await ports.mirror.giveBack(held, { mirrored: item.mirrored });
  await ports.enqueue(sourceKey);
  return outcomeOf(item, "handed-over");
}

function outcomeOf({ sourceKey, mirrored }: MirrorItem, outcome: CompletedMirror["outcome"]): CompletedMirror {
  return { sourceKey, outcome, bytes: mirrored?.bytes ?? 0, receiptKey: mirrored?.receiptKey ?? null };
}

async function finishUpload(item: MirrorItem, ports: CompleteMirrorPorts): Promise<MirroredVersion> {
  const { upload, sourceKey } = item;
  if (upload === undefined) throw new CausewayError("UploadLost", `${sourceKey} has no upload any more.`);
  const { versionId, sourceFacts, crc64Nvme, sizeBytes } = upload;
  const copy = await copyProofOf(sourceKey, upload.versionId, ports);
  const stated: StatedChecksum[] = [
    { where: "S3's own checksum", of: "checksum", value: crc64Nvme },
    { where: "the copy's receipt", of: "crc64", value: copy },
  ];
  const { folded, object } = await completeUpload(upload, versionId ?? sourceFacts.etag ?? "", stated, ports);
  return {
    versionId,
    s3Etag: sourceFacts.etag ?? "",
    bytes: sizeBytes,
    ossEtag: object.etag,
    crc64: folded.crc64,
    at: new Date(ports.now()).toISOString(),
    receiptKey: null,
  };
}

/** The CRC-64/XZ in the receipt of the copy that made this version, while it is the current one. */
async function copyProofOf(sourceKey: string, versionId: string | null, ports: CompleteMirrorPorts) {
  const current = await ports.current(sourceKey);
  if (current === null || current.versionId !== versionId) return null;
  return (await readCopyProof(sourceKey, current, ports))?.crc64 ?? null;
}

async function withReceipt(
  item: MirrorItem,
  current: CurrentObject,
  ports: CompleteMirrorPorts,
): Promise<MirroredVersion | undefined> {
  const { mirrored } = item;
  if (mirrored === undefined || mirrored.receiptKey !== null) return mirrored;
  const copy = await readCopyProof(item.sourceKey, current, ports);
  if (copy === null) return mirrored;
  return { ...mirrored, receiptKey: await recordMirrorReceipt(item, current, mirrored, copy, ports.places, ports) };
}
