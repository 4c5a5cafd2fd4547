// The lists of both sides under the vendors' own clients: the same keys, in the same order, in pages and folders; and ranges of OSS.
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { crc64Xz } from "../../../../lambdas/replication/checksums/crc64.ts";
import type { OssContents, SideLists } from "../../../../lambdas/replication/reconcile/contents.ts";
import { joinLists } from "../../../../lambdas/replication/reconcile/join-lists.ts";
import { SourceListsStore } from "../../../../lambdas/replication/source-lists.store.ts";
import { ossContents } from "../../../../lambdas/replication/targets/oss-contents.ts";
import { bucket, type OssFixture, ossFixture, owner } from "../../../local/aliyun-oss/oss-fixture.ts";
import { plainBucket, startS3Rig } from "../../../local/s3/s3-rig.ts";
import { sortedByBytes } from "./listed-keys.ts";

const names = [
  ...["a b", "a+b", "a%2Bb", "a%20b", "a/1", "a/2", "a/b/3", "b/1", "quote\"'<&>", "\u0001control", "line\nbreak"],
  ...["备份/一", "é", "\uff5e", "\u{1f40b}", "\u{1f40b}/deep", "~", "tail/"],
];

let oss: OssFixture;
let contents: OssContents;
let lists: SideLists;
let close: () => Promise<void>;

beforeAll(async () => {
  oss = await ossFixture();
  const s3 = await startS3Rig();
  const { client } = s3;
  const { name: Bucket } = plainBucket;
  const settings = {
    endpoint: oss.oss.endpoint,
    protocol: "http",
    pathStyle: true,
    region: "oss-cn-hangzhou",
    bucket,
    encryption: "AES256",
  } as const;
  contents = ossContents(settings, { read: async () => owner, forget: () => undefined });
  lists = new SourceListsStore(client, Bucket);
  close = async () => {
    await s3[Symbol.asyncDispose]();
    await oss[Symbol.asyncDispose]();
  };
  const put = oss.client();
  for (const name of names) {
    await client.send(new PutObjectCommand({ Bucket, Key: `mysql/${name}`, Body: name }));
    await put.put(`iotdb/${name}`, Buffer.from(name));
  }
});

afterAll(async () => {
  await close?.();
});

describe.each([1, 3, 1000])("pages of %i", (most) => {
  it("hold every key once, decoded, and both sides' in the same order", async () => {
    const found: string[] = [];
    const readOss = async (after: string | null) => {
      const page = await contents.page("iotdb/", after?.replace("mysql/", "iotdb/") ?? null, most);
      return { ...page, objects: page.objects.map((each) => ({ ...each, key: each.key.replace("iotdb/", "mysql/") })) };
    };
    const readS3 = (after: string | null) => lists.page("mysql/", after, most);
    for await (const keys of joinLists({ after: null, upTo: null }, readS3, readOss, 5)) {
      for (const { sourceKey, s3, oss: inOss } of keys) {
        found.push(sourceKey.slice("mysql/".length));
        expect([s3?.sizeBytes, inOss?.sizeBytes], sourceKey).toEqual(
          Array(2).fill(Buffer.byteLength(found.at(-1) ?? "")),
        );
        expect(s3?.modifiedAt).toBeGreaterThan(0);
      }
    }
    expect(found).toEqual(sortedByBytes(names));
  });
});

it("the folders are the same on both sides", async () => {
  const expected = ["a/", "b/", "tail/", "备份/", "\u{1f40b}/"];
  expect(sortedByBytes(await lists.folders("mysql/", 5))).toEqual(expected.map((folder) => `mysql/${folder}`));
  expect(sortedByBytes(await contents.folders("iotdb/", 5))).toEqual(expected.map((folder) => `iotdb/${folder}`));
  expect(await contents.folders("iotdb/a/", 5)).toEqual(["iotdb/a/b/"]);
});

it("an empty prefix lists the whole bucket of OSS", async () => {
  const { objects, isLast } = await contents.page("", null);
  expect([objects.length, isLast]).toEqual([names.length, true]);
});

describe("a range of an object in OSS", () => {
  const signal = new AbortController().signal;
  const key = "iotdb/range";
  const bytes = Buffer.from("0123456789");
  let etag: string;

  beforeAll(async () => {
    const { res } = await oss.client().put(key, bytes);
    etag = (res as unknown as { headers: Record<string, string> }).headers.etag ?? "";
  });

  it("is summed, and nothing beside it", async () => {
    const expected = crc64Xz.start();
    expected.update(bytes.subarray(2, 6));
    const sums = await contents.sumRange(key, etag, { first: 2, last: 5 }, signal);
    expect(sums).toMatchObject({ bytes: 4, crc64Xz: expected.digest() });
  });

  it("of an object that was replaced or deleted is SourceChanged", async () => {
    const range = { first: 0, last: 9 };
    await expect(contents.sumRange(key, '"OTHER"', range, signal)).rejects.toMatchObject({ name: "SourceChanged" });
    await expect(contents.sumRange("iotdb/none", etag, range, signal)).rejects.toMatchObject({ name: "SourceChanged" });
  });

  it.each(["ignore-range", "wrong-range"] as const)("that OSS does not keep to (%s) is not summed", async (kind) => {
    oss.faults.add({ service: "oss", operation: "GetObject", effect: { kind } });
    await expect(contents.sumRange(key, etag, { first: 2, last: 5 }, signal)).rejects.toMatchObject({
      retryable: true,
    });
  });
});
