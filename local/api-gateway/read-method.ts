// Reads one method of an API out of its template: who may call it, and what answers it.
import { Properties } from "../assembly/properties.ts";
import type { Resource } from "../assembly/resolve-assembly.ts";
import type {
  Authorization,
  AuthorizerDefinition,
  Integration,
  MethodDefinition,
  MockAnswer,
} from "./api-definition.ts";

export interface MethodContext {
  /** By id. */
  readonly authorizers: ReadonlyMap<string, AuthorizerDefinition>;
  /** Ids of the validators that check parameters, and of those that check bodies. */
  readonly parameterValidators: ReadonlySet<string>;
  readonly bodyValidators: ReadonlySet<string>;
  /** Takes one sentence for each thing that is not carried out. */
  readonly unknown: string[];
}

/** The longest, and the default. Source: "Amazon API Gateway quotas". */
const defaultTimeoutMilliseconds = 29_000;

export function readMethod(resource: Resource, context: MethodContext): MethodDefinition {
  const properties = Properties.of(resource);
  const validatorId = properties.optionalText("RequestValidatorId") ?? "";
  const checks = context.parameterValidators.has(validatorId);
  if (context.bodyValidators.has(validatorId) && properties.has("RequestModels")) {
    context.unknown.push(`${where(resource)}: bodies are not checked against models locally.`);
  }
  const parameters = Object.entries(properties.object("RequestParameters").textMap());
  return {
    httpMethod: properties.text("HttpMethod"),
    authorization: readAuthorization(resource, properties, context),
    integration: readIntegration(resource, properties.object("Integration"), context),
    requiredParameters: checks
      ? parameters.filter(([, isRequired]) => isRequired === "true").map(([name]) => name)
      : [],
  };
}

/** Of `arn:…:apigateway:…:lambda:path/…/functions/<arn>/invocations`. */
export function functionArnIn(uri: string): string | undefined {
  return /:lambda:path\/[\d-]+\/functions\/(arn:[^/]+)\/(?:response-streaming-)?invocations$/.exec(uri)?.[1];
}

function readAuthorization(resource: Resource, properties: Properties, context: MethodContext): Authorization {
  const type = properties.optionalText("AuthorizationType") ?? "NONE";
  if (properties.flag("ApiKeyRequired")) return refuse(resource, "API keys are", context);
  if (type === "NONE") return { kind: "none" };
  const authorizer = context.authorizers.get(properties.optionalText("AuthorizerId") ?? "");
  // An authorizer of another kind was named already, by itself.
  if (type === "CUSTOM") return authorizer ? { kind: "request", authorizer } : { kind: "refused" };
  return refuse(resource, `the authorization ${type} is`, context);
}

function readIntegration(resource: Resource, properties: Properties, context: MethodContext): Integration {
  const type = properties.optionalText("Type") ?? "MOCK";
  if (type === "AWS_PROXY") return readLambda(resource, properties, context);
  if (type === "MOCK") return readMock(resource, properties, context);
  return refuse(resource, `integrations of the type ${type} are`, context);
}

function readLambda(resource: Resource, properties: Properties, context: MethodContext): Integration {
  const uri = properties.text("Uri");
  const functionArn = functionArnIn(uri);
  if (functionArn === undefined) return refuse(resource, `the integration ${uri} is`, context);
  // Real API Gateway takes such a method in, too, and answers each call of it with 500.
  if (properties.optionalText("IntegrationHttpMethod") !== "POST") {
    return refuse(resource, "a function that is not called by POST is", context);
  }
  if (properties.has("Credentials")) return refuse(resource, "calling a function by a role of the method is", context);
  if (Object.keys(properties.raw("RequestParameters")).length > 0) {
    return refuse(resource, "changing parameters before a function gets them is", context);
  }
  return {
    kind: "lambda",
    functionArn,
    streams: uri.endsWith("/response-streaming-invocations"),
    timeoutMilliseconds: properties.number("TimeoutInMillis") ?? defaultTimeoutMilliseconds,
  };
}

function readMock(resource: Resource, properties: Properties, context: MethodContext): Integration {
  const request = properties.object("RequestTemplates").optionalText("application/json") ?? "";
  const statusCode = Number(/["']?statusCode["']?\s*:\s*(\d{3})/.exec(request)?.[1] ?? Number.NaN);
  const answers = properties.objects("IntegrationResponses").map(readMockAnswer);
  if (Number.isNaN(statusCode) || answers.some((answer) => answer === undefined)) {
    return refuse(resource, "a MOCK with more than fixed texts is", context);
  }
  return { kind: "mock", answers: answers.filter((answer) => answer !== undefined), statusCode };
}

/** Undefined where it holds more than fixed texts: variables or a script. */
function readMockAnswer(properties: Properties): MockAnswer | undefined {
  const headers: Record<string, string> = {};
  for (const [name, expression] of Object.entries(properties.object("ResponseParameters").textMap())) {
    const fixed = /^'(.*)'$/s.exec(expression)?.[1];
    if (fixed === undefined) return undefined;
    headers[name.replace(/^method\.response\.header\./, "")] = fixed;
  }
  const templates = properties.object("ResponseTemplates").textMap();
  const body = templates["application/json"] ?? Object.values(templates)[0] ?? "";
  if (/[#$]/.test(body)) return undefined;
  const pattern = properties.optionalText("SelectionPattern");
  return {
    selectionPattern: pattern ? new RegExp(`^(?:${pattern})$`) : undefined,
    statusCode: properties.number("StatusCode") ?? 200,
    headers,
    body,
  };
}

function refuse(resource: Resource, what: string, context: MethodContext): { readonly kind: "refused" } {
  context.unknown.push(`${where(resource)}: ${what} not built locally; the method answers 500.`);
  return { kind: "refused" };
}

function where(resource: Resource): string {
  return `${resource.type} (${resource.constructPath})`;
}
