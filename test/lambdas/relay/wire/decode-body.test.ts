// Tests of bodies with a content-encoding, bombs among them.
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { decodeBody } from "../../../../lambdas/relay/wire/decode-body.ts";

const body = Buffer.from(JSON.stringify({ model: "m", text: "世界".repeat(100) }));

function nameOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return (error as Refusal).name;
  }
  return "nothing";
}

describe("decoding a request's body", () => {
  test.each([
    ["gzip", gzipSync(body)],
    ["x-gzip", gzipSync(body)],
    [" GZIP ", gzipSync(body)],
    ["deflate", deflateSync(body)],
    ["deflate", deflateRawSync(body)],
    ["br", brotliCompressSync(body)],
    ["zstd", zstdCompressSync(body)],
    ["identity", body],
    [undefined, body],
  ])("reads %s", (encoding, bytes) => {
    expect(decodeBody(bytes, encoding).equals(body)).toBe(true);
  });

  test("refuses what unfolds to more than any vendor takes, without unfolding it all", () => {
    const bomb = gzipSync(Buffer.alloc(40 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(100_000);
    expect(nameOf(() => decodeBody(bomb, "gzip"))).toBe("BodyTooLarge");
  });

  test("refuses what is not what its header says, and encodings that nobody knows", () => {
    expect(nameOf(() => decodeBody(body, "gzip"))).toBe("BodyInvalid");
    expect(nameOf(() => decodeBody(gzipSync(body).subarray(0, 40), "gzip"))).toBe("BodyInvalid");
    expect(nameOf(() => decodeBody(body, "gzip, br"))).toBe("BodyInvalid");
    expect(nameOf(() => decodeBody(body, "toString"))).toBe("BodyInvalid");
  });
});
