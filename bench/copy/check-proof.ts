// Holds the benchmark to its word: what the sink saw is the whole source, and Causeway's proof of it was on.
import { foldParts } from "../../lambdas/replication/checksums/checksum.ts";
import { crc64Nvme, crc64Xz } from "../../lambdas/replication/checksums/crc64.ts";
import { createPartChecksums } from "../../lambdas/replication/checksums/part-checksums.ts";
import type { BenchCase } from "./cases.ts";
import { type ContestantName, partCount } from "./contestants.ts";
import { makePattern, type SinkReport, sourceBytes } from "./stand-in.ts";

/** Throws when this contestant did not bring every byte, or Causeway's ledger does not fold to the source's checksums. */
export function checkRound(name: ContestantName, benchCase: BenchCase, seen: SinkReport, expected: Expected): void {
  if (seen.bytes !== benchCase.sizeBytes || seen.parts !== partCount(benchCase)) {
    throw new Error(`${name} sent ${seen.bytes} bytes in ${seen.parts} parts, not ${benchCase.sizeBytes} bytes`);
  }
  if (name !== "causeway") return;
  const rows = [...seen.ledgerRows].sort((left, right) => Number(left.partNumber?.N) - Number(right.partNumber?.N));
  const bytesOf = (row: (typeof rows)[number]) => Number(row.bytes?.N);
  const source = foldParts(
    crc64Xz,
    rows.map((row) => ({ crc: crc64Xz.parse(row.crc64?.S ?? ""), bytes: bytesOf(row) })),
  );
  const target = foldParts(
    crc64Nvme,
    rows.map((row) => ({ crc: crc64Nvme.parse(row.checksum?.S ?? ""), bytes: bytesOf(row) })),
  );
  if (source.bytes !== benchCase.sizeBytes || source.crc !== expected.crc64Xz || target.crc !== expected.crc64Nvme) {
    throw new Error("the ledger's checksums do not fold to the source's: the copy is wrong or its proof was not taken");
  }
}

export interface Expected {
  readonly crc64Xz: bigint;
  readonly crc64Nvme: bigint;
}

/** Checksums of the source, taken directly. */
export function expectedChecksums({ sizeBytes }: BenchCase): Expected {
  const pattern = makePattern();
  const sums = createPartChecksums();
  for (let at = 0; at < sizeBytes; ) {
    const bytes = sourceBytes(pattern, at, sizeBytes - at);
    sums.update(bytes);
    at += bytes.length;
  }
  return sums.digest();
}
