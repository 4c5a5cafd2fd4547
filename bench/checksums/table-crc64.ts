// CRC-64 as it is usually done, for comparison: by tables, in plain JavaScript and in WebAssembly.
import { assembleModule, type Code, i32, i64, op } from "../../lambdas/replication/checksums/wasm-module.ts";

/** `tables[k][byte]`: what a byte contributes when k more bytes follow in the same round. */
function makeTables(reflected: bigint, count: number): bigint[][] {
  const first = Array.from({ length: 256 }, (_, byte) => {
    let remainder = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >> 1n) ^ ((remainder & 1n) === 1n ? reflected : 0n);
    return remainder;
  });
  const tables = [first];
  while (tables.length < count) {
    const before = tables.at(-1) ?? first;
    tables.push(before.map((remainder) => (remainder >> 8n) ^ (first[Number(remainder & 0xffn)] ?? 0n)));
  }
  return tables;
}

/** Slicing by 8 on two 32-bit halves; lengths must be multiples of 8. */
export function javaScriptSlicingBy8(reflected: bigint): (bytes: Uint8Array) => bigint {
  const tables = makeTables(reflected, 8);
  const low = Int32Array.from(tables.flat(), (value) => Number(BigInt.asIntN(32, value)));
  const high = Int32Array.from(tables.flat(), (value) => Number(BigInt.asIntN(32, value >> 32n)));
  return (bytes) => {
    let lowHalf = -1;
    let highHalf = -1;
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    const at = (table: Int32Array, index: number, byte: number) => table[256 * index + (byte & 255)] ?? 0;
    // All eight at once, as fast as this can be in JavaScript: a loop over the places would take twice as long.
    const eight = (table: Int32Array, a: number, b: number) =>
      at(table, 7, a) ^
      at(table, 6, a >>> 8) ^
      at(table, 5, a >>> 16) ^
      at(table, 4, a >>> 24) ^
      at(table, 3, b) ^
      at(table, 2, b >>> 8) ^
      at(table, 1, b >>> 16) ^
      at(table, 0, b >>> 24);
    for (let index = 0; index < words.length; index += 2) {
      const a = lowHalf ^ (words[index] ?? 0);
      const b = highHalf ^ (words[index + 1] ?? 0);
      lowHalf = eight(low, a, b);
      highHalf = eight(high, a, b);
    }
    return BigInt.asUintN(64, ~((BigInt(highHalf) << 32n) | BigInt.asUintN(32, BigInt(lowHalf))));
  };
}

/** Slicing by 8 or 16 with 64-bit integers; lengths must be multiples of the slice and at most 64 KiB a call. */
export function wasmSlicing(reflected: bigint, slice: 8 | 16): (bytes: Uint8Array, crc: bigint) => bigint {
  const inputAddress = 65_536;
  const memory = new WebAssembly.Memory({ initial: 3, maximum: 3 });
  new BigUint64Array(memory.buffer, 0, 256 * slice).set(makeTables(reflected, slice).flat());
  const [input, end, crc, word] = [0, 1, 2, 3];
  const lookUp = (table: number, index: number): Code => [
    ...[...op.get(word), ...op.i64(BigInt(8 * index)), ...op.i64ShrUnsigned, ...op.i32WrapI64],
    ...[...op.i32(0xff), ...op.i32And, ...op.i32(3), ...op.i32Shl, ...op.loadI64(2048 * table)],
  ];
  const eight = (offset: number, firstTable: number): Code => [
    ...[...op.get(input), ...op.loadI64(offset)],
    ...(offset === 0 ? [...op.get(crc), ...op.i64Xor] : []),
    ...op.set(word),
    ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((index) => [
      ...lookUp(firstTable - index, index),
      ...(index > 0 ? op.i64Xor : []),
    ]),
  ];
  const round: Code =
    slice === 8
      ? [...eight(0, 7), ...op.set(crc)]
      : [...eight(0, 15), ...op.set(4), ...eight(8, 7), ...op.get(4), ...op.i64Xor, ...op.set(crc)];
  const body: Code = [
    ...op.whileLoop(
      [...op.get(input), ...op.get(end), ...op.i32LessUnsigned],
      [...round, ...op.get(input), ...op.i32(slice), ...op.i32Add, ...op.set(input)],
    ),
    ...op.get(crc),
  ];
  const module = new WebAssembly.Module(
    assembleModule([{ exportName: "crc", parameters: [i32, i32, i64], result: i64, locals: [i64, i64], body }]),
  );
  const { crc: update } = new WebAssembly.Instance(module, { host: { memory } }).exports;
  const memoryBytes = new Uint8Array(memory.buffer);
  return (bytes, before) => {
    memoryBytes.set(bytes, inputAddress);
    return update(inputAddress, inputAddress + bytes.length, BigInt.asIntN(64, before));
  };
}

declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { host: { memory: object } },
  ) => { readonly exports: { crc(input: number, end: number, before: bigint): bigint } };
};
