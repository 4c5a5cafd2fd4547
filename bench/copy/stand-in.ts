// The two far ends of the copy benchmark, as cheap as they can be: a source that repeats one buffer, and a sink that
// throws bodies away and answers the few S3 and DynamoDB calls that a copy makes.
import http from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { paceWriting } from "./pace-writing.ts";

export interface SourceSettings {
  readonly sizeBytes: number;
  /** Of each connection; 0: as fast as it goes. */
  readonly bytesPerSecond: number;
}

export interface SinkSettings {
  /** Before a part is acknowledged. */
  readonly partDelayMilliseconds: number;
  /** What GetItem answers: the copy's plan, in DynamoDB's JSON. */
  readonly copyItem: object;
}

/** What the sink saw since it was last asked; read by GET /seen. */
export interface SinkReport {
  readonly bytes: number;
  readonly parts: number;
  readonly mostPartsAtOnce: number;
  /** The ledger rows that were put, in DynamoDB's JSON. */
  readonly ledgerRows: readonly Record<string, { S?: string; N?: string }>[];
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

type Listener = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export const sourcePath = "/backup.xb";
export const sourceEtag = '"5d41402abc4b2a76b9719d911017c592"';

/** One byte repeats every 251: a wrong range shows in the checksum, and no power of two hides it. */
const patternBytes = 251 * 4096;

/** The source's bytes from `first` on, up to `bytes` of them, without a copy. */
export function sourceBytes(pattern: Buffer, first: number, bytes: number): Buffer {
  const start = first % 251;
  return pattern.subarray(start, start + Math.min(bytes, patternBytes));
}

export function makePattern(): Buffer {
  return Buffer.from(Uint8Array.from({ length: patternBytes + 251 }, (_, index) => index % 251));
}

/** Answers ranged GETs, and HEAD, of one object. */
export function sourceListener(settings: SourceSettings): Listener {
  const pattern = makePattern();
  return (request, response) => {
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const first = Number(range?.[1] ?? 0);
    const last = Math.min(settings.sizeBytes - 1, range?.[2] ? Number(range[2]) : settings.sizeBytes - 1);
    response.writeHead(range ? 206 : 200, {
      "content-length": last - first + 1,
      "content-type": "application/octet-stream",
      "accept-ranges": "bytes",
      "last-modified": "Mon, 02 Nov 2026 03:00:00 GMT",
      etag: sourceEtag,
      ...(range ? { "content-range": `bytes ${first}-${last}/${settings.sizeBytes}` } : {}),
    });
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    let at = first;
    const next = (mostBytes: number) => {
      const bytes = sourceBytes(pattern, at, Math.min(mostBytes, last + 1 - at));
      at += bytes.length;
      return bytes;
    };
    if (settings.bytesPerSecond > 0) paceWriting(response, next, settings.bytesPerSecond);
    else writeAll(response, next);
  };
}

function writeAll(response: http.ServerResponse, next: (mostBytes: number) => Buffer): void {
  for (;;) {
    const bytes = next(patternBytes);
    if (bytes.length === 0) {
      response.end();
      return;
    }
    if (!response.write(bytes)) {
      response.once("drain", () => writeAll(response, next));
      return;
    }
  }
}

/** S3's multipart calls on any bucket, DynamoDB's item calls on any table, and GET /seen. */
export function sinkListener(settings: SinkSettings): Listener {
  let seen = { bytes: 0, parts: 0, mostPartsAtOnce: 0, ledgerRows: [] as Record<string, { S?: string; N?: string }>[] };
  let partsAtOnce = 0;
  let completedBytes: number | undefined;

  function putPart(request: http.IncomingMessage, response: http.ServerResponse): void {
    partsAtOnce += 1;
    seen.mostPartsAtOnce = Math.max(seen.mostPartsAtOnce, partsAtOnce);
    request.on("data", (chunk: Buffer) => {
      seen.bytes += chunk.length;
    });
    request.once("close", () => {
      partsAtOnce -= 1;
    });
    request.once("end", () => {
      seen.parts += 1;
      setTimeout(() => {
        response.writeHead(200, { etag: '"9e107d9d372bb6826bd81d3542a419d6"', "content-length": 0 });
        response.end();
      }, settings.partDelayMilliseconds);
    });
  }

  function dynamodb(operation: string, body: string): object {
    if (operation === "GetItem") return { Item: settings.copyItem };
    if (operation === "Query") return { Items: [], Count: 0, ScannedCount: 0 };
    if (operation === "PutItem") {
      const { Item } = JSON.parse(body) as { Item: Record<string, { S?: string; N?: string }> };
      if (Item.partNumber !== undefined) seen.ledgerRows.push(Item);
    }
    return {};
  }

  return (request, response) => {
    const url = new URL(request.url ?? "/", "http://sink");
    const target = request.headers["x-amz-target"];
    if (request.method === "PUT" && url.searchParams.has("partNumber")) {
      putPart(request, response);
      return;
    }
    let body = "";
    request.on("data", (chunk: Buffer) => {
      body += chunk.toString("latin1");
    });
    request.once("end", () => {
      if (url.pathname === "/seen") {
        send(response, 200, JSON.stringify(seen satisfies SinkReport), "application/json");
        seen = { bytes: 0, parts: 0, mostPartsAtOnce: 0, ledgerRows: [] };
        completedBytes = undefined;
      } else if (typeof target === "string") {
        const answer = dynamodb(target.split(".").at(-1) ?? "", body);
        send(response, 200, JSON.stringify(answer), "application/x-amz-json-1.0");
      } else if (request.method === "HEAD") {
        response.writeHead(completedBytes === undefined ? 404 : 200, {
          "content-length": completedBytes ?? 0,
          "last-modified": new Date().toUTCString(),
          etag: '"d41d8cd98f00b204e9800998ecf8427e-2"',
        });
        response.end();
      } else {
        if (request.method === "POST" && url.searchParams.has("uploadId")) completedBytes = seen.bytes;
        send(response, 200, s3Answer(request.method ?? "", url), "application/xml");
      }
    });
  };
}

function s3Answer(method: string, url: URL): string {
  const [, bucket = "", ...key] = url.pathname.split("/");
  const names = `<Bucket>${bucket}</Bucket><Key>${key.join("/")}</Key>`;
  if (method === "POST" && url.searchParams.has("uploads")) {
    return `<InitiateMultipartUploadResult>${names}<UploadId>upload-1</UploadId></InitiateMultipartUploadResult>`;
  }
  if (method === "POST") {
    return `<CompleteMultipartUploadResult>${names}<ETag>"d41d8cd98f00b204e9800998ecf8427e-2"</ETag></CompleteMultipartUploadResult>`;
  }
  if (method === "GET" && url.searchParams.has("uploadId")) {
    return `<ListPartsResult>${names}<IsTruncated>false</IsTruncated></ListPartsResult>`;
  }
  return "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
}

function send(response: http.ServerResponse, status: number, text: string, type: string): void {
  response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text) });
  response.end(text);
}

/** On a free port of 127.0.0.1; resolves with the port. */
export function serve(listener: Listener, certificate: Certificate | undefined): Promise<number> {
  const settings = { keepAliveTimeout: 60_000, requestTimeout: 0, highWaterMark: patternBytes };
  const server = certificate
    ? https.createServer({ ...settings, ...certificate }, listener)
    : http.createServer(settings, listener);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
