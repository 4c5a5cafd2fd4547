// OSS's entrance for S3's tools: AWS's own SDK, told to leave its checksums away, and rclone where it is installed.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { expect, test } from "vitest";
import { bucket, headersOf, type OssFixture, ossFixture, owner, someBytes } from "./oss-fixture.ts";

function awsClient(fixture: OssFixture, secretAccessKey = owner.accessKeySecret): S3Client {
  return new S3Client({
    endpoint: fixture.oss.url,
    region: "oss-cn-hangzhou",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: owner.accessKeyId, secretAccessKey },
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
  });
}

test("what AWS's SDK puts, OSS's client reads, and the other way round", async () => {
  await using fixture = await ossFixture({ smallestPartBytes: 1 });
  const aws = awsClient(fixture);
  const where = { Bucket: bucket, Key: "a b/ü+" };
  await aws.send(
    new PutObjectCommand({
      ...where,
      Body: "hello",
      Metadata: { a: "1" },
      ServerSideEncryption: "AES256",
      ACL: "private",
    }),
  );
  const client = fixture.client();
  const read = await client.get(where.Key);
  expect(String(read.content)).toBe("hello");
  expect(headersOf(read)).toMatchObject({ "x-oss-meta-a": "1", "x-oss-server-side-encryption": "AES256" });

  await client.put(where.Key, Buffer.from("changed"), { headers: { "x-oss-meta-b": "2" } });
  const back = await aws.send(new GetObjectCommand(where));
  expect([await back.Body?.transformToString(), back.Metadata]).toEqual(["changed", { b: "2" }]);
  expect((await aws.send(new HeadObjectCommand(where))).ContentLength).toBe(7);
  const { Contents } = await aws.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: "a b/" }));
  expect(Contents?.map(({ Key }) => Key)).toEqual([where.Key]);

  const { UploadId } = await aws.send(new CreateMultipartUploadCommand(where));
  const Parts = [];
  for (const PartNumber of [1, 2]) {
    const { ETag } = await aws.send(
      new UploadPartCommand({ ...where, UploadId, PartNumber, Body: `part ${PartNumber}` }),
    );
    Parts.push({ PartNumber, ETag });
  }
  await aws.send(new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts } }));
  expect(String((await client.get(where.Key)).content)).toBe("part 1part 2");
  aws.destroy();
});

test("a wrong secret and a missing object have S3's names, which are OSS's", async () => {
  await using fixture = await ossFixture();
  const missing = awsClient(fixture).send(new GetObjectCommand({ Bucket: bucket, Key: "none" }));
  await expect(missing).rejects.toMatchObject({ name: "NoSuchKey" });
  const guessed = awsClient(fixture, "guessed").send(new GetObjectCommand({ Bucket: bucket, Key: "none" }));
  await expect(guessed).rejects.toMatchObject({ name: "SignatureDoesNotMatch" });
});

const hasRclone = spawnSync("rclone", ["version"]).status === 0;

test.skipIf(!hasRclone)(
  "rclone copies small and large files to OSS and finds nothing to do the second time",
  async () => {
    await using fixture = await ossFixture();
    const source = path.join(fixture.stateDirectory, "source");
    mkdirSync(source);
    writeFileSync(path.join(source, "small ü.bin"), someBytes(1_000));
    writeFileSync(path.join(source, "large.bin"), someBytes(7 * 1024 ** 2));
    // Its provider "Alibaba" is the same, but insists on the bucket in the host's name.
    const run = (...more: string[]) =>
      new Promise<string>((resolve, reject) => {
        const args = [
          ...["copy", source, `:s3:${bucket}/copied`, "--s3-provider", "Other", "--s3-endpoint", fixture.oss.url],
          ...["--s3-access-key-id", owner.accessKeyId, "--s3-secret-access-key", owner.accessKeySecret],
          ...["--s3-use-multipart-etag=false", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", "--retries", "1"],
          ...["--config", "/dev/null", "-v", ...more],
        ];
        const child = spawn("rclone", args, {
          stdio: ["ignore", "ignore", "pipe"],
          env: { PATH: process.env.PATH ?? "" },
        });
        let text = "";
        child.stderr.on("data", (piece: Buffer) => {
          text += piece.toString();
        });
        child.once("exit", (code) => (code === 0 ? resolve(text) : reject(new Error(text))));
      });
    await run();
    const { content } = await fixture.client().get("copied/large.bin");
    expect(readFileSync(path.join(source, "large.bin")).equals(content)).toBe(true);
    const before = fixture.oss.requests.filter(({ operation }) => operation === "PutObject").length;
    await run("--checksum");
    expect(fixture.oss.requests.filter(({ operation }) => operation === "PutObject")).toHaveLength(before);
    expect(fixture.defects).toEqual([]);
  },
);
