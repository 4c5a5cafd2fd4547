// CRC-64/XZ against its published check value and against a slow implementation that follows the definition bit by bit.
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { seededContent } from "../../../local/aliyun-rds/seeded-content.ts";

function slowCrc(bytes: Uint8Array): bigint {
  let sum = 0xffff_ffff_ffff_ffffn;
  for (const byte of bytes) {
    sum ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1n ? (sum >> 1n) ^ 0xc96c5795d7870f42n : sum >> 1n;
  }
  return sum ^ 0xffff_ffff_ffff_ffffn;
}

test("the check value of 123456789 is the published one", () => {
  expect(new Crc64Xz().update(Buffer.from("123456789")).value()).toBe(0x995dc9bbdf1939fan);
});

test("it agrees with the definition at every length up to two steps and in any pieces", () => {
  const bytes = seededContent(7)(0, 300);
  for (let length = 0; length <= 17; length += 1) {
    const part = bytes.subarray(3, 3 + length);
    expect(new Crc64Xz().update(part).value()).toBe(slowCrc(part));
  }
  for (const cut of [0, 1, 7, 8, 9, 100, 299, 300]) {
    const sum = new Crc64Xz().update(bytes.subarray(0, cut)).update(bytes.subarray(cut));
    expect(sum.value()).toBe(slowCrc(bytes));
  }
});

test("seeded content is the same from any offset and differs everywhere else", () => {
  const bytesAt = seededContent(11);
  const whole = bytesAt(0, 300_000);
  for (const [offset, length] of [
    [0, 1],
    [1, 63],
    [63, 2],
    [65_535, 131_073],
    [299_999, 1],
  ] as const) {
    expect(bytesAt(offset, length).equals(whole.subarray(offset, offset + length))).toBe(true);
  }
  const sums = new Set<number>();
  for (let at = 0; at + 64 <= whole.length; at += 64) sums.add(crc32(whole.subarray(at, at + 64)));
  expect(sums.size).toBe(Math.floor(whole.length / 64));
  expect(seededContent(12)(0, 64).equals(whole.subarray(0, 64))).toBe(false);
  const farOffset = 6 * 1024 ** 4;
  expect(bytesAt(farOffset, 64).equals(bytesAt(farOffset + 2 ** 38, 64))).toBe(false);
});
