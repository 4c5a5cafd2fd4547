// The faults that S3 carries out itself, those of the gateway as S3's clients see them, lifecycle and a full disk.
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { FaultEffect } from "../../../local/rig/faults.ts";
import { explainMachineError, S3Error } from "../../../local/s3/s3-error.ts";
import { refusal, type S3Rig, someBytes, startS3Rig } from "./s3-rig.ts";

let rig: S3Rig;
beforeAll(async () => {
  rig = await startS3Rig({ smallestPartBytes: 1 });
});
afterEach(() => {
  rig.faults.clear();
});
afterAll(async () => {
  expect(rig.defects).toEqual([]);
  await rig[Symbol.asyncDispose]();
});

const Bucket = "plain";
const body = someBytes(100_000, 21);
const fault = (operation: string, effect: FaultEffect) => rig.faults.add({ service: "s3", operation, effect });

async function read(Key: string, more: object = {}): Promise<Buffer> {
  const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

describe("flipped bits", () => {
  test("in transit: the client's checksum catches it, and nothing is stored", async () => {
    fault("PutObject", { kind: "flip-stored-bit", when: "in-transit" });
    const client = rig.newClient({ requestStreamBufferSize: 0 });
    const put = client.send(new PutObjectCommand({ Bucket, Key: "transit", Body: body }));
    const { code, status } = await refusal(put);
    expect(status).toBe(400);
    expect(["BadDigest", "XAmzContentSHA256Mismatch"]).toContain(code);
    expect(await refusal(read("transit"))).toMatchObject({ code: "NoSuchKey" });
  });

  test("at rest: the put succeeds, and only reading against the checksum finds it", async () => {
    fault("PutObject", { kind: "flip-stored-bit", when: "at-rest" });
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "rest", Body: body }));
    const client = rig.newClient({ responseChecksumValidation: "WHEN_REQUIRED" });
    const answer = await client.send(new GetObjectCommand({ Bucket, Key: "rest" }));
    const stored = Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
    const differing = [...stored.keys()].filter((index) => stored[index] !== body[index]);
    expect(differing).toEqual([50_000]);
    await expect(read("rest", { ChecksumMode: "ENABLED" })).rejects.toThrow(/[Cc]hecksum/);
  });

  test("of a part, too", async () => {
    const where = { Bucket, Key: "part" };
    const { UploadId } = await rig.client.send(new CreateMultipartUploadCommand(where));
    fault("UploadPart", { kind: "flip-stored-bit", when: "in-transit" });
    const part = () => rig.client.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: body }));
    expect(await refusal(part())).toMatchObject({ status: 400 });
    await part();
  });
});

describe("200 with an error body", () => {
  test.each([false, true])("on completion, with the work done: %s", async (afterWork) => {
    const where = { Bucket, Key: `complete-${afterWork}` };
    const { UploadId } = await rig.client.send(new CreateMultipartUploadCommand(where));
    const { ETag } = await rig.client.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: body }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
    const complete = () =>
      rig.client.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload, IfNoneMatch: "*" }));
    fault("CompleteMultipartUpload", { kind: "error-in-200", afterWork });
    expect(await refusal(complete())).toMatchObject({ code: "InternalError" });
    const head = rig.client.send(new HeadObjectCommand(where));
    if (afterWork) {
      expect((await head).ContentLength).toBe(body.length);
      expect(await refusal(complete())).toMatchObject({ code: "NoSuchUpload" });
    } else {
      expect(await refusal(head)).toMatchObject({ status: 404 });
      await complete();
    }
  });

  test.each([false, true])("on a copy, with the work done: %s", async (afterWork) => {
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "from", Body: "x" }));
    fault("CopyObject", { kind: "error-in-200", afterWork });
    const copy = rig.client.send(new CopyObjectCommand({ Bucket, Key: `to-${afterWork}`, CopySource: "plain/from" }));
    expect(await refusal(copy)).toMatchObject({ code: "InternalError" });
    const found = await rig.client.send(new HeadObjectCommand({ Bucket, Key: `to-${afterWork}` })).then(
      () => true,
      () => false,
    );
    expect(found).toBe(afterWork);
  });
});

describe("the gateway's faults", () => {
  test("a throttled call is 503 SlowDown, and the client's retry comes through", async () => {
    fault("PutObject", { kind: "throttle" });
    const put = () => rig.client.send(new PutObjectCommand({ Bucket, Key: "slow", Body: "x" }));
    expect(await refusal(put())).toMatchObject({ code: "SlowDown", status: 503 });
    fault("PutObject", { kind: "throttle" });
    await rig.newClient({ maxAttempts: 3 }).send(new PutObjectCommand({ Bucket, Key: "slow", Body: "x" }));
  });

  test("500 after the work leaves the object there", async () => {
    fault("PutObject", { kind: "fail-after-work" });
    const put = rig.client.send(new PutObjectCommand({ Bucket, Key: "after-work", Body: "x" }));
    expect(await refusal(put)).toMatchObject({ code: "InternalError", status: 500 });
    expect(String(await read("after-work"))).toBe("x");
  });

  test("a short body is an error to the reader", async () => {
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "short", Body: body }));
    fault("GetObject", { kind: "short-body", share: 0.5 });
    await expect(read("short")).rejects.toThrow();
    expect((await read("short")).equals(body)).toBe(true);
  });
});

test("uploads left incomplete for longer than the bucket's rule allows are aborted with their bytes", async () => {
  rig.createBucket({ name: "tidy", versioned: false, eventBridge: false, lifecycleAbortDays: 7 });
  const where = { Bucket: "tidy", Key: "left" };
  const before = rig.bodyFiles().length;
  const { UploadId } = await rig.client.send(new CreateMultipartUploadCommand(where));
  await rig.client.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: body }));
  const day = 24 * 3_600_000;
  // The client's clock follows from the answers' errors; here it is told.
  const client = rig.newClient({ systemClockOffset: 6 * day });
  rig.clock.advance(6 * day);
  const list = (offset: number) => {
    client.config.systemClockOffset = offset;
    return client.send(new ListMultipartUploadsCommand({ Bucket: "tidy" }));
  };
  expect((await list(6 * day)).Uploads).toHaveLength(1);
  rig.clock.advance(2 * day);
  await expect.poll(() => rig.bodyFiles().length).toBe(before);
  expect((await list(8 * day)).Uploads ?? []).toEqual([]);
});

test("a full disk is an error that says what to do; other errors stay what they are", () => {
  for (const full of [{ code: "ENOSPC" }, { code: "EDQUOT" }, { code: "ERR_SQLITE_ERROR", errcode: 13 }]) {
    const explained = explainMachineError(Object.assign(new Error("full"), full), "/home/me/.causeway/s3");
    expect(explained).toBeInstanceOf(S3Error);
    expect(explained).toMatchObject({ status: 507, code: "InsufficientStorage" });
    expect(String(explained)).toContain("/home/me/.causeway/s3");
    expect(String(explained)).toContain("npm run local:reset");
  }
  const other = new Error("other");
  expect(explainMachineError(other, "/x")).toBe(other);
});
