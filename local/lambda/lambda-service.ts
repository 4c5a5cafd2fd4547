// Lambda's API over HTTP: Invoke, in its three types. Everything else is refused by name.
// Source: the Invoke operation in the AWS Lambda API Reference (REST JSON, 2015-03-31).
import {
  type Authorize,
  type LocalService,
  type Principal,
  ServiceError,
  type ServiceRequest,
  type ServiceResponse,
} from "../gateway/service.ts";
import type { EventInvocations } from "./event-invocations.ts";
import type { LambdaHost } from "./lambda-host.ts";

export interface LambdaServiceOptions {
  readonly host: LambdaHost;
  readonly events: EventInvocations;
  readonly authorize: Authorize;
}

const invokePath = /^\/2015-03-31\/functions\/([^/]+)\/invocations\/?$/;

export function createLambdaService(options: LambdaServiceOptions): LocalService {
  return {
    name: "lambda",
    // Fault rules name a function by its name or ending.
    operationOf: (request) => functionNameOf(request) ?? "Unknown",
    resourceOf: (request) => functionNameOf(request) ?? "",
    handle: (request) => invoke(request, options),
    renderError: (error) => {
      const code = error.code === "AccessDenied" ? "AccessDeniedException" : error.code;
      return {
        status: error.status,
        headers: { "content-type": "application/json", "x-amzn-errortype": code },
        body: JSON.stringify({ message: error.message, ...error.details }),
      };
    },
    throttlingError: () =>
      new ServiceError(429, "TooManyRequestsException", "Rate Exceeded.", { Reason: "CallerRateLimitExceeded" }),
  };
}

async function invoke(request: ServiceRequest, options: LambdaServiceOptions): Promise<ServiceResponse> {
  const nameOrArn = nameInPath(request);
  if (request.method !== "POST" || nameOrArn === undefined) {
    const asked = `${request.method} ${request.rawPath}`;
    throw new ServiceError(
      404,
      "UnknownOperationException",
      `The local cloud does not know lambda's ${asked}; it knows Invoke.`,
    );
  }
  const qualifier = request.query.get("Qualifier") ?? "$LATEST";
  if (qualifier !== "$LATEST") {
    throw new ServiceError(
      404,
      "ResourceNotFoundException",
      `The local cloud has no versions or aliases: ${qualifier}`,
    );
  }
  // Permission comes first: who may not invoke does not learn whether the function exists.
  authorizeInvoke(request.principal, nameOrArn, options);
  const payload = readPayload(request.bodyBytes);
  const type = request.headers["x-amz-invocation-type"] ?? "RequestResponse";
  if (type === "DryRun") {
    options.host.find(nameOrArn);
    return { status: 204 };
  }
  if (type === "Event") {
    options.events.accept(nameOrArn, payload);
    return { status: 202 };
  }
  if (type !== "RequestResponse") {
    throw new ServiceError(400, "InvalidParameterValueException", `Unknown invocation type: ${type}`);
  }
  const result = await options.host.run(nameOrArn, payload, {
    signal: request.signal,
    fault: request.fault,
    faultIsDrawn: true,
  });
  return {
    status: 200,
    headers: {
      "content-type": "application/json",
      "x-amz-executed-version": "$LATEST",
      ...(result.error ? { "x-amz-function-error": "Unhandled" } : {}),
      ...(request.headers["x-amz-log-type"] === "Tail"
        ? { "x-amz-log-result": Buffer.from(result.logTail).toString("base64") }
        : {}),
    },
    body: result.payload,
  };
}

function authorizeInvoke(principal: Principal | undefined, nameOrArn: string, options: LambdaServiceOptions): void {
  if (!principal) throw new ServiceError(403, "AccessDeniedException", "The request is not signed.");
  options.authorize(principal, "lambda:InvokeFunction", options.host.arnOf(nameOrArn));
}

function readPayload(body: Buffer): string {
  const text = body.length === 0 ? "{}" : body.toString("utf8");
  try {
    JSON.parse(text);
    return text;
  } catch (error) {
    throw new ServiceError(
      400,
      "InvalidRequestContentException",
      `Could not parse request body into json: ${(error as Error).message}`,
      { Type: "User" },
    );
  }
}

function nameInPath(request: Pick<ServiceRequest, "rawPath">): string | undefined {
  const encoded = invokePath.exec(request.rawPath)?.[1];
  return encoded === undefined ? undefined : decodeURIComponent(encoded);
}

function functionNameOf(request: Pick<ServiceRequest, "rawPath">): string | undefined {
  return nameInPath(request)
    ?.replace(/:\$LATEST$/, "")
    .replace(/^.*:/, "");
}
