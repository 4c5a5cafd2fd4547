// The cases of the copy benchmark: how much is copied, and over what kind of path.

export interface BenchCase {
  readonly title: string;
  readonly sizeBytes: number;
  readonly partBytes: number;
  /** For those that are told how many parts to have under way. */
  readonly partsAtOnce: number;
  /** Causeway chooses by itself, up to this. */
  readonly mostPartsAtOnce: number;
  /** Of each connection to the source; 0: as fast as it goes. */
  readonly sourceBytesPerSecond: number;
  /** Before the sink acknowledges a part. */
  readonly partDelayMilliseconds: number;
}

const mebibyte = 1024 ** 2;
/** What planParts chooses for all but the largest backups. */
const partBytes = 8 * mebibyte;

export const caseNames = ["loopback", "long-distance"] as const;
export type CaseName = (typeof caseNames)[number];

export const cases: Readonly<Record<CaseName, BenchCase>> = {
  loopback: {
    title: "loopback: as fast as the machine goes",
    sizeBytes: 2048 * mebibyte,
    partBytes,
    partsAtOnce: 8,
    mostPartsAtOnce: 8,
    sourceBytesPerSecond: 0,
    partDelayMilliseconds: 0,
  },
  "long-distance": {
    title: "long distance: 20 MiB/s per source connection, 100 ms per part answer",
    sizeBytes: 512 * mebibyte,
    partBytes,
    partsAtOnce: 32,
    mostPartsAtOnce: 32,
    sourceBytesPerSecond: 20 * mebibyte,
    partDelayMilliseconds: 100,
  },
};
