// Sum object: both CRC-64s of an object of any size, in ranges some at a time; what is summed so far fits into a payload.
import { CausewayError } from "../../shared/errors.ts";
import { retry } from "../../shared/retry.ts";
import { foldParts } from "../checksums/checksum.ts";
import { crc64Nvme, crc64Xz } from "../checksums/crc64.ts";
import type { PartChecksums } from "../checksums/part-checksums.ts";
import type { ByteRange } from "../plan-parts.ts";

/** The beginning of an object: how much of it, and its checksums. */
export interface ByteSum {
  readonly bytes: number;
  /** CRC-64/XZ, decimal text. */
  readonly crc64: string;
  /** CRC-64/NVME, base64. */
  readonly crc64Nvme: string;
}

export interface SumPorts {
  /** The checksums of exactly this range of exactly the object that is meant; `bytes` is the range's length. */
  readRange(range: ByteRange, signal: AbortSignal): Promise<PartChecksums>;
  readonly segmentBytes: number;
  readonly segmentsAtOnce: number;
  /** Whether there is time for another round of segments. */
  mayGoOn(): boolean;
  readonly signal: AbortSignal;
  random(): number;
}

export const emptySum: ByteSum = {
  bytes: 0,
  crc64: crc64Xz.format(crc64Xz.empty),
  crc64Nvme: crc64Nvme.format(crc64Nvme.empty),
};

const mostAttempts = 4;
const firstWaitMilliseconds = 300;
const longestWaitMilliseconds = 5_000;

/** As far as time reaches: with fewer bytes than the object has, it is to be gone on with. Errors: those of `readRange`. */
export async function sumObject(sizeBytes: number, from: ByteSum, ports: SumPorts): Promise<ByteSum> {
  let sum = from;
  while (sum.bytes < sizeBytes && ports.mayGoOn()) {
    const ranges = segmentsBehind(sum.bytes, sizeBytes, ports);
    const parts = await Promise.all(ranges.map((range) => readSegment(range, ports)));
    sum = foldOnto(sum, parts);
  }
  return sum;
}

function segmentsBehind(bytes: number, sizeBytes: number, { segmentBytes, segmentsAtOnce }: SumPorts): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (let first = bytes; first < sizeBytes && ranges.length < segmentsAtOnce; first += segmentBytes) {
    ranges.push({ first, last: Math.min(sizeBytes, first + segmentBytes) - 1 });
  }
  return ranges;
}

function readSegment(range: ByteRange, ports: SumPorts): Promise<PartChecksums> {
  return retry(() => ports.readRange(range, ports.signal), {
    mostAttempts,
    firstWaitMilliseconds,
    longestWaitMilliseconds,
    isRetryable: (error) => error instanceof CausewayError && error.retryable,
    signal: ports.signal,
    random: ports.random,
  });
}

function foldOnto(sum: ByteSum, parts: readonly PartChecksums[]): ByteSum {
  const xz = foldParts(crc64Xz, [
    { crc: crc64Xz.parse(sum.crc64), bytes: sum.bytes },
    ...parts.map(({ crc64Xz: crc, bytes }) => ({ crc, bytes })),
  ]);
  const nvme = foldParts(crc64Nvme, [
    { crc: crc64Nvme.parse(sum.crc64Nvme), bytes: sum.bytes },
    ...parts.map(({ crc64Nvme: crc, bytes }) => ({ crc, bytes })),
  ]);
  return { bytes: xz.bytes, crc64: crc64Xz.format(xz.crc), crc64Nvme: crc64Nvme.format(nvme.crc) };
}
