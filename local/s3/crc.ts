// The cyclic checksums that S3 takes and node:zlib lacks, and the arithmetic that folds checksums of parts into one.
// Source: "Checking object integrity" in the S3 guide; CRC-64/NVME and CRC-32/ISCSI in the catalogue of CRC algorithms.

/** Slicing by eight: eight bytes a step, one table of 256 entries for each of them. */
const slices = 8;
const tableEntries = 256;
const allOnes = 0xffffffff;

/** Reflected, as the table method wants them. */
export const crcPolynomials = {
  CRC32: { width: 32n, reflected: 0xedb88320n },
  CRC32C: { width: 32n, reflected: 0x82f63b78n },
  CRC64NVME: { width: 64n, reflected: 0x9a6c9329ac4bc9b5n },
  /** Aliyun's and OSS's; S3 has no such checksum. */
  CRC64XZ: { width: 64n, reflected: 0xc96c5795d7870f42n },
} as const;

export type CrcName = keyof typeof crcPolynomials;

interface Tables64 {
  readonly high: Int32Array;
  readonly low: Int32Array;
}

let tables32c: Int32Array | undefined;
let tables64: Tables64 | undefined;

/** A running CRC-32/ISCSI ("CRC32C"). */
export class Crc32c {
  #state = allOnes | 0;

  update(bytes: Uint8Array): void {
    tables32c ??= buildTables32c();
    const table = tables32c;
    const at = (slice: number, index: number): number => table[slice * tableEntries + (index & 255)] ?? 0;
    let state = this.#state;
    let offset = 0;
    for (const end = bytes.length - 7; offset < end; offset += slices) {
      const first = state ^ readInt32(bytes, offset);
      const second = readInt32(bytes, offset + 4);
      state =
        at(7, first) ^
        at(6, first >>> 8) ^
        at(5, first >>> 16) ^
        at(4, first >>> 24) ^
        at(3, second) ^
        at(2, second >>> 8) ^
        at(1, second >>> 16) ^
        at(0, second >>> 24);
    }
    for (; offset < bytes.length; offset += 1) state = at(0, state ^ (bytes[offset] ?? 0)) ^ (state >>> 8);
    this.#state = state;
  }

  /** Four bytes, big-endian. */
  digest(): Buffer {
    const result = Buffer.alloc(4);
    result.writeUInt32BE((this.#state ^ allOnes) >>> 0);
    return result;
  }
}

/** A running CRC-64/NVME. The state is two 32-bit halves: 64-bit integers in JavaScript are far slower. */
export class Crc64Nvme {
  #high = allOnes | 0;
  #low = allOnes | 0;

  update(bytes: Uint8Array): void {
    tables64 ??= buildTables64();
    const { high: highs, low: lows } = tables64;
    let high = this.#high;
    let low = this.#low;
    let offset = 0;
    for (const end = bytes.length - 7; offset < end; offset += slices) {
      const first = low ^ readInt32(bytes, offset);
      const second = high ^ readInt32(bytes, offset + 4);
      const i7 = 7 * tableEntries + (first & 255);
      const i6 = 6 * tableEntries + ((first >>> 8) & 255);
      const i5 = 5 * tableEntries + ((first >>> 16) & 255);
      const i4 = 4 * tableEntries + (first >>> 24);
      const i3 = 3 * tableEntries + (second & 255);
      const i2 = 2 * tableEntries + ((second >>> 8) & 255);
      const i1 = tableEntries + ((second >>> 16) & 255);
      const i0 = second >>> 24;
      low = xor8(lows, i0, i1, i2, i3, i4, i5, i6, i7);
      high = xor8(highs, i0, i1, i2, i3, i4, i5, i6, i7);
    }
    for (; offset < bytes.length; offset += 1) {
      const index = (low ^ (bytes[offset] ?? 0)) & 255;
      low = ((low >>> 8) | (high << 24)) ^ (lows[index] ?? 0);
      high = (high >>> 8) ^ (highs[index] ?? 0);
    }
    this.#high = high;
    this.#low = low;
  }

  /** Eight bytes, big-endian. */
  digest(): Buffer {
    const result = Buffer.alloc(8);
    result.writeUInt32BE((this.#high ^ allOnes) >>> 0, 0);
    result.writeUInt32BE((this.#low ^ allOnes) >>> 0, 4);
    return result;
  }
}

/**
 * Folds the checksums of consecutive pieces into the checksum of the whole, without reading a byte of it:
 * appending n bytes multiplies the checksum by x^(8n) modulo the polynomial.
 */
export class CrcFold {
  readonly #name: CrcName;
  #value = 0n;
  #lastBytes = -1;
  #lastFactor = 0n;

  constructor(name: CrcName) {
    this.#name = name;
  }

  /** `digest` is big-endian, `bytes` the length of the piece. */
  append(digest: Buffer, bytes: number): void {
    if (bytes === 0) return;
    // Parts of an upload nearly always have one length: its factor is worked out once.
    if (bytes !== this.#lastBytes) {
      this.#lastFactor = powerOfX(this.#name, bytes * 8);
      this.#lastBytes = bytes;
    }
    const piece = BigInt(`0x${digest.toString("hex")}`);
    this.#value = multiply(this.#name, this.#lastFactor, this.#value) ^ piece;
  }

  digest(): Buffer {
    const digits = Number(crcPolynomials[this.#name].width) / 4;
    return Buffer.from(this.#value.toString(16).padStart(digits, "0"), "hex");
  }
}

/** Product of two reflected polynomials modulo the CRC's: the highest bit stands for x^0. */
function multiply(name: CrcName, left: bigint, right: bigint): bigint {
  const { width, reflected } = crcPolynomials[name];
  let product = 0n;
  let shifted = right;
  for (let mask = 1n << (width - 1n); mask > 0n && shifted !== 0n; mask >>= 1n) {
    if (left & mask) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ reflected : shifted >> 1n;
  }
  return product;
}

/** x^exponent by repeated squaring. */
function powerOfX(name: CrcName, exponent: number): bigint {
  const { width } = crcPolynomials[name];
  let square = 1n << (width - 2n);
  let power = 1n << (width - 1n);
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiply(name, power, square);
    square = multiply(name, square, square);
  }
  return power;
}

function readInt32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] ?? 0) |
    ((bytes[offset + 1] ?? 0) << 8) |
    ((bytes[offset + 2] ?? 0) << 16) |
    ((bytes[offset + 3] ?? 0) << 24)
  );
}

function xor8(
  table: Int32Array,
  i0: number,
  i1: number,
  i2: number,
  i3: number,
  i4: number,
  i5: number,
  i6: number,
  i7: number,
): number {
  return (
    (table[i0] ?? 0) ^
    (table[i1] ?? 0) ^
    (table[i2] ?? 0) ^
    (table[i3] ?? 0) ^
    (table[i4] ?? 0) ^
    (table[i5] ?? 0) ^
    (table[i6] ?? 0) ^
    (table[i7] ?? 0)
  );
}

function buildTables32c(): Int32Array {
  const table = new Int32Array(slices * tableEntries);
  forEachEntry("CRC32C", (at, value) => {
    table[at] = Number(value) | 0;
  });
  return table;
}

function buildTables64(): Tables64 {
  const high = new Int32Array(slices * tableEntries);
  const low = new Int32Array(slices * tableEntries);
  forEachEntry("CRC64NVME", (at, value) => {
    high[at] = Number(value >> 32n) | 0;
    low[at] = Number(value & 0xffffffffn) | 0;
  });
  return { high, low };
}

/** The entry for byte b in slice s is the CRC register after b and s zero bytes. */
function forEachEntry(name: CrcName, take: (at: number, value: bigint) => void): void {
  const { reflected } = crcPolynomials[name];
  for (let byte = 0; byte < tableEntries; byte += 1) {
    let value = BigInt(byte);
    for (let slice = 0; slice < slices; slice += 1) {
      for (let bit = 0; bit < 8; bit += 1) value = value & 1n ? (value >> 1n) ^ reflected : value >> 1n;
      take(slice * tableEntries + byte, value);
    }
  }
}
