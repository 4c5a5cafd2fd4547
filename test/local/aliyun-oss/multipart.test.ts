// Multipart uploads: parts and their sums, completion and its refusals, listings, abort.
import { readdirSync } from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { headersOf, type OssClient, type OssFixture, ossFixture, rejectionOf, someBytes } from "./oss-fixture.ts";

const crcOf = (bytes: Buffer) => new Crc64Xz().update(bytes).value().toString();

async function sendPart(client: OssClient, name: string, uploadId: string, number: number, body: Buffer) {
  const { etag, res } = await client._uploadPart(name, uploadId, number, {
    stream: Readable.from([body]),
    size: body.length,
  });
  return { number, etag, crc64: res.headers["x-oss-hash-crc64ecma"] };
}

function bodyFiles(fixture: OssFixture): number {
  return readdirSync(path.join(fixture.stateDirectory, "bodies")).length;
}

/** The client sorts parts before it sends them; some tests want to send a list as it is. */
async function complete(fixture: OssFixture, name: string, uploadId: string, list: string): Promise<string> {
  const headers = { "content-type": "application/xml" };
  const link = await fixture.client().signatureUrlV4("POST", 60, { headers, queries: { uploadId } }, name);
  const body = `<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`;
  const answer = await fetch(link, { method: "POST", body, headers });
  return `${answer.status} ${/<Code>(\w+)<\/Code>/.exec(await answer.text())?.[1] ?? ""}`.trim();
}

const listed = (number: number, etag: string) =>
  `<Part><PartNumber>${number}</PartNumber><ETag>${etag.replaceAll('"', "&quot;")}</ETag></Part>`;

test("parts sent in any order become one object with the folded sum and an ETag that is not S3's", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const bodies = [someBytes(110_000, 1), someBytes(150_001, 2), someBytes(7, 3)];
  const whole = Buffer.concat(bodies);
  const { uploadId, res } = await client.initMultipartUpload("big", {
    headers: { "x-oss-server-side-encryption": "AES256" },
    meta: { copy: "1" } as never,
    mime: "application/x-qpress",
  });
  expect(headersOf({ res })["x-oss-server-side-encryption"]).toBe("AES256");
  const parts = await Promise.all(
    [2, 0, 1].map((index) => sendPart(client, "big", uploadId, index * 3 + 2, bodies[index] ?? Buffer.alloc(0))),
  );
  expect(parts.map(({ crc64 }) => crc64)).toEqual([2, 0, 1].map((index) => crcOf(bodies[index] ?? Buffer.alloc(0))));
  const done = await client.completeMultipartUpload("big", uploadId, parts);
  expect(headersOf(done)["x-oss-hash-crc64ecma"]).toBe(crcOf(whole));
  expect(done.etag).toMatch(/^"[0-9A-F]{32}-3"$/);
  const read = await client.get("big");
  expect(whole.equals(read.content)).toBe(true);
  expect(headersOf(read)).toMatchObject({
    etag: done.etag,
    "x-oss-object-type": "Multipart",
    "x-oss-hash-crc64ecma": crcOf(whole),
    "x-oss-server-side-encryption": "AES256",
    "x-oss-meta-copy": "1",
    "content-type": "application/x-qpress",
  });
  const across = await client.get("big", undefined, { headers: { Range: "bytes=109990-260003" } });
  expect(whole.subarray(109_990, 260_004).equals(across.content)).toBe(true);
  expect(await rejectionOf(client.completeMultipartUpload("big", uploadId, parts))).toMatchObject({
    code: "NoSuchUpload",
    status: 404,
  });
});

test("the client's own multipart upload goes through, and its ETag changes with the parts", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const body = someBytes(450_000);
  await client.multipartUpload("whole", body, { partSize: 102_400, parallel: 3 });
  expect(body.equals((await client.get("whole")).content)).toBe(true);
  await client.multipartUpload("other", body, { partSize: 204_800, parallel: 3 });
  const [one, two] = await Promise.all(["whole", "other"].map(async (name) => headersOf(await client.head(name))));
  expect(one?.["x-oss-hash-crc64ecma"]).toBe(two?.["x-oss-hash-crc64ecma"]);
  expect(one?.etag).not.toBe(two?.etag);
});

test("a part sent again replaces the one before, and only listed parts are kept", async () => {
  await using fixture = await ossFixture({ smallestPartBytes: 1 });
  const client = fixture.client();
  const { uploadId } = await client.initMultipartUpload("again");
  const first = await sendPart(client, "again", uploadId, 1, Buffer.from("first"));
  const second = await sendPart(client, "again", uploadId, 1, Buffer.from("second"));
  await sendPart(client, "again", uploadId, 2, Buffer.from("unlisted"));
  const stale = client.completeMultipartUpload("again", uploadId, [first]);
  expect(await rejectionOf(stale)).toMatchObject({ code: "InvalidPart", status: 400 });
  await client.completeMultipartUpload("again", uploadId, [second]);
  expect(String((await client.get("again")).content)).toBe("second");
  await expect.poll(() => bodyFiles(fixture)).toBe(1);
});

test("a list of parts that is wrong in any way is refused, and the upload goes on", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const { uploadId } = await client.initMultipartUpload("list");
  const small = await sendPart(client, "list", uploadId, 1, someBytes(102_399, 1));
  const large = await sendPart(client, "list", uploadId, 2, someBytes(102_400, 2));
  const last = await sendPart(client, "list", uploadId, 9, someBytes(1, 3));
  const tryWith = (list: string) => complete(fixture, "list", uploadId, list);
  expect(await tryWith(listed(1, small.etag) + listed(2, large.etag))).toBe("400 EntityTooSmall");
  expect(await tryWith(listed(9, last.etag) + listed(2, large.etag))).toBe("400 InvalidPartOrder");
  expect(await tryWith(listed(2, large.etag) + listed(2, large.etag))).toBe("400 InvalidPartOrder");
  expect(await tryWith(listed(2, large.etag) + listed(3, last.etag))).toBe("400 InvalidPart");
  expect(await tryWith(listed(2, last.etag))).toBe("400 InvalidPart");
  expect(await tryWith("")).toBe("400 MalformedXML");
  expect(await tryWith(listed(10_001, last.etag))).toBe("400 MalformedXML");
  expect(await tryWith("<Part>")).toBe("400 MalformedXML");
  expect(await tryWith(listed(2, large.etag) + listed(9, last.etag))).toBe("200");
  expect(headersOf(await client.head("list"))["content-length"]).toBe("102401");
});

test("part numbers, unknown uploads and misplaced encryption are refused", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const { uploadId } = await client.initMultipartUpload("a");
  const body = Buffer.from("x");
  for (const number of [0, 10_001]) {
    expect(await rejectionOf(sendPart(client, "a", uploadId, number, body))).toMatchObject({ code: "InvalidArgument" });
  }
  expect(await rejectionOf(sendPart(client, "a", "no-such-upload", 1, body))).toMatchObject({ code: "NoSuchUpload" });
  expect(await rejectionOf(sendPart(client, "b", uploadId, 1, body))).toMatchObject({ code: "NoSuchUpload" });
  const request = { headers: { "x-oss-server-side-encryption": "AES256" }, queries: { uploadId, partNumber: "1" } };
  const link = await client.signatureUrlV4("PUT", 60, request, "a");
  expect((await fetch(link, { method: "PUT", body, headers: request.headers })).status).toBe(400);
});

test("x-oss-forbid-overwrite holds at the beginning and at the end of an upload", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const once = () => ({ headers: { "x-oss-forbid-overwrite": "true" } });
  const { uploadId } = await client.initMultipartUpload("once", once());
  const part = await sendPart(client, "once", uploadId, 1, Buffer.from("mine"));
  await client.put("once", Buffer.from("theirs"));
  const refused = { code: "FileAlreadyExists", status: 409 };
  expect(await rejectionOf(client.initMultipartUpload("once", once()))).toMatchObject(refused);
  expect(await rejectionOf(client.completeMultipartUpload("once", uploadId, [part], once()))).toMatchObject(refused);
  expect(String((await client.get("once")).content)).toBe("theirs");
  await client.completeMultipartUpload("once", uploadId, [part]);
  expect(String((await client.get("once")).content)).toBe("mine");
});

test("parts and uploads are listed page by page", async () => {
  await using fixture = await ossFixture({ smallestPartBytes: 1 });
  const client = fixture.client();
  const uploads: string[] = [];
  for (const name of ["p/a", "p/a", "p/b", "q/c"]) {
    const { uploadId } = await client.initMultipartUpload(name);
    uploads.push(`${name} ${uploadId}`);
  }
  const first = uploads[0]?.split(" ")[1] ?? "";
  for (const number of [1, 2, 5]) await sendPart(client, "p/a", first, number, Buffer.from(`part ${number}`));
  const page = await client.listParts("p/a", first, { "max-parts": 2, "part-number-marker": 1 } as never);
  expect(page).toMatchObject({ isTruncated: "false", nextPartNumberMarker: "5" });
  expect(page.parts).toMatchObject([
    {
      PartNumber: "2",
      Size: "6",
      HashCrc64ecma: crcOf(Buffer.from("part 2")),
      ETag: expect.stringMatching(/^"[0-9A-F]{32}"$/),
    },
    { PartNumber: "5" },
  ]);
  const start = await client.listParts("p/a", first, { "max-parts": 1 } as never);
  expect(start).toMatchObject({ isTruncated: "true", nextPartNumberMarker: "1" });

  const found: string[] = [];
  let query: Record<string, string | number> = { "max-uploads": 1, prefix: "p/" };
  for (let pages = 0; pages < 10; pages += 1) {
    const listing = await client.listUploads(query as never);
    found.push(...listing.uploads.map(({ name, uploadId }) => `${name} ${uploadId}`));
    if (!listing.isTruncated) break;
    query = { ...query, "key-marker": listing.nextKeyMarker, "upload-id-marker": listing.nextUploadIdMarker };
  }
  expect(found.toSorted()).toEqual(uploads.slice(0, 3).toSorted());
});

test("an aborted upload is gone with its parts, also for a part that is still being sent", async () => {
  await using fixture = await ossFixture();
  const client = fixture.client();
  const { uploadId } = await client.initMultipartUpload("gone");
  await sendPart(client, "gone", uploadId, 1, someBytes(1_000));
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = Readable.from(
    (async function* () {
      yield Buffer.alloc(10);
      await held;
      yield Buffer.alloc(10);
    })(),
  );
  const sending = client._uploadPart("gone", uploadId, 2, { stream: slow, size: 20 });
  await expect.poll(() => bodyFiles(fixture)).toBe(2);
  await client.abortMultipartUpload("gone", uploadId);
  release();
  expect(await rejectionOf(sending)).toMatchObject({ code: "NoSuchUpload", status: 404 });
  expect(await rejectionOf(client.abortMultipartUpload("gone", uploadId))).toMatchObject({ code: "NoSuchUpload" });
  await expect.poll(() => bodyFiles(fixture)).toBe(0);
});
