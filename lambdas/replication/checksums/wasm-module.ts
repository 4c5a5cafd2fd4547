// A very small WebAssembly assembler: enough to write the checksum kernel in TypeScript, with no build step.
// Byte values are those of the core specification (https://webassembly.github.io/spec/core/binary/).

/** Code of a function or of a part of one: opcodes and immediates. */
export type Code = readonly number[];

export const i32 = 0x7f;
export const i64 = 0x7e;
export type ValueType = typeof i32 | typeof i64;

export interface WasmFunction {
  readonly exportName: string;
  readonly parameters: readonly ValueType[];
  readonly result?: ValueType;
  /** Numbered after the parameters; zero at entry. */
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

const emptyBlock = 0x40;
const endOfBlock = 0x0b;

/** Instructions, named as in the specification's text format. Load and store take a constant byte offset. */
export const op = {
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  i32: (value: number): Code => [0x41, ...signed(BigInt(value))],
  i64: (value: bigint): Code => [0x42, ...signed(value)],
  i32LessUnsigned: [0x49],
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32And: [0x71],
  i32Xor: [0x73],
  i32Shl: [0x74],
  i64NotEqual: [0x52],
  i64Sub: [0x7d],
  i64And: [0x83],
  i64Xor: [0x85],
  i64Shl: [0x86],
  i64ShrSigned: [0x87],
  i64ShrUnsigned: [0x88],
  i32WrapI64: [0xa7],
  load8: (offset: number): Code => [0x2d, 0, ...unsigned(offset)],
  store8: (offset: number): Code => [0x3a, 0, ...unsigned(offset)],
  load8AsI64: (offset: number): Code => [0x31, 0, ...unsigned(offset)],
  loadI64: (offset: number): Code => [0x29, 3, ...unsigned(offset)],
  loadVector: (offset: number): Code => [0xfd, 0x00, 0, ...unsigned(offset)],
  storeVector: (offset: number): Code => [0xfd, 0x0b, 0, ...unsigned(offset)],
  vectorXor: [0xfd, 0x51],
  /** Repeats the body while the condition (an i32) holds; it is tested before each round. */
  whileLoop: (condition: Code, body: Code): Code => [
    ...[0x02, emptyBlock],
    ...[0x03, emptyBlock],
    ...[...condition, 0x45, 0x0d, 1],
    ...[...body, 0x0c, 0],
    ...[endOfBlock, endOfBlock],
  ],
} as const;

/** Bytes of a module that imports its memory as `host.memory` and exports the functions. */
export function assembleModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...list(parameters.map((type) => [type])),
    ...list(result === undefined ? [] : [[result]]),
  ]);
  const smallestMemoryPages = 1;
  const memoryImport = [...text("host"), ...text("memory"), 0x02, 0x00, smallestMemoryPages];
  const bodies = functions.map(({ locals, body }) => {
    const code = [...list(locals.map((type) => [1, type])), ...body, endOfBlock];
    return [...unsigned(code.length), ...code];
  });
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, types),
    ...section(2, [memoryImport]),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(
      7,
      functions.map(({ exportName }, index) => [...text(exportName), 0x00, ...unsigned(index)]),
    ),
    ...section(10, bodies),
  ]);
}

function section(id: number, items: readonly Code[]): Code {
  const content = list(items);
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly Code[]): Code {
  return [...unsigned(items.length), ...items.flat()];
}

function text(value: string): Code {
  return list([...Buffer.from(value, "utf8")].map((byte) => [byte]));
}

/** LEB128, unsigned: seven bits in each byte, the highest bit says that more follow. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

/** LEB128, signed: as above, ended when what is left is only the sign. */
function signed(value: bigint): Code {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = (rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0);
    bytes.push(isLast ? low : low | 0x80);
    if (isLast) return bytes;
  }
}
