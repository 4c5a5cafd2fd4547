// One call's way through an API: resource, method, authorizer, validator, integration.
import type { FaultEffect, Faults } from "../rig/faults.ts";
import type { ApiDefinition, MethodDefinition } from "./api-definition.ts";
import { beginCall, type Call, sourceArn } from "./call-context.ts";
import { findMethod, findResource } from "./find-resource.ts";
import { GatewayError, internalServerError } from "./gateway-error.ts";
import type { HttpAnswer } from "./gateway-responses.ts";
import { type IncomingRequest, lastHeader } from "./incoming-request.ts";
import { callFunction, demandPermission, type FunctionCaller, proxyEvent } from "./lambda-integration.ts";
import { answerMock } from "./mock-integration.ts";
import { readProxyAnswer } from "./proxy-answer.ts";
import type { RequestAuthorizers } from "./request-authorizer.ts";
import { type StreamedAnswer, streamFunction } from "./stream-integration.ts";

export interface CallMachinery extends FunctionCaller {
  readonly faults: Faults;
  readonly authorizers: RequestAuthorizers;
}

/** The connection ends without an answer, as the fault rig asks. */
export class ConnectionReset extends Error {
  override readonly name = "ConnectionReset";
}

export interface Progress {
  /** Set as soon as the stage is known: errors are rendered with it. */
  call?: Call;
}

/** Throws GatewayError and ConnectionReset. `progress` tells the caller how far it came. */
export async function answerCall(
  api: ApiDefinition,
  request: IncomingRequest,
  machinery: CallMachinery,
  progress: Progress,
): Promise<HttpAnswer | StreamedAnswer> {
  const call = beginCall(api, request, machinery.place, machinery.clock.now());
  if (!call) throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token");
  progress.call = call;
  const method = findCalledMethod(call);
  const fault = await misbehaveBefore(call, machinery);
  await authorize(call, method, machinery);
  demandParameters(call, method);
  const answer = await integrate(call, method, machinery);
  const isLost = fault?.kind === "reset-after-work" || fault?.kind === "fail-after-work";
  if (isLost && !Buffer.isBuffer(answer.body)) answer.body.drop();
  if (fault?.kind === "reset-after-work") throw new ConnectionReset();
  if (fault?.kind === "fail-after-work") throw internalServerError("DEFAULT_5XX");
  return answer;
}

/** An unknown path or method is taken for a call that was not signed: the real service's own, puzzling answer. */
function findCalledMethod(call: Call): MethodDefinition {
  const found = findResource(call.api.root, call.path);
  const method = found && findMethod(found.node, call.request.httpMethod);
  if (!method) throw new GatewayError("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token");
  call.pathParameters = found.pathParameters;
  call.context.resourceId = found.node.id;
  call.context.resourcePath = found.node.path;
  return method;
}

async function authorize(call: Call, { authorization }: MethodDefinition, machinery: CallMachinery): Promise<void> {
  if (authorization.kind === "refused") throw internalServerError("API_CONFIGURATION_ERROR");
  if (authorization.kind === "request") await machinery.authorizers.authorize(call, authorization.authorizer);
}

function demandParameters(call: Call, { requiredParameters }: MethodDefinition): void {
  const missing = requiredParameters
    .map((parameter) => parameter.split("."))
    .filter(([, , place, ...name]) => !hasParameter(call, place ?? "", name.join(".")))
    .map(([, , , ...name]) => name.join("."));
  if (missing.length === 0) return;
  const text = `Missing required request parameters: [${missing.join(", ")}]`;
  throw new GatewayError("BAD_REQUEST_PARAMETERS", text);
}

function hasParameter(call: Call, place: string, name: string): boolean {
  if (place === "querystring") return Boolean(call.request.query.get(name)?.at(-1));
  if (place === "header") return Boolean(lastHeader(call.request.headers, name));
  return call.pathParameters?.[name] !== undefined;
}

async function integrate(
  call: Call,
  method: MethodDefinition,
  machinery: CallMachinery,
): Promise<HttpAnswer | StreamedAnswer> {
  const { integration } = method;
  if (integration.kind === "refused") throw internalServerError("API_CONFIGURATION_ERROR");
  if (integration.kind === "mock") return answerMock(integration.answers, integration.statusCode);
  const { functionArn, timeoutMilliseconds, streams } = integration;
  demandPermission(machinery, functionArn, sourceArn(call, machinery.place, method.httpMethod));
  if (streams) {
    const { idleMilliseconds } = call.api;
    return streamFunction(machinery, functionArn, proxyEvent(call), { timeoutMilliseconds, idleMilliseconds });
  }
  const payload = await callFunction(machinery, functionArn, proxyEvent(call), timeoutMilliseconds);
  return readProxyAnswer(payload, call.request, call.api);
}

/** Service `apigateway`, operation `GET /jobs/{jobId}`, resource: the path that was called. */
async function misbehaveBefore(call: Call, { faults, clock }: CallMachinery): Promise<FaultEffect | undefined> {
  const operation = `${call.request.httpMethod} ${call.context.resourcePath}`;
  const fault = faults.next({ service: "apigateway", operation, resource: call.path });
  switch (fault?.kind) {
    case undefined:
    case "fail-after-work":
    case "reset-after-work":
      return fault;
    case "throttle":
      throw new GatewayError("THROTTLED", "Too Many Requests");
    case "delay":
      await clock.sleep(fault.milliseconds);
      return fault;
    case "error":
      throw new GatewayError("DEFAULT_5XX", fault.code, fault.status);
    case "reset":
      throw new ConnectionReset();
    default:
      throw new Error(`The API Gateway front cannot do the fault ${fault?.kind}.`);
  }
}
