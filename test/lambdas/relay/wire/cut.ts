// Cuts bytes into pieces, for tests of what must not depend on how a stream was split.

/** `cuts`: positions, in any order, taken modulo the length; empty pieces occur. */
export function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const positions = cuts.map((at) => at % (bytes.length + 1)).sort((one, other) => one - other);
  return [0, ...positions].map((from, index) => bytes.subarray(from, positions[index] ?? bytes.length));
}
