// The definition of a reflected CRC-64, bit by bit: slow, and plainly right. What the fast code is held against.

const allOnes = 2n ** 64n - 1n;

export function slowCrc64(reflectedPolynomial: bigint, bytes: Uint8Array): bigint {
  let remainder = allOnes;
  for (const byte of bytes) {
    remainder ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      remainder = (remainder >> 1n) ^ ((remainder & 1n) === 1n ? reflectedPolynomial : 0n);
    }
  }
  return remainder ^ allOnes;
}

/** The CRC of A followed by `zeros` zero bytes, from the CRC of A, without any power of x: only for short runs. */
export function slowlyAppendZeros(reflectedPolynomial: bigint, crc: bigint, zeros: number): bigint {
  let remainder = crc ^ allOnes;
  for (let bit = 0; bit < 8 * zeros; bit++) {
    remainder = (remainder >> 1n) ^ ((remainder & 1n) === 1n ? reflectedPolynomial : 0n);
  }
  return remainder ^ allOnes;
}
