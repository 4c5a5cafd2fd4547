// One part from source to target in a single pass: counted, summed, acknowledged, and only then entered in the ledger.
import { CausewayError } from "../shared/errors.ts";
import { crc64Nvme, crc64Xz } from "./checksums/crc64.ts";
import { createPartChecksums } from "./checksums/part-checksums.ts";
import type { UploadPlan } from "./copy.ts";
import { openPart } from "./open-part.ts";
import type { LedgerPart } from "./part-ledger.store.ts";
import { lengthOfRange, rangeOfPart } from "./plan-parts.ts";
import type { RangedSource } from "./sources/source.ts";
import { checksumFor, type MultipartTarget } from "./targets/target.ts";
import { endedEarly, watchFlow } from "./watch-flow.ts";

export interface CopyPartPorts {
  readonly source: RangedSource;
  readonly target: MultipartTarget;
  keepPart(part: LedgerPart): Promise<void>;
  /** Called for every chunk that passes. */
  onBytes(bytes: number): void;
  now(): number;
}

/**
 * Throws what source and target throw, and `SourceUnavailable` when the stream ends early or stalls, `PartDamaged` when
 * the target's checksum of the part is not the one computed here. In either case nothing is in the ledger.
 */
export async function copyPart(
  plan: UploadPlan,
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
    const texts = { crc64: crc64Xz.format(digest.crc64Xz), checksum: crc64Nvme.format(digest.crc64Nvme) };
    const sent = checksumFor(ports.target, texts);
    if (stored.checksum !== null && stored.checksum !== sent) {
      throw new CausewayError(
        "PartDamaged",
        `Part ${partNumber} left with checksum ${sent}, the target holds ${stored.checksum}.`,
      );
    }
    const part = { partNumber, offset: range.first, bytes, etag: stored.etag, ...texts };
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
