// What S3 has acknowledged survives kill -9 at any instant, and nothing half-done is left behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "../../../local/s3/database.ts";
import { operator, someBytes, startS3Rig } from "./s3-rig.ts";

let stateDirectory: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  stateDirectory = mkdtempSync(join(tmpdir(), "causeway-s3-kill-"));
});
afterEach(async () => {
  await kill();
  rmSync(stateDirectory, { recursive: true, force: true });
});

const Bucket = "plain";
const bodyFiles = () => readdirSync(join(stateDirectory, "bodies"));

async function serve(): Promise<S3Client> {
  const script = fileURLToPath(new URL("./serve-s3.ts", import.meta.url));
  child = spawn(process.execPath, ["--no-warnings", script, stateDirectory], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout ?? process.stdin });
  const [endpoint] = (await once(lines, "line")) as [string];
  return new S3Client({ endpoint, region: "eu-central-1", credentials: operator, maxAttempts: 1 });
}

async function kill(): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

async function read(client: S3Client, Key: string): Promise<Buffer> {
  const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
}

/** What the server has said yes to: keys and parts, each with the seed and length of its bytes. */
interface Acknowledged {
  readonly objects: Map<string, Buffer>;
  readonly parts: Map<number, Buffer>;
}

/** Puts objects of many sizes without end; stops at the first error, which is the kill. */
async function putUntilKilled(client: S3Client, round: number, writer: number, done: Acknowledged): Promise<void> {
  for (let count = 0; count < 10_000; count += 1) {
    const body = someBytes((count * 7_919 + writer * 1_031) % 60_000, round * 1_000 + writer * 100 + count + 1);
    // Every third put replaces an earlier object: then the old or the new bytes may be there, but whole.
    const Key = `round-${round}/writer-${writer}/${count % 3 === 2 ? "same" : count}`;
    if (Key.endsWith("same")) done.objects.delete(Key);
    await client.send(new PutObjectCommand({ Bucket, Key, Body: body }));
    done.objects.set(Key, body);
  }
}

async function uploadUntilKilled(client: S3Client, UploadId: string, from: number, done: Acknowledged): Promise<void> {
  for (let PartNumber = from; PartNumber < 10_000; PartNumber += 1) {
    const Body = someBytes(20_000, PartNumber);
    await client.send(new UploadPartCommand({ Bucket, Key: "long", UploadId, PartNumber, Body }));
    done.parts.set(PartNumber, Body);
  }
}

test("killed while many write, again and again: all acknowledged bytes are there, and no other file", async () => {
  const acknowledged: Acknowledged = { objects: new Map(), parts: new Map() };
  let client = await serve();
  const { UploadId = "" } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: "long" }));
  for (let round = 1; round <= 2; round += 1) {
    const before = acknowledged.objects.size + acknowledged.parts.size;
    const writing = Promise.allSettled([
      ...[1, 2, 3, 4].map((writer) => putUntilKilled(client, round, writer, acknowledged)),
      uploadUntilKilled(client, UploadId, acknowledged.parts.size + 1, acknowledged),
    ]);
    await expect
      .poll(() => acknowledged.objects.size + acknowledged.parts.size - before, { timeout: 20_000 })
      .toBeGreaterThan(40 + round * 13);
    await kill();
    await writing;
    writeFileSync(join(stateDirectory, "bodies", `orphan-${round}`), "left by somebody");

    client = await serve();
    for (const [Key, body] of acknowledged.objects) {
      expect((await read(client, Key)).equals(body), Key).toBe(true);
    }
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    // Also those whose acknowledgement the kill cut off: what has a row has its bytes, and its checksum agrees.
    for (const { Key = "", Size } of Contents) expect(await read(client, Key)).toHaveLength(Size ?? -1);
    const { Parts = [] } = await client.send(new ListPartsCommand({ Bucket, Key: "long", UploadId }));
    const listed = new Set(Parts.map((part) => part.PartNumber));
    for (const number of acknowledged.parts.keys()) expect(listed.has(number)).toBe(true);
    expect(bodyFiles()).toHaveLength(Contents.length + Parts.length);
    for (const { PartNumber = 0 } of Parts) {
      acknowledged.parts.set(PartNumber, someBytes(20_000, PartNumber));
    }
  }
  const { Parts = [] } = await client.send(new ListPartsCommand({ Bucket, Key: "long", UploadId }));
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: "long", UploadId, MultipartUpload: { Parts } }));
  const whole = Buffer.concat(Parts.map(({ PartNumber = 0 }) => acknowledged.parts.get(PartNumber) ?? Buffer.alloc(0)));
  await kill();
  client = await serve();
  expect((await read(client, "long")).equals(whole)).toBe(true);
});

test("a clean stop keeps everything too, and a second process on the same state is refused with a sentence", async () => {
  const first = await startS3Rig({ stateDirectory });
  await first.client.send(new PutObjectCommand({ Bucket, Key: "kept", Body: "bytes" }));
  expect(() => openDatabase(join(stateDirectory, "index.sqlite"))).toThrow(/Another local cloud is using/);
  await first[Symbol.asyncDispose]();
  const second = await startS3Rig({ stateDirectory });
  expect(String(await read(second.client, "kept"))).toBe("bytes");
  await second[Symbol.asyncDispose]();
});
