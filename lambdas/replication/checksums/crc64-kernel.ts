// The inner loops of CRC-64 as a WebAssembly module, one per polynomial, all on one shared memory.
// The long loop divides by a sparse multiple of the polynomial instead of looking bytes up in tables: eight terms,
// all powers of x^8, so that dividing is seven XORs of earlier bytes, sixteen bytes at a time.
// Why, and the figures: docs/decisions/0002-checksums.md. The idea is Sam Russell's "Chorba" (arXiv 2412.16398).
import { assembleModule, type Code, i32, i64, op, type WasmFunction } from "./wasm-module.ts";

export interface Crc64Polynomial {
  /** Reflected: bit 63 is the coefficient of x^0, x^64 is left out. */
  readonly reflected: bigint;
  /**
   * Distances in bytes, ascending: with n the last of them, x^(8n) + sum of x^(8(n - lag)) is a multiple of the
   * polynomial. None is below `shortestLagBytes`.
   */
  readonly lagsBytes: readonly number[];
}

/** A round of the long loop reads what earlier rounds wrote, never what it writes itself. */
export const shortestLagBytes = 64;

/** Chunks from sockets are 16 to 64 KiB; this much and its result also stay in a second-level cache. */
export const largestPieceBytes = 65_536;

const tableBytes = 256 * 8;
const largestLagBytes = 65_536;
const inputAddress = 65_536;
const historyAddress = inputAddress + largestPieceBytes;
const memoryPages = (historyAddress + largestLagBytes + largestPieceBytes) / 65_536;

/** The part of the global that is used here; neither the language's types nor Node's describe it without a browser's. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (module: object, imports: { host: { memory: object } }) => { readonly exports: KernelExports };
};

const memory = new WebAssembly.Memory({ initial: memoryPages, maximum: memoryPages });
const memoryBytes = new Uint8Array(memory.buffer);
let nextTableAddress = 0;

/** Copies at most `largestPieceBytes` to where `divide` and `remainder` of every kernel read. */
export function loadInput(piece: Uint8Array): void {
  memoryBytes.set(piece, inputAddress);
}

interface KernelExports {
  divide(inputAddress: number, historyAddress: number, endAddress: number): void;
  remainder(tableAddress: number, inputAddress: number, endAddress: number): bigint;
  multiply(left: bigint, right: bigint): bigint;
}

/** Arithmetic for one polynomial. Nothing is kept between calls: any number of checksums may be under way at once. */
export class Crc64Kernel {
  /** Bytes of quotient that the next ones depend on: the whole state of a checksum under way. */
  readonly historyBytes: number;
  readonly #lagsBytes: readonly number[];
  readonly #exports: KernelExports;
  readonly #tableAddress: number;

  constructor(polynomial: Crc64Polynomial) {
    this.#lagsBytes = polynomial.lagsBytes;
    this.historyBytes = Math.max(...polynomial.lagsBytes);
    if (this.historyBytes > largestLagBytes || Math.min(...polynomial.lagsBytes) < shortestLagBytes) {
      throw new RangeError(`every lag must be from ${shortestLagBytes} to ${largestLagBytes} bytes`);
    }
    const module = new WebAssembly.Module(assembleModule(kernelFunctions(polynomial)));
    this.#exports = new WebAssembly.Instance(module, { host: { memory } }).exports;
    this.#tableAddress = nextTableAddress;
    nextTableAddress += tableBytes;
    new BigUint64Array(memory.buffer, this.#tableAddress, 256).set(byteTable(polynomial.reflected));
  }

  /** Divides the loaded input, `bytes` long, and moves `history` on. */
  divideLoaded(history: Uint8Array, bytes: number): void {
    memoryBytes.set(history, historyAddress);
    this.#exports.divide(inputAddress, historyAddress, inputAddress + bytes);
    history.set(memoryBytes.subarray(historyAddress + bytes, historyAddress + bytes + this.historyBytes));
  }

  /**
   * What the divided bytes still owe to the bytes that would follow: a message of `historyBytes` bytes that is
   * congruent to the whole message times x^(8 · historyBytes).
   */
  owedBy(history: Uint8Array): Uint8Array {
    const owed = new Uint8Array(this.historyBytes);
    for (const lag of this.#lagsBytes) {
      const start = this.historyBytes - lag;
      for (let at = 0; at < lag; at++) owed[at] = (owed[at] ?? 0) ^ (history[start + at] ?? 0);
    }
    return owed;
  }

  /** The short message times x^64, modulo the polynomial; at most `largestPieceBytes` long. */
  remainderOf(message: Uint8Array): bigint {
    loadInput(message);
    return unsigned(this.#exports.remainder(this.#tableAddress, inputAddress, inputAddress + message.length));
  }

  /** Product of two remainders modulo the polynomial. */
  multiply(left: bigint, right: bigint): bigint {
    return unsigned(this.#exports.multiply(BigInt.asIntN(64, left), BigInt.asIntN(64, right)));
  }
}

/** WebAssembly's 64-bit integers cross over as signed ones. */
function unsigned(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}

/** Remainders of the 256 bytes times x^64. */
function byteTable(reflected: bigint): BigUint64Array {
  return BigUint64Array.from({ length: 256 }, (_, byte) => {
    let remainder = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >> 1n) ^ ((remainder & 1n) === 1n ? reflected : 0n);
    return remainder;
  });
}

/** The module's functions; exported so that a test can look at the bytes they assemble to. */
export function kernelFunctions(polynomial: Crc64Polynomial): WasmFunction[] {
  return [
    { exportName: "divide", parameters: [i32, i32, i32], locals: [i32], body: divideBody(polynomial.lagsBytes) },
    { exportName: "remainder", parameters: [i32, i32, i32], result: i64, locals: [i64], body: remainderBody() },
    { exportName: "multiply", parameters: [i64, i64], result: i64, locals: [i64], body: multiplyBody(polynomial) },
  ];
}

const vectorBytes = 16;

/**
 * quotient[i] = input[i] ^ quotient[i - lag] ^ … for each lag. `history` points at the quotient of the
 * `historyBytes` bytes before the input; the new quotient is written right behind it.
 */
function divideBody(lagsBytes: readonly number[]): Code {
  const [input, history, end, roundsEnd] = [0, 1, 2, 3];
  const historyBytes = Math.max(...lagsBytes);
  const step = (bytes: number): Code => [
    ...[...op.get(input), ...op.i32(bytes), ...op.i32Add, ...op.set(input)],
    ...[...op.get(history), ...op.i32(bytes), ...op.i32Add, ...op.set(history)],
  ];
  const one = (at: number, load: (offset: number) => Code, xor: Code, store: (offset: number) => Code): Code => [
    ...op.get(history),
    ...[...op.get(input), ...load(at)],
    ...lagsBytes.flatMap((lag) => [...op.get(history), ...load(historyBytes - lag + at), ...xor]),
    ...store(historyBytes + at),
  ];
  const vectorsOfRound = Array.from({ length: shortestLagBytes / vectorBytes }, (_, index) => index * vectorBytes);
  return [
    ...[...op.get(end), ...op.get(input), ...op.i32Sub, ...op.i32(-shortestLagBytes), ...op.i32And],
    ...[...op.get(input), ...op.i32Add, ...op.set(roundsEnd)],
    ...op.whileLoop(
      [...op.get(input), ...op.get(roundsEnd), ...op.i32LessUnsigned],
      [
        ...vectorsOfRound.flatMap((at) => one(at, op.loadVector, op.vectorXor, op.storeVector)),
        ...step(shortestLagBytes),
      ],
    ),
    ...op.whileLoop(
      [...op.get(input), ...op.get(end), ...op.i32LessUnsigned],
      [...one(0, op.load8, op.i32Xor, op.store8), ...step(1)],
    ),
  ];
}

/** The classic loop, a byte at a time by table: only for the few kilobytes that the long division leaves. */
function remainderBody(): Code {
  const [table, input, end, remainder] = [0, 1, 2, 3];
  return [
    ...op.whileLoop(
      [...op.get(input), ...op.get(end), ...op.i32LessUnsigned],
      [
        ...[...op.get(remainder), ...op.get(input), ...op.load8AsI64(0), ...op.i64Xor, ...op.i32WrapI64],
        ...[...op.i32(0xff), ...op.i32And, ...op.i32(3), ...op.i32Shl, ...op.get(table), ...op.i32Add],
        ...op.loadI64(0),
        ...[...op.get(remainder), ...op.i64(8n), ...op.i64ShrUnsigned, ...op.i64Xor, ...op.set(remainder)],
        ...[...op.get(input), ...op.i32(1), ...op.i32Add, ...op.set(input)],
      ],
    ),
    ...op.get(remainder),
  ];
}

/** For each coefficient of `left` from x^0 up: add `right` if it is one, then multiply `right` by x. */
function multiplyBody(polynomial: Crc64Polynomial): Code {
  const [left, right, product] = [0, 1, 2];
  const allOnesIfFirstBit = (local: number): Code => [...op.get(local), ...op.i64(63n), ...op.i64ShrSigned];
  const allOnesIfLastBit = (local: number): Code => [
    ...[...op.i64(0n), ...op.get(local), ...op.i64(1n), ...op.i64And, ...op.i64Sub],
  ];
  return [
    ...op.whileLoop(
      [...op.get(left), ...op.i64(0n), ...op.i64NotEqual],
      [
        ...[...allOnesIfFirstBit(left), ...op.get(right), ...op.i64And],
        ...[...op.get(product), ...op.i64Xor, ...op.set(product)],
        ...[...op.get(right), ...op.i64(1n), ...op.i64ShrUnsigned],
        ...[...allOnesIfLastBit(right), ...op.i64(BigInt.asIntN(64, polynomial.reflected)), ...op.i64And],
        ...[...op.i64Xor, ...op.set(right)],
        ...[...op.get(left), ...op.i64(1n), ...op.i64Shl, ...op.set(left)],
      ],
    ),
    ...op.get(product),
  ];
}
