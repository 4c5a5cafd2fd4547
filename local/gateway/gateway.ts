// One port for all AWS services: finds the service by the signature's scope, checks who calls, and lets the rig misbehave.
import { randomUUID } from "node:crypto";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect, Faults } from "../rig/faults.ts";
import type { LocalService, Principal, ServiceRequest, ServiceResponse } from "./service.ts";
import { largestBufferedBodyBytes, ServiceError } from "./service.ts";
import { readSignature, verifySignature, withPayloadHash } from "./sigv4.ts";

export interface GatewayOptions {
  /** Closed in this order: those that send work first. */
  readonly services: readonly LocalService[];
  /** Looks a principal up by access key id. */
  readonly principalOf: (accessKeyId: string) => Principal | undefined;
  readonly clock: Clock;
  readonly faults: Faults;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Called for an error that no service raised on purpose: a defect of the local cloud. */
  readonly onDefect?: (error: unknown, call: string) => void;
}

export interface Gateway {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

/** Effects that the service must carry out itself; see `FaultEffect`. */
const servicesOwnEffects = new Set<FaultEffect["kind"]>([
  "flip-stored-bit",
  "error-in-200",
  "wrong-range",
  "ignore-range",
  "expire-link",
  "replace-source",
  "transaction-conflict",
  "kill",
]);

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const byName = new Map(options.services.map((service) => [service.name, service]));
  let closing = false;
  const onDefect: GatewayOptions["onDefect"] = (error, call) => {
    // A service that is closed under a call's feet is no defect.
    if (!closing) options.onDefect?.(error, call);
  };
  const server = http.createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (request, response) => {
    if (closing) {
      request.socket.destroy();
      return;
    }
    answer(request, response, byName, { ...options, onDefect }).catch((error: unknown) => {
      onDefect(error, `${request.method} ${request.url}`);
      response.destroy();
    });
  });
  server.on("checkContinue", (request, response) => {
    response.writeContinue();
    server.emit("request", request, response);
  });
  await listen(server, options.port ?? 0);
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async close() {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // Before any connection breaks: a workflow that let go of its tasks does not see them fail.
      for (const service of options.services) await service.close?.();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Listens on loopback only; a taken port is an error with a sentence. */
export function listen(server: http.Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") {
        reject(
          new Error(`Port ${port} is taken by another program. Choose another one with --port.`, { cause: error }),
        );
      } else reject(error);
    });
    server.listen(port, "127.0.0.1", () => resolve());
  });
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  services: ReadonlyMap<string, LocalService>,
  options: GatewayOptions,
): Promise<void> {
  const requestId = randomUUID();
  // A signature is judged by the time of arrival, however long the rig then delays the call.
  const arrivedAt = options.clock.now();
  const [rawPath = "/", rawQuery = ""] = splitOnce(incoming.url ?? "/", "?");
  const unsigned = {
    method: incoming.method ?? "GET",
    rawPath,
    query: new URLSearchParams(rawQuery.replaceAll("+", "%2B")),
    headers: flatten(incoming.headers),
  };
  const found = readSignatureOrNothing(unsigned);
  const service = services.get(found?.service ?? "");
  if (!service) {
    const asked = found?.service ?? "an unsigned request";
    incoming.resume();
    outgoing.writeHead(501, { "content-type": "text/plain; charset=utf-8", connection: "close" });
    outgoing.end(`The local cloud has no service for ${asked}; it has ${[...services.keys()].join(", ")}.\n`);
    return;
  }

  const abort = new AbortController();
  outgoing.on("close", () => abort.abort(new Error("the caller went away")));
  let fault: FaultEffect | undefined;
  let response: ServiceResponse;
  try {
    const bodyBytes = service.streamsBody ? Buffer.alloc(0) : await readAll(incoming);
    const request = { ...unsigned, bodyBytes };
    fault = options.faults.next({
      service: service.name,
      operation: service.operationOf(request),
      resource: service.resourceOf?.(request) ?? "",
    });
    if (fault?.kind === "reset") {
      incoming.socket.resetAndDestroy();
      return;
    }
    if (fault?.kind === "delay") await options.clock.sleep(fault.milliseconds, { signal: abort.signal });
    if (fault?.kind === "throttle") throw service.throttlingError();
    if (fault?.kind === "error") throw new ServiceError(fault.status, fault.code, "asked for by the fault rig");
    const principal = identify(request, options, service, arrivedAt);
    response = await service.handle({
      ...request,
      requestId,
      stream: incoming,
      principal,
      fault: fault && servicesOwnEffects.has(fault.kind) ? fault : undefined,
      signal: abort.signal,
    });
    if (fault?.kind === "fail-after-work") {
      discard(response);
      throw new ServiceError(500, "InternalError", "We encountered an internal error. Please try again.");
    }
    if (fault?.kind === "reset-after-work") {
      discard(response);
      incoming.socket.resetAndDestroy();
      return;
    }
  } catch (error) {
    if (abort.signal.aborted) {
      outgoing.destroy();
      return;
    }
    if (!(error instanceof ServiceError)) options.onDefect?.(error, `${service.name}:${service.operationOf(unsigned)}`);
    const known =
      error instanceof ServiceError ? error : new ServiceError(500, "InternalError", "The local cloud has a defect.");
    response = service.renderError(known, { requestId, method: unsigned.method });
    // What the client still sends is not read any more: the connection cannot be used again.
    if (!incoming.readableEnded) response = { ...response, headers: { ...response.headers, connection: "close" } };
  }
  await write(outgoing, response, requestId, unsigned.method, fault, options.clock.now());
  if (!incoming.readableEnded) incoming.resume();
}

function readSignatureOrNothing(request: Parameters<typeof readSignature>[0]) {
  try {
    return readSignature(request);
  } catch {
    return undefined;
  }
}

function identify(
  request: Pick<ServiceRequest, "method" | "rawPath" | "query" | "headers" | "bodyBytes">,
  options: GatewayOptions,
  service: LocalService,
  arrivedAt: number,
): Principal {
  const found = readSignature(request);
  const principal = found && options.principalOf(found.accessKeyId);
  const isS3 = service.name === "s3";
  if (!found || !principal || principal.sessionToken !== found.sessionToken) {
    throw new ServiceError(
      403,
      isS3 ? "InvalidAccessKeyId" : "UnrecognizedClientException",
      "The security token included in the request is invalid.",
    );
  }
  const signed = service.streamsBody ? request : withPayloadHash(request, request.bodyBytes);
  verifySignature(signed, found, principal.secretAccessKey, arrivedAt);
  return principal;
}

async function write(
  outgoing: http.ServerResponse,
  response: ServiceResponse,
  requestId: string,
  method: string,
  fault: FaultEffect | undefined,
  now: number,
): Promise<void> {
  const body = response.body ?? "";
  const headers: Record<string, string> = {
    "x-amzn-requestid": requestId,
    "x-amz-request-id": requestId,
    // Clients correct their clock by this header before they sign again: it must be the clock that checks signatures.
    date: new Date(now).toUTCString(),
  };
  Object.assign(headers, response.headers);
  if (!(body instanceof Readable) && headers["content-length"] === undefined && response.status !== 204) {
    headers["content-length"] = String(Buffer.byteLength(body));
  }
  outgoing.writeHead(response.status, headers);
  if (method === "HEAD") {
    discard(response);
    outgoing.end();
    return;
  }
  const length = Number(headers["content-length"] ?? Number.NaN);
  const source = () => (body instanceof Readable ? body : Readable.from(body.length > 0 ? [Buffer.from(body)] : []));
  try {
    if (fault?.kind === "flip-bit") await pipeline(source(), flipBit(Math.floor(length * fault.share)), outgoing);
    else if (fault?.kind === "short-body") {
      await pipeline(source(), cutAfter(Math.floor(length * fault.share)), outgoing, { end: false });
      outgoing.destroy();
    } else if (body instanceof Readable) await pipeline(body, outgoing);
    else outgoing.end(body);
  } catch {
    // The caller went away in the middle of the body: nobody is left to be told.
    outgoing.destroy();
  }
}

/** Flips the lowest bit of the byte at this offset. */
export function flipBit(offset: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const at = offset - seen;
      seen += chunk.length;
      if (at < 0 || at >= chunk.length) return done(null, chunk);
      const flipped = Buffer.from(chunk);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      return done(null, flipped);
    },
  });
}

/** Passes this many bytes and swallows the rest. */
export function cutAfter(bytes: number): Transform {
  let left = bytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const kept = chunk.subarray(0, left);
      left -= kept.length;
      done(null, kept.length > 0 ? kept : undefined);
    },
  });
}

function discard(response: ServiceResponse): void {
  if (response.body instanceof Readable) response.body.destroy();
}

async function readAll(incoming: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBufferedBodyBytes) {
      throw new ServiceError(
        413,
        "RequestEntityTooLarge",
        `The body is larger than ${largestBufferedBodyBytes} bytes.`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function flatten(headers: http.IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(",") : value;
  }
  return flat;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
