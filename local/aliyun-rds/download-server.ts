// The download server: GET on signed links as OSS answers it, slowed down or misbehaving when asked to.
import { randomUUID } from "node:crypto";
import http from "node:http";
import { flatten } from "../gateway/gateway.ts";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect, Faults } from "../rig/faults.ts";
import { AliyunError, htmlErrorPage } from "./aliyun-error.ts";
import type { BackupBody } from "./backup-body.ts";
import { type ByteRange, neighbouringRange, readRange } from "./byte-range.ts";
import type { Backup, Catalogue } from "./catalogue.ts";
import { expired, type LinkKey, verifyLink } from "./oss-links.ts";
import { Pace, sendBody } from "./send-body.ts";

export interface DownloadServerOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly catalogue: Catalogue;
  readonly bucket: string;
  readonly linkKey: LinkKey;
  /** For every backup without a rate of its own. Absent: as fast as it goes. */
  readonly bytesPerSecondPerConnection?: number;
  /** Cloud time before each answer. */
  readonly latencyMilliseconds?: number;
  readonly onDownload: (download: Download) => void;
}

/** One request to the download server, kept for tests to read. */
export interface Download {
  readonly method: string;
  readonly objectKey: string;
  readonly range: string | undefined;
  /** 0 when the connection was reset before an answer. */
  readonly status: number;
  /** Body bytes handed to the connection. */
  readonly bytesSent: number;
}

interface Exchange {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly objectKey: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly progress: { status: number; bytesSent: number };
}

/** Conditions that OSS knows and this stand-in does not: refused, so that nobody relies on them by mistake. */
const unsupportedHeaders = ["if-none-match", "if-modified-since", "if-unmodified-since"];

export function createDownloadServer(options: DownloadServerOptions): http.Server {
  const pace = new Pace(options.clock);
  return http.createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (request, response) => {
    request.resume();
    const exchange = openExchange(request, response);
    void answer(exchange, options, pace)
      .catch(() => response.destroy())
      .finally(() => {
        const { headers, objectKey, progress } = exchange;
        options.onDownload({ method: request.method ?? "", objectKey, range: headers.range, ...progress });
      });
  });
}

function openExchange(request: http.IncomingMessage, response: http.ServerResponse): Exchange {
  const url = request.url ?? "/";
  const queryAt = url.indexOf("?");
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the caller went away")));
  return {
    request,
    response,
    headers: flatten(request.headers),
    query: new URLSearchParams(queryAt < 0 ? "" : url.slice(queryAt + 1)),
    objectKey: decodeOrKeep((queryAt < 0 ? url : url.slice(0, queryAt)).slice(1)),
    requestId: randomUUID().replaceAll("-", "").slice(0, 24).toUpperCase(),
    signal: gone.signal,
    progress: { status: 0, bytesSent: 0 },
  };
}

async function answer(exchange: Exchange, options: DownloadServerOptions, pace: Pace): Promise<void> {
  const { request, objectKey, signal } = exchange;
  const operation = request.method === "GET" ? "GetObject" : request.method === "HEAD" ? "HeadObject" : "Unknown";
  const fault = options.faults.next({ service: "aliyun-download", operation, resource: objectKey });
  if (fault?.kind === "reset") {
    request.socket.resetAndDestroy();
    return;
  }
  const slowness = options.catalogue.backupOfObject(objectKey);
  const latency = slowness?.latencyMilliseconds ?? options.latencyMilliseconds ?? 0;
  const delay = latency + (fault?.kind === "delay" ? fault.milliseconds : 0);
  if (delay > 0) await options.clock.sleep(delay, { signal });
  let backup: Backup & { readonly body: BackupBody };
  try {
    if (fault) refuse(fault);
    backup = await findObject(exchange, options, fault);
  } catch (error) {
    const known = error instanceof AliyunError ? error : new AliyunError(500, "InternalError", String(error));
    sendError(exchange, known, options);
    return;
  }
  await sendObject(exchange, backup, fault, options, pace);
}

/** Throws for the faults that mean "nothing is done". */
function refuse(fault: FaultEffect): void {
  switch (fault.kind) {
    case "throttle":
      throw new AliyunError(503, "DownloadTrafficRateLimitExceeded", "The download traffic exceeds the limit.");
    case "error":
      throw new AliyunError(fault.status, fault.code, "Asked for by the fault rig.");
    case "fail-after-work":
      throw new AliyunError(500, "InternalError", "We encountered an internal error. Please try again.");
    case "expire-link":
      throw expired();
    case "delay":
    case "short-body":
    case "flip-bit":
    case "wrong-range":
    case "ignore-range":
    case "replace-source":
      return;
    default:
      throw new Error(`The download server of Aliyun cannot do the fault "${fault.kind}".`);
  }
}

async function findObject(exchange: Exchange, options: DownloadServerOptions, fault: FaultEffect | undefined) {
  const { catalogue, bucket, linkKey, clock } = options;
  const { headers, objectKey } = exchange;
  const method = exchange.request.method ?? "";
  verifyLink(method, { bucket, objectKey }, exchange.query, linkKey, clock);
  const asked = unsupportedHeaders.find((name) => headers[name] !== undefined);
  if (asked !== undefined) {
    throw new AliyunError(501, "NotImplemented", `The stand-in does not know the request header ${asked}.`);
  }
  let backup = await catalogue.object(objectKey);
  if (backup && fault?.kind === "replace-source") backup = await catalogue.replaceWithOther(backup.backupId, fault.how);
  if (!backup?.body) throw new AliyunError(404, "NoSuchKey", "The specified key does not exist.");
  const ifMatch = headers["if-match"]?.trim().replaceAll('"', "");
  if (ifMatch !== undefined && ifMatch !== backup.body.etag) {
    throw new AliyunError(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold.");
  }
  return { ...backup, body: backup.body };
}

async function sendObject(
  exchange: Exchange,
  backup: Backup & { readonly body: BackupBody },
  fault: FaultEffect | undefined,
  options: DownloadServerOptions,
  pace: Pace,
): Promise<void> {
  const { response, request, progress, headers, requestId, signal } = exchange;
  const { body } = backup;
  const isStandard = headers["x-oss-range-behavior"] === "standard";
  const asked = fault?.kind === "ignore-range" ? undefined : headers.range;
  const found = readRange(asked, body.sizeBytes, isStandard);
  if (found === "unsatisfiable") {
    sendError(exchange, new AliyunError(416, "InvalidRange", "The requested range cannot be satisfied."), options);
    return;
  }
  const range = fault?.kind === "wrong-range" ? neighbouringRange(found, body.sizeBytes) : found;
  progress.status = range.isPartial ? 206 : 200;
  const isCleanShort = fault?.kind === "short-body" && fault.ending === "clean";
  response.writeHead(progress.status, {
    server: "AliyunOSS",
    "x-oss-request-id": requestId,
    "content-type": "application/octet-stream",
    "accept-ranges": "bytes",
    etag: `"${body.etag}"`,
    "last-modified": new Date(backup.modifiedAt).toUTCString(),
    "x-oss-object-type": body.objectType,
    "x-oss-storage-class": "Standard",
    ...(isCleanShort ? {} : { "content-length": range.length }),
    ...(range.isPartial ? { "content-range": contentRange(range, body.sizeBytes) } : {}),
    ...(backup.crcHeader ? { "x-oss-hash-crc64ecma": String(await body.crc64()) } : {}),
  });
  await sendBody(response, body, range, {
    fault,
    signal,
    pace,
    socket: request.socket,
    bytesPerSecond: backup.bytesPerSecondPerConnection ?? options.bytesPerSecondPerConnection,
    onSent: (bytes) => {
      progress.bytesSent += bytes;
    },
  });
}

function contentRange(range: ByteRange, sizeBytes: number): string {
  return `bytes ${range.start}-${range.start + range.length - 1}/${sizeBytes}`;
}

/** OSS's XML; to HEAD without a body. Code "Html" brings a load balancer's page instead. */
function sendError(exchange: Exchange, error: AliyunError, options: DownloadServerOptions): void {
  const { response, request, requestId, progress } = exchange;
  const isHtml = error.code === "Html";
  const text = isHtml
    ? htmlErrorPage
    : `<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n  <Code>${error.code}</Code>\n  <Message>${escapeXml(error.message)}</Message>\n  <RequestId>${requestId}</RequestId>\n  <HostId>${escapeXml(request.headers.host ?? "")}</HostId>\n  <ServerTime>${new Date(options.clock.now()).toISOString()}</ServerTime>\n</Error>\n`;
  const body = Buffer.from(request.method === "HEAD" ? "" : text);
  response.writeHead(error.status, {
    server: "AliyunOSS",
    "x-oss-request-id": requestId,
    "content-type": isHtml ? "text/html" : "application/xml",
    "content-length": body.length,
  });
  response.end(body);
  progress.status = error.status;
  progress.bytesSent = body.length;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A path that is not valid percent-encoding names no object. */
function decodeOrKeep(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
