// One item of the Copies table: what is known of the copy of one backup, who holds it, and what came of it.
import type { ListedBackup, Restorability } from "./backup.ts";
import type { PartPlan } from "./plan-parts.ts";
import type { SourceFacts } from "./sources/source.ts";

/** A lease held by an execution. It is taken over only when it has expired and that execution is closed. */
export interface Claim {
  readonly executionArn: string;
  /** RFC 3339 */
  readonly expiresAt: string;
}

/** Longer than a Lambda can live: when it has expired, no worker of that execution is left. */
const claimSeconds = 1200;

export function newClaim(executionArn: string, nowMilliseconds: number): Claim {
  return { executionArn, expiresAt: new Date(nowMilliseconds + claimSeconds * 1000).toISOString() };
}

/** What the engine pins when an upload begins, whichever way it goes, and may not change until it ends. */
export interface UploadPlan extends PartPlan {
  readonly key: string;
  readonly uploadId: string;
  /** Our own name of the upload: partition of the part ledger, and metadata of the object. */
  readonly uploadMark: string;
  readonly sourceFacts: SourceFacts;
  /** ETag of the object that is replaced, as in `Completion`. */
  readonly replacesEtag: string | null;
  readonly plannedAt: string;
}

/** The plan of a backup's copy. */
export interface CopyPlan extends UploadPlan {
  readonly bucket: string;
  /** CRC-64/XZ that the inventory states, decimal text; null if it states none. */
  readonly inventoryCrc64: string | null;
}

export interface SourceLink {
  /** As good as a key until it expires; leaves this table only for the worker's memory. */
  readonly address: string;
  readonly expiresAt: string | null;
  /** Counts the refreshes, so that many workers ask for one new link and not for many. */
  readonly version: number;
}

export const copyStates = ["copying", "verified", "copied-unverified", "failed"] as const;
export type CopyState = (typeof copyStates)[number];

/** How far equality is shown; the last is a warning, never "verified". */
export const proofClasses = ["source-checksum", "source-crc-header", "length-and-etag"] as const;
export type ProofClass = (typeof proofClasses)[number];

export interface CopyFailure {
  readonly executionArn: string;
  readonly error: string;
  readonly cause: string;
  readonly at: string;
}

export function failureOf(error: Error, executionArn: string, nowMilliseconds: number): CopyFailure {
  return { executionArn, error: error.name, cause: error.message, at: new Date(nowMilliseconds).toISOString() };
}

export interface CopyResult {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | null;
  readonly bytes: number;
  readonly proof: ProofClass;
  readonly crc64: string;
  readonly checksum: string;
  readonly completedAt: string;
  readonly receiptKey: string;
  readonly receiptSha256: string;
  /** Which execution made it: its own repeated call is answered, not refused. */
  readonly executionArn: string;
  /** The run that the execution belonged to. */
  readonly runId: string;
}

/** What completion found, kept so that the receipt can be written by another Lambda, or again. */
export interface CompletedUpload {
  readonly uploadMark: string;
  readonly crc64: string;
  readonly checksum: string;
  readonly proof: ProofClass;
  readonly versionId: string | null;
  readonly etag: string;
  readonly completedAt: string;
}

export interface Copy {
  readonly copyId: string;
  readonly backup: ListedBackup;
  readonly restorability: Restorability;
  readonly state: CopyState;
  /** RFC 3339: when a claim was taken or the state changed last. Absent on items that were made before there was a list. */
  readonly changedAt?: string;
  /** Where the object is, or is to be. */
  readonly key: string;
  readonly claim?: Claim;
  readonly plan?: CopyPlan;
  readonly link?: SourceLink;
  readonly lastError?: CopyFailure;
  readonly completed?: CompletedUpload;
  readonly result?: CopyResult;
}

/** Which of the three classes a proof has, from what the source told. */
export function proofClassOf(plan: Pick<CopyPlan, "inventoryCrc64" | "sourceFacts">): ProofClass {
  if (plan.inventoryCrc64 !== null) return "source-checksum";
  if (plan.sourceFacts.crc64 !== null) return "source-crc-header";
  return "length-and-etag";
}

export function isVerified(proof: ProofClass): boolean {
  return proof !== "length-and-etag";
}
