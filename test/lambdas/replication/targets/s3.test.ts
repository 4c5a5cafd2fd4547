// S3 beyond the common suite: its own limits, its error answers, and how a part goes over the wire.
import { readdirSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { afterEach, describe, expect, it, vi } from "vitest";
import { s3Limits, s3Target } from "../../../../lambdas/replication/targets/s3.ts";
import { rejection } from "../outcomes.ts";
import { pointSdkAt } from "../point-sdk-at.ts";
import { recorded, replayServer } from "../replay-server.ts";

const never = new AbortController().signal;
const ref = { key: "a.xb", uploadId: "VXBsb2FkIElE" };
const completion = { ref, parts: [], sizeBytes: 1, checksum: "AAAAAAAAAAA=", replacesEtag: null };

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("S3's limits", () => {
  it("are those of the user guide: parts of 5 MiB to 5 GiB, 10,000 of them, 48.8 TiB in all", () => {
    expect(s3Limits).toEqual({
      smallestPartBytes: 5_242_880,
      largestPartBytes: 5_368_709_120,
      mostParts: 10_000,
      largestObjectBytes: 53_687_091_200_000,
    });
    expect(s3Target("backups").limits).toEqual(s3Limits);
    expect(s3Target("backups", 1024).limits).toEqual({ ...s3Limits, smallestPartBytes: 1024 });
  });
});

describe("an error answer of S3 to a completion", () => {
  const answers: Readonly<Record<string, string>> = {
    "200-complete-internal-error.xml": "TargetUnavailable",
    "400-bad-digest.xml": "PartDamaged",
    "400-expired-token.xml": "TargetRefused",
    "400-request-timeout.xml": "TargetUnavailable",
    // The SDK learns the right time from this answer: the next attempt is signed with it.
    "403-request-time-too-skewed.xml": "TargetUnavailable",
    "404-no-such-bucket.xml": "TargetRefused",
    "404-no-such-upload.xml": "UploadLost",
    "409-conditional-request-conflict.xml": "TargetUnavailable",
    "412-precondition-failed.xml": "TargetExists",
    "503-slow-down.xml": "TargetUnavailable",
  };

  it("is expected here for every one that was kept", () => {
    const kept = readdirSync(new URL("../../../fixtures/replication/s3", import.meta.url));
    expect(kept.filter((file) => file.endsWith(".xml")).sort()).toEqual(Object.keys(answers).sort());
  });

  it.each(Object.entries(answers))("%s becomes %s after one attempt", async (file, name) => {
    const page = recorded(`s3/${file}`);
    await using server = await replayServer((_request, response) => {
      response.writeHead(Number(file.slice(0, 3)), { "content-type": "application/xml" }).end(page);
    });
    pointSdkAt(server.url);
    const error = await rejection(s3Target("backups").complete(completion));
    expect(error.name).toBe(name);
    expect(error.message).toContain(/<Code>(.*?)<\/Code>/.exec(page)?.[1]);
    expect(error.message).not.toContain("EXAMPLETOKEN");
    expect(server.requests).toHaveLength(1);
  });
});

describe("a part on its way to S3", () => {
  it("is the plain bytes with their length and checksum: no framing, no second hash, no go-ahead, one connection", async () => {
    const bodies: Buffer[] = [];
    await using server = await replayServer(async (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      bodies.push(Buffer.concat(chunks));
      response.writeHead(200, { etag: '"e"', "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=" }).end();
    });
    pointSdkAt(server.url);
    const target = s3Target("backups");
    // The SDK treats bodies of 2 MiB and more differently.
    const bytes = 3 * 1024 * 1024;
    for (const partNumber of [1, 2, 3]) {
      const body = Readable.from([Buffer.alloc(bytes, partNumber)], { objectMode: false });
      const stored = await target.putPart(ref, partNumber, body, bytes, { signal: never, checksum: "AAAAAAAAAAA=" });
      expect(stored).toEqual({ partNumber, bytes, etag: '"e"', checksum: "AAAAAAAAAAA=" });
    }
    for (const [index, { headers, url }] of server.requests.entries()) {
      expect(url).toContain(`partNumber=${index + 1}`);
      expect(headers).toMatchObject({
        "content-length": String(bytes),
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
        "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
      });
      for (const unwanted of ["expect", "content-encoding", "transfer-encoding", "x-amz-trailer"]) {
        expect(headers).not.toHaveProperty(unwanted);
      }
      expect(bodies[index]?.equals(Buffer.alloc(bytes, index + 1))).toBe(true);
    }
    expect(server.connections()).toBe(1);
  });
});

describe("a completion on its way to S3", () => {
  it("carries size, checksum, type and the condition, so that S3 itself refuses a wrong object", async () => {
    await using server = await replayServer((request, response) => {
      request.resume();
      response.writeHead(200).end("<CompleteMultipartUploadResult/>");
    });
    pointSdkAt(server.url);
    await s3Target("backups").complete({ ...completion, sizeBytes: 77 });
    await s3Target("backups").complete({ ...completion, replacesEtag: '"old"' });
    const [first, second] = server.requests.map(({ headers }) => headers);
    expect(first).toMatchObject({
      "x-amz-mp-object-size": "77",
      "x-amz-checksum-crc64nvme": "AAAAAAAAAAA=",
      "x-amz-checksum-type": "FULL_OBJECT",
      "if-none-match": "*",
    });
    expect(first).not.toHaveProperty("if-match");
    expect(second).toMatchObject({ "if-match": '"old"' });
    expect(second).not.toHaveProperty("if-none-match");
  });
});
