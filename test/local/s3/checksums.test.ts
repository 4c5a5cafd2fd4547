// Integrity: every algorithm verified while streaming, in headers, trailers and signed chunks; and the CRC arithmetic.
import { createHash } from "node:crypto";
import http from "node:http";
import { Readable } from "node:stream";
import {
  ChecksumAlgorithm,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AwsChunkedDecoder } from "../../../local/s3/aws-chunked.ts";
import { checksumAlgorithms, combineChecksums, startChecksum } from "../../../local/s3/checksums.ts";
import { refusal, type S3Rig, someBytes, startS3Rig } from "./s3-rig.ts";
import { type ChunkedUpload, signedChunkedUpload } from "./signed-chunks.ts";

let rig: S3Rig;
beforeAll(async () => {
  rig = await startS3Rig();
});
afterAll(async () => {
  expect(rig.defects).toEqual([]);
  await rig[Symbol.asyncDispose]();
});

const Bucket = "plain";
const body = someBytes(200_001, 11);

function digestOf(algorithm: (typeof checksumAlgorithms)[number], bytes: Uint8Array): string {
  const running = startChecksum(algorithm);
  running.update(bytes);
  return running.digest().toString("base64");
}

describe("the algorithms", () => {
  // Check values: the catalogue of parametrised CRC algorithms; FIPS 180; RFC 1321.
  test.each([
    ["CRC32", "cbf43926"],
    ["CRC32C", "e3069283"],
    ["CRC64NVME", "ae8b14860a799888"],
    ["SHA1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"],
    ["MD5", "25f9e794323b453885f5181f1b624d0b"],
  ] as const)("%s of 123456789 is %s", (algorithm, expected) => {
    expect(Buffer.from(digestOf(algorithm, Buffer.from("123456789")), "base64").toString("hex")).toBe(expected);
  });

  test.each(["CRC32", "CRC32C", "CRC64NVME"] as const)(
    "%s is the same however the bytes are cut, and folds from its pieces",
    (algorithm) => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(300), { maxLength: 6 }), (bytes, cuts) => {
          const edges = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].toSorted((a, b) => a - b);
          const pieces = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
          const streamed = startChecksum(algorithm);
          for (const piece of pieces) streamed.update(piece);
          const whole = digestOf(algorithm, bytes);
          expect(streamed.digest().toString("base64")).toBe(whole);
          const parts = pieces.map((piece) => ({
            digest: Buffer.from(digestOf(algorithm, piece), "base64"),
            bytes: piece.length,
          }));
          expect(combineChecksums(algorithm, "FULL_OBJECT", parts).value).toBe(whole);
        }),
      );
    },
  );
});

describe("through the official client", () => {
  const known = checksumAlgorithms.filter((name) => name in ChecksumAlgorithm);

  test.each(known.filter((name) => name !== "SHA512" && name !== "MD5"))(
    "%s computed by the client is verified, kept and told again, from buffers and from streams",
    async (algorithm) => {
      const element = `Checksum${algorithm}` as const;
      const stream = { Body: Readable.from([body.subarray(0, 999), body.subarray(999)]), ContentLength: body.length };
      for (const sent of [{ Body: body }, stream]) {
        const Key = `client/${algorithm}`;
        const stored = await rig.client.send(
          new PutObjectCommand({ Bucket, Key, ChecksumAlgorithm: algorithm, ...sent }),
        );
        expect(stored[element]).toBe(digestOf(algorithm, body));
        expect(stored.ChecksumType).toBe("FULL_OBJECT");
        const head = await rig.client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
        expect(head[element]).toBe(digestOf(algorithm, body));
        // The client verifies the bytes it reads against the checksum that comes with them.
        const read = await rig.client.send(new GetObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
        expect(Buffer.from((await read.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
        const attributes = await rig.client.send(
          new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ["Checksum", "ObjectSize", "ETag"] }),
        );
        expect(attributes.Checksum?.[element]).toBe(digestOf(algorithm, body));
        expect(attributes.ObjectSize).toBe(body.length);
        expect(attributes.ETag).toBe(createHash("md5").update(body).digest("hex"));
      }
    },
  );

  test.each(checksumAlgorithms)("a given %s that is wrong is BadDigest, and nothing is stored", async (algorithm) => {
    const before = rig.bodyFiles().length;
    const Key = `wrong/${algorithm}`;
    const put = (of: Buffer) =>
      rig.client.send(
        new PutObjectCommand({
          Bucket,
          Key,
          Body: body,
          [`Checksum${algorithm}`]: digestOf(algorithm, of),
        } as PutObjectCommandInput),
      );
    expect(await refusal(put(Buffer.from("other")))).toMatchObject({ code: "BadDigest", status: 400 });
    expect(await refusal(rig.client.send(new HeadObjectCommand({ Bucket, Key })))).toMatchObject({ status: 404 });
    await expect.poll(() => rig.bodyFiles().length).toBe(before);
    expect((await put(body))[`Checksum${algorithm}`]).toBe(digestOf(algorithm, body));
  });

  test("without any checksum S3 adds CRC64NVME", async () => {
    const client = rig.newClient({ requestChecksumCalculation: "WHEN_REQUIRED" });
    const stored = await client.send(new PutObjectCommand({ Bucket, Key: "default", Body: body }));
    expect(stored.ChecksumCRC64NVME).toBe(digestOf("CRC64NVME", body));
    const read = await client.send(new GetObjectCommand({ Bucket, Key: "default" }));
    await read.Body?.transformToByteArray();
    expect(read.ChecksumCRC64NVME).toBe(digestOf("CRC64NVME", body));
    expect(read.ChecksumType).toBe("FULL_OBJECT");
  });

  test("Content-MD5 and the payload hash in the signature are verified", async () => {
    const put = (ContentMD5: string) =>
      rig.client.send(new PutObjectCommand({ Bucket, Key: "md5", Body: body, ContentMD5 }));
    const right = createHash("md5").update(body).digest("base64");
    const wrong = createHash("md5").update("other").digest("base64");
    expect(await refusal(put(wrong))).toMatchObject({ code: "BadDigest" });
    expect(await refusal(put("short"))).toMatchObject({ code: "InvalidDigest" });
    await put(right);
  });

  test("an algorithm that only AWS has is refused by its name", async () => {
    const answer = await refusal(
      rig.client.send(
        new PutObjectCommand({
          Bucket,
          Key: "xx",
          Body: "x",
          ChecksumXXHASH64: "AAAAAAAAAAA=",
        } as PutObjectCommandInput),
      ),
    );
    expect(answer).toMatchObject({ code: "NotImplemented", status: 501 });
    expect(answer.message).toContain("XXHASH64");
  });
});

describe("aws-chunked", () => {
  test("the framing is taken off however the body is cut into pieces", () => {
    const framed = Buffer.from(`5\r\nhello\r\n7;chunk-signature=${"a".repeat(64)}\r\n, world\r\n0\r\nx-a: 1\r\n\r\n`);
    fc.assert(
      fc.property(fc.array(fc.nat(framed.length)), (cuts) => {
        const edges = [0, ...cuts, framed.length].toSorted((left, right) => left - right);
        const decoder = new AwsChunkedDecoder();
        const out: Buffer[] = [];
        for (const [index, end] of edges.slice(1).entries()) {
          out.push(...decoder.push(framed.subarray(edges[index], end)));
        }
        decoder.finish();
        expect(String(Buffer.concat(out))).toBe("hello, world");
        expect(decoder.trailers).toEqual({ "x-a": "1" });
      }),
    );
  });

  test.each([
    ["no hex size", "zz\r\nhello\r\n0\r\n\r\n"],
    ["a chunk longer than it says", "3\r\nhello\r\n0\r\n\r\n"],
    ["an end within a chunk", "9\r\nhello"],
    ["no last chunk", "5\r\nhello\r\n"],
    ["bytes behind the end", "0\r\n\r\nmore"],
  ])("%s is IncompleteBody", (_what, text) => {
    expect(() => {
      const decoder = new AwsChunkedDecoder();
      for (const _ of decoder.push(Buffer.from(text)));
      decoder.finish();
    }).toThrow(expect.objectContaining({ code: "IncompleteBody" }));
  });

  const signed = (change: Partial<ChunkedUpload> = {}): Promise<{ status: number; text: string }> =>
    signedChunkedUpload({
      url: `${rig.url}/plain/signed`,
      chunks: [body.subarray(0, 66_000), body.subarray(66_000)],
      trailer: undefined,
      ...change,
    });

  test("signed chunks are verified, with and without a signed trailer", async () => {
    const trailer = { name: "x-amz-checksum-crc32c", value: digestOf("CRC32C", body) };
    for (const more of [{}, { trailer }]) {
      expect(await signed(more)).toMatchObject({ status: 200 });
      const read = await rig.client.send(new GetObjectCommand({ Bucket, Key: "signed" }));
      expect(Buffer.from((await read.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
    }
  });

  test("a chunk or trailer that was changed on the way is refused", async () => {
    const changed = await signed({ corruptChunk: 1 });
    expect(changed.status).toBe(403);
    expect(changed.text).toContain("<Code>SignatureDoesNotMatch</Code>");
    const trailer = { name: "x-amz-checksum-crc32c", value: digestOf("CRC32C", body) };
    expect((await signed({ trailer, corruptTrailer: true })).text).toContain("SignatureDoesNotMatch");
    const wrong = { name: "x-amz-checksum-crc32c", value: digestOf("CRC32C", Buffer.from("other")) };
    expect((await signed({ trailer: wrong })).text).toContain("<Code>BadDigest</Code>");
  });

  test("a trailer that does not come is refused", async () => {
    const answer = await signed({ announcedTrailer: "x-amz-checksum-crc32c" });
    expect(answer.text).toContain("<Code>MalformedTrailerError</Code>");
  });

  test("a request that cannot be is refused before its body is read", async () => {
    const request = http.request(`${rig.url}/plain/unsigned`, { method: "PUT" });
    const status = await new Promise<number>((resolve, reject) => {
      request.on("response", (response) => resolve(response.resume().statusCode ?? 0));
      request.on("error", reject);
      request.end("x");
    });
    expect(status).toBeGreaterThanOrEqual(400);
  });
});
