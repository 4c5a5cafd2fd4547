// The download server: signed links, ranges as OSS reads them, conditions, headers, names, rates and big sources.
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { expect, test } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { signedQuery } from "../../../local/aliyun-rds/oss-links.ts";
import { seededContent } from "../../../local/aliyun-rds/seeded-content.ts";
import { type AliyunFixture, aliyunFixture } from "./aliyun-fixture.ts";
import { addSource, get } from "./download-fixture.ts";

const thousand = seededContent(3)(0, 1000);

test("the example of OSS's own page has the signature printed there", () => {
  const key = { accessKeyId: "44CF9590006BF252F707", accessKeySecret: "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV" };
  const place = { bucket: "oss-example", objectKey: "oss-api.pdf" };
  const query = new URLSearchParams(signedQuery(place, 1141889120, key));
  expect(query.get("Signature")).toBe("EwaNTn1erJGkimiJ9WmXgwnANLc=");
});

test("a whole object comes with OSS's headers and its true sums", async () => {
  await using fixture = await aliyunFixture();
  const link = await addSource(fixture, { bytes: thousand });
  const answer = await get(link);
  expect(answer.status).toBe(200);
  expect(answer.body.equals(thousand)).toBe(true);
  expect(answer.headers.get("content-length")).toBe("1000");
  expect(answer.headers.get("etag")).toMatch(/^"[0-9A-F]{32}"$/);
  expect(answer.headers.get("x-oss-object-type")).toBe("Normal");
  expect(answer.headers.get("x-oss-hash-crc64ecma")).toBe(String(new Crc64Xz().update(thousand).value()));
  expect(answer.headers.get("last-modified")).toBe("Thu, 19 Nov 2026 12:01:00 GMT");
  expect(answer.headers.get("x-oss-request-id")).toMatch(/^[0-9A-F]{24}$/);
  expect(answer.headers.get("content-encoding")).toBeNull();
});

test("ranges are read as OSS reads them: out of bounds brings the whole object, unless standard behaviour is asked", async () => {
  await using fixture = await aliyunFixture();
  const link = await addSource(fixture, { bytes: thousand });
  const whole = { status: 200, range: null, bytes: [0, 1000] };
  const part = (start: number, end: number) => ({
    status: 206,
    range: `bytes ${start}-${end}/1000`,
    bytes: [start, end + 1],
  });
  const refused = { status: 416, range: null, bytes: undefined };
  const cases = [
    ["bytes=0-0", part(0, 0), part(0, 0)],
    ["bytes=0-499", part(0, 499), part(0, 499)],
    ["bytes=500-", part(500, 999), part(500, 999)],
    ["bytes=-500", part(500, 999), part(500, 999)],
    ["bytes=0-499,500-999", part(0, 499), part(0, 499)],
    ["byte=0-499", whole, whole],
    ["bytes=5-4", whole, whole],
    ["bytes=0-1000", whole, part(0, 999)],
    ["bytes=1000-2000", whole, refused],
    ["bytes=1000-", whole, refused],
    ["bytes=-2000", whole, part(0, 999)],
    ["bytes=-0", whole, refused],
  ] as const;
  for (const [range, lax, standard] of cases) {
    for (const [headers, wanted] of [
      [{ range }, lax],
      [{ range, "x-oss-range-behavior": "standard" }, standard],
    ] as const) {
      const answer = await get(link, headers);
      const label = JSON.stringify(headers);
      expect(answer.status, label).toBe(wanted.status);
      expect(answer.headers.get("content-range"), label).toBe(wanted.range);
      if (wanted.bytes) expect(answer.body.equals(thousand.subarray(...wanted.bytes)), label).toBe(true);
      else expect(answer.body.toString(), label).toContain("<Code>InvalidRange</Code>");
    }
  }
});

test("an empty object answers the probe with 200 and length 0", async () => {
  await using fixture = await aliyunFixture();
  const answer = await get(await addSource(fixture, { bytes: Buffer.alloc(0) }), { range: "bytes=0-0" });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-length")).toBe("0");
  expect(answer.headers.get("x-oss-hash-crc64ecma")).toBe("0");
});

test("a link ends at its expiry by the cloud's clock, and a new one works", async () => {
  await using fixture = await aliyunFixture({ linkSeconds: 600 });
  const link = await addSource(fixture, { bytes: thousand });
  fixture.clock.advance(590_000);
  expect((await get(link)).status).toBe(200);
  fixture.clock.advance(11_000);
  const refused = await get(link);
  expect(refused.status).toBe(403);
  expect(refused.body.toString()).toMatch(/<Code>AccessDenied<\/Code>\s*<Message>Request has expired.<\/Message>/);
  expect((await get(fixture.aliyun.linkTo("1"))).status).toBe(200);
});

test("HEAD, a changed expiry, another object and no signature are all refused", async () => {
  await using fixture = await aliyunFixture();
  const link = await addSource(fixture, { bytes: thousand });
  expect((await fetch(link, { method: "HEAD" })).status).toBe(403);
  const put = await fetch(link, { method: "PUT", body: "x" });
  expect(await put.text()).toContain("SignatureDoesNotMatch");
  const later = link.replace(/Expires=(\d+)/, (_whole, expires) => `Expires=${Number(expires) + 1}`);
  expect((await get(later)).body.toString()).toContain("SignatureDoesNotMatch");
  expect((await get(link.replace(".xb?", ".xc?"))).body.toString()).toContain("SignatureDoesNotMatch");
  expect((await get(link.slice(0, link.indexOf("?")))).body.toString()).toContain("AccessDenied");
  fixture.aliyun.removeBackup("1");
  expect((await get(link)).body.toString()).toContain("NoSuchKey");
});

test("If-Match holds while the object is the same and fails with 412 once it was replaced", async () => {
  await using fixture = await aliyunFixture();
  const link = await addSource(fixture, { bytes: thousand });
  const first = await get(link, { range: "bytes=0-0" });
  const etag = first.headers.get("etag") ?? "";
  expect((await get(link, { range: "bytes=10-19", "if-match": etag })).status).toBe(206);
  await fixture.aliyun.replaceBackup("1", { bytes: Buffer.alloc(1000, 1) });
  const refused = await get(link, { range: "bytes=10-19", "if-match": etag });
  expect(refused.status).toBe(412);
  expect(refused.body.toString()).toContain("<Code>PreconditionFailed</Code>");
  const second = await get(link, { range: "bytes=10-19" });
  expect(second.body.equals(Buffer.alloc(10, 1))).toBe(true);
  expect(second.headers.get("x-oss-hash-crc64ecma")).not.toBe(first.headers.get("x-oss-hash-crc64ecma"));
  expect((await get(link, { "if-none-match": etag })).status).toBe(501);
});

test("names with spaces, quotes, plus, percent and Chinese survive the way through the link", async () => {
  await using fixture = await aliyunFixture();
  for (const [index, fileName] of ["a b+c%d'e\".xb", "备份 50% (全量)*.sql.gz", "%2B%20+.xb", "ä~!.xb"].entries()) {
    const bytes = Buffer.from(fileName);
    const link = await addSource(fixture, { bytes }, { backupId: `n${index}`, fileName });
    expect(link).not.toMatch(/[\s"'+]/);
    const answer = await get(link);
    expect(answer.body.toString()).toBe(fileName);
  }
});

test("a file is served from disk; changed on disk it is another object, deleted it is gone", async () => {
  await using fixture = await aliyunFixture();
  const file = path.join(fixture.directory, "dump.bin");
  writeFileSync(file, thousand);
  const link = await addSource(fixture, { file });
  const first = await get(link, { range: "bytes=100-199" });
  expect(first.body.equals(thousand.subarray(100, 200))).toBe(true);
  expect(first.headers.get("etag")).toMatch(/^"[0-9A-F]{32}-1"$/);
  expect(first.headers.get("x-oss-object-type")).toBe("Multipart");
  appendFileSync(file, "more");
  const second = await get(link, { "if-match": first.headers.get("etag") ?? "" });
  expect(second.status).toBe(412);
  expect((await get(link)).body.length).toBe(1004);
  rmSync(file);
  expect((await get(link)).status).toBe(404);
});

test("a source of 48 TiB gives its last byte without disk or memory", async () => {
  await using fixture = await aliyunFixture();
  const sizeBytes = 48 * 1024 ** 4;
  const link = await addSource(fixture, { seed: 9, sizeBytes }, { checksum: "empty", crcHeader: false });
  const answer = await get(link, { range: `bytes=${sizeBytes - 3}-${sizeBytes - 1}` });
  expect(answer.headers.get("content-range")).toBe(`bytes ${sizeBytes - 3}-${sizeBytes - 1}/${sizeBytes}`);
  expect(answer.headers.get("x-oss-hash-crc64ecma")).toBeNull();
  expect(answer.body.equals(seededContent(9)(sizeBytes - 3, 3))).toBe(true);
});

test("one connection serves many requests, and a slow reader holds the source back", async () => {
  await using fixture = await aliyunFixture();
  const link = await addSource(
    fixture,
    { seed: 1, sizeBytes: 256 * 1024 * 1024 },
    { checksum: "empty", crcHeader: false },
  );
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const request = (range: string) =>
    new Promise<http.IncomingMessage>((resolve, reject) => {
      http.get(link, { agent, headers: { range } }, resolve).on("error", reject);
    });
  const ports = new Set<number | undefined>();
  for (let index = 0; index < 3; index += 1) {
    const answer = await request(`bytes=${index}-${index}`);
    ports.add(answer.socket.localPort);
    for await (const _chunk of answer);
  }
  expect(ports.size).toBe(1);
  const unread = await request("bytes=0-");
  await new Promise((resolve) => setTimeout(resolve, 300));
  unread.destroy();
  agent.destroy();
  await expect.poll(() => fixture.aliyun.downloads.length).toBe(4);
  expect(fixture.aliyun.downloads[3]?.bytesSent).toBeLessThan(32 * 1024 * 1024);
});

test("a rate per connection is kept to in cloud time, and latency comes before each answer", async () => {
  await using fixture = await aliyunFixture({}, { skipIdle: true });
  const limits = { bytesPerSecondPerConnection: 1024, latencyMilliseconds: 5000 };
  const link = await addSource(fixture, { seed: 1, sizeBytes: 60 * 1024 }, limits);
  const before = fixture.clock.now();
  expect((await get(link)).body.length).toBe(60 * 1024);
  const seconds = (fixture.clock.now() - before) / 1000;
  expect(seconds).toBeGreaterThan(64);
});

async function listedChecksum(fixture: AliyunFixture): Promise<string | undefined> {
  return String(await fixture.aliyun.backup("1")?.body?.crc64());
}

test("checksums of files and seeds outlive a restart", async () => {
  await using fixture = await aliyunFixture();
  await addSource(fixture, { seed: 5, sizeBytes: 100_000 });
  const expected = await listedChecksum(fixture);
  expect(expected).toBe(String(new Crc64Xz().update(seededContent(5)(0, 100_000)).value()));
  const stateDirectory = path.join(fixture.directory, "state");
  await using again = await aliyunFixture({ stateDirectory });
  await addSource(again, { seed: 5, sizeBytes: 100_000 });
  expect(await listedChecksum(again)).toBe(expected);
  // A planted value proves that it was read and not computed again.
  const cached = path.join(stateDirectory, "checksums.json");
  writeFileSync(cached, JSON.stringify([["seeded:5:100000", "42"]]));
  await using third = await aliyunFixture({ stateDirectory });
  await addSource(third, { seed: 5, sizeBytes: 100_000 });
  expect(await listedChecksum(third)).toBe("42");
});
