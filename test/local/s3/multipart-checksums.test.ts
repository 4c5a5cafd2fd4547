// Checksums of multipart uploads: folded from the parts or composed of theirs, and what S3 refuses for their sake.
import { Readable } from "node:stream";
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  type CompleteMultipartUploadCommandInput,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  UploadPartCommand,
  type UploadPartCommandInput,
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

describe("full-object checksums", () => {
  test.each(["CRC32", "CRC32C", "CRC64NVME"] as const)(
    "%s is folded from the parts, with and without checksums of their own, and guards the completion",
    async (ChecksumAlgorithm) => {
      const Key = `full/${ChecksumAlgorithm}`;
      const element = `Checksum${ChecksumAlgorithm}` as const;
      const UploadId = await create(Key, { ChecksumAlgorithm, ChecksumType: "FULL_OBJECT" });
      const parts: CompletedPart[] = [];
      for (const [index, body] of pieces.entries()) {
        const own = index === 1 ? {} : { [element]: digestOf(ChecksumAlgorithm, body) };
        parts.push(await sendPart(Key, UploadId, index + 1, body, own));
      }
      const listed = await rig.client.send(new ListPartsCommand({ Bucket, Key, UploadId }));
      expect(listed).toMatchObject({ ChecksumAlgorithm, ChecksumType: "FULL_OBJECT" });
      expect(listed.Parts?.map((part) => part[element])).toEqual(
        pieces.map((body) => digestOf(ChecksumAlgorithm, body)),
      );

      const expected = digestOf(ChecksumAlgorithm, whole);
      const wrong = { [element]: digestOf(ChecksumAlgorithm, pieces[0] ?? whole) };
      expect(await refusal(complete(Key, UploadId, parts, wrong))).toMatchObject({ code: "BadDigest", status: 400 });
      const otherType = { [element]: expected, ChecksumType: "COMPOSITE" as const };
      expect(await refusal(complete(Key, UploadId, parts, otherType))).toMatchObject({ code: "BadDigest" });
      const done = await complete(Key, UploadId, parts, { [element]: expected, ChecksumType: "FULL_OBJECT" });
      expect(done).toMatchObject({ [element]: expected, ChecksumType: "FULL_OBJECT" });
      const head = await rig.client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: "ENABLED" }));
      expect(head).toMatchObject({ [element]: expected, ChecksumType: "FULL_OBJECT" });
      const { Checksum, ObjectParts } = await rig.client.send(
        new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ["Checksum", "ObjectParts"], MaxParts: 2 }),
      );
      expect(Checksum).toEqual({ [element]: expected, ChecksumType: "FULL_OBJECT" });
      expect(ObjectParts).toMatchObject({ TotalPartsCount: 3, IsTruncated: true, NextPartNumberMarker: "2" });
      expect(ObjectParts?.Parts?.map((part) => part.Size)).toEqual([70_000, 1_024]);
      expect((await read(Key, { ChecksumMode: "ENABLED" })).equals(whole)).toBe(true);
    },
  );

  test("with checksums the part numbers must run from 1 without gaps", async () => {
    const Key = "full/gaps";
    const UploadId = await create(Key, { ChecksumAlgorithm: "CRC64NVME" });
    const two = await sendPart(Key, UploadId, 2, whole);
    const four = await sendPart(Key, UploadId, 4, whole);
    expect(await refusal(complete(Key, UploadId, [two, four]))).toMatchObject({ code: "InvalidPartOrder" });
  });

  test("a part of another algorithm is refused with the words of S3", async () => {
    const Key = "full/mismatch";
    const UploadId = await create(Key, { ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT" });
    const answer = await refusal(
      sendPart(Key, UploadId, 1, whole, { ChecksumCRC32: digestOf("CRC32", whole), ChecksumAlgorithm: "CRC32" }),
    );
    expect(answer).toMatchObject({ code: "InvalidRequest", status: 400 });
    expect(answer.message).toBe(
      "Checksum Type mismatch occurred, expected checksum Type: crc64nvme, actual checksum Type: crc32",
    );
  });

  test("without a chosen algorithm parts of any are taken, and the object has CRC64NVME", async () => {
    const Key = "full/default";
    const UploadId = await create(Key);
    const sent = await Promise.all(
      pieces.map((Body, index) =>
        rig.client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: index + 1, Body })),
      ),
    );
    const parts = sent.map(({ ETag, ChecksumCRC32 }, index) => ({ PartNumber: index + 1, ETag, ChecksumCRC32 }));
    expect(parts.map((part) => part.ChecksumCRC32)).toEqual(pieces.map((body) => digestOf("CRC32", body)));
    const done = await complete(Key, UploadId, parts);
    expect(done).toMatchObject({ ChecksumCRC64NVME: digestOf("CRC64NVME", whole), ChecksumType: "FULL_OBJECT" });
  });

  test.each([
    [{ ChecksumAlgorithm: "SHA256", ChecksumType: "FULL_OBJECT" }],
    [{ ChecksumAlgorithm: "CRC64NVME", ChecksumType: "COMPOSITE" }],
    [{ ChecksumType: "FULL_OBJECT" }],
  ] as const)("%j does not exist", async (checksum) => {
    expect(await refusal(create("full/impossible", checksum))).toMatchObject({ code: "InvalidRequest", status: 400 });
  });
});

describe("composite checksums", () => {
  test.each(["SHA256", "SHA1", "CRC32", "CRC32C"] as const)(
    "%s is the checksum of the parts' checksums, and every part must bring its own",
    async (ChecksumAlgorithm) => {
      const Key = `composite/${ChecksumAlgorithm}`;
      const element = `Checksum${ChecksumAlgorithm}` as const;
      const UploadId = await create(Key, { ChecksumAlgorithm });
      const bare = await refusal(sendPart(Key, UploadId, 1, whole));
      expect(bare.code).toBe("InvalidRequest");
      expect(bare.message).toContain(`expected checksum Type: ${ChecksumAlgorithm.toLowerCase()}`);
      expect(bare.message).toContain("actual checksum Type: null");
      const parts: CompletedPart[] = [];
      for (const [index, Body] of pieces.entries()) {
        const stream = Readable.from([Body]);
        const sent = await rig.client.send(
          new UploadPartCommand({
            Bucket,
            Key,
            UploadId,
            PartNumber: index + 1,
            Body: stream,
            ContentLength: Body.length,
            ChecksumAlgorithm,
          }),
        );
        parts.push({ PartNumber: index + 1, ETag: sent.ETag, [element]: sent[element] });
      }
      const without = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
      expect((await refusal(complete(Key, UploadId, without))).message).toContain("It was missing for part 1");
      const wrong = parts.map((part, index) => (index === 1 ? { ...part, [element]: parts[0]?.[element] } : part));
      expect(await refusal(complete(Key, UploadId, wrong))).toMatchObject({ code: "InvalidPart" });
      const digests = pieces.map((body) => Buffer.from(digestOf(ChecksumAlgorithm, body), "base64"));
      const expected = digestOf(ChecksumAlgorithm, Buffer.concat(digests));
      const done = await complete(Key, UploadId, parts);
      expect(done).toMatchObject({ [element]: `${expected}-3`, ChecksumType: "COMPOSITE" });
      const { Checksum } = await rig.client.send(
        new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ["Checksum"] }),
      );
      expect(Checksum).toEqual({ [element]: expected, ChecksumType: "COMPOSITE" });
      expect((await read(Key, { ChecksumMode: "ENABLED" })).equals(whole)).toBe(true);
    },
  );
});
