// CRC-64/XZ and CRC-64/NVME against their definition, in any splitting, interleaving and folding.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { foldParts } from "../../../../lambdas/replication/checksums/checksum.ts";
import { crc64Nvme, crc64Xz, nvmePolynomial, xzPolynomial } from "../../../../lambdas/replication/checksums/crc64.ts";
import { largestPieceBytes } from "../../../../lambdas/replication/checksums/crc64-kernel.ts";
import { createPartChecksums } from "../../../../lambdas/replication/checksums/part-checksums.ts";
import { slowCrc64, slowlyAppendZeros } from "./slow-crc64.ts";

const algorithms = [
  { algorithm: crc64Xz, polynomial: xzPolynomial, check: 0x995dc9bbdf1939fan },
  { algorithm: crc64Nvme, polynomial: nvmePolynomial, check: 0xae8b14860a799888n },
];

function crcOf(algorithm: typeof crc64Xz, ...pieces: Uint8Array[]): bigint {
  const running = algorithm.start();
  for (const piece of pieces) running.update(piece);
  return running.digest();
}

/** Bytes that no pattern of the algorithm's own can be hidden in, quick to make. */
function noise(bytes: number, seed: number): Uint8Array {
  const made = new Uint8Array(bytes);
  let state = seed >>> 0;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    made[at] = state >>> 24;
  }
  return made;
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((left, right) => left - right)];
  return places.map((place, index) => bytes.subarray(place, places[index + 1] ?? bytes.length));
}

describe.each(algorithms)("$algorithm.name", ({ algorithm, polynomial, check }) => {
  test("has the catalogue's check value", () => {
    expect(crcOf(algorithm, Buffer.from("123456789"))).toBe(check);
  });

  test("of no bytes is the empty checksum", () => {
    expect(crcOf(algorithm)).toBe(algorithm.empty);
    expect(crcOf(algorithm, new Uint8Array(0))).toBe(algorithm.empty);
  });

  test("its lags are a multiple of the polynomial", () => {
    const historyBytes = Math.max(...polynomial.lagsBytes);
    // One byte of 1 at each distance, as a message: divisible means that nothing remains of it.
    const message = new Uint8Array(historyBytes + 1);
    for (const lag of [0, ...polynomial.lagsBytes]) message[lag] = 1;
    let remainder = 0n;
    for (const byte of message) {
      remainder ^= BigInt(byte);
      for (let bit = 0; bit < 8; bit++) {
        remainder = (remainder >> 1n) ^ ((remainder & 1n) === 1n ? polynomial.reflected : 0n);
      }
    }
    expect(remainder).toBe(0n);
  });

  test("equals the definition for every length around the sizes it works in", () => {
    const historyBytes = Math.max(...polynomial.lagsBytes);
    for (const around of [0, 8, 16, 64, 128, historyBytes, 2 * historyBytes]) {
      for (let length = Math.max(0, around - 2); length <= around + 2; length++) {
        const bytes = noise(length, length + 1);
        expect(crcOf(algorithm, bytes), `${length} bytes`).toBe(slowCrc64(polynomial.reflected, bytes));
      }
    }
  });

  test("equals the definition for a buffer larger than one piece", () => {
    const bytes = noise(2 * largestPieceBytes + 12_345, 7);
    expect(crcOf(algorithm, bytes)).toBe(slowCrc64(polynomial.reflected, bytes));
  });

  test("does not depend on how the bytes are cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 9000 }), fc.array(fc.nat(9000), { maxLength: 12 }), (bytes, cuts) => {
        expect(crcOf(algorithm, ...split(bytes, cuts))).toBe(slowCrc64(polynomial.reflected, bytes));
      }),
      { numRuns: 60 },
    );
  });

  test("folds from the checksums of any parts", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.array(fc.nat(3000), { maxLength: 12 }), (bytes, cuts) => {
        const parts = split(bytes, cuts).map((part) => ({ crc: crcOf(algorithm, part), bytes: part.length }));
        expect(foldParts(algorithm, parts)).toEqual({ crc: crcOf(algorithm, bytes), bytes: bytes.length });
      }),
      { numRuns: 100 },
    );
  });

  test("tells apart parts in another order, and one flipped bit", () => {
    const bytes = noise(100_000, 3);
    const whole = crcOf(algorithm, bytes);
    const [first, second] = [bytes.subarray(0, 40_000), bytes.subarray(40_000)];
    expect(crcOf(algorithm, second, first)).not.toBe(whole);
    bytes[77_777] = (bytes[77_777] ?? 0) ^ 4;
    expect(crcOf(algorithm, bytes)).not.toBe(whole);
  });

  test("combines over lengths beyond 4 GiB and beyond exact numbers", () => {
    const crc = crcOf(algorithm, noise(1000, 9));
    const zeros = (length: bigint) => algorithm.combine(algorithm.empty, 0n, length);
    // Going 2^40 + 5 bytes at once must be the same as going there in two unequal steps.
    const far = 2n ** 40n + 5n;
    const near = 2n ** 32n - 3n;
    const atOnce = algorithm.combine(crc, 0n, far);
    expect(algorithm.combine(algorithm.combine(crc, 0n, near), 0n, far - near)).toBe(atOnce);
    expect(algorithm.combine(crc, 0n, Number(far))).toBe(atOnce);
    expect(atOnce).not.toBe(algorithm.combine(crc, 0n, far % 2n ** 32n));
    expect(zeros(2n ** 63n)).toBe(algorithm.empty);
    const short = 1234;
    const zeroBytes = new Uint8Array(short);
    expect(algorithm.combine(crc, crcOf(algorithm, zeroBytes), short)).toBe(
      slowlyAppendZeros(polynomial.reflected, crc, short),
    );
  });

  test.each([-1, 0.5, 2 ** 53, Number.NaN, -1n, 2n ** 64n])("refuses to combine over %s bytes", (length) => {
    expect(() => algorithm.combine(1n, 2n, length)).toThrow(RangeError);
  });

  test("can be asked in between, and goes on", () => {
    const bytes = noise(20_000, 5);
    const running = algorithm.start();
    running.update(bytes.subarray(0, 9999));
    expect(running.digest()).toBe(crcOf(algorithm, bytes.subarray(0, 9999)));
    running.update(bytes.subarray(9999));
    expect(running.digest()).toBe(crcOf(algorithm, bytes));
  });
});

test("checksums under way at once do not disturb each other, whatever the turns", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ stream: fc.nat(5), bytes: fc.nat(5000), digest: fc.boolean() }), { maxLength: 40 }),
      (turns) => {
        const streams = Array.from({ length: 6 }, (_, index) => ({
          pieces: [] as Uint8Array[],
          running: index < 2 ? crc64Xz.start() : index < 4 ? crc64Nvme.start() : createPartChecksums(),
        }));
        for (const [index, turn] of turns.entries()) {
          const piece = noise(turn.bytes, index);
          const stream = streams[turn.stream];
          stream?.pieces.push(piece);
          stream?.running.update(piece);
          if (turn.digest) stream?.running.digest();
        }
        for (const [index, { pieces, running }] of streams.entries()) {
          const xz = crcOf(crc64Xz, Buffer.concat(pieces));
          const nvme = crcOf(crc64Nvme, Buffer.concat(pieces));
          const both = { bytes: Buffer.concat(pieces).length, crc64Xz: xz, crc64Nvme: nvme };
          expect(running.digest()).toEqual(index < 2 ? xz : index < 4 ? nvme : both);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test("a checksum does not keep the bytes it was given", () => {
  const bytes = noise(5000, 1);
  const running = crc64Xz.start();
  running.update(bytes);
  const before = running.digest();
  bytes.fill(0);
  expect(running.digest()).toBe(before);
});

test("a part's two checksums come from the one pass", () => {
  const bytes = noise(200_000, 11);
  const tap = createPartChecksums();
  for (const piece of split(bytes, [1, 65_537, 131_072])) tap.update(piece);
  expect(tap.digest()).toEqual({
    bytes: bytes.length,
    crc64Xz: slowCrc64(xzPolynomial.reflected, bytes),
    crc64Nvme: slowCrc64(nvmePolynomial.reflected, bytes),
  });
});
