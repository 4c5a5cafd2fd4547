// One Lambda entry's part of the HTTP API: route data and typed handlers in, an API Gateway handler out.
import { randomUUID } from "node:crypto";
import middy from "@middy/core";
import httpRouter from "@middy/http-router";
import { answerRoute, type HttpPorts, type PlainHandler } from "./answer-route.ts";
import type { AuditStore } from "./audit.store.ts";
import { namedError } from "./aws-errors.ts";
import { failureAnswer, type HttpAnswer, securityHeaders } from "./envelope.ts";
import { CausewayError } from "./errors.ts";
import { failureOf } from "./http-errors.ts";
import type { HttpEvent } from "./http-request.ts";
import type { IdempotencyStore } from "./idempotency.store.ts";
import { lazy } from "./lazy.ts";
import { log } from "./log.ts";
import type { InvocationContext } from "./make-handler.ts";
import type { RouteHandler, RoutesOfEntry } from "./route-types.ts";
import type { Route } from "./routes.ts";

/** What `build` must give because of what the entry's routes are. */
type PortsFor<R extends Route> = (Extract<R, { readonly method: "POST" | "PUT" | "DELETE" }> extends never
  ? unknown
  : { readonly audit: AuditStore }) &
  (Extract<R, { readonly idempotent: true }> extends never ? unknown : { readonly idempotency: IdempotencyStore }) &
  (Extract<R, { readonly access: "metrics-token" }> extends never
    ? unknown
    : { readonly metricsToken: () => Promise<string> }) &
  (Extract<R, { readonly access: "relay-key" }> extends never
    ? unknown
    : { readonly keyHolder: Required<HttpPorts>["keyHolder"] });

export interface RoutesDefinition<Routes extends readonly Route[], Entry extends string, Dependencies> {
  /** All of the room's routes, those of other entries too: 405 says which methods a path has. */
  readonly routes: Routes;
  /** This entry's name, as the routes' `entry` says it. */
  readonly entry: Entry;
  /** Runs at the first invocation, not at import. */
  readonly build: () => Dependencies & PortsFor<RoutesOfEntry<Routes, Entry>>;
  /** By operation: one for each of this entry's routes, no more and no less. */
  readonly handlers: {
    readonly [Operation in RoutesOfEntry<Routes, Entry>["operation"]]: RouteHandler<
      Extract<RoutesOfEntry<Routes, Entry>, { readonly operation: Operation }>,
      Dependencies
    >;
  };
}

export type HttpHandler = (event: HttpEvent, context: InvocationContext) => Promise<HttpAnswer>;

/** Before Lambda's deadline by so much, an answer goes out that says so. */
const timeoutEarlyMilliseconds = 1000;

/** What passes by itself has mostly passed by then. */
const retryAfterSeconds = "5";

/** Every outcome is an answer: the handler never throws. */
export function defineRoutes<const Routes extends readonly Route[], const Entry extends string, Dependencies>(
  definition: RoutesDefinition<Routes, Entry, Dependencies>,
): HttpHandler {
  const dependencies = lazy(definition.build as () => object & HttpPorts);
  const handlers = definition.handlers as unknown as Readonly<Record<string, PlainHandler>>;
  const own = definition.routes.filter(({ entry }) => entry === definition.entry);
  const router = httpRouter({
    routes: [
      ...methodRefusals(definition.routes.filter(({ path }) => !path.includes("{"))),
      ...own.flatMap((route) => {
        const handler = handlers[route.operation];
        if (handler === undefined) throw new TypeError(`there is no handler for ${route.operation}`);
        return routed(route, handler, dependencies);
      }),
      // Of paths with parameters the first match counts, of fixed ones the last.
      ...methodRefusals(definition.routes.filter(({ path }) => path.includes("{"))),
    ],
    notFoundResponse: () => {
      throw new CausewayError("NotFound", "There is nothing at this address; /docs lists what there is.");
    },
  } as unknown as Parameters<typeof httpRouter>[0]) as unknown as HttpHandler;

  const answering = middy(router as never, {
    timeoutEarlyInMillis: timeoutEarlyMilliseconds,
    timeoutEarlyResponse: () => {
      throw new CausewayError("AwsUnavailable", "The work took longer than an HTTP answer may.");
    },
  }) as unknown as HttpHandler;
  return async (event, context) => {
    const begun = Date.now();
    // API Gateway's own parameters are left out: those of the path's match are the same, and each of our routes has its own.
    const routedEvent = { ...event, pathParameters: null };
    const answer = await answering(routedEvent, context).catch((error: unknown) => refuse(error, event, context));
    log.info("answered", {
      method: event.httpMethod,
      path: event.path,
      status: answer.statusCode,
      requestId: requestIdOf(event, context),
      milliseconds: Date.now() - begun,
    });
    return event.httpMethod === "HEAD" ? { ...answer, body: "" } : answer;
  };
}

interface RoutedEvent extends HttpEvent {
  readonly pathParameters: Readonly<Record<string, string>> | null;
}

interface PlainRoute {
  readonly method: string;
  readonly path: string;
  readonly handler: (event: RoutedEvent, context: InvocationContext) => Promise<HttpAnswer>;
}

function routed(route: Route, handler: PlainHandler, dependencies: () => object & HttpPorts): PlainRoute[] {
  const answer: PlainRoute["handler"] = async (event, context) =>
    answerRoute(
      {
        route,
        event,
        requestId: requestIdOf(event, context),
        encodedParameters: event.pathParameters ?? {},
        remainingMilliseconds: () => context.getRemainingTimeInMillis(),
      },
      handler,
      dependencies(),
    );
  const methods = route.method === "GET" ? ["GET", "HEAD"] : [route.method];
  return methods.map((method) => ({ method, path: route.path, handler: answer }));
}

/** For each path: OPTIONS, and 405 for what it does not have. No CORS headers: /docs is of the same origin. */
function methodRefusals(routes: readonly Route[]): PlainRoute[] {
  const byPath = Map.groupBy(routes, ({ path }) => path);
  return [...byPath].map(([path, ofPath]) => {
    const methods = ofPath.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
    const allow = { Allow: [...methods, "OPTIONS"].join(", ") };
    const handler: PlainRoute["handler"] = async (event, context) => {
      const { httpMethod } = event;
      const requestId = requestIdOf(event, context);
      if (httpMethod === "OPTIONS") {
        const headers = { ...securityHeaders, ...allow, "X-Request-Id": requestId };
        return { statusCode: 204, headers, body: "", isBase64Encoded: false };
      }
      if (methods.includes(httpMethod)) throw new TypeError(`${httpMethod} ${path} is another function's route`);
      const refused = new CausewayError("MethodNotAllowed", `${path} has no ${httpMethod}; it has ${allow.Allow}.`);
      return failureAnswer(failureOf(refused, requestId), allow);
    };
    return { method: "ANY", path, handler };
  });
}

function refuse(thrown: unknown, event: HttpEvent, context: InvocationContext): HttpAnswer {
  const failure = failureOf(thrown, requestIdOf(event, context));
  const error = namedError(thrown);
  // The id that the caller was told is the one to be found; AWS's own stands beside it.
  const { requestId: awsRequestId, ...details } = error.details;
  const { requestId } = failure.data;
  const fields = { ...details, ...(awsRequestId !== undefined && { awsRequestId }), error: error.name, requestId };
  if (failure.status >= 500) log.error(error.message, fields);
  else log.info(error.message, fields);
  return failureAnswer(failure, failure.data.retryable ? { "Retry-After": retryAfterSeconds } : {});
}

/** API Gateway's own id, which its access log and its own refusals carry as well. */
function requestIdOf(event: HttpEvent, context: InvocationContext): string {
  return event.requestContext?.requestId ?? context.awsRequestId ?? randomUUID();
}
