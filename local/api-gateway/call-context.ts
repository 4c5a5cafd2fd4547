// One call of an API: the request, what it was found to mean, and API Gateway's `$context` of it.
import { randomBytes, randomUUID } from "node:crypto";
import type { ApiDefinition, StageDefinition } from "./api-definition.ts";
import { type IncomingRequest, lastHeader } from "./incoming-request.ts";

/** What an authorizer said about the caller: texts, but for `integrationLatency`. */
export type AuthorizerContext = Readonly<Record<string, string | number>>;

export interface CallContext {
  readonly accountId: string;
  readonly apiId: string;
  readonly deploymentId: string;
  readonly domainName: string;
  readonly domainPrefix: string;
  readonly extendedRequestId: string;
  readonly httpMethod: string;
  readonly identity: Readonly<Record<string, string | null>>;
  /** With the stage, where the caller wrote it. */
  readonly path: string;
  readonly protocol: string;
  readonly requestId: string;
  /** `20/Nov/2026:15:16:00 +0000` */
  readonly requestTime: string;
  readonly requestTimeEpoch: number;
  resourceId?: string;
  resourcePath?: string;
  readonly stage: string;
  authorizer?: AuthorizerContext;
}

export interface Call {
  readonly api: ApiDefinition;
  readonly stage: StageDefinition;
  readonly request: IncomingRequest;
  /** Without the stage. */
  readonly path: string;
  readonly context: CallContext;
  pathParameters?: Readonly<Record<string, string>>;
}

export interface CallPlace {
  readonly accountId: string;
  readonly region: string;
}

/** The stage's segment may be left out: then the call looks as one through a custom domain with an empty base path. */
export function splitStage(api: ApiDefinition, rawPath: string): { stage: StageDefinition; path: string } | undefined {
  const [, first = ""] = rawPath.split("/");
  const named = api.stages.find(({ name }) => name === first);
  if (named) return { stage: named, path: rawPath.slice(first.length + 1) || "/" };
  const [stage] = api.stages;
  return stage && { stage, path: rawPath };
}

export function beginCall(
  api: ApiDefinition,
  request: IncomingRequest,
  place: CallPlace,
  nowMilliseconds: number,
): Call | undefined {
  const split = splitStage(api, request.rawPath);
  if (!split) return undefined;
  const domainName = lastHeader(request.headers, "host") ?? "";
  const now = new Date(nowMilliseconds);
  const context: CallContext = {
    accountId: place.accountId,
    apiId: api.apiId,
    deploymentId: split.stage.deploymentId,
    domainName,
    domainPrefix: domainName.split(".")[0] ?? "",
    extendedRequestId: `${randomBytes(10).toString("base64").slice(0, 15)}=`,
    httpMethod: request.httpMethod,
    identity: {
      ...{ accessKey: null, accountId: null, caller: null, cognitoAuthenticationProvider: null },
      ...{ cognitoAuthenticationType: null, cognitoIdentityId: null, cognitoIdentityPoolId: null },
      ...{ principalOrgId: null, sourceIp: request.sourceIp, user: null },
      userAgent: lastHeader(request.headers, "user-agent") ?? null,
      userArn: null,
    },
    path: request.rawPath,
    protocol: request.protocol,
    requestId: randomUUID(),
    requestTime: commonLogTime(now),
    requestTimeEpoch: now.getTime(),
    stage: split.stage.name,
  };
  return { api, stage: split.stage, request, path: split.path, context };
}

/** `arn:…:execute-api:region:account:api/stage/GET/jobs/42`: what an authorizer's policy speaks about. */
export function methodArn(call: Call, place: CallPlace): string {
  const { apiId, httpMethod } = call.context;
  return `${apiArn(place, apiId)}/${call.stage.name}/${httpMethod}${call.path}`;
}

/** In whose name API Gateway calls a function for a method: the resource as the template writes it. */
export function sourceArn(call: Call, place: CallPlace, methodInTemplate: string): string {
  const { apiId, resourcePath = "/" } = call.context;
  return `${apiArn(place, apiId)}/${call.stage.name}/${methodInTemplate}${resourcePath}`;
}

export function apiArn(place: CallPlace, apiId: string): string {
  return `arn:aws:execute-api:${place.region}:${place.accountId}:${apiId}`;
}

/** The members that the function's event and the authorizer's have in common. */
export function eventBasis(call: Call): Record<string, unknown> {
  const { request, context } = call;
  return {
    resource: context.resourcePath,
    path: call.path,
    httpMethod: request.httpMethod,
    headers: lastValues(request.headers),
    multiValueHeaders: Object.fromEntries(request.headers),
    queryStringParameters: orNull(lastValues(request.query)),
    multiValueQueryStringParameters: orNull(Object.fromEntries(request.query)),
    pathParameters: orNull(call.pathParameters ?? {}),
    stageVariables: orNull(call.stage.variables),
    requestContext: context,
  };
}

function lastValues(values: IncomingRequest["headers"]): Record<string, string> {
  return Object.fromEntries([...values].map(([name, all]) => [name, all.at(-1) ?? ""]));
}

/** An empty object is null in API Gateway's events. */
function orNull<Members extends object>(members: Members): Members | null {
  return Object.keys(members).length === 0 ? null : members;
}

function commonLogTime(time: Date): string {
  const [, day, month, year] = /^\w+, (\d+) (\w+) (\d+)/.exec(time.toUTCString()) ?? [];
  return `${day}/${month}/${year}:${time.toISOString().slice(11, 19)} +0000`;
}
