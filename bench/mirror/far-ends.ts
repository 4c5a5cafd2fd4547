// The two far ends of the mirror benchmark, each in a process of its own, and what is put into and found in them.
import { fork, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import OSS from "ali-oss";
import { crc64Xz } from "../../lambdas/replication/checksums/crc64.ts";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { readUsage } from "../copy/measure-process.ts";
import type { MirrorCase } from "./cases.ts";
import { type FarEnd, type FarEndAddress, ossBucket } from "./serve-far-ends.ts";

const ossKeys = { accessKeyId: "LTAIbench", accessKeySecret: "bench-secret" };
const uploadPartBytes = 64 * 1024 ** 2;
const putsAtOnce = 20;
/** Made once; where an object begins in it differs. */
const patternBytes = 4 * 1024 ** 2;

export interface FarEnds {
  readonly aws: FarEndAddress;
  readonly oss: FarEndAddress;
  /** Removed at the end. */
  readonly folder: string;
  /** What both have taken since their start. */
  cpuSeconds(): number;
  stop(): void;
}

export async function startFarEnds(): Promise<FarEnds> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-mirror-"));
  const assemblyDirectory = join(folder, "cdk.out");
  synthesise(assemblyDirectory);
  const aws = startFarEnd({ role: "aws", stateDirectory: join(folder, "aws"), assemblyDirectory, oss: ossKeys });
  const oss = startFarEnd({ role: "oss", stateDirectory: join(folder, "oss"), oss: ossKeys });
  const stop = () => {
    aws.stop();
    oss.stop();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const cpuSeconds = () => aws.cpuSeconds() + oss.cpuSeconds();
    return { aws: await aws.address, oss: await oss.address, folder, cpuSeconds, stop };
  } catch (error) {
    stop();
    throw error;
  }
}

function synthesise(assemblyDirectory: string): void {
  const done = spawnSync(process.execPath, [join(import.meta.dirname, "../../bin/causeway.ts")], {
    env: { ...process.env, CAUSEWAY_STAGE: "local", CDK_OUTDIR: assemblyDirectory },
    encoding: "utf8",
  });
  if (done.status !== 0) throw new Error(`The app could not be synthesised:\n${done.stdout}${done.stderr}`);
}

function startFarEnd(farEnd: FarEnd) {
  const child = fork(join(import.meta.dirname, "serve-far-ends.ts"), {
    execArgv: ["--disable-warning=ExperimentalWarning"],
  });
  const address = new Promise<FarEndAddress>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${farEnd.role} ended with ${code} before it served`)));
    child.once("message", (message) => resolve(message as FarEndAddress));
  });
  // Whoever waits for the other one first must not leave this one unheard.
  address.catch(() => undefined);
  child.send(farEnd);
  const cpuSeconds = () => readUsage(child.pid ?? 0)?.cpuSeconds ?? 0;
  return { address, cpuSeconds, stop: () => child.kill() };
}

/** Puts the case's objects into S3; returns the CRC-64/XZ of the first. */
export async function fillS3({ aws }: FarEnds, { objects }: MirrorCase): Promise<string> {
  const { url, region, keys, outputs } = aws;
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: keys.accessKeyId, secretAccessKey: keys.accessKeySecret },
  });
  const Bucket = outputs.BackupsBucketName ?? "";
  const pattern = Buffer.from(seededContent(7)(0, patternBytes));
  const queue = objects.map((object, index) => ({ ...object, index }));
  const worker = async () => {
    for (let object = queue.shift(); object !== undefined; object = queue.shift()) {
      const { key: Key, sizeBytes, index } = object;
      if (sizeBytes > patternBytes / 2) await putInParts(client, Bucket, Key, sizeBytes, pattern);
      else await client.send(new PutObjectCommand({ Bucket, Key, Body: bytesOf(pattern, index, sizeBytes) }));
    }
  };
  await Promise.all(Array.from({ length: putsAtOnce }, worker));
  client.destroy();
  return checksumOf(pattern, objects[0]?.sizeBytes ?? 0);
}

function bytesOf(pattern: Buffer, index: number, sizeBytes: number): Buffer {
  const from = (index * 4099) % (pattern.length - sizeBytes);
  return pattern.subarray(from, from + sizeBytes);
}

async function putInParts(client: S3Client, Bucket: string, Key: string, sizeBytes: number, pattern: Buffer) {
  const options = { ChecksumAlgorithm: "CRC64NVME", ChecksumType: "FULL_OBJECT" } as const;
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...options }));
  const part = Buffer.concat(Array.from({ length: uploadPartBytes / pattern.length }, () => pattern));
  const Parts = [];
  for (let PartNumber = 1; (PartNumber - 1) * uploadPartBytes < sizeBytes; PartNumber += 1) {
    const Body = part.subarray(0, Math.min(uploadPartBytes, sizeBytes - (PartNumber - 1) * uploadPartBytes));
    const { ChecksumAlgorithm } = options;
    const { ETag } = await client.send(
      new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm }),
    );
    Parts.push({ PartNumber, ETag });
  }
  const { ChecksumType } = options;
  await client.send(
    new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ChecksumType }),
  );
}

/** Of the first object: the pattern from its beginning, over and over. */
function checksumOf(pattern: Buffer, sizeBytes: number): string {
  const sum = crc64Xz.start();
  for (let at = 0; at < sizeBytes; at += pattern.length)
    sum.update(pattern.subarray(0, Math.min(pattern.length, sizeBytes - at)));
  return crc64Xz.format(sum.digest());
}

function ossClient({ oss }: FarEnds): OSS {
  const options = { endpoint: oss.url, sldEnable: true, bucket: ossBucket, authorizationV4: true };
  return new OSS({ ...options, region: oss.region, ...oss.keys });
}

async function listOss(client: OSS): Promise<{ name: string; size: number }[]> {
  const found: { name: string; size: number }[] = [];
  for (let after = ""; ; ) {
    const query = { "max-keys": "1000", ...(after === "" ? {} : { "start-after": after }) };
    const { objects = [], isTruncated } = await client.listV2(query as never, {});
    found.push(...objects);
    after = objects.at(-1)?.name ?? "";
    if (!isTruncated) return found;
  }
}

/** Throws when OSS does not hold the case's objects, all of them and whole; empties it for the next run. */
export async function checkAndEmptyOss(farEnds: FarEnds, { objects }: MirrorCase, firstCrc64: string): Promise<void> {
  const client = ossClient(farEnds);
  const found = new Map((await listOss(client)).map(({ name, size }) => [name, size]));
  for (const { key, sizeBytes } of objects) {
    const size = found.get(`iotdb-backup/${key}`);
    if (size !== sizeBytes) throw new Error(`${key} has ${size ?? "no"} bytes in OSS instead of ${sizeBytes}`);
  }
  const { res } = await client.head(`iotdb-backup/${objects[0]?.key}`);
  const crc64 = (res as { headers: Record<string, string> }).headers["x-oss-hash-crc64ecma"];
  if (crc64 !== firstCrc64) throw new Error(`OSS states the CRC-64 ${crc64} for the first object, not ${firstCrc64}`);
  const names = [...found.keys()];
  for (let from = 0; from < names.length; from += 1000) {
    await client.deleteMulti(names.slice(from, from + 1000), { quiet: true });
  }
}
