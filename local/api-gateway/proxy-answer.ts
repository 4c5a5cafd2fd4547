// A function's answer behind a proxy integration: checked as strictly as API Gateway does, and turned into HTTP.
// Source: "Output format of a Lambda function for proxy integration" in the API Gateway Developer Guide; that other members
// make the answer malformed, and that a missing status is 200, was seen in LocalStack's recorded tests of the real service.
import { validateHeaderName, validateHeaderValue } from "node:http";
import * as z from "zod";
import type { ApiDefinition } from "./api-definition.ts";
import { internalServerError } from "./gateway-error.ts";
import type { HttpAnswer } from "./gateway-responses.ts";
import { type IncomingRequest, lastHeader } from "./incoming-request.ts";
import { isBinary } from "./media-types.ts";

const headerValue = z.union([z.string(), z.number(), z.boolean()]).transform(String);

export const proxyHead = z.strictObject({
  statusCode: z
    .union([z.int(), z.string().regex(/^\d{3}$/)])
    .transform(Number)
    .pipe(z.int().min(100).max(599))
    .nullish(),
  headers: z.record(z.string(), headerValue).nullish(),
  multiValueHeaders: z.record(z.string(), z.array(headerValue)).nullish(),
});

const proxyAnswer = proxyHead.extend({ body: z.string().nullish(), isBase64Encoded: z.boolean().nullish() });

/**
 * Headers that API Gateway takes for itself: a function's come out as `x-amzn-Remapped-<name>`.
 * Source: "Amazon API Gateway important notes"; seen for WWW-Authenticate and Authorization behind proxy integrations too.
 */
const remappedHeaders = new Set([
  ...["authorization", "connection", "content-length", "content-md5", "date", "expect", "host", "max-forwards"],
  ...["proxy-authenticate", "server", "trailer", "upgrade", "user-agent", "www-authenticate"],
]);

/** `payload` is the function's result, JSON as a rule. Throws GatewayError: 502 where it is malformed. */
export function readProxyAnswer(payload: string, request: IncomingRequest, api: ApiDefinition): HttpAnswer {
  const parsed = proxyAnswer.safeParse(parseJson(payload));
  if (!parsed.success) throw malformed();
  const { body, isBase64Encoded, ...head } = parsed.data;
  return {
    status: head.statusCode ?? 200,
    headers: readHeaders(head),
    body: decodeBody(body ?? "", isBase64Encoded ?? false, request, api),
  };
}

/** Undefined where it is no JSON: a streaming function that is called as any other returns what it wrote. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function malformed() {
  return internalServerError("DEFAULT_5XX", 502);
}

/** Several values win over a single one of the same name. Without a content type it is JSON. Throws GatewayError (502). */
export function readHeaders(
  head: Pick<z.output<typeof proxyHead>, "headers" | "multiValueHeaders">,
): (readonly [string, string])[] {
  const multiple = Object.entries(head.multiValueHeaders ?? {});
  const taken = new Set(multiple.map(([name]) => name.toLowerCase()));
  const single = Object.entries(head.headers ?? {}).filter(([name]) => !taken.has(name.toLowerCase()));
  const merged = [
    ...single.map(([name, value]) => [name, value] as const),
    ...multiple.flatMap(([name, values]) => values.map((value) => [name, value] as const)),
  ]
    .filter(([name]) => name.toLowerCase() !== "transfer-encoding")
    .map(([name, value]) =>
      remappedHeaders.has(name.toLowerCase())
        ? ([`x-amzn-Remapped-${name}`, value] as const)
        : ([name, value] as const),
    );
  for (const [name, value] of merged) demandSendable(name, value);
  const hasType = merged.some(([name]) => name.toLowerCase() === "content-type");
  return hasType ? merged : [["Content-Type", "application/json"] as const, ...merged];
}

function demandSendable(name: string, value: string): void {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch {
    throw malformed();
  }
}

/** Base64 is decoded only for callers who accept a binary type; others get its text, as in AWS. */
function decodeBody(body: string, isBase64: boolean, request: IncomingRequest, api: ApiDefinition): Buffer {
  const accepts = lastHeader(request.headers, "accept");
  if (isBase64 && isBinary(accepts, api.binaryMediaTypes)) return Buffer.from(body, "base64");
  return Buffer.from(body);
}
