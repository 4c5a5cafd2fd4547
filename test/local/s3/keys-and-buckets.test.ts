// Keys of every kind of character make the round trip; buckets tell what they are; what is not built is refused by name.
import {
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { refusal, type S3Rig, startS3Rig } from "./s3-rig.ts";

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

async function read(Key: string): Promise<Buffer> {
  const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

describe("keys", () => {
  const oddKeys = [
    "plain/name.txt",
    "with space/and+plus",
    "percent%20and%2Fslash%",
    "quote\"and'apostrophe",
    "amp&lt<gt>",
    "unicode/备份/Grüße/🚢",
    "control\u0001\u001f\u007f",
    "line\r\nbreak\ttab",
    "nul\u0000byte",
    "//leading/and//double/",
    "..",
    "a/../b/./c",
    "question?mark#hash",
    "star*tilde~paren(1)!",
    "back\\slash|pipe^caret`tick",
    " leading and trailing ",
    "constructor",
    "__proto__",
  ];

  test.each(oddKeys.map((key) => [JSON.stringify(key), key]))("%s makes the round trip", async (_shown, key) => {
    await put(`odd/${key}`, key);
    expect(String(await read(`odd/${key}`))).toBe(key);
  });

  test("they are all listed, in the order of their bytes, and deleted in one call", async () => {
    const all = oddKeys.map((key) => `odd/${key}`);
    for (const key of all) await put(key, key);
    const { Contents = [] } = await rig.client.send(
      new ListObjectsV2Command({ Bucket, Prefix: "odd/", EncodingType: "url" }),
    );
    const decoded = Contents.map(({ Key = "" }) => decodeURIComponent(Key.replaceAll("+", " ")));
    expect(decoded).toEqual(all.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))));
    // XML 1.0 has no NUL: the client cannot send that key in a document.
    const deletable = all.filter((key) => !key.includes("\u0000"));
    const { Deleted = [], Errors = [] } = await rig.client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: deletable.map((Key) => ({ Key })) } }),
    );
    expect(Errors).toEqual([]);
    expect(Deleted).toHaveLength(deletable.length);
    const { KeyCount } = await rig.client.send(new ListObjectsV2Command({ Bucket, Prefix: "odd/" }));
    expect(KeyCount).toBe(all.length - deletable.length);
  });
});

describe("buckets and refusals", () => {
  test("the bucket tells its Region and versioning; a missing one is NoSuchBucket", async () => {
    const head = await rig.client.send(new HeadBucketCommand({ Bucket }));
    expect(head.BucketRegion).toBe("eu-central-1");
    const location = await rig.client.send(new GetBucketLocationCommand({ Bucket }));
    expect(location.LocationConstraint).toBe("eu-central-1");
    expect((await rig.client.send(new GetBucketVersioningCommand({ Bucket }))).Status).toBeUndefined();
    expect((await rig.client.send(new GetBucketVersioningCommand({ Bucket: "versioned" }))).Status).toBe("Enabled");
    expect(await refusal(rig.client.send(new HeadBucketCommand({ Bucket: "nowhere" })))).toMatchObject({ status: 404 });
    expect(await refusal(rig.client.send(new GetObjectCommand({ Bucket: "nowhere", Key: "x" })))).toMatchObject({
      code: "NoSuchBucket",
      status: 404,
    });
  });

  test("what is not built is refused by its name", async () => {
    const listing = await refusal(rig.client.send(new ListBucketsCommand({})));
    expect(listing).toMatchObject({ code: "NotImplemented", status: 501 });
    expect(listing.message).toContain("ListBuckets");
    const tagging = await refusal(
      rig.client.send(new PutObjectTaggingCommand({ Bucket, Key: "x", Tagging: { TagSet: [] } })),
    );
    expect(tagging).toMatchObject({ code: "NotImplemented", status: 501 });
    expect(tagging.message).toContain("PutObjectTagging");
    const locked = await refusal(put("x", "y", { ObjectLockLegalHoldStatus: "ON" }));
    expect(locked).toMatchObject({ code: "NotImplemented", status: 501 });
    expect(locked.message).toContain("Object Lock");
  });
});
