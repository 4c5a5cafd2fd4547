// Calls a function with API Gateway's proxy event (REST, version 1.0).
// Source: "Input format of a Lambda function for proxy integration" in the API Gateway Developer Guide.
import type { LambdaPort, LambdaResult } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";
import type { ServiceCall } from "../iam/iam.ts";
import type { Clock } from "../rig/clock.ts";
import { type Call, type CallPlace, eventBasis } from "./call-context.ts";
import { GatewayError, internalServerError } from "./gateway-error.ts";
import { lastHeader } from "./incoming-request.ts";
import { isBinary } from "./media-types.ts";

export interface HostedLambda extends LambdaPort {
  /** As `invoke`, with the response in pieces while a streaming function writes it. */
  run(
    functionArn: string,
    payload: string,
    how: { readonly onChunk: (bytes: Buffer) => Promise<void> | undefined; readonly onStreamEnd: () => void },
  ): Promise<LambdaResult>;
}

export interface FunctionCaller {
  readonly place: CallPlace;
  readonly clock: Clock;
  readonly lambda: HostedLambda;
  /** Whether the function's own policy lets API Gateway in. */
  readonly mayCall: (call: ServiceCall) => boolean;
}

/** The proxy event as JSON text. */
export function proxyEvent(call: Call): string {
  const { body, headers } = call.request;
  const isBase64Encoded = body.length > 0 && isBinary(lastHeader(headers, "content-type"), call.api.binaryMediaTypes);
  return JSON.stringify({
    ...eventBasis(call),
    body: body.length === 0 ? null : body.toString(isBase64Encoded ? "base64" : "utf8"),
    isBase64Encoded,
  });
}

/** Throws GatewayError: 500 where the function's policy does not let API Gateway in. */
export function demandPermission(caller: FunctionCaller, functionArn: string, sourceArn: string): void {
  const call = {
    service: "apigateway.amazonaws.com",
    action: "lambda:InvokeFunction",
    resource: functionArn,
    sourceArn,
  };
  if (!caller.mayCall(call)) throw internalServerError("API_CONFIGURATION_ERROR");
}

/**
 * The function's result as JSON text. Throws GatewayError: 504 after the integration's time (the function goes on, as in
 * AWS), 413 for an event that Lambda does not take, 502 for a function that failed or could not be called.
 */
export async function callFunction(
  caller: FunctionCaller,
  functionArn: string,
  event: string,
  timeoutMilliseconds: number,
): Promise<string> {
  const result = await inTime(caller.clock, timeoutMilliseconds, caller.lambda.invoke(functionArn, event)).catch(
    (error: unknown) => {
      throw asGatewayError(error);
    },
  );
  if (result === "late") throw new GatewayError("INTEGRATION_TIMEOUT", "Endpoint request timed out");
  if (result.error) throw internalServerError("INTEGRATION_FAILURE", 502);
  return result.payload;
}

/** One for all: an error of its own for each call would cost more than the wait. */
const ended = new Error("The work has ended.");

/** The work's result, or "late" after that much cloud time; nobody waits for the work then, whatever becomes of it. */
export async function inTime<Result>(
  clock: Clock,
  timeoutMilliseconds: number,
  work: Promise<Result>,
): Promise<Result | "late"> {
  const done = new AbortController();
  work.catch(() => undefined);
  const late = clock.sleep(timeoutMilliseconds, { signal: done.signal }).then(
    () => "late" as const,
    () => "late" as const,
  );
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort(ended);
  }
}

/** What Lambda itself refuses: throttles and the like. */
export function asGatewayError(error: unknown): unknown {
  if (!(error instanceof ServiceError)) return error;
  if (error.code === "RequestTooLargeException") return new GatewayError("REQUEST_TOO_LARGE", "Request Too Long");
  return internalServerError("INTEGRATION_FAILURE", 502);
}
