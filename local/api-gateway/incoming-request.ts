// An HTTP request as API Gateway reads it: headers and query with all their values, the body up to its limit.
import type http from "node:http";

export interface IncomingRequest {
  readonly httpMethod: string;
  /** As sent, percent-encoded, without the query; begins with a slash, or with as many as the client wrote. */
  readonly rawPath: string;
  /** By name in the case in which it came first. */
  readonly headers: MultiValues;
  /** Decoded. */
  readonly query: MultiValues;
  readonly body: Buffer;
  readonly sourceIp: string;
  readonly protocol: string;
}

export type MultiValues = ReadonlyMap<string, readonly string[]>;

/** The body is longer than API Gateway takes. */
export class RequestTooLarge extends Error {
  override readonly name = "RequestTooLarge";
}

/** Source: "Amazon API Gateway quotas": 10 MB payload. */
export const largestRequestBytes = 10_485_760;

/** Headers that no integration ever sees. Source: "Amazon API Gateway important notes". */
const droppedHeaders = new Set([
  ...["connection", "content-length", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server"],
  ...["te", "transfer-encoding", "trailer", "upgrade", "www-authenticate"],
]);

/** Throws RequestTooLarge; the rest of the body is not read then. */
export async function readIncoming(incoming: http.IncomingMessage, traceId: string): Promise<IncomingRequest> {
  const url = incoming.url ?? "/";
  const queryAt = url.indexOf("?");
  const rawPath = queryAt < 0 ? url : url.slice(0, queryAt);
  const sourceIp = incoming.socket.remoteAddress?.replace(/^::ffff:/, "") ?? "127.0.0.1";
  return {
    httpMethod: incoming.method ?? "GET",
    rawPath: rawPath.startsWith("/") ? rawPath : `/${rawPath}`,
    headers: readHeaders(incoming, sourceIp, traceId),
    query: readQuery(queryAt < 0 ? "" : url.slice(queryAt + 1)),
    body: await readBody(incoming),
    sourceIp,
    protocol: `HTTP/${incoming.httpVersion}`,
  };
}

/** The last value counts where only one is wanted. Names of headers compare without regard to case. */
export function lastHeader(headers: MultiValues, name: string): string | undefined {
  for (const [own, values] of headers) if (own.toLowerCase() === name.toLowerCase()) return values.at(-1);
  return undefined;
}

/** `+` is a space, `%2B` a plus; what is no proper percent-encoding stays as it was sent. */
export function readQuery(text: string): MultiValues {
  const query = new Map<string, string[]>();
  for (const pair of text.split("&")) {
    if (pair === "") continue;
    const at = pair.indexOf("=");
    const name = decode(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? "" : decode(pair.slice(at + 1));
    query.set(name, [...(query.get(name) ?? []), value]);
  }
  return query;
}

function readHeaders(incoming: http.IncomingMessage, sourceIp: string, traceId: string): MultiValues {
  const headers = new Map<string, string[]>();
  const spelling = new Map<string, string>();
  const add = (name: string, value: string) => {
    const lower = name.toLowerCase();
    const spelt = spelling.get(lower) ?? name;
    spelling.set(lower, spelt);
    headers.set(spelt, [...(headers.get(spelt) ?? []), value]);
  };
  const replace = (name: string, value: string) => {
    const before = spelling.get(name.toLowerCase());
    if (before !== undefined) headers.delete(before);
    spelling.set(name.toLowerCase(), name);
    headers.set(name, [value]);
  };
  const { rawHeaders } = incoming;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (!droppedHeaders.has(name.toLowerCase())) add(name, rawHeaders[index + 1] ?? "");
  }
  const forwardedFor = lastHeader(headers, "x-forwarded-for");
  replace("X-Forwarded-For", forwardedFor === undefined ? sourceIp : `${forwardedFor}, ${sourceIp}`);
  replace("X-Forwarded-Port", String(incoming.socket.localPort ?? ""));
  replace("X-Forwarded-Proto", "http");
  replace("X-Amzn-Trace-Id", lastHeader(headers, "x-amzn-trace-id") ?? traceId);
  return headers;
}

async function readBody(incoming: http.IncomingMessage): Promise<Buffer> {
  if (Number(incoming.headers["content-length"] ?? 0) > largestRequestBytes) throw new RequestTooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > largestRequestBytes) throw new RequestTooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function decode(text: string): string {
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}
