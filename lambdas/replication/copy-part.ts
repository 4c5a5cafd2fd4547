// One part from source to target in a single pass: counted, summed, acknowledged, and only then entered in the ledger.
import type { Readable } from "node:stream";
import { CausewayError, messageOf } from "../shared/errors.ts";
import { crc64Nvme, crc64Xz } from "./checksums/crc64.ts";
import { createPartChecksums } from "./checksums/part-checksums.ts";
import type { CopyPlan } from "./copy.ts";
import { openPart } from "./open-part.ts";
import type { LedgerPart } from "./part-ledger.store.ts";
import { lengthOfRange, rangeOfPart } from "./plan-parts.ts";
import type { RangedSource } from "./sources/source.ts";
import type { MultipartTarget } from "./targets/target.ts";

export interface CopyPartPorts {
  readonly source: RangedSource;
  readonly target: MultipartTarget;
  keepPart(part: LedgerPart): Promise<void>;
  /** Called for every chunk that passes. */
  onBytes(bytes: number): void;
  now(): number;
}

/** A part in which no byte moves for so long is given up: one of the two sides hangs. */
const longestStallMilliseconds = 60_000;

/**
 * Throws what source and target throw, and `SourceUnavailable` when the stream ends early or stalls, `PartDamaged` when
 * the target's checksum of the part is not the one computed here. In either case nothing is in the ledger.
 */
export async function copyPart(
  plan: CopyPlan,
  address: string,
  partNumber: number,
  ports: CopyPartPorts,
  outer: AbortSignal,
): Promise<LedgerPart> {
  const range = rangeOfPart(plan, partNumber);
  const bytes = lengthOfRange(range);
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const sums = createPartChecksums();
  let seen = 0;
  const body = await openPart(ports.source, address, plan, partNumber, signal);
  const watch = watchFlow(body, bytes, stop, ports.now, (chunk) => {
    seen += chunk.length;
    sums.update(chunk);
    ports.onBytes(chunk.length);
  });
  try {
    const stored = await ports.target.putPart(plan, partNumber, body, bytes, { signal });
    if (seen !== bytes) throw endedEarly(seen, bytes);
    const digest = sums.digest();
    const checksum = crc64Nvme.format(digest.crc64Nvme);
    if (stored.checksum !== null && stored.checksum !== checksum) {
      throw new CausewayError(
        "PartDamaged",
        `Part ${partNumber} left with checksum ${checksum}, the target holds ${stored.checksum}.`,
      );
    }
    const part = {
      partNumber,
      offset: range.first,
      bytes,
      etag: stored.etag,
      crc64: crc64Xz.format(digest.crc64Xz),
      checksum,
    };
    await ports.keepPart(part);
    return part;
  } catch (error) {
    if (outer.aborted) throw outer.reason;
    // The target's client only knows that it was interrupted; the reason is what the watch found.
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    watch.end();
    body.destroy();
  }
}

/** Taps the stream without a copy, and stops the upload when the source breaks off or nothing moves any more. */
function watchFlow(
  body: Readable,
  expected: number,
  stop: AbortController,
  now: () => number,
  onChunk: (chunk: Buffer) => void,
) {
  let seen = 0;
  let movedAt = now();
  // Paused first: a listener alone would set the stream flowing before the target reads it.
  body.pause();
  body.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    movedAt = now();
    onChunk(chunk);
  });
  body.once("error", (error: unknown) => {
    stop.abort(
      error instanceof CausewayError
        ? error
        : new CausewayError("SourceUnavailable", `The source broke off: ${messageOf(error)}`, { cause: error }),
    );
  });
  body.once("close", () => {
    if (seen < expected) stop.abort(endedEarly(seen, expected));
  });
  const timer = setInterval(() => {
    if (now() - movedAt < longestStallMilliseconds) return;
    stop.abort(new CausewayError("SourceUnavailable", `No byte moved for ${longestStallMilliseconds / 1000} s.`));
  }, longestStallMilliseconds / 4);
  return { end: () => clearInterval(timer) };
}

function endedEarly(seen: number, expected: number): CausewayError {
  return new CausewayError("SourceUnavailable", `The source ended after ${seen} of ${expected} bytes.`);
}
