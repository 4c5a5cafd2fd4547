// Which permissions each operation asks for, and presigned URLs.
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ServiceError } from "../../../local/gateway/service.ts";
import { refusal, type S3Rig, startS3Rig } from "./s3-rig.ts";

const asked: string[] = [];
const denied = new Set<string>();
const keyArn = "arn:aws:kms:eu-central-1:000000000000:key/backups";

let rig: S3Rig;
beforeAll(async () => {
  rig = await startS3Rig({
    smallestPartBytes: 1,
    authorize: (_principal, action, resource, context) => {
      const conditions = Object.entries(context ?? {}).map(([name, value]) => ` ${name}=${value}`);
      asked.push(`${action} ${resource}${conditions.join("")}`);
      if (denied.has(action)) throw new ServiceError(403, "AccessDenied", `not authorized to perform ${action}`);
    },
  });
  rig.createBucket({ name: "secret", versioned: false, eventBridge: false, kmsKeyArn: keyArn });
});
beforeEach(() => {
  asked.length = 0;
  denied.clear();
});
afterAll(async () => {
  expect(rig.defects).toEqual([]);
  await rig[Symbol.asyncDispose]();
});

const Bucket = "versioned";
const Key = "room/thing";
const objectArn = `arn:aws:s3:::${Bucket}/${Key}`;
const bucketArn = `arn:aws:s3:::${Bucket}`;

describe("permissions", () => {
  let VersionId: string | undefined;
  let UploadId: string | undefined;
  beforeAll(async () => {
    ({ VersionId } = await rig.client.send(new PutObjectCommand({ Bucket, Key, Body: "x" })));
    ({ UploadId } = await rig.client.send(new CreateMultipartUploadCommand({ Bucket, Key })));
  });

  const client = () => rig.client;
  const part = () => ({ Bucket, Key, UploadId, PartNumber: 1 });
  const cases: readonly [name: string, call: () => Promise<unknown>, actions: readonly string[]][] = [
    ["PutObject", () => client().send(new PutObjectCommand({ Bucket, Key, Body: "x" })), [`s3:PutObject ${objectArn}`]],
    [
      "PutObject with tags",
      () => client().send(new PutObjectCommand({ Bucket, Key: "tags", Body: "x", Tagging: "a=b" })),
      [`s3:PutObject ${bucketArn}/tags`, `s3:PutObjectTagging ${bucketArn}/tags`],
    ],
    [
      "CopyObject of what has tags",
      () => client().send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/tags` })),
      [
        `s3:GetObject ${bucketArn}/tags`,
        `s3:PutObject ${bucketArn}/to`,
        `s3:GetObjectTagging ${bucketArn}/tags`,
        `s3:PutObjectTagging ${bucketArn}/to`,
      ],
    ],
    ["GetObject", () => client().send(new GetObjectCommand({ Bucket, Key })), [`s3:GetObject ${objectArn}`]],
    [
      "GetObject of a version",
      () => client().send(new GetObjectCommand({ Bucket, Key, VersionId })),
      [`s3:GetObjectVersion ${objectArn}`],
    ],
    ["HeadObject", () => client().send(new HeadObjectCommand({ Bucket, Key })), [`s3:GetObject ${objectArn}`]],
    [
      "GetObjectAttributes",
      () => client().send(new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ["ETag"] })),
      [`s3:GetObject ${objectArn}`, `s3:GetObjectAttributes ${objectArn}`],
    ],
    [
      "CopyObject",
      () => client().send(new CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/${Key}` })),
      [`s3:GetObject ${objectArn}`, `s3:PutObject ${bucketArn}/to`],
    ],
    [
      "ListObjectsV2",
      () => client().send(new ListObjectsV2Command({ Bucket, Prefix: "room/", Delimiter: "/" })),
      [`s3:ListBucket ${bucketArn} s3:prefix=room/ s3:delimiter=/`],
    ],
    [
      "ListObjectVersions",
      () => client().send(new ListObjectVersionsCommand({ Bucket })),
      [`s3:ListBucketVersions ${bucketArn}`],
    ],
    ["HeadBucket", () => client().send(new HeadBucketCommand({ Bucket })), [`s3:ListBucket ${bucketArn}`]],
    [
      "GetBucketLocation",
      () => client().send(new GetBucketLocationCommand({ Bucket })),
      [`s3:GetBucketLocation ${bucketArn}`],
    ],
    [
      "GetBucketVersioning",
      () => client().send(new GetBucketVersioningCommand({ Bucket })),
      [`s3:GetBucketVersioning ${bucketArn}`],
    ],
    ["UploadPart", () => client().send(new UploadPartCommand({ ...part(), Body: "x" })), [`s3:PutObject ${objectArn}`]],
    [
      "UploadPartCopy",
      () => client().send(new UploadPartCopyCommand({ ...part(), CopySource: `${Bucket}/${Key}` })),
      [`s3:GetObject ${objectArn}`, `s3:PutObject ${objectArn}`],
    ],
    [
      "ListParts",
      () => client().send(new ListPartsCommand({ Bucket, Key, UploadId })),
      [`s3:ListMultipartUploadParts ${objectArn}`],
    ],
    [
      "ListMultipartUploads",
      () => client().send(new ListMultipartUploadsCommand({ Bucket, Prefix: "room/" })),
      [`s3:ListBucketMultipartUploads ${bucketArn} s3:prefix=room/`],
    ],
    ["DeleteObject", () => client().send(new DeleteObjectCommand({ Bucket, Key })), [`s3:DeleteObject ${objectArn}`]],
    [
      "DeleteObject of a version",
      () => client().send(new DeleteObjectCommand({ Bucket, Key, VersionId: "none" })),
      [`s3:DeleteObjectVersion ${objectArn}`],
    ],
    [
      "AbortMultipartUpload",
      () => client().send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })),
      [`s3:AbortMultipartUpload ${objectArn}`],
    ],
  ];

  test.each(cases)("%s asks for its actions, and is denied without any one of them", async (_name, call, actions) => {
    for (const action of actions) {
      denied.clear();
      denied.add(action.split(" ")[0] ?? "");
      expect(await refusal(call())).toMatchObject({ status: 403 });
    }
    denied.clear();
    asked.length = 0;
    await call();
    expect(asked).toEqual(actions);
  });

  test("a missing key is 404 to those who may list, and 403 to others", async () => {
    const call = () => rig.client.send(new GetObjectCommand({ Bucket, Key: "no-such-key" }));
    expect(await refusal(call())).toMatchObject({ code: "NoSuchKey", status: 404 });
    denied.add("s3:ListBucket");
    expect(await refusal(call())).toMatchObject({ code: "AccessDenied", status: 403 });
    const head = rig.client.send(new HeadObjectCommand({ Bucket, Key: "no-such-key" }));
    expect(await refusal(head)).toMatchObject({ status: 403 });
  });

  test("DeleteObjects denies key by key, and does the others", async () => {
    await rig.client.send(new PutObjectCommand({ Bucket, Key: "d/1", Body: "x" }));
    denied.add("s3:DeleteObjectVersion");
    const answer = await rig.client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: "d/1" }, { Key: "d/1", VersionId: "v" }] } }),
    );
    expect(answer.Deleted).toMatchObject([{ Key: "d/1", DeleteMarker: true }]);
    expect(answer.Errors).toMatchObject([{ Key: "d/1", VersionId: "v", Code: "AccessDenied" }]);
  });

  test("a bucket encrypted with a customer's key needs that key too", async () => {
    const where = { Bucket: "secret", Key: "x" };
    const stored = await rig.client.send(new PutObjectCommand({ ...where, Body: "x" }));
    expect(stored).toMatchObject({ ServerSideEncryption: "aws:kms", SSEKMSKeyId: keyArn });
    await rig.client.send(new GetObjectCommand(where));
    const { UploadId: id } = await rig.client.send(new CreateMultipartUploadCommand(where));
    const { ETag } = await rig.client.send(new UploadPartCommand({ ...where, UploadId: id, PartNumber: 1, Body: "x" }));
    expect(asked.filter((ask) => ask.startsWith("kms:"))).toEqual([
      `kms:GenerateDataKey ${keyArn}`,
      `kms:Decrypt ${keyArn}`,
      `kms:GenerateDataKey ${keyArn}`,
      `kms:GenerateDataKey ${keyArn}`,
    ]);
    denied.add("kms:Decrypt");
    const completion = rig.client.send(
      new CompleteMultipartUploadCommand({
        ...where,
        UploadId: id,
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      }),
    );
    expect(await refusal(completion)).toMatchObject({ code: "AccessDenied" });
    expect(await refusal(rig.client.send(new GetObjectCommand(where)))).toMatchObject({ code: "AccessDenied" });
  });
});

describe("presigned URLs", () => {
  const where = { Bucket: "plain", Key: "signed/für alle +%.txt" };

  test("put and get without credentials, ranges and response headers included", async () => {
    const client = rig.newClient({ requestChecksumCalculation: "WHEN_REQUIRED" });
    const putUrl = await getSignedUrl(client, new PutObjectCommand({ ...where, Metadata: { a: "1" } }));
    const stored = await fetch(putUrl, { method: "PUT", body: "signed content" });
    expect(stored.status).toBe(200);
    const head = await rig.client.send(new HeadObjectCommand(where));
    expect(head.Metadata).toEqual({ a: "1" });
    const getUrl = await getSignedUrl(rig.client, new GetObjectCommand({ ...where, ResponseContentType: "text/csv" }));
    const answer = await fetch(getUrl, { headers: { range: "bytes=0-5" } });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-type")).toBe("text/csv");
    expect(await answer.text()).toBe("signed");
  });

  test("a changed one is SignatureDoesNotMatch, an expired one says so", async () => {
    const url = await getSignedUrl(rig.client, new GetObjectCommand(where), { expiresIn: 60 });
    const changed = await fetch(url.replace("/signed/", "/other/"));
    expect(changed.status).toBe(403);
    expect(await changed.text()).toContain("<Code>SignatureDoesNotMatch</Code>");
    const otherMethod = await fetch(url, { method: "DELETE" });
    expect(otherMethod.status).toBe(403);
    expect((await fetch(url)).status).toBe(200);
    rig.clock.advance(61_000);
    const expired = await fetch(url);
    expect(expired.status).toBe(403);
    expect(await expired.text()).toContain("Request has expired");
  });

  test("who signed it needs the permission", async () => {
    const url = await getSignedUrl(rig.client, new GetObjectCommand(where), { expiresIn: 3_600 });
    denied.add("s3:GetObject");
    expect((await fetch(url)).status).toBe(403);
  });
});
