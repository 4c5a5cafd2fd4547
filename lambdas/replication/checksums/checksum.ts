// What every checksum here offers: one pass over the bytes, folding of parts, and one text form.

/** A checksum under way over a stream of bytes. */
export interface RunningChecksum {
  /** The bytes are read at once and not kept. */
  update(bytes: Uint8Array): void;
  /** The checksum of all bytes so far; more may follow. */
  digest(): bigint;
}

/** The text in which a cloud writes a checksum. */
export interface ChecksumText {
  format(crc: bigint): string;
  /** Reads `format`'s text; throws a RangeError that says what is wrong with it. */
  parse(text: string): bigint;
}

export interface ChecksumAlgorithm extends ChecksumText {
  /** As S3 and rclone spell it. */
  readonly name: string;
  /** The checksum of no bytes. */
  readonly empty: bigint;
  start(): RunningChecksum;
  /** The checksum of A followed by B, from both checksums and the length of B in bytes (0 to 2^64 - 1). Microseconds. */
  combine(left: bigint, right: bigint, rightBytes: number | bigint): bigint;
}

/** Checksum and length of a stretch of bytes. */
export interface ChecksummedBytes {
  readonly crc: bigint;
  readonly bytes: number;
}

/** Checksum and length of the parts one after another, in the order given. */
export function foldParts(algorithm: ChecksumAlgorithm, parts: Iterable<ChecksummedBytes>): ChecksummedBytes {
  let crc = algorithm.empty;
  let bytes = 0;
  for (const part of parts) {
    crc = algorithm.combine(crc, part.crc, part.bytes);
    bytes += part.bytes;
  }
  return { crc, bytes };
}
