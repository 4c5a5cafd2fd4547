// A small object, from S3 to OSS in one stream: pinned to its version, summed on the way, and compared on both sides.
import { Readable } from "node:stream";
import { CausewayError, isErrorNamed } from "../../shared/errors.ts";
import { retry } from "../../shared/retry.ts";
import { crc64Nvme, crc64Xz } from "../checksums/crc64.ts";
import { createPartChecksums } from "../checksums/part-checksums.ts";
import { s3AddressOf } from "../s3-address.ts";
import type { RangedSource } from "../sources/source.ts";
import { checksumFor, type WholeObjectTarget } from "../targets/target.ts";
import { endedEarly, watchFlow } from "../watch-flow.ts";
import type { CurrentObject, MirroredVersion } from "./mirror-item.ts";

export interface CopySmallPorts {
  readonly sourceBucket: string;
  readonly source: RangedSource;
  readonly target: WholeObjectTarget;
  newUploadMark(): string;
  now(): number;
  random(): number;
}

const mostAttempts = 5;
const firstWaitMilliseconds = 300;
const longestWaitMilliseconds = 5_000;

/** What a proof of equality may rest on besides what passed here. */
export interface Proven {
  /** CRC-64/XZ that the receipt of the backup's copy states, with where it stands. */
  readonly copyCrc64: string | null;
}

/**
 * Errors: those of source and target; `PartDamaged` when what came from S3 or arrived in OSS was damaged at every
 * attempt; `ProofFailed` when the bytes are S3's, but not those of the copy's receipt.
 */
export async function copySmall(
  current: CurrentObject,
  keys: { readonly sourceKey: string; readonly targetKey: string },
  proven: Proven,
  ports: CopySmallPorts,
  signal: AbortSignal,
): Promise<MirroredVersion> {
  const { versionId, etag, sizeBytes } = current;
  const { put, texts } = await retry(() => copyOnce(current, keys, ports, signal), {
    mostAttempts,
    firstWaitMilliseconds,
    longestWaitMilliseconds,
    isRetryable: (error) => error instanceof CausewayError && error.retryable,
    signal,
    random: ports.random,
  });
  if (proven.copyCrc64 !== null && proven.copyCrc64 !== texts.crc64) {
    throw new CausewayError(
      "ProofFailed",
      `${keys.sourceKey} has CRC-64 ${texts.crc64}; the receipt of the copy that brought it to S3 states ${proven.copyCrc64}.`,
    );
  }
  return {
    versionId,
    s3Etag: etag,
    bytes: sizeBytes,
    ossEtag: put.etag,
    crc64: texts.crc64,
    at: new Date(ports.now()).toISOString(),
    receiptKey: null,
  };
}

async function copyOnce(
  current: CurrentObject,
  { sourceKey, targetKey }: { readonly sourceKey: string; readonly targetKey: string },
  ports: CopySmallPorts,
  outer: AbortSignal,
) {
  const { source, target } = ports;
  const { sizeBytes, versionId } = current;
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
  const body = sizeBytes === 0 ? emptyBody() : await open(source, ports.sourceBucket, sourceKey, current, signal);
  const sums = createPartChecksums();
  const watch = watchFlow(body, sizeBytes, stop, ports.now, (chunk) => sums.update(chunk));
  try {
    const put = await target.putWhole(targetKey, body, sizeBytes, {
      copyId: versionId ?? current.etag,
      uploadMark: ports.newUploadMark(),
      signal,
    });
    const digest = sums.digest();
    if (digest.bytes !== sizeBytes) throw endedEarly(digest.bytes, sizeBytes);
    const texts = { crc64: crc64Xz.format(digest.crc64Xz), checksum: crc64Nvme.format(digest.crc64Nvme) };
    const sent = checksumFor(target, texts);
    if (put.checksum !== null && put.checksum !== sent) {
      throw new CausewayError("PartDamaged", `${targetKey} left with checksum ${sent}, OSS holds ${put.checksum}.`);
    }
    if (current.crc64Nvme !== null && current.crc64Nvme !== texts.checksum) {
      throw new CausewayError(
        "PartDamaged",
        `${sourceKey} came with checksum ${texts.checksum}, S3 states ${current.crc64Nvme}.`,
      );
    }
    return { put, texts };
  } catch (error) {
    if (outer.aborted) throw outer.reason;
    // The target's client only knows that it was interrupted; the reason is what the watch found.
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    watch.end();
    body.destroy();
  }
}

function open(source: RangedSource, bucket: string, key: string, current: CurrentObject, signal: AbortSignal) {
  const { versionId, etag, sizeBytes } = current;
  const address = s3AddressOf({ bucket, key, versionId });
  return source.open(address, { first: 0, last: sizeBytes - 1 }, { sizeBytes, etag, crc64: null }, signal);
}

/** The version was taken away between looking and reading: looking again tells what is there now. */
export function isGone(error: unknown): boolean {
  return isErrorNamed(error, "SourceChanged");
}

function emptyBody(): Readable {
  return Readable.from([], { objectMode: false });
}
