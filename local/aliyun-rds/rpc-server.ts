// The RPC endpoint of Aliyun RDS (API version 2014-08-15): signatures, faults, errors in Aliyun's form.
import { randomUUID } from "node:crypto";
import http from "node:http";
import { flatten } from "../gateway/gateway.ts";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect, Faults } from "../rig/faults.ts";
import { type AliyunCredentials, type AliyunRequest, Nonces, verifyRequest } from "./acs3-signature.ts";
import { AliyunError, htmlErrorPage } from "./aliyun-error.ts";

export type Operation = (parameters: ReadonlyMap<string, string>) => object | Promise<object>;

export interface RpcServerOptions {
  readonly clock: Clock;
  readonly faults: Faults;
  /** Asked at every call, so that a rotation takes effect at once. */
  readonly credentials: () => readonly AliyunCredentials[];
  /** By the API's name; any other is refused with InvalidAction.NotFound. */
  readonly operations: Readonly<Record<string, Operation>>;
}

interface RpcAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const apiVersion = "2014-08-15";
const largestBodyBytes = 1024 * 1024;

export function createRpcServer(options: RpcServerOptions): http.Server {
  const nonces = new Nonces();
  return http.createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (incoming, outgoing) => {
    answer(incoming, outgoing, options, nonces).catch(() => outgoing.destroy());
  });
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  options: RpcServerOptions,
  nonces: Nonces,
): Promise<void> {
  const requestId = randomUUID().toUpperCase();
  const request = await readRequest(incoming);
  const parameters = new Map([...request.query, ...formParameters(request)]);
  const operation = request.headers["x-acs-action"] ?? "";
  const resource = parameters.get("DBInstanceId") ?? "";
  const fault = options.faults.next({ service: "aliyun-rds", operation, resource });
  if (fault?.kind === "reset") {
    incoming.socket.resetAndDestroy();
    return;
  }
  if (fault?.kind === "delay") await delay(options.clock, fault.milliseconds, outgoing);
  const rendered = await work(request, parameters, options, nonces, fault, requestId);
  if (fault?.kind === "reset-after-work") {
    incoming.socket.resetAndDestroy();
    return;
  }
  const body = Buffer.from(rendered.body);
  outgoing.writeHead(rendered.status, {
    "content-type": rendered.contentType,
    "content-length": body.length,
    "x-acs-request-id": requestId,
  });
  if (fault?.kind === "short-body") {
    outgoing.write(body.subarray(0, Math.floor(body.length * fault.share)), () => outgoing.destroy());
  } else outgoing.end(body);
}

async function work(
  request: AliyunRequest,
  parameters: ReadonlyMap<string, string>,
  options: RpcServerOptions,
  nonces: Nonces,
  fault: FaultEffect | undefined,
  requestId: string,
): Promise<RpcAnswer> {
  try {
    if (fault) refuse(fault);
    verifyRequest(request, options.credentials(), options.clock, nonces);
    const result = await operationOf(request, options.operations)(parameters);
    if (fault?.kind === "fail-after-work") throw internalError();
    return json(200, { RequestId: requestId, ...result });
  } catch (error) {
    const known = error instanceof AliyunError ? error : internalError(error);
    if (known.code === "Html") {
      return { status: known.status, contentType: "text/html; charset=utf-8", body: htmlErrorPage };
    }
    return json(known.status, {
      RequestId: requestId,
      HostId: request.headers.host ?? "",
      Code: known.code,
      Message: known.message,
      Recommend: `https://api.aliyun.com/troubleshoot?q=${known.code}&product=Rds&requestId=${requestId}`,
    });
  }
}

/** Throws for the faults that mean "nothing is done". */
function refuse(fault: FaultEffect): void {
  switch (fault.kind) {
    case "throttle":
      throw new AliyunError(400, "Throttling.User", "Request was denied due to user flow control.");
    case "error":
      throw new AliyunError(fault.status, fault.code, "Asked for by the fault rig.");
    case "delay":
    case "fail-after-work":
    case "reset-after-work":
    case "short-body":
      return;
    default:
      throw new Error(`The RPC endpoint of Aliyun RDS cannot do the fault "${fault.kind}".`);
  }
}

function operationOf(request: AliyunRequest, operations: RpcServerOptions["operations"]): Operation {
  const version = request.headers["x-acs-version"];
  if (version !== apiVersion) {
    throw new AliyunError(404, "InvalidVersion", `Specified parameter Version is not valid: only ${apiVersion} is.`);
  }
  const action = request.headers["x-acs-action"] ?? "";
  const operation = Object.hasOwn(operations, action) ? operations[action] : undefined;
  if (!operation) {
    throw new AliyunError(
      404,
      "InvalidAction.NotFound",
      `Specified api is not found, please check your url and method. The stand-in has no "${action}", only ${Object.keys(operations).join(", ")}.`,
    );
  }
  return operation;
}

async function readRequest(incoming: http.IncomingMessage): Promise<AliyunRequest> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestBodyBytes) throw new Error("the request's body is too large");
    chunks.push(chunk);
  }
  const url = incoming.url ?? "/";
  const queryAt = url.indexOf("?");
  return {
    method: incoming.method ?? "GET",
    path: queryAt < 0 ? url : url.slice(0, queryAt),
    query: new URLSearchParams(queryAt < 0 ? "" : url.slice(queryAt + 1)),
    headers: flatten(incoming.headers),
    body: Buffer.concat(chunks),
  };
}

/** RPC parameters may come in a form body too. */
function formParameters(request: AliyunRequest): URLSearchParams {
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded") ?? false;
  return new URLSearchParams(isForm ? request.body.toString() : "");
}

async function delay(clock: Clock, milliseconds: number, outgoing: http.ServerResponse): Promise<void> {
  const gone = new AbortController();
  outgoing.once("close", () => gone.abort(new Error("the caller went away")));
  await clock.sleep(milliseconds, { signal: gone.signal });
}

function json(status: number, body: object): RpcAnswer {
  return { status, contentType: "application/json;charset=utf-8", body: JSON.stringify(body) };
}

function internalError(cause?: unknown): AliyunError {
  const reason = cause instanceof Error ? ` (${cause.message})` : "";
  return new AliyunError(500, "InternalError", `The request processing has failed due to some unknown error.${reason}`);
}
