// Random sequences of operations and restarts, held against a model of what a bucket with and without versions does.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import fc from "fast-check";
import { expect, test } from "vitest";
import { refusal, type S3Rig, someBytes, startS3Rig } from "./s3-rig.ts";

interface ModelVersion {
  readonly id: string;
  /** Undefined: a delete marker. */
  readonly body: Buffer | undefined;
  readonly files: number;
}

/** Versions by bucket and key, oldest first. */
type Model = Map<string, ModelVersion[]>;

const keys = ["a", "b/1", "b/ü 2"];
const bucket = fc.constantFrom("plain", "versioned");
const key = fc.constantFrom(...keys);
const size = fc.constantFrom(0, 1, 5_000);
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("put" as const), bucket, key, size, ifAbsent: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("upload" as const), bucket, key, size }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), bucket, key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete-version" as const), bucket, key, pick: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("copy" as const), bucket, key, to: key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

function versionsOf(model: Model, Bucket: string, Key: string): ModelVersion[] {
  const name = `${Bucket}/${Key}`;
  const found = model.get(name) ?? [];
  model.set(name, found);
  return found;
}

/** What a successful write does to the model. */
function become(model: Model, Bucket: string, Key: string, version: ModelVersion): void {
  const versions = versionsOf(model, Bucket, Key);
  if (Bucket === "plain") versions.length = 0;
  versions.push(version);
}

async function apply(rig: S3Rig, model: Model, step: Exclude<Operation, { kind: "restart" }>, seed: number) {
  const { client } = rig;
  const where = { Bucket: step.bucket, Key: step.key };
  const versions = versionsOf(model, step.bucket, step.key);
  const current = versions.at(-1)?.body;
  if (step.kind === "put") {
    const body = someBytes(step.size, seed);
    const put = client.send(
      new PutObjectCommand({ ...where, Body: body, ...(step.ifAbsent ? { IfNoneMatch: "*" } : {}) }),
    );
    if (step.ifAbsent && current) expect((await refusal(put)).status).toBe(412);
    else become(model, step.bucket, step.key, { id: (await put).VersionId ?? "null", body, files: 1 });
  } else if (step.kind === "upload") {
    const bodies = [someBytes(step.size + 1, seed), someBytes(7, seed + 1)];
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(where));
    const Parts = [];
    for (const [index, Body] of bodies.entries()) {
      const PartNumber = index + 1;
      const { ETag } = await client.send(new UploadPartCommand({ ...where, UploadId, PartNumber, Body }));
      Parts.push({ PartNumber, ETag });
    }
    const done = await client.send(
      new CompleteMultipartUploadCommand({ ...where, UploadId, MultipartUpload: { Parts } }),
    );
    const version = { id: done.VersionId ?? "null", body: Buffer.concat(bodies), files: 2 };
    become(model, step.bucket, step.key, version);
  } else if (step.kind === "delete") {
    const { VersionId } = await client.send(new DeleteObjectCommand(where));
    if (step.bucket === "plain") versions.length = 0;
    else versions.push({ id: VersionId ?? "", body: undefined, files: 0 });
  } else if (step.kind === "delete-version") {
    const chosen = versions[step.pick];
    await client.send(new DeleteObjectCommand({ ...where, VersionId: chosen?.id ?? "no-such-version" }));
    if (chosen) versions.splice(step.pick, 1);
  } else {
    const CopySource = `${step.bucket}/${encodeURIComponent(step.key)}`;
    const copy = client.send(
      new CopyObjectCommand({ Bucket: step.bucket, Key: step.to, CopySource, MetadataDirective: "REPLACE" }),
    );
    if (!current) expect((await refusal(copy)).code).toBe("NoSuchKey");
    else become(model, step.bucket, step.to, { id: (await copy).VersionId ?? "null", body: current, files: 1 });
  }
}

async function compare(rig: S3Rig, model: Model, stateDirectory: string): Promise<void> {
  let files = 0;
  for (const Bucket of ["plain", "versioned"]) {
    const listing = await rig.client.send(new ListObjectVersionsCommand({ Bucket }));
    const listed = [...(listing.Versions ?? []), ...(listing.DeleteMarkers ?? [])];
    const expected = keys.flatMap((Key) =>
      versionsOf(model, Bucket, Key).map(({ id }, index, all) => `${Key} ${id} ${index === all.length - 1}`),
    );
    expect(listed.map((entry) => `${entry.Key} ${entry.VersionId} ${entry.IsLatest}`).toSorted()).toEqual(
      expected.toSorted(),
    );
    const { Contents = [] } = await rig.client.send(new ListObjectsV2Command({ Bucket }));
    expect(Contents.map((object) => object.Key)).toEqual(
      keys.filter((Key) => versionsOf(model, Bucket, Key).at(-1)?.body),
    );
    for (const Key of keys) {
      for (const version of versionsOf(model, Bucket, Key)) {
        files += version.files;
        if (!version.body) continue;
        const read = await rig.client.send(new GetObjectCommand({ Bucket, Key, VersionId: version.id }));
        expect(Buffer.from((await read.Body?.transformToByteArray()) ?? []).equals(version.body)).toBe(true);
      }
    }
  }
  await expect.poll(() => readdirSync(join(stateDirectory, "bodies")).length).toBe(files);
}

test("any sequence leaves exactly the versions, bytes and files that the model has", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 40 }), async (steps) => {
      const stateDirectory = mkdtempSync(join(tmpdir(), "causeway-s3-model-"));
      const model: Model = new Map();
      let rig = await startS3Rig({ stateDirectory, smallestPartBytes: 1 });
      try {
        for (const [index, step] of steps.entries()) {
          if (step.kind === "restart") {
            await rig[Symbol.asyncDispose]();
            rig = await startS3Rig({ stateDirectory, smallestPartBytes: 1 });
          } else await apply(rig, model, step, index * 2 + 1);
        }
        await compare(rig, model, stateDirectory);
        expect(rig.defects).toEqual([]);
      } finally {
        await rig[Symbol.asyncDispose]();
        rmSync(stateDirectory, { recursive: true, force: true });
      }
    }),
    { numRuns: 10 },
  );
});
