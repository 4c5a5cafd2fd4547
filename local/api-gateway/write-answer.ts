// Writes an answer to the client, with the headers that API Gateway adds to every one.
import { randomUUID } from "node:crypto";
import type http from "node:http";
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

export function writeAnswer(
  outgoing: http.ServerResponse,
  answer: HttpAnswer | StreamedAnswer,
  delivery: Delivery,
): void {
  const headers = commonHeaders(delivery);
  for (const [name, value] of answer.headers) headers.push(name, value);
  const { body } = answer;
  const hasBody = !delivery.isHead && !bodiless.has(answer.status);
  if (Buffer.isBuffer(body) && !bodiless.has(answer.status)) headers.push("Content-Length", String(body.length));
  outgoing.sendDate = false;
  outgoing.writeHead(answer.status, headers);
  if (Buffer.isBuffer(body)) outgoing.end(hasBody ? body : undefined);
  else if (hasBody) body.sendTo(outgoing);
  else {
    body.drop();
    outgoing.end();
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
