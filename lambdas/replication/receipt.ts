// The receipt of a copy: what the source stated, what the target holds, and how far the two are shown to be equal.
import { createHash } from "node:crypto";
import * as z from "zod";
import { restorabilities } from "./backup.ts";
import type { CompletedUpload, Copy, CopyPlan } from "./copy.ts";
import { isVerified, proofClasses } from "./copy.ts";

export const receiptFormat = "causeway/copy-receipt/1";

export const receiptSchema = z.object({
  format: z.literal(receiptFormat),
  copyId: z.string(),
  executionArn: z.string(),
  source: z.object({
    kind: z.string(),
    instanceId: z.string(),
    backupId: z.string(),
    engine: z.string(),
    fileName: z.string(),
    startedAt: z.string(),
    instanceDeleted: z.boolean(),
    sizeBytes: z.number(),
    etag: z.string().nullable(),
    /** As the inventory states it. */
    inventoryCrc64: z.string().nullable(),
    /** As the file's own header states it. */
    headerCrc64: z.string().nullable(),
  }),
  target: z.object({
    kind: z.literal("s3"),
    bucket: z.string(),
    key: z.string(),
    versionId: z.string().nullable(),
    sizeBytes: z.number(),
    etag: z.string(),
    checksumAlgorithm: z.literal("CRC64NVME"),
    checksumType: z.literal("FULL_OBJECT"),
    checksum: z.string(),
  }),
  proof: z.object({
    class: z.enum(proofClasses),
    verified: z.boolean(),
    /** CRC-64/XZ of the bytes that were sent, folded from the parts. */
    crc64: z.string(),
    sentence: z.string(),
  }),
  restorability: z.enum(restorabilities),
  parts: z.object({ count: z.number(), bytes: z.number(), rangesPerPart: z.number() }),
  plannedAt: z.string(),
  completedAt: z.string(),
  seconds: z.number(),
  bytesPerSecond: z.number(),
});

export type Receipt = z.infer<typeof receiptSchema>;

export const signatureSchema = z.object({
  keyId: z.string(),
  algorithm: z.literal("ECDSA_SHA_256"),
  /** SHA-256 of the receipt's canonical bytes, hex. */
  sha256: z.string(),
  /** DER, base64. */
  value: z.string(),
});

export const signedReceiptSchema = z.object({ receipt: receiptSchema, signature: signatureSchema });

export type SignedReceipt = z.infer<typeof signedReceiptSchema>;

const sentences = {
  "source-checksum":
    "The CRC-64 that Aliyun states for the backup equals that of the bytes sent; S3 holds bytes with the same CRC-64/NVME as those sent.",
  "source-crc-header":
    "The CRC-64 in the file's own header equals that of the bytes sent; S3 holds bytes with the same CRC-64/NVME as those sent. The backup list states no checksum.",
  "length-and-etag":
    "The source states no checksum: only its length and unchanged ETag are known. S3 holds bytes with the same CRC-64/NVME as those that arrived. Not verified.",
} as const;

export function receiptOf(copy: Copy, plan: CopyPlan, completed: CompletedUpload, executionArn: string): Receipt {
  const { backup } = copy;
  const seconds = Math.max(0.001, (Date.parse(completed.completedAt) - Date.parse(plan.plannedAt)) / 1000);
  return {
    format: receiptFormat,
    copyId: copy.copyId,
    executionArn,
    source: {
      kind: backup.source,
      instanceId: backup.instanceId,
      backupId: backup.backupId,
      engine: backup.engine,
      fileName: backup.fileName,
      startedAt: backup.startedAt,
      instanceDeleted: backup.instanceDeleted,
      sizeBytes: plan.sourceFacts.sizeBytes,
      etag: plan.sourceFacts.etag,
      inventoryCrc64: plan.inventoryCrc64,
      headerCrc64: plan.sourceFacts.crc64,
    },
    target: {
      kind: "s3",
      bucket: plan.bucket,
      key: plan.key,
      versionId: completed.versionId,
      sizeBytes: plan.sizeBytes,
      etag: completed.etag,
      checksumAlgorithm: "CRC64NVME",
      checksumType: "FULL_OBJECT",
      checksum: completed.checksum,
    },
    proof: {
      class: completed.proof,
      verified: isVerified(completed.proof),
      crc64: completed.crc64,
      sentence: sentences[completed.proof],
    },
    restorability: copy.restorability,
    parts: { count: plan.partCount, bytes: plan.partBytes, rangesPerPart: plan.rangesPerPart },
    plannedAt: plan.plannedAt,
    completedAt: completed.completedAt,
    seconds,
    bytesPerSecond: Math.round(plan.sizeBytes / seconds),
  };
}

/** Keys sorted, no white space, UTF-8: the same facts always give the same bytes. Numbers are JSON's own. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Of a receipt of any format. */
export function receiptDigest(receipt: object): Buffer {
  return createHash("sha256").update(canonicalJson(receipt)).digest();
}

/** The text of the file in which a receipt of any format is kept. */
export async function signReceipt(
  receipt: object,
  sign: (digest: Buffer) => Promise<{ keyId: string; value: string }>,
): Promise<string> {
  const digest = receiptDigest(receipt);
  const { keyId, value } = await sign(digest);
  const signature: z.infer<typeof signatureSchema> = {
    keyId,
    algorithm: "ECDSA_SHA_256",
    sha256: digest.toString("hex"),
    value,
  };
  return `${JSON.stringify({ receipt, signature }, null, 2)}\n`;
}

/** Of a receipt's file as it was written: what points at it. */
export function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** One fact, one receipt: the upload's mark keeps a forced copy's apart from the one before. */
export function receiptKeyOf(plan: Pick<CopyPlan, "key" | "uploadMark">): string {
  return `receipts/${plan.key}/${plan.uploadMark}/copy.json`;
}

/** Beside the receipt of the copy that it goes on from. */
export function mirrorReceiptKeyOf(plan: Pick<CopyPlan, "key" | "uploadMark">): string {
  return `receipts/${plan.key}/${plan.uploadMark}/mirror-oss.json`;
}

export const mirrorReceiptFormat = "causeway/mirror-receipt/1";

/** What is in OSS, and that it is what the copy brought to S3: with the copy's receipt, Aliyun RDS = S3 = OSS. */
export const mirrorReceiptSchema = z.object({
  format: z.literal(mirrorReceiptFormat),
  /** The receipt of the copy: its key, and the SHA-256 of its file, hex. */
  copy: z.object({ copyId: z.string(), receiptKey: z.string(), receiptSha256: z.string(), crc64: z.string() }),
  source: z.object({
    kind: z.literal("s3"),
    bucket: z.string(),
    key: z.string(),
    versionId: z.string().nullable(),
    sizeBytes: z.number(),
    etag: z.string(),
    checksumAlgorithm: z.literal("CRC64NVME"),
    /** As S3 states it of the whole object; null where it does not. */
    checksum: z.string().nullable(),
  }),
  target: z.object({
    kind: z.literal("aliyun-oss"),
    region: z.string(),
    bucket: z.string(),
    key: z.string(),
    sizeBytes: z.number(),
    etag: z.string(),
    /** CRC-64/XZ as OSS states it of the finished object. */
    crc64: z.string(),
  }),
  proof: z.object({
    /** CRC-64/XZ of the bytes that passed, folded where they passed in parts. */
    crc64: z.string(),
    sentence: z.string(),
  }),
  mirroredAt: z.string(),
});

export type MirrorReceipt = z.infer<typeof mirrorReceiptSchema>;

export const signedMirrorReceiptSchema = z.object({ receipt: mirrorReceiptSchema, signature: signatureSchema });
