// CRC-64/XZ at the speed of the disk: sixteen bytes a step, looked up in tables by a small WebAssembly function.
// The local cloud imports nothing from lambdas/, so that the two implementations check each other.

import { assembleCrc64, bytesPerStep, tableBytes } from "./crc64-module.ts";

/** ECMA-182's polynomial, reflected. */
const polynomial = 0xc96c5795d7870f42n;
const allOnes = 2n ** 64n - 1n;
/** Behind the tables; pieces from sockets are as large. */
const inputAddress = bytesPerStep * tableBytes;
const largestPieceBytes = 65_536;
const pageBytes = 65_536;

/** The part of the global that is used here; neither the language's types nor Node's describe it without a browser's. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { host: { memory: object } },
  ) => { readonly exports: { update(crc: bigint, from: number, end: number): bigint } };
};

const memory = new WebAssembly.Memory({ initial: Math.ceil((inputAddress + largestPieceBytes) / pageBytes) });
fillTables(new BigUint64Array(memory.buffer, 0, bytesPerStep * 256));
const input = new Uint8Array(memory.buffer, inputAddress, largestPieceBytes);
const { update } = new WebAssembly.Instance(new WebAssembly.Module(assembleCrc64()), { host: { memory } }).exports;

/** A running CRC-64/XZ. Any number of them may be under way at once. */
export class Crc64 {
  #state = allOnes;

  /** The bytes are read at once and not kept. */
  update(bytes: Uint8Array): this {
    for (let at = 0; at < bytes.length; at += largestPieceBytes) {
      const piece = bytes.subarray(at, at + largestPieceBytes);
      input.set(piece);
      this.#state = update(this.#state, inputAddress, inputAddress + piece.length);
    }
    return this;
  }

  /** The sum of what has come so far, as OSS writes it: unsigned decimal. */
  decimal(): string {
    return (BigInt.asUintN(64, this.#state) ^ allOnes).toString();
  }
}

/** Table k holds what a byte does to the sum once k further bytes have passed. */
function fillTables(tables: BigUint64Array): void {
  for (let byte = 0; byte < 256; byte += 1) {
    let entry = BigInt(byte);
    for (let table = 0; table < bytesPerStep; table += 1) {
      for (let bit = 0; bit < 8; bit += 1) entry = entry & 1n ? (entry >> 1n) ^ polynomial : entry >> 1n;
      tables[table * 256 + byte] = entry;
    }
  }
}
