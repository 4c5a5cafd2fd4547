// OSS misbehaving on demand: what nothing does, what works and then fails, and what damages bytes.
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import type { FaultEffect } from "../../../local/rig/faults.ts";
import { headersOf, type OssFixture, ossFixture, rejectionOf, someBytes } from "./oss-fixture.ts";

const crcOf = (bytes: Buffer) => new Crc64Xz().update(bytes).value().toString();
const body = someBytes(300_000);

function once(fixture: OssFixture, operation: string, effect: FaultEffect): void {
  fixture.faults.clear();
  fixture.faults.add({ service: "oss", operation, resourceIncludes: "acme-iotdb/", effect });
}

test("throttling is a 503 with the code of what there was too much of, and does nothing", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  once(fixture, "PutObject", { kind: "throttle" });
  const refused = await rejectionOf(client.put("a", body));
  expect(refused).toMatchObject({ code: "UploadTrafficRateLimitExceeded", status: 503 });
  once(fixture, "ListObjectsV2", { kind: "throttle" });
  expect(await rejectionOf(client.listV2({ "max-keys": 1 }, {}))).toMatchObject({
    code: "TotalQpsLimitExceeded",
    status: 503,
  });
  once(fixture, "HeadObject", { kind: "error", status: 503, code: "ServiceUnavailable" });
  expect(await rejectionOf(client.head("a"))).toMatchObject({ code: "ServiceUnavailable", status: 503 });
  expect(await rejectionOf(client.head("a"))).toMatchObject({ code: "NoSuchKey", status: 404 });
});

test("a load balancer's page is not OSS's XML", async () => {
  await using fixture = await ossFixture();
  once(fixture, "GetObject", { kind: "error", status: 502, code: "Html" });
  const refused = await rejectionOf(fixture.client().get("a"));
  expect(refused).toEqual({ code: undefined, status: 502, message: "unknow request error, status: 502" });
});

test("after the work, an error or a broken connection leaves the object there", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  once(fixture, "PutObject", { kind: "fail-after-work" });
  expect(await rejectionOf(client.put("failed", body))).toMatchObject({ code: "InternalError", status: 500 });
  once(fixture, "PutObject", { kind: "reset-after-work" });
  expect(await rejectionOf(client.put("broken", body))).toMatchObject({ status: -1 });
  for (const name of ["failed", "broken"]) expect(body.equals((await client.get(name)).content)).toBe(true);
  once(fixture, "PutObject", { kind: "reset" });
  expect(await rejectionOf(client.put("reset", body))).toMatchObject({ status: -1 });
  expect(await rejectionOf(client.head("reset"))).toMatchObject({ code: "NoSuchKey" });
});

test("a completion that fails after its work is told apart by a HEAD", async () => {
  await using fixture = await ossFixture({ smallestPartBytes: 1 });
  const client = fixture.client();
  const { uploadId } = await client.initMultipartUpload("a");
  const { etag } = await client._uploadPart("a", uploadId, 1, { stream: Readable.from([body]), size: body.length });
  once(fixture, "CompleteMultipartUpload", { kind: "fail-after-work" });
  const parts = [{ number: 1, etag }];
  expect(await rejectionOf(client.completeMultipartUpload("a", uploadId, parts))).toMatchObject({ status: 500 });
  expect(headersOf(await client.head("a"))["x-oss-hash-crc64ecma"]).toBe(crcOf(body));
  expect(await rejectionOf(client.completeMultipartUpload("a", uploadId, parts))).toMatchObject({
    code: "NoSuchUpload",
  });
});

test("a bit flipped on the way shows in the sum of the answer, one flipped at rest only when read", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  once(fixture, "PutObject", { kind: "flip-stored-bit", when: "in-transit" });
  const inTransit = headersOf(
    await client.put("in-transit", body, { headers: { "Content-MD5": "" } }).catch(() => ({ res: { headers: {} } })),
  );
  expect(inTransit["x-oss-hash-crc64ecma"]).not.toBe(crcOf(body));
  once(fixture, "PutObject", { kind: "flip-stored-bit", when: "at-rest" });
  const atRest = headersOf(await client.put("at-rest", body));
  expect(atRest["x-oss-hash-crc64ecma"]).toBe(crcOf(body));
  const { content } = await client.get("at-rest");
  expect(content.filter((byte: number, index: number) => byte !== body[index])).toHaveLength(1);
});

test("answers can be cut short, damaged, or of another range", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  await client.put("a", body);
  once(fixture, "GetObject", { kind: "short-body", share: 0.5 });
  await expect(client.get("a")).rejects.toThrow();
  once(fixture, "GetObject", { kind: "flip-bit", share: 0.5 });
  const flipped = await client.get("a");
  expect(crcOf(flipped.content)).not.toBe(headersOf(flipped)["x-oss-hash-crc64ecma"]);
  const ranged = () => client.get("a", undefined, { headers: { Range: "bytes=10-19" } });
  once(fixture, "GetObject", { kind: "wrong-range" });
  expect(headersOf(await ranged())["content-range"]).toBe("bytes 9-18/300000");
  once(fixture, "GetObject", { kind: "ignore-range" });
  expect((await ranged()).res.status).toBe(200);
  expect(headersOf(await ranged())["content-range"]).toBe("bytes 10-19/300000");
});

test("a delay passes in the cloud's time, and does not age the signature", async () => {
  await using fixture = await ossFixture({}, { skipIdle: true });
  once(fixture, "PutObject", { kind: "delay", milliseconds: 3_600_000 });
  const before = fixture.clock.now();
  await fixture.client().put("a", Buffer.from("x"));
  expect(fixture.clock.now() - before).toBeGreaterThanOrEqual(3_600_000);
});

test("a fault that OSS cannot do is a defect of the test, and is named", async () => {
  await using fixture = await ossFixture();
  once(fixture, "PutObject", { kind: "expire-link" });
  expect(await rejectionOf(fixture.client().put("a", Buffer.from("x")))).toMatchObject({ code: "InternalError" });
  expect(String(fixture.defects[0])).toContain('OSS cannot do the fault "expire-link"');
});
