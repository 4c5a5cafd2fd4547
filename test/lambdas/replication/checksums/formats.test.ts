// The text forms of checksums, both ways, and what is not one.
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc64Nvme, crc64Xz } from "../../../../lambdas/replication/checksums/crc64.ts";

const anyCrc64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test("every checksum comes back from its text", () => {
  fc.assert(
    fc.property(anyCrc64, (crc) => {
      expect(crc64Xz.parse(crc64Xz.format(crc))).toBe(crc);
      expect(crc64Nvme.parse(crc64Nvme.format(crc))).toBe(crc);
    }),
  );
});

test("writes CRC-64/XZ as OSS does, in decimal, and CRC-64/NVME as S3 does, in base64 of the big-endian bytes", () => {
  expect(crc64Xz.format(0x995dc9bbdf1939fan)).toBe("11051210869376104954");
  expect(crc64Nvme.format(0xae8b14860a799888n)).toBe(Buffer.from("ae8b14860a799888", "hex").toString("base64"));
  expect(crc64Nvme.format(1n)).toBe("AAAAAAAAAAE=");
});

test.each([
  "",
  " 1",
  "1 ",
  "-1",
  "+1",
  "0x10",
  "1.0",
  "1e3",
  "18446744073709551616",
  "99999999999999999999",
  "1".repeat(21),
])("refuses %j as a decimal checksum", (text) => {
  expect(() => crc64Xz.parse(text)).toThrow(RangeError);
});

test("takes the largest decimal checksum", () => {
  expect(crc64Xz.parse("18446744073709551615")).toBe(2n ** 64n - 1n);
});

test.each([
  "",
  "rosUhgp5mIg",
  "rosUhgp5mIg= ",
  "rosUhgp5mI==",
  "AAAAAA==",
  "AAAAAAAAAAAA",
  "rosUhgp5-_g=",
  "not base64!!",
])("refuses %j as a base64 checksum", (text) => {
  expect(() => crc64Nvme.parse(text)).toThrow(RangeError);
});

test("an error message does not repeat a long text", () => {
  expect(() => crc64Xz.parse("x".repeat(100_000))).toThrow(/^.{0,100}$/);
});
