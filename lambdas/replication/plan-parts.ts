// How an object is cut: part size from the target's limits, batches from the concurrency, ranges from the source's rate.
import { CausewayError } from "../shared/errors.ts";
import type { TargetLimits } from "./targets/target.ts";

export interface PartPlan {
  readonly sizeBytes: number;
  readonly partBytes: number;
  readonly partCount: number;
  /** How many source connections fill one part at once, in order. 1 where a single one is fast enough. */
  readonly rangesPerPart: number;
}

/** Small enough that a lost part costs little and many run at once; the part count makes it grow from 80 GB on. */
const preferredPartBytes = 8 * 1024 * 1024;
const mebibyte = 1024 * 1024;
/** More connections for one part than this is refused: memory would grow, and the source is too slow to rely on. */
const mostRangesPerPart = 16;
/** A part may take half of the time a Lambda has, so that one that starts late still ends. */
export const secondsForOnePart = 450;

/**
 * Part size and count for an object of `sizeBytes` (1 or more). Parts are equal but the last.
 * Throws `BackupTooLarge` when the target's largest object or most parts of the largest size do not hold it.
 */
export function planParts(sizeBytes: number, limits: TargetLimits): Omit<PartPlan, "rangesPerPart"> {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1) {
    throw new CausewayError("InputInvalid", `sizeBytes must be a whole number above 0, not ${sizeBytes}`);
  }
  const most = Math.min(limits.largestObjectBytes, limits.mostParts * limits.largestPartBytes);
  if (sizeBytes > most) {
    throw new CausewayError("BackupTooLarge", `The backup has ${sizeBytes} bytes; the target takes at most ${most}.`);
  }
  const needed = Math.ceil(sizeBytes / limits.mostParts);
  // Whole mebibytes where the limits leave room: easier on the eye and on aligned reads.
  const rounded = needed > mebibyte ? Math.ceil(needed / mebibyte) * mebibyte : needed;
  const preferred = limits.smallestPartBytes < mebibyte ? limits.smallestPartBytes : preferredPartBytes;
  const partBytes = Math.min(limits.largestPartBytes, Math.max(limits.smallestPartBytes, preferred, rounded));
  return { sizeBytes, partBytes, partCount: Math.ceil(sizeBytes / partBytes) };
}

/**
 * How many ranges must fill a part at once when one connection brings `bytesPerSecond`.
 * Throws `TooSlowForPart` with the arithmetic when even the most allowed would take longer than half a Lambda's time.
 */
export function rangesForPart(partBytes: number, bytesPerSecond: number): number {
  const ranges = Math.max(1, Math.ceil(partBytes / (bytesPerSecond * secondsForOnePart)));
  if (ranges <= mostRangesPerPart) return ranges;
  throw new CausewayError(
    "TooSlowForPart",
    `A part has ${partBytes} bytes; at ${Math.round(bytesPerSecond)} bytes/s a connection it needs ` +
      `${Math.round(partBytes / bytesPerSecond)} s, and ${mostRangesPerPart} connections at once still ` +
      `${Math.round(partBytes / bytesPerSecond / mostRangesPerPart)} s of the ${secondsForOnePart} s that a part may take.`,
  );
}

/** What a Lambda moves at the very least, all its connections together, for parts in flight to end in their time. */
const slowestLambdaBytesPerSecond = 20_000_000;
/** Each of several connections to one part holds what it reads ahead; this many in all keep a Lambda below 200 MiB. */
const mostConnectionsReadingAhead = 32;

/**
 * How many parts may be in flight in one Lambda, at least 1. They share its rate: too many large ones would all be cut
 * off by the deadline, and none would ever end.
 */
export function mostPartsInFlight(plan: Pick<PartPlan, "partBytes" | "rangesPerPart">): number {
  const endingInTime = Math.floor((slowestLambdaBytesPerSecond * secondsForOnePart) / plan.partBytes);
  if (plan.rangesPerPart === 1) return Math.max(1, endingInTime);
  return Math.max(1, Math.min(endingInTime, Math.floor(mostConnectionsReadingAhead / plan.rangesPerPart)));
}

export interface ByteRange {
  readonly first: number;
  /** Inclusive, as in HTTP. */
  readonly last: number;
}

/** The bytes of part `partNumber` (1-based). */
export function rangeOfPart(plan: Pick<PartPlan, "sizeBytes" | "partBytes">, partNumber: number): ByteRange {
  const first = (partNumber - 1) * plan.partBytes;
  return { first, last: Math.min(first + plan.partBytes, plan.sizeBytes) - 1 };
}

export function lengthOfRange(range: ByteRange): number {
  return range.last - range.first + 1;
}

export interface Batch {
  readonly number: number;
  readonly firstPart: number;
  readonly lastPart: number;
}

/** Batches per Lambda running at once: enough that a slow one does not hold up the end, few enough to keep start-up cheap. */
const batchesPerLambda = 4;
/** Fewer parts than this in a batch do not repay a Lambda's start. */
const fewestPartsPerBatch = 32;

/** Consecutive parts, shared out evenly over at most `concurrentBatches × 4` batches. */
export function planBatches(partCount: number, concurrentBatches: number): Batch[] {
  const partsPerBatch = Math.max(fewestPartsPerBatch, Math.ceil(partCount / (concurrentBatches * batchesPerLambda)));
  const batches: Batch[] = [];
  for (let firstPart = 1; firstPart <= partCount; firstPart += partsPerBatch) {
    const lastPart = Math.min(partCount, firstPart + partsPerBatch - 1);
    batches.push({ number: batches.length + 1, firstPart, lastPart });
  }
  return batches;
}
