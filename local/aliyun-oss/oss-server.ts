// OSS's HTTP endpoint: finds bucket, key and operation, checks who calls, lets the rig misbehave, and answers.
import { randomBytes } from "node:crypto";
import http from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { htmlErrorPage } from "../aliyun-rds/aliyun-error.ts";
import { cutAfter, flatten, flipBit } from "../gateway/gateway.ts";
import { ServiceError, type ServiceResponse } from "../gateway/service.ts";
import type { FaultEffect, Faults } from "../rig/faults.ts";
import type { AccessKeys } from "./access-keys.ts";
import { type Authenticated, authenticate, readClaim } from "./authenticate.ts";
import { refuseUnsupportedHeaders } from "./object-metadata.ts";
import { operations } from "./operations.ts";
import type { OssState } from "./oss-call.ts";
import { internalError, noSuchBucket, notImplemented, renderError, throttled } from "./oss-error.ts";
import { operationOf, placesOf } from "./route-request.ts";
import { authenticateForS3, headersForOss, headersForS3, isSignedForS3 } from "./s3-compatible.ts";
import type { Place } from "./signature-v1.ts";

export interface OssServerOptions {
  readonly state: OssState;
  readonly keys: AccessKeys;
  readonly faults: Faults;
  /** V4 signatures must name it; absent: any will do. */
  readonly region: string | undefined;
  readonly onRequest: (request: OssRequestRecord) => void;
  /** An error that nobody raised on purpose: a defect of the local cloud. */
  readonly onDefect?: (error: unknown, operation: string) => void;
}

/** One request, kept for tests to read. */
export interface OssRequestRecord {
  readonly operation: string;
  readonly bucket: string;
  readonly key: string;
  readonly accessKeyId: string;
  /** 0 when the connection was reset before an answer. */
  readonly status: number;
  /** Of a body that came whole and with its length stated, else 0. */
  readonly bytesReceived: number;
  /** Of the answer's body, as it was meant to be. */
  readonly bytesSent: number;
}

interface Exchange {
  readonly incoming: http.IncomingMessage;
  readonly outgoing: http.ServerResponse;
  readonly request: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly query: URLSearchParams;
    readonly rawPath: string;
  };
  /** The headers under their own names; `request` has them under OSS's. */
  readonly asSent: Readonly<Record<string, string>>;
  readonly isForS3: boolean;
  readonly requestId: string;
  readonly signal: AbortSignal;
  readonly record: { -readonly [Name in keyof OssRequestRecord]: OssRequestRecord[Name] };
}

/** Faults that change only how the answer is sent, or when. */
const effectsOnAnswers = new Set<FaultEffect["kind"]>([
  "delay",
  "fail-after-work",
  "reset-after-work",
  "short-body",
  "flip-bit",
]);
/** Faults that the operations carry out. */
const effectsOfOperations = new Set<FaultEffect["kind"]>(["flip-stored-bit", "wrong-range", "ignore-range"]);

/** An error is told before the body is read; up to so much of it is then read away, so that the client sees the answer. */
const mostDrainedBytes = 64 * 1024 * 1024;

export function createOssServer(options: OssServerOptions): http.Server {
  return http.createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (incoming, outgoing) => {
    const exchange = openExchange(incoming, outgoing);
    answer(exchange, options)
      .catch((error: unknown) => {
        if (!exchange.signal.aborted) options.onDefect?.(error, exchange.record.operation);
        outgoing.destroy();
      })
      .finally(() => {
        const bytesReceived = incoming.readableEnded ? Number(incoming.headers["content-length"] ?? 0) : 0;
        options.onRequest({ ...exchange.record, bytesReceived });
      });
  });
}

function openExchange(incoming: http.IncomingMessage, outgoing: http.ServerResponse): Exchange {
  const url = incoming.url ?? "/";
  const queryAt = url.indexOf("?");
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort(new Error("the caller went away")));
  const asSent = {
    method: incoming.method ?? "GET",
    headers: flatten(incoming.headers),
    query: new URLSearchParams(queryAt < 0 ? "" : url.slice(queryAt + 1).replaceAll("+", "%2B")),
    rawPath: queryAt < 0 ? url : url.slice(0, queryAt),
  };
  const isForS3 = isSignedForS3(asSent);
  return {
    incoming,
    outgoing,
    request: isForS3 ? { ...asSent, headers: headersForOss(asSent) } : asSent,
    asSent: asSent.headers,
    isForS3,
    requestId: randomBytes(12).toString("hex").toUpperCase(),
    signal: gone.signal,
    record: { operation: "Unknown", bucket: "", key: "", accessKeyId: "", status: 0, bytesReceived: 0, bytesSent: 0 },
  };
}

async function answer(exchange: Exchange, options: OssServerOptions): Promise<void> {
  const { incoming, record, signal } = exchange;
  const { clock } = options.state;
  // A signature is judged by the time of arrival, however long the rig then delays the call.
  const checked = identify(exchange, options, clock.now());
  const fault = options.faults.next({
    service: "oss",
    operation: record.operation,
    resource: `${record.bucket}/${record.key}`,
  });
  if (fault?.kind === "reset") {
    incoming.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === "delay") await clock.sleep(fault.milliseconds, { signal });
  let response: ServiceResponse;
  try {
    if (fault) refuse(fault, record.operation);
    if (checked instanceof ServiceError) throw checked;
    response = await work(exchange, checked, fault, options);
    if (fault?.kind === "fail-after-work") {
      discard(response);
      throw internalError();
    }
    if (fault?.kind === "reset-after-work") {
      discard(response);
      incoming.socket.resetAndDestroy();
      return;
    }
  } catch (error) {
    if (signal.aborted) throw error;
    response = await renderFailure(exchange, error, options);
  }
  await write(exchange, response, fault, clock.now());
  if (!incoming.readableEnded) incoming.resume();
}

/** Fills the record as far as the request can be understood; what is wrong with it is told after the faults. */
function identify(exchange: Exchange, options: OssServerOptions, arrivedAt: number): Authenticated | ServiceError {
  const { request, record } = exchange;
  const understand = (place: Place) => {
    Object.assign(record, { ...place, operation: operationOf(request, place) });
  };
  try {
    const places = placesOf(request.headers.host ?? "", request.rawPath, options.state.index.bucketNames());
    understand(places[0]);
    refuseAwsFraming(exchange.asSent);
    if (exchange.isForS3) {
      const accessKey = authenticateForS3({ ...request, headers: exchange.asSent }, options.keys, arrivedAt);
      record.accessKeyId = accessKey.accessKeyId;
      return { accessKey, place: places[0] };
    }
    const claim = readClaim(request);
    record.accessKeyId = claim.accessKeyId;
    const found = authenticate(claim, places, options.keys, arrivedAt, options.region);
    understand(found.place);
    return found;
  } catch (error) {
    if (error instanceof ServiceError) return error;
    throw error;
  }
}

/** What AWS's SDKs send by default, and the answer they get. Source: gomods/athens issue 1296. */
function refuseAwsFraming(headers: Readonly<Record<string, string>>): void {
  const isFramed =
    (headers["content-encoding"] ?? "").includes("aws-chunked") ||
    (headers["x-amz-content-sha256"] ?? "").startsWith("STREAMING-");
  if (isFramed) throw new ServiceError(501, "NotImplemented", "Aws MultiChunkedEncoding is not supported.");
}

/** Throws for the faults that mean "nothing is done". */
function refuse(fault: FaultEffect, operation: string): void {
  if (effectsOnAnswers.has(fault.kind) || effectsOfOperations.has(fault.kind)) return;
  if (fault.kind === "throttle") throw throttled(operation);
  if (fault.kind === "error") throw new ServiceError(fault.status, fault.code, "Asked for by the fault rig.");
  throw new Error(`OSS cannot do the fault "${fault.kind}".`);
}

async function work(
  exchange: Exchange,
  { accessKey, place }: Authenticated,
  fault: FaultEffect | undefined,
  { state }: OssServerOptions,
): Promise<ServiceResponse> {
  const { request, record, incoming } = exchange;
  const operation = operations[record.operation];
  if (!operation) {
    const asked = record.operation === "Unknown" ? `${request.method} on this resource` : record.operation;
    throw notImplemented(`${asked}; it has ${Object.keys(operations).join(", ")}`);
  }
  refuseUnsupportedHeaders(request.headers);
  if (record.operation !== "PutBucket" && !state.index.findBucket(place.bucket)) throw noSuchBucket(place.bucket);
  return operation(state, {
    operation: record.operation,
    method: request.method,
    headers: request.headers,
    query: request.query,
    ...place,
    accessKey,
    stream: incoming,
    fault: fault && effectsOfOperations.has(fault.kind) ? fault : undefined,
  });
}

async function renderFailure(exchange: Exchange, error: unknown, options: OssServerOptions): Promise<ServiceResponse> {
  const { incoming, request, requestId, record } = exchange;
  if (!(error instanceof ServiceError)) options.onDefect?.(error, record.operation);
  const known = error instanceof ServiceError ? error : internalError();
  const host = request.headers.host ?? "";
  const response: ServiceResponse =
    known.code === "Html"
      ? { status: known.status, headers: { "content-type": "text/html" }, body: htmlErrorPage }
      : renderError(known, { requestId, method: request.method, host });
  const isRead = await drain(incoming);
  return isRead ? response : { ...response, headers: { ...response.headers, connection: "close" } };
}

/** False when more is to come than is worth reading: the connection cannot be used again. */
async function drain(incoming: http.IncomingMessage): Promise<boolean> {
  if (incoming.readableEnded) return true;
  if (Number(incoming.headers["content-length"] ?? 0) > mostDrainedBytes) return false;
  try {
    let bytes = 0;
    for await (const piece of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > mostDrainedBytes) return false;
    }
    return true;
  } catch {
    // The caller went away: there is nobody left to be told.
    return false;
  }
}

async function write(
  exchange: Exchange,
  response: ServiceResponse,
  fault: FaultEffect | undefined,
  now: number,
): Promise<void> {
  const { outgoing, request, requestId, record } = exchange;
  const body = response.body ?? "";
  const headers: Record<string, string> = {
    server: "AliyunOSS",
    // Clients correct their clock by this header before they sign again: it must be the clock that checks signatures.
    date: new Date(now).toUTCString(),
    "x-oss-request-id": requestId,
    ...response.headers,
  };
  if (!(body instanceof Readable) && headers["content-length"] === undefined && response.status !== 204) {
    headers["content-length"] = String(Buffer.byteLength(body));
  }
  record.status = response.status;
  outgoing.writeHead(response.status, exchange.isForS3 ? headersForS3(headers) : headers);
  if (request.method === "HEAD") {
    discard(response);
    outgoing.end();
    return;
  }
  const length = Number(headers["content-length"] ?? Number.NaN);
  record.bytesSent = length || 0;
  const source = body instanceof Readable ? body : Readable.from(body.length > 0 ? [Buffer.from(body)] : []);
  try {
    if (fault?.kind === "flip-bit") await pipeline(source, flipBit(Math.floor(length * fault.share)), outgoing);
    else if (fault?.kind === "short-body") {
      await pipeline(source, cutAfter(Math.floor(length * fault.share)), outgoing, { end: false });
      outgoing.destroy();
    } else if (body instanceof Readable) await pipeline(source, outgoing);
    else outgoing.end(body);
  } catch {
    // The caller went away in the middle of the body: nobody is left to be told.
    outgoing.destroy();
  }
}

function discard(response: ServiceResponse): void {
  if (response.body instanceof Readable) response.body.destroy();
}
