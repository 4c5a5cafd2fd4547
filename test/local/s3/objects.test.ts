// Objects put, read, copied and deleted through the official client: bodies, ranges, conditions, metadata.
import { type FileHandle, open } from "node:fs/promises";
import http from "node:http";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { refusal, type S3Rig, someBytes, startS3Rig } from "./s3-rig.ts";

let rig: S3Rig;
beforeAll(async () => {
  rig = await startS3Rig();
});
afterAll(async () => {
  expect(rig.defects).toEqual([]);
  await rig[Symbol.asyncDispose]();
});

const Bucket = "plain";

async function put(Key: string, Body: Buffer | string, more: object = {}) {
  return rig.client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
}

async function read(Key: string, more: object = {}): Promise<Buffer> {
  const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

describe("bodies", () => {
  test("a buffer comes back as it went in", async () => {
    const body = someBytes(300_000);
    await put("a/buffer", body);
    expect((await read("a/buffer")).equals(body)).toBe(true);
  });

  test("a stream sent as aws-chunked with a trailer is stored without its framing", async () => {
    const body = someBytes(3_000_000, 7);
    const pieces = Readable.from([body.subarray(0, 1), body.subarray(1, 70_000), body.subarray(70_000)]);
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "a/stream", Body: pieces, ContentLength: body.length }));
    const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key: "a/stream" }));
    expect(answer.ContentLength).toBe(body.length);
    expect(answer.ContentEncoding).toBeUndefined();
    expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(body)).toBe(true);
  });

  test("a plain stream without checksum and an empty object are taken too", async () => {
    const client = rig.newClient({ requestChecksumCalculation: "WHEN_REQUIRED" });
    const body = someBytes(100_000, 3);
    const Body = Readable.from([body]);
    await client.send(new PutObjectCommand({ Bucket, Key: "a/plain", Body, ContentLength: body.length }));
    expect((await read("a/plain")).equals(body)).toBe(true);
    await put("a/empty", "");
    expect(await read("a/empty")).toHaveLength(0);
    const head = await rig.client.send(new HeadObjectCommand({ Bucket, Key: "a/empty" }));
    expect(head.ContentLength).toBe(0);
  });

  test("a body that breaks off is no object and leaves no bytes", async () => {
    const before = rig.bodyFiles().length;
    const url = await getSignedUrl(rig.client, new PutObjectCommand({ Bucket, Key: "a/short" }));
    const request = http.request(url, { method: "PUT", headers: { "content-length": "200000" } });
    request.on("error", () => undefined);
    request.write(Buffer.alloc(100_000));
    await expect.poll(() => rig.bodyFiles().length).toBe(before + 1);
    request.destroy();
    await expect.poll(() => rig.bodyFiles().length).toBe(before);
    expect((await refusal(rig.client.send(new HeadObjectCommand({ Bucket, Key: "a/short" })))).status).toBe(404);
  });
});

describe("ranges", () => {
  const body = someBytes(1_000, 5);
  beforeAll(async () => {
    await put("range", body);
  });

  test.each([
    ["bytes=0-0", 0, 1],
    ["bytes=10-19", 10, 20],
    ["bytes=990-2000", 990, 1_000],
    ["bytes=999-", 999, 1_000],
    ["bytes=-1", 999, 1_000],
    ["bytes=-5000", 0, 1_000],
  ])("%s answers 206 with those bytes", async (Range, from, end) => {
    const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key: "range", Range }));
    expect(answer.$metadata.httpStatusCode).toBe(206);
    expect(answer.ContentRange).toBe(`bytes ${from}-${end - 1}/1000`);
    expect(answer.ContentLength).toBe(end - from);
    expect(Buffer.from((await answer.Body?.transformToByteArray()) ?? [])).toEqual(body.subarray(from, end));
  });

  test.each(["bytes=1000-", "bytes=5000-6000", "bytes=-0"])("%s is 416 InvalidRange", async (Range) => {
    expect(await refusal(read("range", { Range }))).toMatchObject({ code: "InvalidRange", status: 416 });
  });

  test.each(["bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=-"])("%s is as if it were not there", async (Range) => {
    expect(await read("range", { Range })).toHaveLength(1_000);
  });

  test("an empty object has no byte to range over", async () => {
    await put("range-empty", "");
    expect(await refusal(read("range-empty", { Range: "bytes=0-0" }))).toMatchObject({ status: 416 });
  });
});

describe("conditions", () => {
  test("reads honour If-Match, If-None-Match and the dates", async () => {
    const { ETag } = await put("condition", "x");
    expect(await read("condition", { IfMatch: ETag })).toHaveLength(1);
    expect(await refusal(read("condition", { IfMatch: '"other"' }))).toMatchObject({
      code: "PreconditionFailed",
      status: 412,
    });
    expect(await refusal(read("condition", { IfNoneMatch: ETag }))).toMatchObject({ status: 304 });
    const { LastModified } = await rig.client.send(new HeadObjectCommand({ Bucket, Key: "condition" }));
    const stored = LastModified ?? new Date(0);
    expect(await refusal(read("condition", { IfModifiedSince: stored }))).toMatchObject({ status: 304 });
    expect(await read("condition", { IfUnmodifiedSince: stored })).toHaveLength(1);
    const earlier = new Date(stored.getTime() - 5_000);
    expect(await read("condition", { IfModifiedSince: earlier })).toHaveLength(1);
    expect(await refusal(read("condition", { IfUnmodifiedSince: earlier }))).toMatchObject({ status: 412 });
  });

  test("writes honour If-None-Match: * and If-Match", async () => {
    const { ETag } = await put("write-condition", "1", { IfNoneMatch: "*" });
    expect(await refusal(put("write-condition", "2", { IfNoneMatch: "*" }))).toMatchObject({
      code: "PreconditionFailed",
      status: 412,
    });
    expect(await refusal(put("write-condition", "2", { IfMatch: '"other"' }))).toMatchObject({ status: 412 });
    expect(await refusal(put("write-nothing", "2", { IfMatch: ETag }))).toMatchObject({
      code: "NoSuchKey",
      status: 404,
    });
    await put("write-condition", "3", { IfMatch: ETag });
    expect(String(await read("write-condition"))).toBe("3");
  });

  test("of many conditional puts at once exactly one wins, and its bytes stay", async () => {
    const writers = Array.from({ length: 12 }, (_, index) => someBytes(50_000, index + 1));
    const results = await Promise.allSettled(writers.map((body) => put("race", body, { IfNoneMatch: "*" })));
    const winners = results.flatMap((result, index) => (result.status === "fulfilled" ? [index] : []));
    expect(winners).toHaveLength(1);
    expect((await read("race")).equals(writers[winners[0] ?? -1] ?? Buffer.alloc(0))).toBe(true);
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ name: "PreconditionFailed" });
    }
  });

  test("a delete with If-Match spares another object", async () => {
    const { ETag } = await put("delete-condition", "1");
    const remove = (IfMatch: string | undefined) =>
      rig.client.send(new DeleteObjectCommand({ Bucket, Key: "delete-condition", IfMatch }));
    expect(await refusal(remove('"other"'))).toMatchObject({ status: 412 });
    await remove(ETag);
    expect(await refusal(read("delete-condition"))).toMatchObject({ code: "NoSuchKey", status: 404 });
  });
});

describe("metadata", () => {
  test("headers, user metadata, storage class, tags and encryption come back", async () => {
    const keyArn = `arn:aws:kms:eu-central-1:000000000000:key/1234`;
    const stored = await put("meta", "x", {
      ContentType: "text/plain; charset=utf-8",
      ContentEncoding: "gzip",
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentLanguage: "de",
      CacheControl: "no-store",
      Metadata: { "copy-id": "4711", other: "a, b" },
      StorageClass: "STANDARD_IA",
      Tagging: "team=data&stage=dev",
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: keyArn,
    });
    expect(stored).toMatchObject({ ServerSideEncryption: "aws:kms", SSEKMSKeyId: keyArn });
    const head = await rig.client.send(new HeadObjectCommand({ Bucket, Key: "meta" }));
    expect(head).toMatchObject({
      ContentType: "text/plain; charset=utf-8",
      ContentEncoding: "gzip",
      ContentDisposition: 'attachment; filename="a b.txt"',
      ContentLanguage: "de",
      CacheControl: "no-store",
      Metadata: { "copy-id": "4711", other: "a, b" },
      StorageClass: "STANDARD_IA",
      ServerSideEncryption: "aws:kms",
      SSEKMSKeyId: keyArn,
      TagCount: 2,
      ContentLength: 1,
      AcceptRanges: "bytes",
    });
  });

  test("a reader may ask for other headers than the stored ones", async () => {
    await put("type", Buffer.from("x"));
    const plain = await rig.client.send(new GetObjectCommand({ Bucket, Key: "type" }));
    expect(plain).toMatchObject({ ContentType: "application/octet-stream", ServerSideEncryption: "AES256" });
    const asked = await rig.client.send(
      new GetObjectCommand({
        Bucket,
        Key: "type",
        ResponseContentType: "text/csv",
        ResponseContentDisposition: "attachment",
        ResponseCacheControl: "no-cache",
      }),
    );
    expect(asked).toMatchObject({
      ContentType: "text/csv",
      ContentDisposition: "attachment",
      CacheControl: "no-cache",
    });
  });

  test("what S3 refuses is refused: bad storage class, metadata above 2 KB, a key above 1,024 bytes", async () => {
    expect(await refusal(put("bad", "x", { StorageClass: "COLD" }))).toMatchObject({ code: "InvalidStorageClass" });
    expect(await refusal(put("bad", "x", { Metadata: { a: "b".repeat(2_100) } }))).toMatchObject({
      code: "MetadataTooLarge",
    });
    expect(await refusal(put("ü".repeat(513), "x"))).toMatchObject({ code: "KeyTooLongError", status: 400 });
    await put("ü".repeat(512), "x");
  });
});

test("a refused upload's body is read away, so that the client sees the reason and not a broken connection", async () => {
  const Body = someBytes(20_000_000, 4);
  const part = rig.client.send(
    new UploadPartCommand({ Bucket, Key: "refused", UploadId: "no-such-upload", PartNumber: 1, Body }),
  );
  expect(await refusal(part)).toMatchObject({ code: "NoSuchUpload", status: 404 });
});

test("a disk that fills up while the body comes is 507 with advice, and leaves nothing", async () => {
  const before = rig.bodyFiles().length;
  const handle = await open(import.meta.filename);
  const write = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, "write");
  await handle.close();
  write.mockRejectedValueOnce(Object.assign(new Error("no space left on device"), { code: "ENOSPC" }));
  const { code, status, message } = await refusal(put("full-disk", someBytes(200_000)));
  expect({ code, status }).toEqual({ code: "InsufficientStorage", status: 507 });
  expect(message).toContain("local:reset");
  await expect.poll(() => rig.bodyFiles().length).toBe(before);
  write.mockRestore();
  await put("full-disk", "there is space again");
});

describe("deletes and copies", () => {
  test("deleting what is not there is no error; overwriting and deleting frees the bytes", async () => {
    await rig.client.send(new DeleteObjectCommand({ Bucket, Key: "never-was" }));
    const before = rig.bodyFiles().length;
    await put("freed", "1");
    await put("freed", "2");
    await rig.client.send(new DeleteObjectCommand({ Bucket, Key: "freed" }));
    await expect.poll(() => rig.bodyFiles().length).toBe(before);
  });

  test("a copy takes metadata along or replaces it, and honours the source's conditions", async () => {
    const { ETag } = await put("copy/from ü+%", "content", { Metadata: { a: "1" }, ContentType: "text/plain" });
    const CopySource = `plain/${encodeURIComponent("copy/from ü+%")}`;
    const copied = await rig.client.send(new CopyObjectCommand({ Bucket, Key: "copy/to", CopySource }));
    expect(copied.CopyObjectResult?.ETag).toBe(ETag);
    expect(await rig.client.send(new HeadObjectCommand({ Bucket, Key: "copy/to" }))).toMatchObject({
      Metadata: { a: "1" },
      ContentType: "text/plain",
    });
    await rig.client.send(
      new CopyObjectCommand({
        Bucket,
        Key: "copy/to",
        CopySource: "plain/copy/to",
        MetadataDirective: "REPLACE",
        Metadata: { b: "2" },
        ContentType: "text/html",
      }),
    );
    expect(await rig.client.send(new HeadObjectCommand({ Bucket, Key: "copy/to" }))).toMatchObject({
      Metadata: { b: "2" },
      ContentType: "text/html",
    });
    expect(String(await read("copy/to"))).toBe("content");
    const again = (more: object) =>
      rig.client.send(new CopyObjectCommand({ Bucket, Key: "copy/to", CopySource, ...more }));
    expect(await refusal(again({ CopySourceIfMatch: '"other"' }))).toMatchObject({ status: 412 });
    expect(await refusal(again({ CopySourceIfNoneMatch: ETag }))).toMatchObject({ status: 412 });
    expect(await refusal(again({ IfNoneMatch: "*" }))).toMatchObject({ status: 412 });
    expect(await refusal(again({ CopySource: "plain/copy/to" }))).toMatchObject({ code: "InvalidRequest" });
    expect(await refusal(again({ CopySource: "plain/no-such" }))).toMatchObject({ code: "NoSuchKey", status: 404 });
  });
});
