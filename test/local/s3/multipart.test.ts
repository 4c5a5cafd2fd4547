// Multipart uploads through the official client: part limits, checksums of parts and wholes, conditions, listings.
import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type ListPartsCommandOutput,
  PutObjectCommand,
  UploadPartCommand,
  type UploadPartCommandInput,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ChecksumAlgorithm, startChecksum } from "../../../local/s3/checksums.ts";
import { refusal, type S3Rig, someBytes, startS3Rig } from "./s3-rig.ts";

let rig: S3Rig;
beforeAll(async () => {
  rig = await startS3Rig({ smallestPartBytes: 1_024 });
});
afterAll(async () => {
  expect(rig.defects).toEqual([]);
  await rig[Symbol.asyncDispose]();
});

const Bucket = "plain";
const pieces = [someBytes(70_000, 1), someBytes(1_024, 2), someBytes(99, 3)];
const whole = Buffer.concat(pieces);

function digestOf(algorithm: ChecksumAlgorithm, bytes: Buffer): string {
  const running = startChecksum(algorithm);
  running.update(bytes);
  return running.digest().toString("base64");
}

async function create(Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}): Promise<string> {
  const { UploadId = "" } = await rig.client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
  return UploadId;
}

/** Without a checksum unless one is given. */
async function sendPart(Key: string, UploadId: string, PartNumber: number, Body: Buffer, more: object = {}) {
  const client = rig.newClient({ requestChecksumCalculation: "WHEN_REQUIRED" });
  const input: UploadPartCommandInput = {
    Bucket,
    Key,
    UploadId,
    PartNumber,
    Body,
    ContentLength: Body.length,
    ...more,
  };
  const { ETag } = await client.send(new UploadPartCommand(input));
  return { PartNumber, ETag };
}

async function sendAll(Key: string, UploadId: string, bodies: readonly Buffer[] = pieces): Promise<CompletedPart[]> {
  return Promise.all(bodies.map((body, index) => sendPart(Key, UploadId, index + 1, body)));
}

async function complete(
  Key: string,
  UploadId: string,
  Parts: CompletedPart[],
  more: Partial<CompleteMultipartUploadCommandInput> = {},
) {
  return rig.client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...more }),
  );
}

async function read(Key: string, more: object = {}): Promise<Buffer> {
  const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

function multipartEtag(bodies: readonly Buffer[]): string {
  const digests = bodies.map((body) => createHash("md5").update(body).digest());
  return `"${createHash("md5").update(Buffer.concat(digests)).digest("hex")}-${bodies.length}"`;
}

describe("a finished upload", () => {
  test("is the parts in order, with its metadata, its ETag, and readable across the seams", async () => {
    const Key = "finished/whole";
    const UploadId = await create(Key, { ContentType: "application/x-xbstream", Metadata: { "copy-id": "c1" } });
    const parts = await sendAll(Key, UploadId);
    const done = await complete(Key, UploadId, parts);
    expect(done.ETag).toBe(multipartEtag(pieces));
    expect((await read(Key)).equals(whole)).toBe(true);
    expect(await read(Key, { Range: "bytes=69990-71030" })).toEqual(whole.subarray(69_990, 71_031));
    expect(await read(Key, { Range: "bytes=-100" })).toEqual(whole.subarray(-100));
    expect(await read(Key, { Range: "bytes=70000-70000" })).toEqual(whole.subarray(70_000, 70_001));
    expect(await read(Key, { PartNumber: 2 })).toEqual(pieces[1]);
    const head = await rig.client.send(new HeadObjectCommand({ Bucket, Key, PartNumber: 3 }));
    expect(head).toMatchObject({ PartsCount: 3, ContentLength: 99, ETag: done.ETag, Metadata: { "copy-id": "c1" } });
    expect(await refusal(read(Key, { PartNumber: 4 }))).toMatchObject({ status: 416 });
  });

  test("is read to its end although it is overwritten meanwhile", async () => {
    const Key = "finished/while-read";
    const bodies = [someBytes(3_000_000, 8), someBytes(1_000_000, 9)];
    const UploadId = await create(Key);
    await complete(Key, UploadId, await sendAll(Key, UploadId, bodies));
    const answer = await rig.client.send(new GetObjectCommand({ Bucket, Key }));
    const seen: Buffer[] = [];
    for await (const piece of answer.Body as Readable) {
      if (seen.length === 0) await rig.client.send(new PutObjectCommand({ Bucket, Key, Body: "other" }));
      seen.push(piece as Buffer);
    }
    expect(Buffer.concat(seen).equals(Buffer.concat(bodies))).toBe(true);
    expect(String(await read(Key))).toBe("other");
  });

  test("is gone as an upload: to complete, list or feed it again is NoSuchUpload", async () => {
    const Key = "finished/again";
    const UploadId = await create(Key);
    const parts = await sendAll(Key, UploadId);
    await complete(Key, UploadId, parts);
    const gone = { code: "NoSuchUpload", status: 404 };
    expect(await refusal(complete(Key, UploadId, parts))).toMatchObject(gone);
    expect(await refusal(sendPart(Key, UploadId, 4, whole))).toMatchObject(gone);
    expect(await refusal(rig.client.send(new ListPartsCommand({ Bucket, Key, UploadId })))).toMatchObject(gone);
  });

  test("takes a part sent twice at its last value, and drops parts that are not listed", async () => {
    const Key = "finished/overwritten";
    const before = rig.bodyFiles().length;
    const UploadId = await create(Key);
    await sendPart(Key, UploadId, 1, someBytes(5_000, 77));
    const first = await sendPart(Key, UploadId, 1, pieces[0] ?? whole);
    const { Parts = [] } = await rig.client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
    expect(Parts).toMatchObject([{ PartNumber: 1, Size: 70_000, ETag: first.ETag }]);
    await sendPart(Key, UploadId, 2, someBytes(2_000, 78));
    await complete(Key, UploadId, [first]);
    expect((await read(Key)).equals(pieces[0] ?? whole)).toBe(true);
    await expect.poll(() => rig.bodyFiles().length).toBe(before + 1);
  });
});

describe("what completion refuses", () => {
  test("parts out of order, unknown, of another ETag, too small, none at all", async () => {
    const Key = "refused/parts";
    const UploadId = await create(Key);
    const [one, two, three] = (await sendAll(Key, UploadId)) as [CompletedPart, CompletedPart, CompletedPart];
    const attempt = (parts: CompletedPart[]) => refusal(complete(Key, UploadId, parts));
    expect(await attempt([two, one])).toMatchObject({ code: "InvalidPartOrder", status: 400 });
    expect(await attempt([one, one])).toMatchObject({ code: "InvalidPartOrder" });
    expect(await attempt([one, { ...two, PartNumber: 7 }])).toMatchObject({ code: "InvalidPart" });
    expect(await attempt([{ ...one, ETag: two.ETag }])).toMatchObject({ code: "InvalidPart" });
    expect(await attempt([three, { ...one, PartNumber: 4 }])).toMatchObject({ code: "InvalidPart" });
    expect(await attempt([])).toMatchObject({ code: "MalformedXML" });
    const four = await sendPart(Key, UploadId, 4, whole);
    expect(await attempt([one, two, three, four])).toMatchObject({ code: "EntityTooSmall", status: 400 });
    await complete(Key, UploadId, [one, two, three]);
  });

  test("part numbers outside 1 to 10,000", async () => {
    const Key = "refused/numbers";
    const UploadId = await create(Key);
    for (const number of [0, 10_001]) {
      expect(await refusal(sendPart(Key, UploadId, number, whole))).toMatchObject({ code: "InvalidArgument" });
    }
    const last = await sendPart(Key, UploadId, 10_000, whole);
    await complete(Key, UploadId, [last]);
    expect(await read(Key)).toHaveLength(whole.length);
  });

  test("another size than the client says: 400 InvalidRequest, and the upload stays", async () => {
    const Key = "refused/size";
    const UploadId = await create(Key);
    const parts = await sendAll(Key, UploadId);
    const wrong = await refusal(complete(Key, UploadId, parts, { MpuObjectSize: whole.length + 1 }));
    expect(wrong).toMatchObject({ code: "InvalidRequest", status: 400 });
    await complete(Key, UploadId, parts, { MpuObjectSize: whole.length });
  });

  test("a key that exists, with If-None-Match: *; another ETag than that of If-Match", async () => {
    const Key = "refused/conditions";
    const UploadId = await create(Key);
    const parts = await sendAll(Key, UploadId);
    expect(await refusal(complete(Key, UploadId, parts, { IfMatch: '"x"' }))).toMatchObject({ status: 404 });
    const { ETag } = await rig.client.send(new PutObjectCommand({ Bucket, Key, Body: "in the way" }));
    const exists = { code: "PreconditionFailed", status: 412 };
    expect(await refusal(complete(Key, UploadId, parts, { IfNoneMatch: "*" }))).toMatchObject(exists);
    expect(await refusal(complete(Key, UploadId, parts, { IfMatch: '"x"' }))).toMatchObject(exists);
    expect(String(await read(Key))).toBe("in the way");
    await complete(Key, UploadId, parts, { IfMatch: ETag });
    expect(await read(Key)).toHaveLength(whole.length);
  });

  test("all but one of many completions of one key at once", async () => {
    const Key = "refused/race";
    const racers = await Promise.all(
      Array.from({ length: 6 }, async (_, index) => {
        const UploadId = await create(Key);
        const body = someBytes(3_000, index + 50);
        return { UploadId, body, parts: [await sendPart(Key, UploadId, 1, body)] };
      }),
    );
    const results = await Promise.allSettled(
      racers.map(({ UploadId, parts }) => complete(Key, UploadId, parts, { IfNoneMatch: "*" })),
    );
    const winners = racers.filter((_, index) => results[index]?.status === "fulfilled");
    expect(winners).toHaveLength(1);
    expect((await read(Key)).equals(winners[0]?.body ?? whole)).toBe(true);
  });
});

describe("aborting, copying and listing", () => {
  test("an abort removes the bytes of the parts", async () => {
    const Key = "abort/it";
    const before = rig.bodyFiles().length;
    const UploadId = await create(Key);
    await sendAll(Key, UploadId);
    expect(rig.bodyFiles().length).toBe(before + 3);
    await rig.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    await expect.poll(() => rig.bodyFiles().length).toBe(before);
    const again = rig.client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
    expect(await refusal(again)).toMatchObject({ code: "NoSuchUpload", status: 404 });
    expect(await refusal(read(Key))).toMatchObject({ code: "NoSuchKey" });
  });

  test("parts can be copied from ranges of an object", async () => {
    const Key = "copy/parts";
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "copy/source", Body: whole }));
    const UploadId = await create(Key, { ChecksumAlgorithm: "CRC32", ChecksumType: "FULL_OBJECT" });
    const copyPart = (PartNumber: number, CopySourceRange: string | undefined) =>
      rig.client.send(
        new UploadPartCopyCommand({
          Bucket,
          Key,
          UploadId,
          PartNumber,
          CopySource: "plain/copy/source",
          CopySourceRange,
        }),
      );
    expect(await refusal(copyPart(1, `bytes=0-${whole.length}`))).toMatchObject({ code: "InvalidArgument" });
    const one = await copyPart(1, "bytes=0-49999");
    const two = await copyPart(2, `bytes=50000-${whole.length - 1}`);
    expect(one.CopyPartResult?.ChecksumCRC32).toBe(digestOf("CRC32", whole.subarray(0, 50_000)));
    await complete(
      Key,
      UploadId,
      [one, two].map((part, index) => ({ PartNumber: index + 1, ETag: part.CopyPartResult?.ETag })),
      { ChecksumCRC32: digestOf("CRC32", whole) },
    );
    expect((await read(Key)).equals(whole)).toBe(true);
  });

  test("ListParts pages", async () => {
    const Key = "list/parts";
    const UploadId = await create(Key);
    for (const number of [1, 3, 5, 9, 12]) await sendPart(Key, UploadId, number, pieces[2] ?? whole);
    const numbers: (number | undefined)[] = [];
    let marker: string | undefined;
    let pages = 0;
    do {
      const page: ListPartsCommandOutput = await rig.client.send(
        new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 2, PartNumberMarker: marker }),
      );
      numbers.push(...(page.Parts ?? []).map((part) => part.PartNumber));
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
      pages += 1;
    } while (marker !== undefined && pages < 10);
    expect({ numbers, pages }).toEqual({ numbers: [1, 3, 5, 9, 12], pages: 3 });
  });

  test("ListMultipartUploads pages through keys and uploads of one key, by prefix and delimiter", async () => {
    const started: string[] = [];
    for (const Key of ["ls/a", "ls/b", "ls/b", "ls/b", "ls/sub/1", "ls/sub/2", "ls/z ü+"]) {
      started.push(`${Key} ${await create(Key)}`);
    }
    const seen: string[] = [];
    const markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
    for (let pages = 0; pages < 10; pages += 1) {
      const page = await rig.client.send(
        new ListMultipartUploadsCommand({ Bucket, Prefix: "ls/", MaxUploads: 2, ...markers }),
      );
      seen.push(...(page.Uploads ?? []).map((upload) => `${upload.Key} ${upload.UploadId}`));
      if (!page.IsTruncated) break;
      markers.KeyMarker = page.NextKeyMarker ?? "";
      markers.UploadIdMarker = page.NextUploadIdMarker ?? "";
    }
    expect(seen).toEqual(started);
    const folded = await rig.client.send(
      new ListMultipartUploadsCommand({ Bucket, Prefix: "ls/", Delimiter: "/", EncodingType: "url" }),
    );
    expect(folded.CommonPrefixes).toEqual([{ Prefix: "ls/sub/" }]);
    expect(folded.Uploads?.at(-1)?.Key).toBe("ls/z+%C3%BC%2B");
  });
});

test("an upload of more parts than a page holds is listed in pages and becomes one object", async () => {
  const Key = "many";
  const count = 1_500;
  const UploadId = await create(Key, { ChecksumAlgorithm: "CRC64NVME" });
  const body = someBytes(1_024, 5);
  const client = rig.newClient({ requestChecksumCalculation: "WHEN_REQUIRED" });
  const parts: CompletedPart[] = [];
  const numbers = Array.from({ length: count }, (_, index) => index + 1).values();
  const worker = async (): Promise<void> => {
    for (const PartNumber of numbers) {
      const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body: body }));
      parts.push({ PartNumber, ETag });
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  const page = await rig.client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
  expect(page).toMatchObject({ IsTruncated: true, NextPartNumberMarker: "1000", MaxParts: 1_000 });
  expect(page.Parts).toHaveLength(1_000);
  parts.sort((left, right) => (left.PartNumber ?? 0) - (right.PartNumber ?? 0));
  const all = Buffer.concat(Array.from({ length: count }, () => body));
  const done = await complete(Key, UploadId, parts, { MpuObjectSize: all.length });
  expect(done.ChecksumCRC64NVME).toBe(digestOf("CRC64NVME", all));
  expect(await read(Key, { Range: "bytes=1023000-1027000" })).toEqual(all.subarray(1_023_000, 1_027_001));
});
