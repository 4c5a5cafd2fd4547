// npm run bench:checksums: the ways to take the proof's checksums, in processor seconds per GiB.
import { crc32 } from "node:zlib";
import { crc64Nvme, crc64Xz, xzPolynomial } from "../lambdas/replication/checksums/crc64.ts";
import { createPartChecksums } from "../lambdas/replication/checksums/part-checksums.ts";
import { javaScriptSlicingBy8, wasmSlicing } from "./checksums/table-crc64.ts";

interface Candidate {
  readonly name: string;
  /** Takes the checksum of one chunk after the other; returns nothing that could be optimised away. */
  readonly start: () => { update(chunk: Uint8Array): void; end(): unknown };
}

/** What a socket delivers at a time. */
const chunkBytes = 65_536;
/** More than the second-level cache holds, as it is when bytes come from a socket. */
const chunkCount = 64;
const bytesPerRound = 512 * 1024 ** 2;
const rounds = 7;

const candidates: readonly Candidate[] = [
  { name: "CRC-64/XZ, JavaScript, slicing by 8", start: plain(javaScriptSlicingBy8(xzPolynomial.reflected)) },
  { name: "CRC-64/XZ, WebAssembly, slicing by 8", start: chained(wasmSlicing(xzPolynomial.reflected, 8)) },
  { name: "CRC-64/XZ, WebAssembly, slicing by 16", start: chained(wasmSlicing(xzPolynomial.reflected, 16)) },
  { name: "CRC-64/XZ, WebAssembly, sparse multiple", start: running(() => crc64Xz.start()) },
  { name: "CRC-64/NVME, WebAssembly, sparse multiple", start: running(() => crc64Nvme.start()) },
  { name: "CRC-32, zlib", start: zlibCrc32 },
  { name: "both: XZ and CRC-32", start: xzAndCrc32 },
  { name: "both: XZ and NVME (what a copy takes)", start: running(createPartChecksums) },
];

function plain(checksum: (chunk: Uint8Array) => unknown): Candidate["start"] {
  return () => ({ update: checksum, end: () => undefined });
}

function chained(checksum: (chunk: Uint8Array, before: bigint) => bigint): Candidate["start"] {
  return () => {
    let crc = -1n;
    return {
      update(chunk) {
        crc = checksum(chunk, crc);
      },
      end: () => crc,
    };
  };
}

function running(make: () => { update(chunk: Uint8Array): void; digest(): unknown }): Candidate["start"] {
  return () => {
    const checksum = make();
    return { update: (chunk) => checksum.update(chunk), end: () => checksum.digest() };
  };
}

function zlibCrc32() {
  let crc = 0;
  return {
    update(chunk: Uint8Array) {
      crc = crc32(chunk, crc);
    },
    end: () => crc,
  };
}

function xzAndCrc32() {
  const xz = crc64Xz.start();
  const other = zlibCrc32();
  return {
    update(chunk: Uint8Array) {
      xz.update(chunk);
      other.update(chunk);
    },
    end: () => [xz.digest(), other.end()],
  };
}

function secondsPerGiB({ start }: Candidate, chunks: readonly Uint8Array[]): number {
  const before = process.cpuUsage();
  const checksum = start();
  for (let at = 0; at < bytesPerRound; at += chunkBytes) {
    const chunk = chunks[(at / chunkBytes) % chunks.length];
    if (chunk) checksum.update(chunk);
  }
  checksum.end();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) / 1e6) * (1024 ** 3 / bytesPerRound);
}

const chunks = Array.from({ length: chunkCount }, (_, index) => new Uint8Array(chunkBytes).fill(index));
const measured = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
// Interleaved, so that a busy moment of the machine falls on all of them.
for (let round = 0; round < rounds; round++) {
  for (const candidate of candidates) measured.get(candidate.name)?.push(secondsPerGiB(candidate, chunks));
}
process.stdout.write(`Node ${process.versions.node}, chunks of 64 KiB, medians of ${rounds}\n`);
for (const [name, seconds] of measured) {
  const median = seconds.sort((left, right) => left - right)[Math.floor(rounds / 2)] ?? Number.NaN;
  process.stdout.write(`${name.padEnd(44)} ${median.toFixed(3)} s/GiB  ${(1 / median).toFixed(2).padStart(6)} GiB/s\n`);
}
