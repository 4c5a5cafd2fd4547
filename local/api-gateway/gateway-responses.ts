// Renders API Gateway's own errors, as the template's GatewayResponses change them.
// Source: "Gateway responses for REST APIs" in the API Gateway Developer Guide: headers and simple variables, no scripts.
import type { ApiDefinition, GatewayResponse } from "./api-definition.ts";
import type { Call } from "./call-context.ts";
import type { GatewayError } from "./gateway-error.ts";
import { lastHeader } from "./incoming-request.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
}

const defaultTemplate = '{"message":$context.error.messageString}';
/** A denial by an authorizer comes with a capital letter, for whatever reason, unless a template says how. */
const deniedTemplate = '{"Message":$context.error.messageString}';

/** A response of the error's own type wins over DEFAULT_4XX and DEFAULT_5XX, and those over AWS's own. */
export function renderGatewayError(error: GatewayError, api: ApiDefinition, call: Call | undefined): HttpAnswer {
  const { gatewayResponses } = api;
  const fallback = error.status >= 500 ? "DEFAULT_5XX" : "DEFAULT_4XX";
  const response = gatewayResponses.get(error.responseType) ?? gatewayResponses.get(fallback);
  const own = error.responseType === "ACCESS_DENIED" ? deniedTemplate : defaultTemplate;
  const [contentType, template] = chooseTemplate(response, call) ?? ["application/json", own];
  const headers = new Map<string, string>([
    ["Content-Type", contentType],
    ["x-amzn-ErrorType", error.errorType],
  ]);
  for (const [name, expression] of Object.entries(response?.headers ?? {})) {
    const value = evaluate(expression, error, call);
    if (value !== undefined) headers.set(name, value);
  }
  return {
    status: response?.statusCode ?? error.status,
    headers: [...headers],
    body: Buffer.from(fillIn(template, error, call)),
  };
}

/** The template for what the caller accepts, else the one for JSON, else the first. */
function chooseTemplate(
  response: GatewayResponse | undefined,
  call: Call | undefined,
): readonly [string, string] | undefined {
  const templates = Object.entries(response?.templates ?? {});
  const accepted = (call && lastHeader(call.request.headers, "accept"))?.replace(/[,;].*$/s, "").trim();
  return (
    templates.find(([type]) => type === accepted) ??
    templates.find(([type]) => type === "application/json") ??
    templates[0]
  );
}

/** `$name` and `${name}`; what is unknown becomes nothing, as in AWS. */
function fillIn(template: string, error: GatewayError, call: Call | undefined): string {
  const variable = /\$(?:\{([A-Za-z][\w.-]*)\}|((?:context|stageVariables|method\.request)(?:\.[A-Za-z_][\w-]*)+))/g;
  return template.replace(variable, (_whole, braced?: string, bare?: string) => {
    return lookUp(braced ?? bare ?? "", error, call) ?? "";
  });
}

function evaluate(expression: string, error: GatewayError, call: Call | undefined): string | undefined {
  const quoted = /^'(.*)'$/s.exec(expression);
  return quoted ? quoted[1] : lookUp(expression, error, call);
}

function lookUp(name: string, error: GatewayError, call: Call | undefined): string | undefined {
  const ofError: Readonly<Record<string, string>> = {
    "context.error.message": error.text ?? "",
    "context.error.messageString": JSON.stringify(error.text),
    "context.error.responseType": error.responseType,
    "context.error.validationErrorString": "",
  };
  if (name in ofError) return ofError[name];
  if (!call) return undefined;
  const [first = "", second = "", third = "", ...rest] = name.split(".");
  if (first === "stageVariables") return call.stage.variables[second];
  if (first === "context") return textAt(call.context, [second, third, ...rest].filter(Boolean));
  if (first !== "method" || second !== "request") return undefined;
  const wanted = rest.join(".");
  if (third === "header") return lastHeader(call.request.headers, wanted);
  if (third === "querystring") return call.request.query.get(wanted)?.at(-1);
  return third === "path" ? call.pathParameters?.[wanted] : undefined;
}

function textAt(value: unknown, steps: readonly string[]): string | undefined {
  let at: unknown = value;
  for (const step of steps) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Readonly<Record<string, unknown>>)[step];
  }
  return typeof at === "string" || typeof at === "number" ? String(at) : undefined;
}
