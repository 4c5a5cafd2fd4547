// CRC-64/XZ, which Aliyun and OSS use, and CRC-64/NVME, which S3 uses, over streams of any length.
import type { ChecksumAlgorithm, ChecksumText, RunningChecksum } from "./checksum.ts";
import { Crc64Kernel, type Crc64Polynomial, largestPieceBytes, loadInput } from "./crc64-kernel.ts";
import { base64ChecksumText, decimalChecksumText } from "./formats.ts";

/** ECMA-182's polynomial, reflected. The lags were found by search: bench/find-sparse-multiple.ts. */
export const xzPolynomial: Crc64Polynomial = {
  reflected: 0xc96c5795d7870f42n,
  lagsBytes: [256, 873, 1496, 1607, 1615, 2069, 2311],
};

/** The NVM Express polynomial, reflected. */
export const nvmePolynomial: Crc64Polynomial = {
  reflected: 0x9a6c9329ac4bc9b5n,
  lagsBytes: [338, 719, 1437, 2455, 2652, 2881, 2993],
};

const allOnes = 2n ** 64n - 1n;
/** The remainder 1: bit 63 is the coefficient of x^0. */
const one = 2n ** 63n;

/** Remainders by one polynomial, and powers of x. */
class Crc64Arithmetic {
  readonly kernel: Crc64Kernel;
  /** x^8, x^16, x^32 … : the k-th moves a checksum over 2^k bytes. */
  readonly #bytePowers: bigint[] = [];
  readonly #undoHistory: bigint;

  constructor(polynomial: Crc64Polynomial) {
    this.kernel = new Crc64Kernel(polynomial);
    let power = one >> 8n;
    for (let exponent = 0; exponent < 64; exponent++) {
      this.#bytePowers.push(power);
      power = this.kernel.multiply(power, power);
    }
    const inverseOfX = BigInt.asUintN(64, ((one ^ polynomial.reflected) << 1n) | 1n);
    this.#undoHistory = this.#power(inverseOfX, 8 * this.kernel.historyBytes);
  }

  /** The remainder as it becomes when this many bytes follow. */
  shift(remainder: bigint, bytes: bigint): bigint {
    let shifted = remainder;
    for (const [exponent, power] of this.#bytePowers.entries()) {
      if (((bytes >> BigInt(exponent)) & 1n) === 1n) shifted = this.kernel.multiply(shifted, power);
    }
    return shifted;
  }

  /** The CRC of a message of this length, from the history its division left. */
  crcOf(history: Uint8Array, bytes: bigint): bigint {
    const owed = this.kernel.remainderOf(this.kernel.owedBy(history));
    const remainder = this.kernel.multiply(owed, this.#undoHistory);
    // The CRC starts from all ones, which counts as a message before the first byte, and ends inverted.
    return remainder ^ this.shift(allOnes, bytes) ^ allOnes;
  }

  #power(base: bigint, exponent: number): bigint {
    let result = one;
    let square = base;
    for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
      if (rest % 2 === 1) result = this.kernel.multiply(result, square);
      square = this.kernel.multiply(square, square);
    }
    return result;
  }
}

/** One CRC-64 under way. Its state is its own: any number may be fed in turns. */
class RunningCrc64 implements RunningChecksum {
  readonly #arithmetic: Crc64Arithmetic;
  readonly #history: Uint8Array;
  #bytes = 0;

  constructor(arithmetic: Crc64Arithmetic) {
    this.#arithmetic = arithmetic;
    this.#history = new Uint8Array(arithmetic.kernel.historyBytes);
  }

  update(bytes: Uint8Array): void {
    updateTogether([this], bytes);
  }

  /** Takes what `loadInput` was given. */
  updateFromLoaded(bytes: number): void {
    this.#arithmetic.kernel.divideLoaded(this.#history, bytes);
    this.#bytes += bytes;
  }

  digest(): bigint {
    return this.#arithmetic.crcOf(this.#history, BigInt(this.#bytes));
  }
}

/** Feeds the same bytes to several CRC-64s; they cross into WebAssembly's memory only once. */
export function updateTogether(checksums: readonly RunningCrc64[], bytes: Uint8Array): void {
  for (let start = 0; start < bytes.length; start += largestPieceBytes) {
    const piece = bytes.length <= largestPieceBytes ? bytes : bytes.subarray(start, start + largestPieceBytes);
    loadInput(piece);
    for (const checksum of checksums) checksum.updateFromLoaded(piece.length);
  }
}

interface Crc64Algorithm extends ChecksumAlgorithm {
  start(): RunningCrc64;
}

function crc64Algorithm(name: string, polynomial: Crc64Polynomial, text: ChecksumText): Crc64Algorithm {
  const arithmetic = new Crc64Arithmetic(polynomial);
  return {
    name,
    empty: 0n,
    start: () => new RunningCrc64(arithmetic),
    combine: (left, right, rightBytes) => arithmetic.shift(left, checkedLength(rightBytes)) ^ right,
    ...text,
  };
}

/** A length as a bigint; throws a RangeError for a negative, fractional or inexact one. */
function checkedLength(bytes: number | bigint): bigint {
  if (typeof bytes === "number" && !Number.isSafeInteger(bytes)) throw new RangeError(`${bytes} is no exact length`);
  const length = BigInt(bytes);
  if (length < 0n || length >> 64n !== 0n) throw new RangeError(`a length of ${length} bytes is out of reach`);
  return length;
}

/** CRC-64/XZ. Text: unsigned decimal, as in Aliyun's `Checksum` and OSS's `x-oss-hash-crc64ecma`. */
export const crc64Xz: Crc64Algorithm = crc64Algorithm("CRC64XZ", xzPolynomial, decimalChecksumText);

/** CRC-64/NVME. Text: base64 of eight bytes, big-endian, as in S3's `x-amz-checksum-crc64nvme`. */
export const crc64Nvme: Crc64Algorithm = crc64Algorithm("CRC64NVME", nvmePolynomial, base64ChecksumText);
