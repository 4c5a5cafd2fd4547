// The OpenAPI 3.1 document of the API, from the same route data that the routers run on.
import * as z from "zod";
import type { ErrorName } from "./errors.ts";
import { statusByName } from "./http-errors.ts";
import { mostBodyBytes } from "./http-request.ts";
import { type Access, isOpenAtGateway, type Role, type Route, roles } from "./routes.ts";

type JsonObject = Readonly<Record<string, unknown>>;

export interface DocumentOptions {
  readonly version: string;
  /** Base of the hosted sign-in pages, without a slash at the end. */
  readonly signInUrl: string;
  /** Base of the API, without a slash at the end. */
  readonly serverUrl: string;
}

/** The prefix of a machine's scopes: `causeway/operator`. */
export const scopePrefix = "causeway/";

/** Throws where a schema of a route cannot be said in JSON Schema. */
export function openApiDocument(routes: readonly Route[], options: DocumentOptions): JsonObject {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = paths[route.path] ?? {};
    path[route.method.toLowerCase()] = operationOf(route);
    paths[route.path] = path;
  }
  const ordered = Object.entries(paths).sort(([left], [right]) => (left < right ? -1 : 1));
  return {
    openapi: "3.1.0",
    info: {
      title: "Causeway",
      version: options.version,
      description:
        "Carries database backups between Aliyun and AWS, with proof that the copies are equal. Every JSON answer is an envelope " +
        "`{code, message, data}`: `code` is 0 at success, else the HTTP status, and `data` then says the error's name, the fields " +
        "it is about, whether the same request may succeed later, and the request's id.",
    },
    servers: [{ url: options.serverUrl }],
    tags: [...new Set(ordered.map(([path]) => tagOfPath(path)))].sort().map((name) => ({ name })),
    paths: Object.fromEntries(ordered),
    components: {
      securitySchemes: securitySchemes(options.signInUrl),
      schemas: { Failure: failureSchema },
      responses: Object.fromEntries(failureStatuses.map((status) => [`Failure${status}`, failureResponse(status)])),
    },
  };
}

/** Statuses that any route may answer, and what they mean to a caller. */
const sentenceByStatus = {
  400: "Something in the request is wrong; `fields` says what, and the cure.",
  401: "No access token, or one that is not valid here.",
  403: "The token's roles do not suffice.",
  404: "There is no such thing.",
  409: "It cannot be done as things stand, or the first request with this Idempotency-Key is still being worked on.",
  412: "It has been changed since you saw it.",
  413: `The body is larger than ${mostBodyBytes} bytes.`,
  415: "The body is not application/json in UTF-8.",
  422: "The Idempotency-Key came with another request before.",
  428: "The header If-Match is missing.",
  429: "Too many requests at once.",
  500: "Something went wrong inside; the log has more under the request's id.",
  503: "Something that this needs does not answer well; try again.",
} as const;

type FailureStatus = keyof typeof sentenceByStatus;

const failureStatuses = Object.keys(sentenceByStatus).map(Number) as FailureStatus[];

const failureSchema = {
  type: "object",
  required: ["code", "message", "data"],
  properties: {
    code: { type: "integer", description: "The HTTP status" },
    message: { type: "string" },
    data: {
      type: "object",
      required: ["name", "fields", "retryable", "requestId"],
      properties: {
        name: { type: "string", enum: Object.keys(statusByName).sort() },
        fields: {
          type: "array",
          items: {
            type: "object",
            required: ["field", "problem"],
            properties: { field: { type: "string" }, problem: { type: "string" } },
          },
        },
        retryable: { type: "boolean", description: "The same request may succeed later without anybody's help" },
        requestId: { type: "string" },
      },
    },
  },
} as const;

const exampleNames: Readonly<Record<FailureStatus, ErrorName>> = {
  400: "InputInvalid",
  401: "Unauthenticated",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  412: "PreconditionFailed",
  413: "BodyTooLarge",
  415: "UnsupportedMediaType",
  422: "IdempotencyKeyReused",
  428: "PreconditionMissing",
  429: "TooManyRequests",
  500: "UnexpectedFailure",
  503: "AwsUnavailable",
};

function failureResponse(status: FailureStatus): JsonObject {
  const name = exampleNames[status];
  const fields =
    status === 400 ? [{ field: "query.limit", problem: "Give a whole number of items from 1 to 100." }] : [];
  const data = {
    name,
    fields,
    retryable: status === 429 || status === 503,
    requestId: "5b0c4f0e-7d0f-4c9e-9f0a-2f6f1c0d7a11",
  };
  return {
    description: sentenceByStatus[status],
    content: {
      "application/json": {
        schema: { $ref: "#/components/schemas/Failure" },
        example: { code: status, message: sentenceByStatus[status], data },
      },
    },
  };
}

function securitySchemes(signInUrl: string): JsonObject {
  const tokenUrl = `${signInUrl}/oauth2/token`;
  return {
    signIn: {
      type: "oauth2",
      description: "For people: authorization code with PKCE. Roles come from the groups of the user pool.",
      flows: {
        authorizationCode: {
          authorizationUrl: `${signInUrl}/oauth2/authorize`,
          tokenUrl,
          scopes: { openid: "Who you are", email: "Your e-mail address" },
        },
      },
    },
    machine: {
      type: "oauth2",
      description: "For machines: client credentials. Each scope is a role.",
      flows: {
        clientCredentials: {
          tokenUrl,
          scopes: Object.fromEntries(roles.map((role) => [scopePrefix + role, `The role ${role}`])),
        },
      },
    },
    metricsToken: {
      type: "http",
      scheme: "bearer",
      description: "The token from Secrets Manager that reads the metrics",
    },
    relayKey: {
      type: "http",
      scheme: "bearer",
      description: "A client key of the relay, where OpenAI's clients and Claude Code put it",
    },
    ...Object.fromEntries(
      Object.entries(relayKeyHeaders).map(([scheme, name]) => [
        scheme,
        { type: "apiKey", in: "header", name, description: "A client key of the relay" },
      ]),
    ),
  };
}

/** Other headers that clients put a relay key into, by the name of their security scheme. */
const relayKeyHeaders = { relayApiKey: "x-api-key", relayGoogleKey: "x-goog-api-key", relayAzureKey: "api-key" };

function securityOf(access: Access): readonly JsonObject[] {
  if (access === "public") return [];
  if (access === "metrics-token") return [{ metricsToken: [] }];
  if (access === "relay-key") return ["relayKey", ...Object.keys(relayKeyHeaders)].map((scheme) => ({ [scheme]: [] }));
  return [{ signIn: ["openid"] }, { machine: [scopePrefix + (access satisfies Role)] }];
}

function operationOf(route: Route): JsonObject {
  const needs = isOpenAtGateway(route.access) ? [] : [`Needs the role ${route.access}.`];
  return {
    operationId: route.operation,
    tags: [tagOfPath(route.path)],
    summary: route.summary,
    description: [route.description, ...needs].filter(Boolean).join(" "),
    security: securityOf(route.access),
    parameters: [
      ...parametersOf("path", route.pathParameters),
      ...parametersOf("query", route.query),
      ...headerParametersOf(route),
    ],
    ...(route.body !== undefined && {
      requestBody: {
        required: !route.body.safeParse(undefined).success,
        content: { "application/json": { schema: jsonSchemaOf(route.body, "input") } },
      },
    }),
    responses: { [String(route.status ?? 200)]: successOf(route), ...failuresOf(route) },
  };
}

function successOf(route: Route): JsonObject {
  const headers = {
    ...(route.status === 202 && { Location: headerOf("Where to look for the outcome") }),
    ...(route.method === "GET" && { ETag: headerOf("The version of what is answered") }),
    ...(route.conditional && { ETag: headerOf("The version after the change") }),
    ...(route.idempotent && { "Idempotency-Replayed": headerOf("`true` where this is the first answer, given again") }),
  };
  if (route.contentType !== undefined) {
    return {
      description: route.summary,
      headers,
      content: { [mediaTypeOf(route.contentType)]: { schema: { type: "string" } } },
    };
  }
  const schema = {
    type: "object",
    required: ["code", "message", "data"],
    properties: { code: { const: 0 }, message: { type: "string" }, data: jsonSchemaOf(route.data, "output") },
  };
  return { description: route.summary, headers, content: { "application/json": { schema } } };
}

function failuresOf(route: Route): JsonObject {
  const isChange = route.method !== "GET";
  const statuses: readonly (FailureStatus | false)[] = [
    400,
    route.access !== "public" && 401,
    route.access !== "public" && 403,
    route.pathParameters !== undefined && 404,
    isChange && 409,
    route.conditional === true && 412,
    route.body !== undefined && 413,
    route.body !== undefined && 415,
    route.idempotent === true && 422,
    route.conditional === true && 428,
    429,
    500,
    503,
  ];
  const wanted = statuses.filter((status) => status !== false);
  return Object.fromEntries(wanted.map((status) => [status, { $ref: `#/components/responses/Failure${status}` }]));
}

function parametersOf(place: "path" | "query", schema: z.ZodObject | undefined): JsonObject[] {
  if (schema === undefined) return [];
  const { properties = {}, required = [] } = jsonSchemaOf(schema, "input") as {
    readonly properties?: Readonly<Record<string, JsonObject>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...own }]) => ({
    name,
    in: place,
    required: place === "path" || required.includes(name),
    ...(description !== undefined && { description }),
    schema: own,
  }));
}

function headerParametersOf(route: Route): JsonObject[] {
  return [
    ...(route.idempotent
      ? [
          {
            name: "Idempotency-Key",
            in: "header",
            required: false,
            description: "The same key with the same request is answered with the first answer, for 24 hours.",
            schema: { type: "string", minLength: 1, maxLength: 255 },
          },
        ]
      : []),
    ...(route.conditional
      ? [
          {
            name: "If-Match",
            in: "header",
            required: true,
            description: "The ETag of what you have seen, or *.",
            schema: { type: "string" },
          },
        ]
      : []),
  ];
}

const headerOf = (description: string) => ({ description, schema: { type: "string" } });

const mediaTypeOf = (contentType: string) => contentType.split(";")[0] ?? contentType;

/** `/api/jobs/{jobId}` is about jobs, `/metrics` about metrics. */
function tagOfPath(path: string): string {
  const [first = "", second] = path.split("/").filter(Boolean);
  return (first === "api" ? second : first)?.replace(/\.json$/, "") ?? first;
}

function jsonSchemaOf(schema: z.ZodType, io: "input" | "output"): JsonObject {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, {
    io,
    target: "draft-2020-12",
    override({ jsonSchema }) {
      // Text that arrives as a number or a flag: its form as text says less than its type.
      if (jsonSchema.type === "integer" || jsonSchema.type === "boolean") {
        delete jsonSchema.pattern;
        delete jsonSchema.enum;
      }
    },
  });
  return rest;
}
