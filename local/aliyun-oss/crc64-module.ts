// The inner loop of CRC-64 as a WebAssembly module, written byte by byte: no compiler is needed to install.
// The numbers are those of the core specification (https://webassembly.github.io/spec/core/binary/).
export const bytesPerStep = 16;
/** 256 entries of eight bytes. */
export const tableBytes = 256 * 8;

type Code = readonly number[];

const i32 = 0x7f;
const i64 = 0x7e;
const locals = { crc: 0, from: 1, end: 2, first: 3, second: 4 } as const;
const get = (local: keyof typeof locals): Code => [0x20, locals[local]];
const set = (local: keyof typeof locals): Code => [0x21, locals[local]];
const constant = (value: number): Code => [0x41, ...leb128(value)];
const constant64 = (value: number): Code => [0x42, ...leb128(value)];
const loadI64 = (offset: number): Code => [0x29, 3, ...leb128Unsigned(offset)];
const [lessUnsigned, lessOrEqualUnsigned, add, and] = [0x49, 0x4d, 0x6a, 0x71];
const [xor64, shiftLeft64, shiftRight64, wrapToI32, loadByteAsI64] = [0x85, 0x86, 0x88, 0xa7, [0x31, 0, 0]];

/**
 * A module that imports `host.memory`, with the tables at 0, one behind the other, and exports
 * `update(crc: i64, from: i32, end: i32): i64`: whole steps first, then byte by byte.
 */
export function assembleCrc64(): Uint8Array<ArrayBuffer> {
  const lookups = [...Array(bytesPerStep).keys()].flatMap((byte) => [
    ...lookup(byte < 8 ? "first" : "second", byte % 8, bytesPerStep - 1 - byte),
    ...(byte === 0 ? [] : [xor64]),
  ]);
  const body = [
    ...whileLoop(
      [...get("from"), ...constant(bytesPerStep), add, ...get("end"), lessOrEqualUnsigned],
      [
        ...[...get("from"), ...loadI64(0), ...get("crc"), xor64, ...set("first")],
        ...[...get("from"), ...loadI64(8), ...set("second")],
        ...[...lookups, ...set("crc")],
        ...[...get("from"), ...constant(bytesPerStep), add, ...set("from")],
      ],
    ),
    ...whileLoop(
      [...get("from"), ...get("end"), lessUnsigned],
      [
        ...[...get("from"), ...loadByteAsI64, ...get("crc"), xor64, ...set("first")],
        ...[...lookup("first", 0, 0), ...get("crc"), ...constant64(8), shiftRight64, xor64, ...set("crc")],
        ...[...get("from"), ...constant(1), add, ...set("from")],
      ],
    ),
    ...get("crc"),
  ];
  const code = [1, 2, i64, ...body, 0x0b];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, i64, i32, i32, 1, i64]),
    ...section(2, [1, ...name("host"), ...name("memory"), 2, 0, 1]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...name("update"), 0, 0]),
    ...section(10, [1, ...leb128Unsigned(code.length), ...code]),
  ]);
}

/** The table's entry for a byte of a local. An entry has eight bytes: the byte is shifted to stand at bit 3. */
function lookup(local: "first" | "second", byte: number, table: number): Code {
  const shift = byte === 0 ? [...constant64(3), shiftLeft64] : [...constant64(8 * byte - 3), shiftRight64];
  return [...get(local), ...shift, wrapToI32, ...constant(255 * 8), and, ...loadI64(table * tableBytes)];
}

/** Tests the condition (an i32) before each round. */
function whileLoop(condition: Code, body: Code): Code {
  const [block, loop, empty, end, branch, branchIf, isZero] = [0x02, 0x03, 0x40, 0x0b, 0x0c, 0x0d, 0x45];
  return [...[block, empty, loop, empty], ...condition, isZero, branchIf, 1, ...body, branch, 0, end, end];
}

function section(id: number, content: Code): Code {
  return [id, ...leb128Unsigned(content.length), ...content];
}

function name(text: string): Code {
  return [text.length, ...Buffer.from(text)];
}

/** Of constants: signed, so that a value whose last group has its highest bit set takes one group more. */
function leb128(value: number): Code {
  return value < 64 ? [value] : [(value & 127) | 128, ...leb128(value >> 7)];
}

function leb128Unsigned(value: number): Code {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128Unsigned(value >> 7)];
}
