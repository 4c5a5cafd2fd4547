// The receipt of a mirrored backup: written once beside the copy's own, to which it points by SHA-256.
import * as z from "zod";
import { CausewayError } from "../../shared/errors.ts";
import {
  canonicalJson,
  type MirrorReceipt,
  mirrorReceiptFormat,
  mirrorReceiptKeyOf,
  receiptKeyOf,
  sha256Of,
  signedMirrorReceiptSchema,
  signedReceiptSchema,
  signReceipt,
} from "../receipt.ts";
import type { CurrentObject, MirroredVersion } from "./mirror-item.ts";

export interface MirrorReceiptPorts {
  /** The text of a receipt; undefined when there is none (yet). */
  readReceipt(key: string): Promise<string | undefined>;
  /** Writes unless there is one; returns what is there then. */
  writeReceipt(key: string, body: string): Promise<string>;
  sign(digest: Buffer): Promise<{ keyId: string; value: string }>;
}

export interface MirrorPlaces {
  readonly sourceBucket: string;
  readonly ossRegion: string;
  readonly ossBucket: string;
}

/** What the receipt of the copy that made this version says. */
export interface CopyProof {
  readonly copyId: string;
  readonly receiptKey: string;
  readonly receiptSha256: string;
  readonly crc64: string;
}

const sentence =
  "OSS states for its object the CRC-64 of the bytes that were read from this version in S3; the receipt of the copy states the same CRC-64 of what came from Aliyun RDS.";

const jsonText = z.string().transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue({ code: "custom", message: "is not JSON" });
    return z.NEVER;
  }
});

/**
 * Null for an object that no copy made, and for a copy that has no receipt yet: it gets one a moment after its object,
 * and the event BackupReplicated then brings the mirror here again.
 */
export async function readCopyProof(
  sourceKey: string,
  current: CurrentObject,
  ports: Pick<MirrorReceiptPorts, "readReceipt">,
): Promise<CopyProof | null> {
  if (current.uploadMark === null) return null;
  const receiptKey = receiptKeyOf({ key: sourceKey, uploadMark: current.uploadMark });
  const text = await ports.readReceipt(receiptKey);
  if (text === undefined) return null;
  const parsed = jsonText.pipe(signedReceiptSchema).safeParse(text);
  if (!parsed.success) throw new CausewayError("ReceiptConflict", `${receiptKey} is no receipt of a copy.`);
  const { receipt } = parsed.data;
  // An object can be copied onto itself, metadata and all: that version is no longer the copy's.
  if (receipt.target.versionId !== current.versionId) return null;
  return { copyId: receipt.copyId, receiptKey, receiptSha256: sha256Of(text), crc64: receipt.proof.crc64 };
}

/** The key of the receipt. Throws `ReceiptConflict` when one of other facts stands there. */
export async function recordMirrorReceipt(
  keys: { readonly sourceKey: string; readonly targetKey: string },
  current: CurrentObject,
  mirrored: MirroredVersion,
  copy: CopyProof,
  places: MirrorPlaces,
  ports: MirrorReceiptPorts,
): Promise<string> {
  const receipt: MirrorReceipt = {
    format: mirrorReceiptFormat,
    copy,
    source: {
      kind: "s3",
      bucket: places.sourceBucket,
      key: keys.sourceKey,
      versionId: current.versionId,
      sizeBytes: current.sizeBytes,
      etag: current.etag,
      checksumAlgorithm: "CRC64NVME",
      checksum: current.crc64Nvme,
    },
    target: {
      kind: "aliyun-oss",
      region: places.ossRegion,
      bucket: places.ossBucket,
      key: keys.targetKey,
      sizeBytes: mirrored.bytes,
      etag: mirrored.ossEtag,
      crc64: mirrored.crc64,
    },
    proof: { crc64: mirrored.crc64, sentence },
    mirroredAt: mirrored.at,
  };
  if (copy.crc64 !== mirrored.crc64) {
    throw new CausewayError(
      "ProofFailed",
      `${keys.targetKey} in OSS has CRC-64 ${mirrored.crc64}; ${copy.receiptKey} states ${copy.crc64}.`,
    );
  }
  const key = mirrorReceiptKeyOf({ key: keys.sourceKey, uploadMark: current.uploadMark ?? "" });
  const text = await signReceipt(receipt, (digest) => ports.sign(digest));
  const written = jsonText.pipe(signedMirrorReceiptSchema).safeParse(await ports.writeReceipt(key, text));
  if (written.success && sameFacts(written.data.receipt, receipt)) return key;
  throw new CausewayError("ReceiptConflict", `${key} holds a receipt of other facts; receipts are never replaced.`);
}

/** An object that was sent once more has another time, and in parts of another size another ETag; not another content. */
function sameFacts(left: MirrorReceipt, right: MirrorReceipt): boolean {
  const factsOf = ({ copy, source, target, proof }: MirrorReceipt) => [
    copy,
    source,
    { ...target, etag: "" },
    proof.crc64,
  ];
  return canonicalJson(factsOf(left)) === canonicalJson(factsOf(right));
}
