// Versions, delete markers, listings, and what EventBridge is told.
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { refusal, type S3Rig, startS3Rig } from "./s3-rig.ts";

let rig: S3Rig;
beforeAll(async () => {
  rig = await startS3Rig({ smallestPartBytes: 1 });
  rig.createBucket({ name: "quiet", versioned: false, eventBridge: false });
});
beforeEach(() => {
  rig.events.length = 0;
});
afterAll(async () => {
  expect(rig.defects).toEqual([]);
  await rig[Symbol.asyncDispose]();
});

const put = (Bucket: string, Key: string, Body = "x") => rig.client.send(new PutObjectCommand({ Bucket, Key, Body }));

async function read(Key: string, VersionId?: string): Promise<string> {
  const answer = await rig.client.send(new GetObjectCommand({ Bucket: "versioned", Key, VersionId }));
  return (await answer.Body?.transformToString()) ?? "";
}

describe("versions", () => {
  test("each put is a version; a delete hides them, and deleting its marker shows them again", async () => {
    const Key = "v/life";
    const one = await put("versioned", Key, "one");
    const two = await put("versioned", Key, "two");
    expect(one.VersionId).not.toBe(two.VersionId);
    expect(await read(Key)).toBe("two");
    expect(await read(Key, one.VersionId)).toBe("one");

    const marker = await rig.client.send(new DeleteObjectCommand({ Bucket: "versioned", Key }));
    expect(marker).toMatchObject({ DeleteMarker: true });
    expect(await refusal(read(Key))).toMatchObject({ code: "NoSuchKey", status: 404 });
    expect(await refusal(read(Key, marker.VersionId))).toMatchObject({ code: "MethodNotAllowed", status: 405 });
    expect(await read(Key, two.VersionId)).toBe("two");
    const hidden = await rig.client.send(new ListObjectsV2Command({ Bucket: "versioned", Prefix: Key }));
    expect(hidden.KeyCount).toBe(0);

    await rig.client.send(new DeleteObjectCommand({ Bucket: "versioned", Key, VersionId: marker.VersionId }));
    expect(await read(Key)).toBe("two");
    await rig.client.send(new DeleteObjectCommand({ Bucket: "versioned", Key, VersionId: two.VersionId }));
    expect(await read(Key)).toBe("one");
    expect(await refusal(read(Key, two.VersionId))).toMatchObject({ code: "NoSuchVersion", status: 404 });
  });

  test("a put with If-None-Match: * may follow a delete marker, and none may follow a version", async () => {
    const Key = "v/condition";
    const conditional = () =>
      rig.client.send(new PutObjectCommand({ Bucket: "versioned", Key, Body: "x", IfNoneMatch: "*" }));
    await conditional();
    expect(await refusal(conditional())).toMatchObject({ status: 412 });
    await rig.client.send(new DeleteObjectCommand({ Bucket: "versioned", Key }));
    await conditional();
  });

  test("a version can be copied", async () => {
    const one = await put("versioned", "v/copy", "one");
    await put("versioned", "v/copy", "two");
    const copied = await rig.client.send(
      new CopyObjectCommand({
        Bucket: "versioned",
        Key: "v/copied",
        CopySource: `versioned/v/copy?versionId=${one.VersionId}`,
      }),
    );
    expect(copied.CopySourceVersionId).toBe(one.VersionId);
    expect(await read("v/copied")).toBe("one");
  });

  test("ListObjectVersions pages through versions and markers, newest first", async () => {
    const expected: string[] = [];
    for (const Key of ["lv/a", "lv/b", "lv/c"]) {
      const ids = [await put("versioned", Key), await put("versioned", Key)].map((answer) => answer.VersionId);
      const marker = await rig.client.send(new DeleteObjectCommand({ Bucket: "versioned", Key }));
      expected.push(...[...ids, marker.VersionId].reverse().map((id) => `${Key} ${id}`));
    }
    const seen: string[] = [];
    const markers: { KeyMarker?: string; VersionIdMarker?: string } = {};
    for (let pages = 0; pages < 20; pages += 1) {
      const page = await rig.client.send(
        new ListObjectVersionsCommand({ Bucket: "versioned", Prefix: "lv/", MaxKeys: 1, ...markers }),
      );
      for (const entry of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
        seen.push(`${entry.Key} ${entry.VersionId}`);
      }
      if (!page.IsTruncated) break;
      markers.KeyMarker = page.NextKeyMarker ?? "";
      markers.VersionIdMarker = page.NextVersionIdMarker ?? "";
    }
    expect(seen).toEqual(expected);
    const whole = await rig.client.send(new ListObjectVersionsCommand({ Bucket: "versioned", Prefix: "lv/a" }));
    expect(whole.DeleteMarkers?.map((marker) => marker.IsLatest)).toEqual([true]);
    expect(whole.Versions?.map((version) => version.IsLatest)).toEqual([false, false]);
  });
});

describe("ListObjectsV2", () => {
  const keys = ["docs/", "docs/a/1", "docs/a/2", "docs/b", "docs/b/1", "docs/ü", "docs~", "e", "z/z/z"];
  beforeAll(async () => {
    rig.createBucket({ name: "listing", versioned: false, eventBridge: false });
    for (const key of keys) await put("listing", key);
  });

  async function pages(input: object, mostPerPage: number): Promise<{ keys: string[]; prefixes: string[] }> {
    const found = { keys: [] as string[], prefixes: [] as string[] };
    let ContinuationToken: string | undefined;
    for (let count = 0; count < 30; count += 1) {
      const page = await rig.client.send(
        new ListObjectsV2Command({ Bucket: "listing", MaxKeys: mostPerPage, ContinuationToken, ...input }),
      );
      found.keys.push(...(page.Contents ?? []).map(({ Key = "" }) => Key));
      found.prefixes.push(...(page.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix));
      expect(page.KeyCount).toBe((page.Contents ?? []).length + (page.CommonPrefixes ?? []).length);
      if (!page.IsTruncated) return found;
      ContinuationToken = page.NextContinuationToken;
    }
    throw new Error("the listing does not end");
  }

  test.each([1, 2, 3, 1_000])("gives every key once, in pages of %i", async (size) => {
    expect((await pages({}, size)).keys).toEqual(keys);
  });

  test.each([1, 2, 1_000])("folds at a delimiter behind a prefix, in pages of %i", async (size) => {
    const found = await pages({ Prefix: "docs/", Delimiter: "/" }, size);
    expect(found).toEqual({ keys: ["docs/", "docs/b", "docs/ü"], prefixes: ["docs/a/", "docs/b/"] });
  });

  test("starts after a key, and stops before it starts", async () => {
    expect((await pages({ StartAfter: "docs/b" }, 2)).keys).toEqual(keys.slice(4));
    const none = await rig.client.send(new ListObjectsV2Command({ Bucket: "listing", MaxKeys: 0 }));
    expect(none).toMatchObject({ KeyCount: 0, IsTruncated: false });
    const bad = rig.client.send(new ListObjectsV2Command({ Bucket: "listing", ContinuationToken: "%%" }));
    expect(await refusal(bad)).toMatchObject({ code: "InvalidArgument" });
  });

  test("agrees with a simple model for any prefix, delimiter and page size", async () => {
    const model = (prefix: string, delimiter: string) => {
      const found = { keys: [] as string[], prefixes: [] as string[] };
      for (const key of keys.filter((each) => each.startsWith(prefix))) {
        const at = delimiter === "" ? -1 : key.indexOf(delimiter, prefix.length);
        const common = key.slice(0, at + delimiter.length);
        if (at < 0) found.keys.push(key);
        else if (!found.prefixes.includes(common)) found.prefixes.push(common);
      }
      return found;
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("", "d", "docs", "docs/", "docs/a", "z/", "x"),
        fc.constantFrom("", "/", "/a", "ocs/", "z"),
        fc.integer({ min: 1, max: 5 }),
        async (Prefix, delimiter, size) => {
          const input = { Prefix, ...(delimiter === "" ? {} : { Delimiter: delimiter }) };
          expect(await pages(input, size)).toEqual(model(Prefix, delimiter));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("events", () => {
  const details = () => rig.events.map((event) => event.detail as Record<string, Record<string, string>>);

  test("a put, a copy and a completed upload are each told as S3 tells EventBridge", async () => {
    const Key = "ev/rot+grün blau.txt";
    const stored = await put("versioned", Key, "12345");
    const [event] = rig.events;
    expect(event).toMatchObject({
      version: "0",
      "detail-type": "Object Created",
      source: "aws.s3",
      account: "000000000000",
      region: "eu-central-1",
      resources: ["arn:aws:s3:::versioned"],
      detail: {
        version: "0",
        bucket: { name: "versioned" },
        object: { key: Key, size: 5, etag: "827ccb0eea8a706c4c34a16891f84e7b", "version-id": stored.VersionId },
        requester: "000000000000",
        "source-ip-address": "127.0.0.1",
        reason: "PutObject",
      },
    });
    expect(event?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(event?.detail["request-id"]).toBe(stored.$metadata.requestId);

    await rig.client.send(
      new CopyObjectCommand({ Bucket: "plain", Key: "ev/copy", CopySource: `versioned/${encodeURIComponent(Key)}` }),
    );
    const where = { Bucket: "plain", Key: "ev/upload" };
    const { UploadId } = await rig.client.send(new CreateMultipartUploadCommand(where));
    const part = await rig.client.send(new UploadPartCommand({ ...where, UploadId, PartNumber: 1, Body: "abc" }));
    await rig.client.send(
      new CompleteMultipartUploadCommand({
        ...where,
        UploadId,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag: part.ETag }] },
      }),
    );
    expect(details().map((detail) => detail.reason)).toEqual(["PutObject", "CopyObject", "CompleteMultipartUpload"]);
    expect(details()[1]?.object).not.toHaveProperty("version-id");
  });

  test("the sequencer rises with every change of a key", async () => {
    for (let round = 0; round < 20; round += 1) {
      await put("plain", "ev/sequence");
      if (round % 3 === 0) await rig.client.send(new DeleteObjectCommand({ Bucket: "plain", Key: "ev/sequence" }));
    }
    const sequencers = details().map((detail) => detail.object?.sequencer ?? "");
    expect(sequencers).toHaveLength(27);
    expect(sequencers).toEqual(sequencers.toSorted());
    expect(new Set(sequencers).size).toBe(sequencers.length);
    for (const sequencer of sequencers) expect(sequencer).toMatch(/^[0-9A-F]{18}$/);
  });

  test("deletes tell whether a marker was put or bytes went for good", async () => {
    await put("plain", "ev/gone");
    await put("versioned", "ev/marked");
    rig.events.length = 0;
    await rig.client.send(new DeleteObjectCommand({ Bucket: "plain", Key: "ev/gone" }));
    await rig.client.send(new DeleteObjectCommand({ Bucket: "plain", Key: "ev/never-was" }));
    const marker = await rig.client.send(
      new DeleteObjectsCommand({ Bucket: "versioned", Delete: { Objects: [{ Key: "ev/marked" }] } }),
    );
    const VersionId = marker.Deleted?.[0]?.DeleteMarkerVersionId;
    await rig.client.send(new DeleteObjectCommand({ Bucket: "versioned", Key: "ev/marked", VersionId }));
    expect(rig.events.map((event) => [event["detail-type"], event.detail["deletion-type"]])).toEqual([
      ["Object Deleted", "Permanently Deleted"],
      ["Object Deleted", "Delete Marker Created"],
      ["Object Deleted", "Permanently Deleted"],
    ]);
    expect(details()[1]?.object?.["version-id"]).toBe(VersionId);
  });

  test("a bucket without EventBridge tells nothing, and neither does a refused put", async () => {
    await put("quiet", "ev/silent");
    await refusal(
      rig.client.send(new PutObjectCommand({ Bucket: "plain", Key: "ev/bad", Body: "x", ContentMD5: "x" })),
    );
    expect(rig.events).toEqual([]);
    expect((await rig.client.send(new HeadObjectCommand({ Bucket: "quiet", Key: "ev/silent" }))).ContentLength).toBe(1);
  });
});
