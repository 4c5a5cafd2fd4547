// CRC-64/XZ, the checksum that OSS and Aliyun RDS publish as unsigned decimal text. The stand-in's own implementation:
// the local cloud imports nothing from lambdas/, so the two check each other.

// ECMA-182 in reflected form (0xC96C5795D7870F42) as two 32-bit halves: BigInt would be a hundred times slower.
const polynomialLow = 0xd7870f42 | 0;
const polynomialHigh = 0xc96c5795 | 0;

/** Bytes folded in one step; each has a table of 256 entries. */
const bytesPerStep = 8;

const { low: tableLow, high: tableHigh } = buildTables();

function buildTables(): { low: Int32Array; high: Int32Array } {
  const low = new Int32Array(256 * bytesPerStep);
  const high = new Int32Array(256 * bytesPerStep);
  for (let byte = 0; byte < 256; byte += 1) {
    let entryLow = byte;
    let entryHigh = 0;
    for (let bit = 0; bit < 8; bit += 1) {
      const carries = (entryLow & 1) === 1;
      entryLow = (entryLow >>> 1) | (entryHigh << 31);
      entryHigh >>>= 1;
      if (carries) {
        entryLow ^= polynomialLow;
        entryHigh ^= polynomialHigh;
      }
    }
    low[byte] = entryLow;
    high[byte] = entryHigh;
  }
  // Table k holds what a byte does to the sum once k further zero bytes have passed.
  for (let index = 256; index < low.length; index += 1) {
    const previousLow = low[index - 256] ?? 0;
    const previousHigh = high[index - 256] ?? 0;
    const byte = previousLow & 0xff;
    low[index] = ((previousLow >>> 8) | (previousHigh << 24)) ^ (low[byte] ?? 0);
    high[index] = (previousHigh >>> 8) ^ (high[byte] ?? 0);
  }
  return { low, high };
}

/** Running CRC-64/XZ (initial value and final xor all ones). */
export class Crc64Xz {
  #low = -1;
  #high = -1;

  update(bytes: Uint8Array): this {
    let low = this.#low;
    let high = this.#high;
    const wholeSteps = bytes.length - (bytes.length % bytesPerStep);
    let at = 0;
    // The indices below are always in range; `as number` spares the check that would halve the speed.
    for (; at < wholeSteps; at += bytesPerStep) {
      low ^=
        (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24);
      high ^=
        (bytes[at + 4] as number) |
        ((bytes[at + 5] as number) << 8) |
        ((bytes[at + 6] as number) << 16) |
        ((bytes[at + 7] as number) << 24);
      const first = 1792 + (low & 0xff);
      const second = 1536 + ((low >>> 8) & 0xff);
      const third = 1280 + ((low >>> 16) & 0xff);
      const fourth = 1024 + (low >>> 24);
      const fifth = 768 + (high & 0xff);
      const sixth = 512 + ((high >>> 8) & 0xff);
      const seventh = 256 + ((high >>> 16) & 0xff);
      const eighth = high >>> 24;
      low =
        (tableLow[first] as number) ^
        (tableLow[second] as number) ^
        (tableLow[third] as number) ^
        (tableLow[fourth] as number) ^
        (tableLow[fifth] as number) ^
        (tableLow[sixth] as number) ^
        (tableLow[seventh] as number) ^
        (tableLow[eighth] as number);
      high =
        (tableHigh[first] as number) ^
        (tableHigh[second] as number) ^
        (tableHigh[third] as number) ^
        (tableHigh[fourth] as number) ^
        (tableHigh[fifth] as number) ^
        (tableHigh[sixth] as number) ^
        (tableHigh[seventh] as number) ^
        (tableHigh[eighth] as number);
    }
    for (; at < bytes.length; at += 1) {
      const entry = (low ^ (bytes[at] as number)) & 0xff;
      low = ((low >>> 8) | (high << 24)) ^ (tableLow[entry] as number);
      high = (high >>> 8) ^ (tableHigh[entry] as number);
    }
    this.#low = low;
    this.#high = high;
    return this;
  }

  /** The sum of what has come so far, 0 to 2^64 - 1; as decimal text it is `x-oss-hash-crc64ecma`. */
  value(): bigint {
    return (BigInt(~this.#high >>> 0) << 32n) | BigInt(~this.#low >>> 0);
  }
}
