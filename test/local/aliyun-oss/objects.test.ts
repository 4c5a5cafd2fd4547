// Objects put in one piece: what is kept about them, what is verified, how they are read, copied and deleted.
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { Readable } from "node:stream";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { expect, test, vi } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { bucket, headersOf, ossFixture, owner, rejectionOf, someBytes } from "./oss-fixture.ts";

const quiet = () => undefined;
const crcOf = (bytes: Buffer) => new Crc64Xz().update(bytes).value().toString();
const md5Of = (bytes: Buffer) => createHash("md5").update(bytes).digest();

test("what is put comes back with its sums, encryption, type and metadata", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const body = someBytes(300_000);
  const headers = {
    "x-oss-server-side-encryption": "AES256",
    "Cache-Control": "no-store",
    "x-oss-meta-copy": "copy-1",
  };
  const put = await client.put("dir/body.gz", body, { headers, mime: "application/gzip" });
  const etag = `"${md5Of(body).toString("hex").toUpperCase()}"`;
  expect(headersOf(put)).toMatchObject({
    etag,
    "x-oss-hash-crc64ecma": crcOf(body),
    "x-oss-server-side-encryption": "AES256",
    "x-oss-request-id": expect.stringMatching(/^[0-9A-F]{24}$/),
  });
  const kept = {
    etag,
    "content-length": "300000",
    "content-type": "application/gzip",
    "cache-control": "no-store",
    "x-oss-meta-copy": "copy-1",
    "x-oss-server-side-encryption": "AES256",
    "x-oss-object-type": "Normal",
    "x-oss-storage-class": "Standard",
    "x-oss-hash-crc64ecma": crcOf(body),
  };
  expect(headersOf(await client.head("dir/body.gz"))).toMatchObject(kept);
  const read = await client.get("dir/body.gz");
  expect(headersOf(read)).toMatchObject(kept);
  expect(body.equals(read.content)).toBe(true);
  const meta = headersOf(await client.getObjectMeta("dir/body.gz"));
  expect(meta).toMatchObject({ etag, "content-length": "300000", "x-oss-hash-crc64ecma": crcOf(body) });
  expect(meta["x-oss-meta-copy"]).toBeUndefined();
  // Each is noted when its answer has left, which may be after the next one came.
  await vi.waitFor(() => expect(fixture.oss.requests).toHaveLength(4));
  expect(new Set(fixture.oss.requests.map(({ operation, status }) => `${operation} ${status}`))).toEqual(
    new Set(["PutObject 200", "HeadObject 200", "GetObject 200", "GetObjectMeta 200"]),
  );
  expect(fixture.oss.requests.find(({ operation }) => operation === "PutObject")).toMatchObject({
    bucket,
    key: "dir/body.gz",
    bytesReceived: 300_000,
  });
});

test("encryption by OSS's key service names the key; an unknown method is refused", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const kms = { "x-oss-server-side-encryption": "KMS" };
  await client.put("standard", Buffer.from("x"), { headers: kms });
  const named = { ...kms, "x-oss-server-side-encryption-key-id": "my-key" };
  await client.put("named", Buffer.from("x"), { headers: named });
  expect(headersOf(await client.head("standard"))).toMatchObject({
    ...kms,
    "x-oss-server-side-encryption-key-id": expect.stringMatching(/./),
  });
  expect(headersOf(await client.head("named"))).toMatchObject(named);
  const unknown = client.put("other", Buffer.from("x"), { headers: { "x-oss-server-side-encryption": "aws:kms" } });
  expect(await rejectionOf(unknown)).toMatchObject({ code: "InvalidEncryptionAlgorithmError", status: 400 });
});

test("a stream of known or unknown length is taken; one that ends early leaves nothing", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const body = someBytes(200_000);
  const pieces = [body.subarray(0, 70_000), body.subarray(70_000)];
  await client.putStream("sized", Readable.from(pieces), { contentLength: body.length } as never);
  await client.putStream("chunked", Readable.from(pieces));
  for (const name of ["sized", "chunked"]) expect(body.equals((await client.get(name)).content)).toBe(true);
  const request = http.request(await client.signatureUrlV4("PUT", 60, undefined, "broken"), { method: "PUT" });
  request.on("error", () => undefined);
  request.setHeader("content-length", body.length);
  request.write(body.subarray(0, 70_000));
  const bodies = path.join(fixture.stateDirectory, "bodies");
  await expect.poll(() => readdirSync(bodies).length).toBe(3);
  request.destroy();
  await expect.poll(() => readdirSync(bodies).length).toBe(2);
  expect(await rejectionOf(client.head("broken"))).toMatchObject({ code: "NoSuchKey" });
  expect(fixture.defects).toEqual([]);
});

test("an MD5 that does not fit is refused, and nothing is stored", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const wrong = { "Content-MD5": md5Of(Buffer.from("other")).toString("base64") };
  const refused = await rejectionOf(client.put("a", Buffer.from("this"), { headers: wrong }));
  expect(refused).toMatchObject({ code: "InvalidDigest", status: 400 });
  expect(await rejectionOf(client.head("a"))).toMatchObject({ code: "NoSuchKey", status: 404 });
});

test("x-oss-forbid-overwrite protects what is there, also when two writers race", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const once = { headers: { "x-oss-forbid-overwrite": "true" } };
  const race = await Promise.allSettled(
    [1, 2, 3, 4].map((seed) => client.put("once", someBytes(100_000, seed), { ...once, headers: { ...once.headers } })),
  );
  expect(race.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  const again = client.put("once", Buffer.from("x"), { headers: { ...once.headers } });
  expect(await rejectionOf(again)).toMatchObject({ code: "FileAlreadyExists", status: 409 });
  await client.put("once", Buffer.from("x"), { headers: { "x-oss-forbid-overwrite": "false" } });
  expect(String((await client.get("once")).content)).toBe("x");
});

test("ranges are read as OSS reads them, with the whole object's sum", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const body = someBytes(100);
  await client.put("a", body);
  const read = (range: string, more: Record<string, string> = {}) =>
    client.get("a", undefined, { headers: { Range: range, ...more } });
  const part = await read("bytes=10-19");
  expect(part.res.status).toBe(206);
  expect(headersOf(part)).toMatchObject({ "content-range": "bytes 10-19/100", "x-oss-hash-crc64ecma": crcOf(body) });
  expect(body.subarray(10, 20).equals(part.content)).toBe(true);
  expect(headersOf(await read("bytes=-5"))["content-range"]).toBe("bytes 95-99/100");
  const outside = await read("bytes=50-200");
  expect([outside.res.status, outside.content.length]).toEqual([200, 100]);
  const standard = { "x-oss-range-behavior": "standard" };
  expect(headersOf(await read("bytes=50-200", standard))["content-range"]).toBe("bytes 50-99/100");
  expect(await rejectionOf(read("bytes=100-", standard))).toMatchObject({ code: "InvalidRange", status: 416 });
});

test("conditions on reads hold", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const { etag = "" } = headersOf(await client.put("a", Buffer.from("x")));
  const read = (headers: Record<string, string>) => client.get("a", undefined, { headers });
  expect((await read({ "If-Match": etag })).res.status).toBe(200);
  expect(await rejectionOf(read({ "If-Match": '"0"' }))).toMatchObject({ code: "PreconditionFailed", status: 412 });
  expect((await read({ "If-None-Match": etag })).res.status).toBe(304);
  const tomorrow = new Date(Date.now() + 86_400_000).toUTCString();
  expect((await read({ "If-Modified-Since": tomorrow })).res.status).toBe(304);
  expect((await read({ "If-Unmodified-Since": tomorrow })).res.status).toBe(200);
  const changed = client.head("a", { headers: { "If-Match": '"0"' } });
  expect(await rejectionOf(changed)).toMatchObject({ code: "PreconditionFailed", status: 412 });
});

test("a copy has the bytes and, as asked, the metadata of its source or its own", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const body = someBytes(500_000);
  await client.put("from ü+", body, { headers: { "x-oss-meta-a": "1" } });
  await client.copy("copied", "from ü+");
  expect(headersOf(await client.head("copied"))).toMatchObject({ "x-oss-meta-a": "1", "content-length": "500000" });
  await client.copy("replaced", "from ü+", { headers: { "x-oss-metadata-directive": "REPLACE", "x-oss-meta-b": "2" } });
  const replaced = headersOf(await client.head("replaced"));
  expect([replaced["x-oss-meta-a"], replaced["x-oss-meta-b"]]).toEqual([undefined, "2"]);
  await client.putMeta("copied", { c: 3 } as never, {});
  const renamed = await client.get("copied");
  expect(headersOf(renamed)).toMatchObject({ "x-oss-meta-c": "3", "x-oss-hash-crc64ecma": crcOf(body) });
  expect(body.equals(renamed.content)).toBe(true);
  await client.delete("from ü+");
  expect(body.equals((await client.get("replaced")).content)).toBe(true);
  expect(await rejectionOf(client.copy("x", "from ü+"))).toMatchObject({ code: "NoSuchKey" });
});

test("deleting what is not there is no error", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  await client.put("a&<b", Buffer.from("x"));
  await client.put("c", Buffer.from("x"));
  expect((await client.delete("nothing")).res.status).toBe(204);
  await client.deleteMulti(["a&<b", "c", "nothing"]);
  expect((await client.listV2({ "max-keys": 10 }, {})).objects).toEqual([]);
});

test("OSS's errors are told by their names", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  expect(await rejectionOf(client.get("none"))).toMatchObject({ code: "NoSuchKey", status: 404 });
  const elsewhere = fixture.client({ bucket: "no-such-bucket" });
  expect(await rejectionOf(elsewhere.put("a", Buffer.from("x")))).toMatchObject({ code: "NoSuchBucket", status: 404 });
  const long = client.put("k".repeat(1_024), Buffer.from("x"));
  expect(await rejectionOf(long)).toMatchObject({ code: "InvalidObjectName", status: 400 });
  await client.put("k".repeat(1_023), Buffer.from("x"));
  const conditional = client.put("a", Buffer.from("x"), { headers: { "If-None-Match": "*" } });
  expect(await rejectionOf(conditional)).toMatchObject({ code: "NotImplemented", status: 501 });
  const tagged = client.put("a", Buffer.from("x"), { headers: { "x-oss-tagging": "a=b" } });
  expect((await rejectionOf(tagged)).message).toContain("object tagging");
  expect((await rejectionOf(client.getBucketACL(bucket))).message).toContain("GET ?acl");
  expect(fixture.defects).toEqual([]);
});

test("buckets are made once, and tell about themselves", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  await client.putBucket("made-by-client");
  await client.putBucket("made-by-client");
  expect(fixture.oss.buckets()).toEqual([bucket, "made-by-client"]);
  expect((await client.getBucketInfo("made-by-client")).bucket).toMatchObject({ Location: "oss-cn-hangzhou" });
  expect((await client.getBucketLocation(bucket)).location).toBe("oss-cn-hangzhou");
  expect(() => fixture.oss.ensureBucket("Not_A_Name")).toThrow("The specified bucket is not valid.");
});

test("the SDK of AWS is told that its chunked bodies are not taken", async () => {
  await using fixture = await ossFixture();
  const aws = new S3Client({
    endpoint: fixture.oss.url,
    region: "oss-cn-hangzhou",
    forcePathStyle: true,
    maxAttempts: 1,
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    credentials: { accessKeyId: owner.accessKeyId, secretAccessKey: owner.accessKeySecret },
  });
  const put = new PutObjectCommand({ Bucket: bucket, Key: "a", Body: Readable.from(["x"]), ContentLength: 1 });
  const refused = await aws.send(put).catch((error: Error) => error);
  expect(refused).toMatchObject({ name: "NotImplemented", message: "Aws MultiChunkedEncoding is not supported." });
  aws.destroy();
});
