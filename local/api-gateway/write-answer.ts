// Writes an answer to the client, with the headers that API Gateway adds to every one.
import { randomUUID } from "node:crypto";
import type http from "node:http";
import { pipeline } from "node:stream/promises";
import type { Call } from "./call-context.ts";
import type { HttpAnswer } from "./gateway-responses.ts";
import type { StreamedAnswer } from "./stream-integration.ts";

export interface Delivery {
  /** Undefined when the call failed before its stage was known. */
  readonly call: Call | undefined;
  readonly traceId: string;
  /** Cloud time, milliseconds. */
  readonly now: number;
  readonly isHead: boolean;
}

/** Statuses that never have a body. */
const bodiless = new Set([204, 304]);

export async function writeAnswer(
  outgoing: http.ServerResponse,
  answer: HttpAnswer | StreamedAnswer,
  delivery: Delivery,
): Promise<void> {
  const headers = commonHeaders(delivery);
  for (const [name, value] of answer.headers) headers.push(name, value);
  const { body } = answer;
  const hasBody = !delivery.isHead && !bodiless.has(answer.status);
  if (Buffer.isBuffer(body) && !bodiless.has(answer.status)) headers.push("Content-Length", String(body.length));
  outgoing.sendDate = false;
  outgoing.writeHead(answer.status, headers);
  if (!hasBody || Buffer.isBuffer(body)) {
    outgoing.end(hasBody ? body : undefined);
    if (!Buffer.isBuffer(body)) body.destroy();
    return;
  }
  // The client shall have status and headers before the function writes more.
  outgoing.flushHeaders();
  try {
    await pipeline(body, outgoing);
  } catch {
    // The function failed in the middle, or the client went away: what is sent cannot be taken back, only broken off.
    outgoing.destroy();
  }
}

/** Name and value in turn: a name may come again. */
export function commonHeaders({ call, traceId, now }: Delivery): string[] {
  return [
    ...["Date", new Date(now).toUTCString()],
    ...["x-amzn-RequestId", call?.context.requestId ?? randomUUID()],
    ...(call ? ["x-amz-apigw-id", call.context.extendedRequestId] : []),
    ...["X-Amzn-Trace-Id", traceId],
  ];
}

/** An X-Ray root: version, seconds in hex, 96 random bits. */
export function traceHeader(nowMilliseconds: number): string {
  const seconds = Math.floor(nowMilliseconds / 1000).toString(16);
  return `Root=1-${seconds}-${randomUUID().replaceAll("-", "").slice(0, 24)}`;
}
