// What every answer of the API looks like: `{code, message, data}`, the same security headers, never cached by chance.
import type { Failure } from "./http-errors.ts";

/** As API Gateway's proxy takes it. */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

export interface Envelope<Data> {
  /** 0 at success, else the HTTP status. */
  readonly code: number;
  readonly message: string;
  readonly data: Data;
}

export const jsonContentType = "application/json; charset=utf-8";

/** A year, as browsers' preload lists ask for. */
const strictTransportSeconds = 31_536_000;

/** On every answer; a route may replace single ones. */
export const securityHeaders = {
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
  "Referrer-Policy": "no-referrer",
  "Strict-Transport-Security": `max-age=${strictTransportSeconds}`,
  "Cache-Control": "no-store",
} as const;

export function successBody(data: unknown): string {
  return JSON.stringify({ code: 0, message: "ok", data } satisfies Envelope<unknown>);
}

export function failureAnswer(
  { status, message, data }: Failure,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  const envelope: Envelope<unknown> = { code: status, message, data };
  return {
    statusCode: status,
    headers: {
      ...securityHeaders,
      "Content-Type": jsonContentType,
      "X-Request-Id": data.requestId,
      ...(status === 401 && { "WWW-Authenticate": 'Bearer realm="causeway"' }),
      ...headers,
    },
    body: JSON.stringify(envelope),
    isBase64Encoded: false,
  };
}
