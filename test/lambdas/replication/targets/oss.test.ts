// What is OSS's own: objects in one go, its errors by name, key pairs that change, keys it refuses, and the clock.
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { crc64Xz } from "../../../../lambdas/replication/checksums/crc64.ts";
import { checkOssKey, ossTarget } from "../../../../lambdas/replication/targets/oss.ts";
import { ossRemover } from "../../../../lambdas/replication/targets/oss-deletes.ts";
import { anyEtag, type WholeObjectTarget } from "../../../../lambdas/replication/targets/target.ts";
import type { AliyunCredentials } from "../../../../lambdas/shared/aliyun-credentials.ts";
import type { FaultEffect } from "../../../../local/rig/faults.ts";
import { bucket, type OssFixture, ossFixture, owner, someBytes } from "../../../local/aliyun-oss/oss-fixture.ts";
import { calmRandom } from "../calm-random.ts";
import { rejection } from "../outcomes.ts";

const never = new AbortController().signal;
const marks = { copyId: "v1", uploadMark: "mark", signal: never };
let here: OssFixture;
let pair: AliyunCredentials;
/** What the secret holds when it is read anew. */
let fresh: AliyunCredentials;
let forgotten = 0;
let target: WholeObjectTarget;

const settings = () =>
  ({
    endpoint: here.oss.endpoint,
    protocol: "http",
    pathStyle: true,
    region: "oss-cn-hangzhou",
    bucket,
    encryption: "KMS",
  }) as const;

const credentials = {
  read: async () => pair,
  forget: () => {
    forgotten += 1;
    pair = fresh;
  },
};

beforeEach(async () => {
  calmRandom();
  here = await ossFixture();
  pair = owner;
  fresh = owner;
  forgotten = 0;
  target = ossTarget(settings(), credentials);
});

afterEach(() => here[Symbol.asyncDispose]());

const put = (key: string, bytes: Buffer, signal = never) =>
  target.putWhole(key, Readable.from([Buffer.from(bytes)], { objectMode: false }), bytes.length, { ...marks, signal });

function crc64Of(bytes: Buffer): string {
  const running = crc64Xz.start();
  running.update(bytes);
  return crc64Xz.format(running.digest());
}

const fault = (operation: string, effect: FaultEffect, times = 1) =>
  here.faults.add({ service: "oss", operation, effect, times });

describe("an object in one go", () => {
  it.each([0, 1, 70_000, 300_000])("of %d bytes is there with its checksum and marks", async (length) => {
    const bytes = someBytes(length);
    const { etag, checksum } = await put("iotdb-backup/a b+%.xb", bytes);
    expect(checksum).toBe(crc64Of(bytes));
    expect(await target.describe("iotdb-backup/a b+%.xb")).toMatchObject({
      sizeBytes: length,
      etag,
      checksum,
      copyId: "v1",
      uploadMark: "mark",
    });
    const read = (await here.client().get("iotdb-backup/a b+%.xb")).content as Buffer;
    expect(read.equals(bytes)).toBe(true);
    expect(here.defects).toEqual([]);
  });

  it("replaces what is there", async () => {
    await put("x", Buffer.from("old"));
    await put("x", Buffer.from("new"));
    expect(String((await here.client().get("x")).content)).toBe("new");
  });

  it("given up by the caller is closed, and does not count", async () => {
    const stop = new AbortController();
    const body = new Readable({ read() {} });
    body.push(Buffer.alloc(1000));
    const putting = target.putWhole("x", body, 10_000, { ...marks, signal: stop.signal });
    await vi.waitFor(() => expect(body.readableFlowing).toBe(true));
    stop.abort(new Error("the time is up"));
    await expect(putting).rejects.toThrow();
    expect(body.destroyed).toBe(true);
    expect(await target.describe("x")).toBeNull();
  });

  it("whose source breaks off is no object", async () => {
    const body = new Readable({ read() {} });
    body.on("error", () => undefined);
    body.push(Buffer.alloc(1000));
    const putting = target.putWhole("x", body, 10_000, marks);
    setTimeout(() => body.destroy(new Error("the source broke off")), 5);
    await expect(putting).rejects.toMatchObject({ name: "TargetUnavailable" });
    expect(await target.describe("x")).toBeNull();
  });

  it("refused before all of it was sent names the refusal", async () => {
    here.oss.limitKey(owner.accessKeyId, []);
    await expect(put("x", someBytes(3_000_000))).rejects.toMatchObject({ name: "TargetRefused" });
  });
});

describe("keys", () => {
  it.each([
    ["none", ""],
    ["one that begins with a slash", "/x"],
    ["one that begins with a backslash", "\\x"],
    ["one of 1,024 bytes", `${"长".repeat(341)}x`],
  ])("refuses %s by name", async (_, key) => {
    expect(() => checkOssKey(key)).toThrowError(expect.objectContaining({ name: "InputInvalid" }));
    await expect(put(key, Buffer.from("x"))).rejects.toMatchObject({ name: "InputInvalid" });
    await expect(target.begin(key, "v1", "mark")).rejects.toMatchObject({ name: "InputInvalid" });
  });

  it("takes one of 1,023 bytes", async () => {
    await put("长".repeat(341), Buffer.from("x"));
  });
});

describe("the key pair", () => {
  it("is read anew when OSS does not know it, and the call goes through", async () => {
    pair = { accessKeyId: "LTAIold", accessKeySecret: "old" };
    expect(await target.describe("x")).toBeNull();
    expect(forgotten).toBe(1);
  });

  it("that changed while a body was sent lets that be sent again", async () => {
    pair = { accessKeyId: "LTAIold", accessKeySecret: "old" };
    await expect(put("x", Buffer.from("x"))).rejects.toMatchObject({ name: "TargetUnavailable", retryable: true });
    await put("x", Buffer.from("x"));
  });

  it.each([
    ["unknown", { accessKeyId: "LTAIwrong", accessKeySecret: "wrong" }, /InvalidAccessKeyId/],
    ["of which the secret half is wrong", { ...owner, accessKeySecret: "wrong" }, /SignatureDoesNotMatch/],
  ])("%s stays a refusal that nobody retries", async (_, wrong, said) => {
    pair = wrong;
    fresh = wrong;
    const error = await rejection(target.describe("x"));
    expect(error).toMatchObject({ name: "TargetRefused", retryable: false });
    await expect(put("x", Buffer.from("x"))).rejects.toMatchObject({
      name: "TargetRefused",
      message: expect.stringMatching(said),
    });
    expect(forgotten).toBe(2);
  });

  it("may be a temporary one, until it expires", async () => {
    const token = here.oss.issueToken({ seconds: 900 });
    pair = token;
    fresh = token;
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    await put("x", Buffer.from("x"));
    expect(warned).not.toHaveBeenCalled();
    here.clock.advance(1_000_000);
    await expect(put("x", Buffer.from("x"))).rejects.toMatchObject({ name: "TargetRefused" });
  });
});

describe("errors", () => {
  it("says what to do when the clocks are apart", async () => {
    here.clock.advance(20 * 60_000);
    await expect(put("x", Buffer.from("x"))).rejects.toMatchObject({
      name: "TargetRefused",
      message: expect.stringMatching(/clock/),
    });
  });

  it.each<[string, FaultEffect]>([
    ["a request to slow down", { kind: "throttle" }],
    ["503", { kind: "error", status: 503, code: "ServiceUnavailable" }],
    ["a load balancer's page", { kind: "error", status: 502, code: "Html" }],
    ["a lost answer", { kind: "reset-after-work" }],
  ])("tries an object once and small calls some times, at %s", async (_, effect) => {
    fault("PutObject", effect);
    await expect(put("x", Buffer.from("x"))).rejects.toMatchObject({ name: "TargetUnavailable" });
    fault("HeadObject", effect, 2);
    await target.describe("x");
    expect(here.faults.fired).toHaveLength(3);
  });

  it("carries neither the request nor a secret", async () => {
    here.oss.limitKey(owner.accessKeyId, []);
    const error = await rejection(put("x", Buffer.from("x")));
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(
      /owner-secret|Signature=|authorization/i,
    );
    expect(error.cause).toBeUndefined();
  });
});

describe("an upload in parts", () => {
  it("may replace whatever is there", async () => {
    await put("x", Buffer.from("old"));
    const ref = await target.begin("x", "v1", "mark");
    const part = await target.putPart(ref, 1, Readable.from([Buffer.from("new")], { objectMode: false }), 3, {
      signal: never,
    });
    const checksum = crc64Of(Buffer.from("new"));
    await target.complete({ ref, parts: [part], sizeBytes: 3, checksum, replacesEtag: anyEtag });
    expect(await target.describe("x")).toMatchObject({ checksum, uploadMark: "mark" });
  });
});

it("deletes what it is told to, as often as it is told to", async () => {
  const remover = ossRemover(settings(), credentials);
  await put("x", Buffer.from("x"));
  for (let times = 0; times < 2; times += 1) await remover.delete("x");
  expect(await target.describe("x")).toBeNull();
});
