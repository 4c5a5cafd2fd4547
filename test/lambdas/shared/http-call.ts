// Calls a handler of defineRoutes as API Gateway's REST proxy would, and reads its answer.
import type { HttpHandler } from "../../../lambdas/shared/define-routes.ts";
import type { HttpEvent } from "../../../lambdas/shared/http-request.ts";
import type { Role } from "../../../lambdas/shared/routes.ts";

export interface HttpCall {
  /** Percent-encoded, without query. */
  readonly path: string;
  readonly method?: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Text goes as it is; anything else as JSON, with its content type. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Absent: nobody. */
  readonly role?: Role;
  readonly subject?: string;
  readonly requestId?: string;
  /** API Gateway's stage in the address, such as `/local`. */
  readonly prefix?: string;
}

export interface HttpResult {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The envelope; undefined where the body is none. */
  readonly envelope: {
    readonly code: number;
    readonly message: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
}

let requests = 0;

export async function callHttp(handler: HttpHandler, call: HttpCall): Promise<HttpResult> {
  requests += 1;
  const requestId = call.requestId ?? `request-${requests}-${process.pid}`;
  const answer = await handler(eventOf(call, requestId), {
    awsRequestId: `invocation-${requests}`,
    getRemainingTimeInMillis: () => 20_000,
  });
  const headers = Object.fromEntries(
    Object.entries(answer.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  const isJson = headers["content-type"]?.startsWith("application/json") === true && answer.body !== "";
  const envelope = isJson ? JSON.parse(answer.body) : undefined;
  return { status: answer.statusCode, headers, text: answer.body, envelope };
}

export function eventOf(call: HttpCall, requestId: string): HttpEvent {
  const { path, method = "GET", query = {}, body, headers = {}, role, prefix = "" } = call;
  const isText = typeof body === "string";
  const text = body === undefined ? null : isText ? body : JSON.stringify(body);
  return {
    httpMethod: method,
    path,
    headers: { ...(text !== null && !isText && { "Content-Type": "application/json" }), ...headers },
    multiValueQueryStringParameters: Object.fromEntries(
      Object.entries(query).map(([name, value]) => [name, typeof value === "string" ? [value] : value]),
    ),
    body: text,
    isBase64Encoded: false,
    requestContext: {
      requestId,
      path: prefix + path,
      identity: { sourceIp: "203.0.113.7" },
      authorizer:
        role === undefined ? null : { subject: call.subject ?? `sub-${role}`, name: `the ${role}`, roles: role },
    },
  };
}
