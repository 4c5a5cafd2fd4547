// The port for what is written: a multipart upload that the target itself checks against size and checksum.
import type { Readable } from "node:stream";

export interface TargetLimits {
  readonly smallestPartBytes: number;
  readonly largestPartBytes: number;
  readonly mostParts: number;
  readonly largestObjectBytes: number;
}

export interface StoredPart {
  readonly partNumber: number;
  readonly bytes: number;
  readonly etag: string;
  /** The target's own checksum of the part in its text form; null where it states none. */
  readonly checksum: string | null;
}

/** The two checksums that the engine takes of whatever passes: CRC-64/XZ (Aliyun, OSS) and CRC-64/NVME (S3). */
export type TargetChecksum = "crc64Xz" | "crc64Nvme";

/** Both checksums of the same bytes, each in its cloud's text form. */
export interface ChecksumTexts {
  /** CRC-64/XZ, decimal. */
  readonly crc64: string;
  /** CRC-64/NVME, base64. */
  readonly checksum: string;
}

export interface UploadRef {
  readonly key: string;
  readonly uploadId: string;
}

export interface TargetObject {
  readonly key: string;
  readonly versionId: string | null;
  readonly sizeBytes: number;
  readonly etag: string;
  /** The full object's checksum in the target's text form, where the target states one. */
  readonly checksum: string | null;
  /** Which copy made it; null for anybody else's object. */
  readonly copyId: string | null;
  /** Of the upload that made it; tells a forced copy from the one before. */
  readonly uploadMark: string | null;
}

export interface Completion {
  readonly ref: UploadRef;
  readonly parts: readonly StoredPart[];
  readonly sizeBytes: number;
  /** The folded checksum of the whole object, in the target's text form. */
  readonly checksum: string;
  /** Replace the object that has this ETag; null: no object may be there; `anyEtag`: whatever is there. */
  readonly replacesEtag: string | null;
}

/** In the place of an ETag: whatever object is there is replaced, if there is one. */
export const anyEtag = "*";

/** The one of the two checksums that the target states itself. */
export function checksumFor(target: Pick<MultipartTarget, "checksum">, texts: ChecksumTexts): string {
  return target.checksum === "crc64Xz" ? texts.crc64 : texts.checksum;
}

/**
 * Errors of every adapter (CausewayError): `UploadLost`, `TargetUnavailable` (throttled or failing), `TargetRefused`,
 * `PartDamaged` (the bytes that arrived have another checksum), `TargetExists`.
 */
export interface MultipartTarget {
  readonly limits: TargetLimits;
  /** Which checksum it computes of what arrives: the `checksum` of parts, completions and objects. */
  readonly checksum: TargetChecksum;
  /** `uploadMark` is kept as metadata of the object to be, with the copy's id. */
  begin(key: string, copyId: string, uploadMark: string): Promise<UploadRef>;
  /** Uploads begun for exactly this key and neither completed nor aborted; at most 100. */
  unfinishedUploads(key: string): Promise<UploadRef[]>;
  /** `checksum`, where known beforehand, is sent along; the answer carries the target's own where it states one. */
  putPart(
    ref: UploadRef,
    partNumber: number,
    body: Readable,
    bytes: number,
    options: { checksum?: string; signal: AbortSignal },
  ): Promise<StoredPart>;
  /** The parts from `firstPart` to `lastPart` that the target holds, in order. */
  listParts(ref: UploadRef, firstPart: number, lastPart: number): Promise<StoredPart[]>;
  /** One attempt. A failure may mean that the object exists all the same: settle it by `describe`. */
  complete(completion: Completion): Promise<void>;
  /** Null when there is no object. */
  describe(key: string): Promise<TargetObject | null>;
  /** Idempotent: an upload that is gone is fine. */
  abort(ref: UploadRef): Promise<void>;
}

/** A target that also takes an object in one go. */
export interface WholeObjectTarget extends MultipartTarget {
  /** Refuses by name (`InputInvalid`) a key that it could not hold. */
  checkKey(key: string): void;
  /**
   * Replaces whatever is there. One attempt; `bytes` may be 0. An aborted call has ended when this returns: the connection
   * is closed, but what had arrived whole by then may count.
   */
  putWhole(
    key: string,
    body: Readable,
    bytes: number,
    options: { copyId: string; uploadMark: string; signal: AbortSignal },
  ): Promise<{ readonly etag: string; readonly checksum: string | null }>;
}

/** Apart from the targets: nothing that writes can delete. */
export interface ObjectRemover {
  /** Idempotent: an object that is gone is fine. Errors as of a target. */
  delete(key: string): Promise<void>;
}
