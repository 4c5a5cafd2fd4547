// A REST API as the template describes it, made ready for calls: a tree of resources, and what each method does.

export interface ApiDefinition {
  readonly apiId: string;
  /** The RestApi's construct path, for people. */
  readonly name: string;
  readonly root: ResourceNode;
  /** The first one also answers where the stage's segment is left out. */
  readonly stages: readonly StageDefinition[];
  readonly binaryMediaTypes: readonly string[];
  /** A streamed answer that is silent for longer is broken off. */
  readonly idleMilliseconds: number;
  /** By response type: `ACCESS_DENIED`, `DEFAULT_4XX` … */
  readonly gatewayResponses: ReadonlyMap<string, GatewayResponse>;
}

export interface StageDefinition {
  readonly name: string;
  readonly deploymentId: string;
  readonly variables: Readonly<Record<string, string>>;
}

export interface ResourceNode {
  readonly id: string;
  /** `/jobs/{jobId}`, `/docs/{proxy+}`, `/`. */
  readonly path: string;
  /** By HTTP method, `ANY` among them. */
  readonly methods: Map<string, MethodDefinition>;
  readonly exact: Map<string, ResourceNode>;
  parameter?: { readonly name: string; readonly node: ResourceNode };
  greedy?: { readonly name: string; readonly node: ResourceNode };
}

export interface MethodDefinition {
  /** As the template writes it: `GET` or `ANY`. */
  readonly httpMethod: string;
  readonly authorization: Authorization;
  readonly integration: Integration;
  /** What the request validator demands: `method.request.querystring.page` … */
  readonly requiredParameters: readonly string[];
}

export type Authorization =
  | { readonly kind: "none" }
  | { readonly kind: "request"; readonly authorizer: AuthorizerDefinition }
  | { readonly kind: "refused" };

export interface AuthorizerDefinition {
  readonly id: string;
  readonly functionArn: string;
  /** `method.request.header.Authorization`, `context.identity.sourceIp` … */
  readonly identitySources: readonly string[];
  /** 0: each request asks anew. */
  readonly resultTtlSeconds: number;
}

export type Integration =
  | {
      readonly kind: "lambda";
      readonly functionArn: string;
      /** `…/response-streaming-invocations`: the body reaches the client while the function still writes. */
      readonly streams: boolean;
      readonly timeoutMilliseconds: number;
    }
  | { readonly kind: "mock"; readonly answers: readonly MockAnswer[]; readonly statusCode: number }
  /** Named at boot; a call gets API Gateway's answer to a method that is not configured rightly. */
  | { readonly kind: "refused" };

export interface MockAnswer {
  /** Matches the status code of the request template; undefined: for whatever no other one takes. */
  readonly selectionPattern: RegExp | undefined;
  readonly statusCode: number;
  /** Fixed texts by header name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface GatewayResponse {
  readonly statusCode: number | undefined;
  /** Header name to expression: `'text'`, `context.requestId`, `method.request.header.Origin`. */
  readonly headers: Readonly<Record<string, string>>;
  /** By content type. */
  readonly templates: Readonly<Record<string, string>>;
}
