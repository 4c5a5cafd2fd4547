// The download server misbehaving on demand: what a copy must notice, seen from the outside.
import http from "node:http";
import { expect, test } from "vitest";
import { seededContent } from "../../../local/aliyun-rds/seeded-content.ts";
import type { FaultEffect } from "../../../local/rig/faults.ts";
import { type AliyunFixture, aliyunFixture } from "./aliyun-fixture.ts";
import { addSource, get } from "./download-fixture.ts";

const sizeBytes = 700_000;
const content = seededContent(21)(0, sizeBytes);

/** A fixture with one source, and one GET of bytes 1000-600999 under the fault. */
async function under(effect: FaultEffect, look: (fixture: AliyunFixture, link: string) => Promise<void>) {
  await using fixture = await aliyunFixture();
  const link = await addSource(fixture, { bytes: content });
  fixture.faults.add({ service: "aliyun-download", operation: "GetObject", resourceIncludes: "_data_", effect });
  await look(fixture, link);
  // Whatever happened, the next request is answered properly.
  const healthy = await get(link, { range: "bytes=5-9" });
  expect(healthy.status).toBe(206);
}

const range = "bytes=1000-600999";
const asked = content.subarray(1000, 601_000);

/** Reads as far as it goes: bytes, and whether the body ended as an HTTP body should. */
function readRaw(
  link: string,
  agent: http.Agent | false = false,
): Promise<{ status: number | undefined; headers: http.IncomingHttpHeaders; body: Buffer; isComplete: boolean }> {
  return new Promise((resolve, reject) => {
    const request = http.get(link, { agent, headers: { range } }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", () => undefined);
      answer.on("close", () =>
        resolve({
          status: answer.statusCode,
          headers: answer.headers,
          body: Buffer.concat(chunks),
          isComplete: answer.complete,
        }),
      );
    });
    request.on("error", reject);
  });
}

test("throttled, failing and expired answers are OSS errors in XML", async () => {
  const cases = [
    [{ kind: "throttle" }, 503, "<Code>DownloadTrafficRateLimitExceeded</Code>"],
    [{ kind: "error", status: 500, code: "InternalError" }, 500, "<Code>InternalError</Code>"],
    [{ kind: "error", status: 502, code: "Html" }, 502, "<html>"],
    [{ kind: "expire-link" }, 403, "<Message>Request has expired.</Message>"],
    [{ kind: "kill", atCall: 1, when: "before" }, 500, "cannot do the fault"],
  ] as const;
  for (const [effect, status, text] of cases) {
    await under(effect, async (_fixture, link) => {
      const answer = await get(link, { range });
      expect(answer.status).toBe(status);
      expect(answer.body.toString()).toContain(text);
    });
  }
});

test("a reset gives no answer at all", async () => {
  await under({ kind: "reset" }, async (fixture, link) => {
    await expect(readRaw(link)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(fixture.aliyun.downloads[0]).toMatchObject({ status: 0, bytesSent: 0 });
  });
});

test("a cut body announces its full length and stops early", async () => {
  for (const share of [0, 0.5, 0.999]) {
    await under({ kind: "short-body", share }, async (fixture, link) => {
      const answer = await readRaw(link);
      expect(answer.status).toBe(206);
      expect(answer.headers["content-length"]).toBe("600000");
      expect(answer.isComplete).toBe(false);
      expect(answer.body.equals(asked.subarray(0, Math.floor(600_000 * share)))).toBe(true);
      expect(fixture.aliyun.downloads[0]?.bytesSent).toBe(Math.floor(600_000 * share));
    });
  }
});

test("after a cut body a connection that was to be kept alive is closed too, or its reader would wait for ever", async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  await under({ kind: "short-body", share: 0.5 }, async (_fixture, link) => {
    const answer = await readRaw(link, agent);
    expect(answer.isComplete).toBe(false);
    expect(answer.body.length).toBe(300_000);
  });
  agent.destroy();
});

test("a body can also end early and look complete", async () => {
  await under({ kind: "short-body", share: 0.25, ending: "clean" }, async (_fixture, link) => {
    const answer = await readRaw(link);
    expect(answer.isComplete).toBe(true);
    expect(answer.headers["content-length"]).toBeUndefined();
    expect(answer.headers["content-range"]).toBe(`bytes 1000-600999/${sizeBytes}`);
    expect(answer.body.equals(asked.subarray(0, 150_000))).toBe(true);
  });
});

test("a flipped bit changes exactly one bit", async () => {
  for (const share of [0, 0.5, 1]) {
    await under({ kind: "flip-bit", share }, async (_fixture, link) => {
      const { body } = await get(link, { range });
      const differing = [...body.keys()].filter((at) => body[at] !== asked[at]);
      expect(differing).toEqual([Math.min(599_999, 600_000 * share)]);
      const at = differing[0] ?? 0;
      expect((body[at] ?? 0) ^ (asked[at] ?? 0)).toBe(1);
    });
  }
});

test("a wrong range says so in Content-Range, an ignored one is the whole object", async () => {
  await under({ kind: "wrong-range" }, async (_fixture, link) => {
    const answer = await get(link, { range });
    expect(answer.status).toBe(206);
    expect(answer.headers.get("content-range")).toBe(`bytes 999-600998/${sizeBytes}`);
    expect(answer.body.equals(content.subarray(999, 600_999))).toBe(true);
  });
  await under({ kind: "ignore-range" }, async (_fixture, link) => {
    const answer = await get(link, { range });
    expect(answer.status).toBe(200);
    expect(answer.body.equals(content)).toBe(true);
  });
});

test("a source replaced mid-copy has another ETag and CRC, and If-Match notices", async () => {
  for (const how of ["same-size", "shorter"] as const) {
    await using fixture = await aliyunFixture();
    const link = await addSource(fixture, { bytes: content });
    const first = await get(link, { range: "bytes=0-0" });
    fixture.faults.add({ service: "aliyun-download", effect: { kind: "replace-source", how } });
    const etag = first.headers.get("etag") ?? "";
    expect((await get(link, { range, "if-match": etag })).status).toBe(412);
    const second = await get(link);
    expect(second.body.length).toBe(how === "same-size" ? sizeBytes : sizeBytes * 0.75);
    expect(second.headers.get("etag")).not.toBe(etag);
    expect(second.headers.get("x-oss-hash-crc64ecma")).not.toBe(first.headers.get("x-oss-hash-crc64ecma"));
    expect(second.headers.get("x-oss-hash-crc64ecma")).toBe(String(await fixture.aliyun.backup("1")?.body?.crc64()));
  }
});

test("a delay passes in cloud time", async () => {
  await using fixture = await aliyunFixture({}, { skipIdle: true });
  const link = await addSource(fixture, { bytes: content });
  fixture.faults.add({ service: "aliyun-download", effect: { kind: "delay", milliseconds: 120_000 } });
  const before = fixture.clock.now();
  expect((await get(link)).status).toBe(200);
  expect(fixture.clock.now() - before).toBeGreaterThanOrEqual(120_000);
});
