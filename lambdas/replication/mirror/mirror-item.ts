// One item of the Mirror table: what of one key is in OSS, who works on it, and whether something newer waits.
import type { UploadPlan } from "../copy.ts";

/** Held by one Lambda invocation or one execution. The fence beside it tells this holder from every other one, ever. */
export interface MirrorLease {
  readonly holder: string;
  /** RFC 3339. Who holds it stops writing well before. */
  readonly expiresAt: string;
}

/** The version that is in OSS, as far as is known. */
export interface MirroredVersion {
  /** Null where the bucket keeps no versions. */
  readonly versionId: string | null;
  readonly s3Etag: string;
  readonly bytes: number;
  readonly ossEtag: string;
  /** CRC-64/XZ, decimal text: of the bytes that passed, and as OSS states it. */
  readonly crc64: string;
  readonly at: string;
  /** Only copies of backups have a receipt, and not before the copy itself has its own. */
  readonly receiptKey: string | null;
}

/** A large upload under way, and the version that it is one of. */
export interface MirrorUpload extends UploadPlan {
  readonly versionId: string | null;
  /** As S3 states it, base64; null where it states none over the whole object. */
  readonly crc64Nvme: string | null;
}

/** The execution that was started last for a large version. */
export interface MirrorRun {
  readonly name: string;
  readonly versionId: string | null;
  /** Counts executions for this version: a name can be used once in 90 days. */
  readonly attempt: number;
}

export interface MirrorFailure {
  readonly error: string;
  readonly cause: string;
  readonly at: string;
  /** MirrorFailed was raised for it. */
  readonly announced: boolean;
  /** Of an execution: which one. */
  readonly holder?: string;
}

export interface MirrorItem {
  readonly sourceKey: string;
  readonly targetKey: string;
  /** Counts wishes: a holder lets go for good only if it has seen the last one. */
  readonly wanted: number;
  /** Grows with every lease. Every write of a holder is conditional on it. */
  readonly fence: number;
  readonly lease?: MirrorLease;
  /** The fence of whoever let go for good last: its own repeated write finds its work done. */
  readonly settledFence?: number;
  readonly mirrored?: MirroredVersion;
  /** S3 holds no current object any more; OSS keeps what it has. */
  readonly deletedAt?: string;
  /** Since when something newer is in S3 than in OSS; only such items are in the index `byWaiting`. */
  readonly waitingSince?: string;
  readonly listing?: typeof waitingList;
  readonly upload?: MirrorUpload;
  readonly run?: MirrorRun;
  readonly lastError?: MirrorFailure;
}

/** The partition of the index `byWaiting`. */
export const waitingList = "waiting";

/** Which key, under which fence: what a holder needs to write. */
export interface HeldKey {
  readonly sourceKey: string;
  readonly fence: number;
}

/** The object as it is in S3 now. */
export interface CurrentObject {
  readonly versionId: string | null;
  readonly etag: string;
  readonly sizeBytes: number;
  /** CRC-64/NVME of the whole object, base64, where S3 states it. */
  readonly crc64Nvme: string | null;
  /** The mark of the upload with which a copy made it; null for anybody else's object. */
  readonly uploadMark: string | null;
}

export function isMirrored(mirrored: MirroredVersion | undefined, current: CurrentObject): boolean {
  return mirrored !== undefined && mirrored.versionId === current.versionId && mirrored.s3Etag === current.etag;
}

/** DynamoDB items have a limit, and nobody reads more. */
const longestCause = 1000;

export function mirrorFailureOf(error: Error, nowMilliseconds: number, announced: boolean): MirrorFailure {
  const cause = error.message.slice(0, longestCause);
  return { error: error.name, cause, at: new Date(nowMilliseconds).toISOString(), announced };
}

/** The same failure is told again after this time, not before: a broken key pair fails thousands of keys, again and again. */
const toldAgainMilliseconds = 3_600_000;

export function isToldAlready(before: MirrorFailure | undefined, error: Error, nowMilliseconds: number): boolean {
  if (before === undefined || !before.announced || before.error !== error.name) return false;
  return nowMilliseconds - Date.parse(before.at) < toldAgainMilliseconds;
}
