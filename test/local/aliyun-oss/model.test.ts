// Random sequences of operations and restarts, held against a map of what a bucket must hold.
import { readdirSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { headersOf, type OssFixture, ossFixture, rejectionOf, someBytes } from "./oss-fixture.ts";

interface ModelUpload {
  readonly key: string;
  readonly uploadId: string;
  readonly parts: Map<number, { readonly body: Buffer; readonly etag: string }>;
}

interface Model {
  /** Each body with the files that hold it. */
  readonly objects: Map<string, { readonly body: Buffer; readonly files: number }>;
  readonly uploads: ModelUpload[];
}

const keys = ["a", "a/", "a/1", "a/2", "b/c/1", "b/ü +", "z"];
const key = fc.constantFrom(...keys);
const size = fc.constantFrom(0, 1, 5_000);
const pick = fc.nat(9);
const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("put" as const), key, size, mustNotExist: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("copy" as const), key, to: key }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("begin" as const), key }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("part" as const), pick, size, number: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("complete" as const), pick }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("abort" as const), pick }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("list" as const),
      pageSize: fc.integer({ min: 1, max: 4 }),
      prefix: fc.constantFrom("", "a", "a/", "b/"),
      delimiter: fc.constantFrom("", "/"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
);
type Step = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;
type Of<Kind extends Step["kind"]> = Extract<Step, { kind: Kind }>;

async function put(fixture: OssFixture, { objects }: Model, step: Of<"put">, seed: number): Promise<void> {
  const body = someBytes(step.size, seed);
  const headers = { "x-oss-forbid-overwrite": String(step.mustNotExist) };
  const put = fixture.client().put(step.key, body, { headers });
  if (step.mustNotExist && objects.has(step.key)) {
    expect(await rejectionOf(put)).toMatchObject({ code: "FileAlreadyExists" });
  } else {
    await put;
    objects.set(step.key, { body, files: 1 });
  }
}

async function copy(fixture: OssFixture, { objects }: Model, step: Of<"copy">): Promise<void> {
  const copying = fixture.client().copy(step.to, step.key);
  const source = objects.get(step.key);
  if (!source) expect(await rejectionOf(copying)).toMatchObject({ code: "NoSuchKey" });
  else {
    await copying;
    objects.set(step.to, { ...source, files: step.to === step.key ? source.files : 1 });
  }
}

async function sendPart(fixture: OssFixture, { uploads }: Model, step: Of<"part">, seed: number): Promise<void> {
  const upload = uploads[step.pick % Math.max(1, uploads.length)];
  if (!upload) return;
  // The smallest part of this fixture is one byte; an empty one may only be the last.
  const body = someBytes(step.number === 4 ? step.size : step.size + 1, seed);
  const data = { stream: Readable.from(body.length > 0 ? [body] : []), size: body.length };
  const { etag } = await fixture.client()._uploadPart(upload.key, upload.uploadId, step.number, data);
  upload.parts.set(step.number, { body, etag });
}

async function complete(fixture: OssFixture, { objects, uploads }: Model, step: Of<"complete">): Promise<void> {
  const at = step.pick % Math.max(1, uploads.length);
  const upload = uploads[at];
  if (!upload) return;
  const chosen = [...upload.parts].toSorted(([left], [right]) => left - right);
  const list = chosen.map(([number, { etag }]) => ({ number, etag }));
  const completing = fixture.client().completeMultipartUpload(upload.key, upload.uploadId, list);
  if (list.length === 0) {
    expect(await rejectionOf(completing)).toMatchObject({ code: "MalformedXML" });
    return;
  }
  await completing;
  uploads.splice(at, 1);
  const body = Buffer.concat(chosen.map(([, part]) => part.body));
  objects.set(upload.key, { body, files: chosen.length });
}

async function list(fixture: OssFixture, { objects }: Model, step: Of<"list">): Promise<void> {
  const { prefix, delimiter, pageSize } = step;
  const found: string[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < 20; pages += 1) {
    const query = {
      "max-keys": pageSize,
      ...(prefix ? { prefix } : {}),
      ...(delimiter ? { delimiter } : {}),
      "continuation-token": token,
    };
    const page = await fixture.client().listV2(query as never, {});
    found.push(...page.objects.map(({ name }) => name), ...((page.prefixes as string[] | null) ?? []));
    token = (page as unknown as { nextContinuationToken: string | null }).nextContinuationToken ?? undefined;
    if (!page.isTruncated) break;
  }
  const expected = new Set(
    [...objects.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => {
        const at = delimiter ? name.indexOf(delimiter, prefix.length) : -1;
        return at < 0 ? name : name.slice(0, at + 1);
      }),
  );
  expect(found.toSorted()).toEqual([...expected].toSorted());
}

async function apply(fixture: OssFixture, model: Model, step: Step, seed: number): Promise<void> {
  if (step.kind === "put") await put(fixture, model, step, seed);
  else if (step.kind === "delete") {
    await fixture.client().delete(step.key);
    model.objects.delete(step.key);
  } else if (step.kind === "copy") await copy(fixture, model, step);
  else if (step.kind === "begin") {
    const { uploadId } = await fixture.client().initMultipartUpload(step.key);
    model.uploads.push({ key: step.key, uploadId, parts: new Map() });
  } else if (step.kind === "part") await sendPart(fixture, model, step, seed);
  else if (step.kind === "complete") await complete(fixture, model, step);
  else if (step.kind === "abort") {
    const [upload] = model.uploads.splice(step.pick % Math.max(1, model.uploads.length), 1);
    if (upload) await fixture.client().abortMultipartUpload(upload.key, upload.uploadId);
  } else if (step.kind === "list") await list(fixture, model, step);
  else await fixture.restart();
}

async function compare(fixture: OssFixture, { objects, uploads }: Model): Promise<void> {
  const client = fixture.client();
  for (const name of keys) {
    const object = objects.get(name);
    if (!object) {
      expect(await rejectionOf(client.head(name))).toMatchObject({ code: "NoSuchKey" });
      continue;
    }
    const read = await client.get(name);
    expect(object.body.equals(read.content), name).toBe(true);
    const crc = new Crc64Xz().update(object.body).value().toString();
    expect(headersOf(read)["x-oss-hash-crc64ecma"], name).toBe(crc);
  }
  const listed = await client.listUploads({ "max-uploads": 1_000 });
  expect(listed.uploads.map(({ uploadId }) => uploadId).toSorted()).toEqual(
    uploads.map(({ uploadId }) => uploadId).toSorted(),
  );
  const files =
    [...objects.values()].reduce((sum, object) => sum + object.files, 0) +
    uploads.reduce((sum, { parts }) => sum + parts.size, 0);
  await expect.poll(() => readdirSync(path.join(fixture.stateDirectory, "bodies")).length).toBe(files);
}

test("any sequence leaves exactly the bytes, sums, uploads and files that the model has", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 60 }), async (steps) => {
      await using fixture = await ossFixture({ smallestPartBytes: 1 });
      const model: Model = { objects: new Map(), uploads: [] };
      for (const [index, step] of steps.entries()) await apply(fixture, model, step, index + 1);
      await compare(fixture, model);
      expect(fixture.defects).toEqual([]);
    }),
    { numRuns: 15 },
  );
});
