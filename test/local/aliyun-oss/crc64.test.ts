// OSS's sum against the other implementation of the local cloud, however the bytes are cut into pieces.
import fc from "fast-check";
import { expect, test } from "vitest";
import { Crc64 } from "../../../local/aliyun-oss/crc64.ts";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { someBytes } from "./oss-fixture.ts";

test("the check value of CRC-64/XZ comes out, and zero for no bytes", () => {
  expect(new Crc64().update(Buffer.from("123456789")).decimal()).toBe(0x995dc9bbdf1939fan.toString());
  expect(new Crc64().decimal()).toBe("0");
});

test("sums under way at once do not disturb each other, whatever the pieces", () => {
  const cut = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(cut, cut, fc.nat(), (left, right, seed) => {
      const sums = [left, right].map((lengths, index) => ({
        pieces: lengths.map((length, at) => someBytes(length, seed + at * 2 + index)),
        crc64: new Crc64(),
      }));
      for (let at = 0; at < 20; at += 1) {
        for (const { pieces, crc64 } of sums) crc64.update(pieces[at] ?? Buffer.alloc(0));
      }
      for (const { pieces, crc64 } of sums) {
        expect(crc64.decimal()).toBe(new Crc64Xz().update(Buffer.concat(pieces)).value().toString());
      }
    }),
  );
});

test.each([65_535, 65_536, 65_537, 200_001])("a piece of %s bytes is summed whole", (length) => {
  const bytes = someBytes(length);
  expect(new Crc64().update(bytes).decimal()).toBe(new Crc64Xz().update(bytes).value().toString());
});
