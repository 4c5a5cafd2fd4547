// The signed address beyond the common suite: OSS's error pages, silence, compression, and connections that are kept.
import { readdirSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { signedUrlSource } from "../../../../lambdas/replication/sources/signed-url.ts";
import { readAll, rejection } from "../outcomes.ts";
import { recorded, replayServer } from "../replay-server.ts";

const facts = { sizeBytes: 1000, etag: '"5D41402ABC4B2A76B9719D911017C592-3"', crc64: null };
const range = { first: 100, last: 199 };
const never = new AbortController().signal;
const link = (url: string) => `${url}/custins1/a.xb?Expires=1795115400&OSSAccessKeyId=LTAIlink&Signature=geheim%3D`;

afterEach(() => {
  vi.useRealTimers();
});

function send(response: ServerResponse, status: number, headers: Record<string, string>, body: string | Buffer): void {
  response.writeHead(status, { "content-length": String(body.length), ...headers }).end(body);
}

/** Answers every request with these headers and body; asks for bytes 100 to 199 and gives what came of it. */
async function ask(status: number, headers: Record<string, string>, body: string | Buffer) {
  await using server = await replayServer((_request, response) => send(response, status, headers, body));
  const source = signedUrlSource();
  try {
    return await source.open(link(server.url), range, facts, never).then(readAll);
  } finally {
    source.close();
  }
}

const pages: Readonly<Record<string, string>> = {
  "oss-403-request-has-expired.xml": "LinkExpired",
  "oss-403-signature-does-not-match.xml": "SourceRefused",
  "oss-403-archived.xml": "SourceRefused",
  "oss-404-no-such-key.xml": "SourceChanged",
  "oss-412-precondition-failed.xml": "SourceChanged",
  "oss-416-invalid-range.xml": "SourceChanged",
  "oss-503-traffic-limit.xml": "SourceThrottled",
};

describe("an error page of OSS", () => {
  it("is expected here for every one that was kept", () => {
    const kept = readdirSync(new URL("../../../fixtures/replication/aliyun-rds", import.meta.url));
    expect(kept.filter((file) => file.startsWith("oss-")).sort()).toEqual(Object.keys(pages).sort());
  });

  it.each(Object.entries(pages))("%s becomes %s, with OSS's own words and no secret", async (file, name) => {
    const page = recorded(`aliyun-rds/${file}`);
    const error = await rejection(ask(Number(file.slice(4, 7)), { "content-type": "application/xml" }, page));
    expect(error.name).toBe(name);
    expect(error.message).toContain(/<Code>(.*)<\/Code>/.exec(page)?.[1]);
    expect(error.message).not.toMatch(/c2lnbmF0dXJl|LTAIexample|geheim|LTAIlink/);
  });

  it("that has no end is read only so far", async () => {
    const page = `<Error><Code>InternalError</Code><Message>${"x".repeat(64)}</Message>`.repeat(1000);
    let sentBytes = 0;
    await using server = await replayServer((_request, response) => {
      response.writeHead(500);
      const pour = () => {
        do sentBytes += page.length;
        while (!response.destroyed && response.write(page));
      };
      response.on("drain", pour);
      pour();
    });
    const source = signedUrlSource();
    const error = await rejection(source.open(link(server.url), range, facts, never));
    expect(error).toMatchObject({ name: "SourceUnavailable", message: expect.stringContaining("InternalError") });
    // No more than the sockets' buffers hold.
    expect(sentBytes).toBeLessThan(64 * 1024 * 1024);
    source.close();
  });
});

describe("a signed address", () => {
  const partial = { "content-range": "bytes 100-199/1000", etag: facts.etag };

  it("is asked for with the pinned ETag, and for bytes as they are", async () => {
    await using server = await replayServer((_request, response) => send(response, 206, partial, "x".repeat(100)));
    const source = signedUrlSource();
    await readAll(await source.open(link(server.url), range, facts, never));
    expect(server.requests[0]?.headers).toMatchObject({
      range: "bytes=100-199",
      "if-match": facts.etag,
      "accept-encoding": "identity",
    });
    source.close();
  });

  it.each<[string, Record<string, string>, string]>([
    ["compressed bytes", { ...partial, "content-encoding": "gzip" }, "SourceIgnoresRanges"],
    ["another ETag, though If-Match was ignored", { ...partial, etag: '"another"' }, "SourceChanged"],
    ["another size in Content-Range", { ...partial, "content-range": "bytes 100-199/999" }, "SourceChanged"],
    ["no Content-Range", { etag: facts.etag }, "SourceIgnoresRanges"],
    ["a Content-Range without a size", { ...partial, "content-range": "bytes 100-199/*" }, "SourceIgnoresRanges"],
  ])("whose answer has %s is refused", async (_, headers, name) => {
    const body = headers["content-encoding"] ? gzipSync("x".repeat(100)) : "x".repeat(100);
    await expect(ask(206, headers, body)).rejects.toMatchObject({ name });
  });

  it("whose answer is longer or shorter than the range is refused", async () => {
    for (const length of [99, 101]) {
      await expect(ask(206, partial, "x".repeat(length))).rejects.toMatchObject({ name: "SourceUnavailable" });
    }
  });

  it("that redirects is refused: where it leads was never signed", async () => {
    const headers = { location: "http://127.0.0.1:9/elsewhere" };
    await expect(ask(302, headers, "")).rejects.toMatchObject({ name: "SourceRefused" });
  });

  it("that never answers is given up", async () => {
    await using server = await replayServer(() => undefined);
    const source = signedUrlSource({ answerTimeoutMilliseconds: 60 });
    const error = await rejection(source.probe(link(server.url)));
    expect(error).toMatchObject({
      name: "SourceUnavailable",
      message: expect.stringContaining("no answer within 60 ms"),
    });
    source.close();
  });

  it.each([206, 503])("that answers %i and then falls silent is given up", async (status) => {
    const headers = { "content-range": "bytes 0-0/1000", "content-length": "1" };
    await using server = await replayServer((_request, response) => response.writeHead(status, headers).flushHeaders());
    const source = signedUrlSource({ answerTimeoutMilliseconds: 60 });
    await expect(source.probe(link(server.url))).rejects.toMatchObject({
      name: expect.stringMatching(/^Source(Unavailable|Throttled)$/),
    });
    source.close();
  });

  it("that answers in time is not given up for being read slowly", async () => {
    await using server = await replayServer((_request, response) => send(response, 206, partial, "x".repeat(100)));
    // A stalled machine would not answer within any limit that a test likes to wait for.
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const source = signedUrlSource({ answerTimeoutMilliseconds: 60 });
    const stream = await source.open(link(server.url), range, facts, never);
    vi.advanceTimersByTime(150);
    expect(await readAll(stream)).toHaveLength(100);
    source.close();
  });

  it("is read over one connection, range after range, probe included", async () => {
    await using server = await replayServer((request, response) => {
      if (request.headers.range === "bytes=0-0") {
        send(response, 206, { "content-range": "bytes 0-0/1000", etag: facts.etag }, "x");
      } else send(response, 206, partial, "x".repeat(100));
    });
    const source = signedUrlSource();
    await source.probe(link(server.url));
    for (let times = 0; times < 5; times += 1) {
      await readAll(await source.open(link(server.url), range, facts, never));
    }
    expect(server.connections()).toBe(1);
    source.close();
  });

  it("states no CRC when what the header holds is no number", async () => {
    await using server = await replayServer((_request, response) =>
      send(response, 206, { "content-range": "bytes 0-0/1000", "x-oss-hash-crc64ecma": "none" }, "x"),
    );
    const source = signedUrlSource();
    expect(await source.probe(link(server.url))).toEqual({ sizeBytes: 1000, etag: null, crc64: null });
    source.close();
  });
});
