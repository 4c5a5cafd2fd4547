// A request as API Gateway's REST proxy hands it over, and its checks against a route: nothing unknown, nothing twice.
// Source: "Input format of a Lambda function for proxy integration" in the API Gateway developer guide. `path` arrives
// percent-encoded, the query decoded.
import type * as z from "zod";
import { CausewayError } from "./errors.ts";
import type { Caller, Role, Route } from "./routes.ts";
import { roles } from "./routes.ts";
import { type FieldProblem, wrongInput } from "./wrong-input.ts";

type TextByName = Readonly<Record<string, string | undefined>> | null;
type TextsByName = Readonly<Record<string, readonly string[] | undefined>> | null;

/** The part of the event that is used. */
export interface HttpEvent {
  readonly httpMethod: string;
  readonly path: string;
  readonly headers?: TextByName;
  readonly multiValueHeaders?: TextsByName;
  readonly queryStringParameters?: TextByName;
  readonly multiValueQueryStringParameters?: TextsByName;
  readonly body?: string | null;
  readonly isBase64Encoded?: boolean;
  readonly requestContext?: {
    readonly requestId?: string;
    /** With the stage before it, where there is one in the address. */
    readonly path?: string;
    readonly authorizer?: Readonly<Record<string, unknown>> | null;
    readonly identity?: { readonly sourceIp?: string | null } | null;
  };
}

/** Larger bodies are refused: a list of 1,000 ids is 40 KiB. */
export const mostBodyBytes = 256 * 1024;

/** Deeper bodies are refused before anything walks through them. */
const deepestBody = 32;

const mostFieldProblems = 20;

/** Headers by lower-case name; of a repeated one, the values joined by commas. */
export function headersOf(event: HttpEvent): ReadonlyMap<string, string> {
  const several = Object.entries(event.multiValueHeaders ?? {}).map(([name, values]) => [name, values?.join(", ")]);
  const entries = several.length > 0 ? several : Object.entries(event.headers ?? {});
  return new Map(
    entries.flatMap(([name = "", value]) => (value === undefined ? [] : [[name.toLowerCase(), value] as const])),
  );
}

/** As the authorizer found out; nobody where there was none. */
export function callerOf(event: HttpEvent): Caller | undefined {
  const { subject, name, roles: held } = event.requestContext?.authorizer ?? {};
  if (typeof subject !== "string" || subject === "") return undefined;
  return {
    subject,
    name: typeof name === "string" && name !== "" ? name : subject,
    roles: typeof held === "string" ? held.split(",").filter(isRole) : [],
  };
}

function isRole(text: string): text is Role {
  return (roles as readonly string[]).includes(text);
}

/** What stands before the path in the address: API Gateway's stage, or nothing. */
export function prefixOf(event: HttpEvent): string {
  const whole = event.requestContext?.path ?? event.path;
  return whole.endsWith(event.path) ? whole.slice(0, whole.length - event.path.length) : "";
}

/** Throws `NotFound` where a segment is no valid percent-encoding: no such thing has a name. */
export function decodePathParameters(encoded: Readonly<Record<string, string | undefined>>): Record<string, string> {
  try {
    return Object.fromEntries(Object.entries(encoded).map(([name, value]) => [name, decodeURIComponent(value ?? "")]));
  } catch {
    throw new CausewayError("NotFound", "There is nothing at this address: its percent-encoding is broken.");
  }
}

export interface CheckedInput {
  readonly path: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/**
 * Throws `InputInvalid` naming every field that is wrong, `UnsupportedMediaType`, or `BodyTooLarge`.
 * `pathParameters`: decoded.
 */
export function checkInput(
  route: Route,
  event: HttpEvent,
  headers: ReadonlyMap<string, string>,
  pathParameters: Readonly<Record<string, string>>,
): CheckedInput {
  const problems: FieldProblem[] = [];
  const path = check("path", route.pathParameters, pathParameters, problems);
  const query = check("query", route.query, readQuery(route, event, problems), problems);
  const sent = readBody(route, event, headers);
  const body = route.body === undefined ? undefined : check("body", route.body, sent, problems);
  if (problems.length > 0) throw wrongInput(problems.slice(0, mostFieldProblems));
  return { path, query, body };
}

function readQuery(route: Route, event: HttpEvent, problems: FieldProblem[]): Record<string, string> {
  const known = Object.keys(route.query?.shape ?? {});
  const single = Object.entries(event.queryStringParameters ?? {}).map(([name, value]) => [name, [value]] as const);
  const several = Object.entries(event.multiValueQueryStringParameters ?? {});
  const values = new Map<string, string>();
  for (const [name, given] of several.length > 0 ? several : single) {
    const field = `query.${name.slice(0, 64)}`;
    const [value, another] = given ?? [];
    if (!known.includes(name)) problems.push({ field, problem: unknownParameter(known) });
    else if (another !== undefined) problems.push({ field, problem: "Give it once." });
    else if (value !== undefined) values.set(name, value);
  }
  return Object.fromEntries(values);
}

function unknownParameter(known: readonly string[]): string {
  return known.length === 0
    ? "There is no such parameter; this route takes none in its query."
    : `There is no such parameter; there are ${known.join(", ")}.`;
}

function readBody(route: Route, event: HttpEvent, headers: ReadonlyMap<string, string>): unknown {
  const bytes = Buffer.from(event.body ?? "", event.isBase64Encoded === true ? "base64" : "utf8");
  if (bytes.length > mostBodyBytes) {
    throw new CausewayError("BodyTooLarge", `The body is larger than ${mostBodyBytes} bytes.`);
  }
  if (bytes.length === 0) return undefined;
  if (route.body === undefined) throw wrongInput([{ field: "body", problem: "This route takes no body." }]);
  const contentType = headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(contentType.trim())) {
    throw new CausewayError("UnsupportedMediaType", "Send the body as application/json in UTF-8.");
  }
  return parseJson(bytes);
}

function parseJson(bytes: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    // The parser's message quotes the body, and ends up in a log: only the position is passed on.
    const [position = ""] = / at position \d+/.exec((error as Error).message) ?? [];
    throw wrongInput([{ field: "body", problem: `It is not JSON in UTF-8${position}.` }]);
  }
  if (!isShallow(value, deepestBody)) {
    throw wrongInput([{ field: "body", problem: `It is nested deeper than ${deepestBody} levels.` }]);
  }
  if (!isWellFormed(value)) {
    throw wrongInput([{ field: "body", problem: "A text in it has half a character (a lone surrogate)." }]);
  }
  return value;
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((member) => isShallow(member, levels - 1));
}

/** JSON can name half a character, which nothing can store. Call it for what is shallow. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isWellFormed(member));
}

function check(
  part: "path" | "query" | "body",
  schema: z.ZodType | undefined,
  value: unknown,
  problems: FieldProblem[],
): unknown {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  problems.push(...parsed.error.issues.flatMap((issue) => describe(part, issue, schema)));
  return undefined;
}

function describe(part: string, issue: z.core.$ZodIssue, schema: z.ZodType): FieldProblem[] {
  const field = [part, ...issue.path].join(".").slice(0, 200);
  if (issue.code === "invalid_value" && issue.message.startsWith("Invalid")) {
    return [{ field, problem: `Give ${issue.values.map((value) => JSON.stringify(value)).join(", or ")}.` }];
  }
  if (issue.code !== "unrecognized_keys") return [{ field, problem: limitIn(issue) ?? issue.message }];
  const shape = issue.path.length === 0 && "shape" in schema ? Object.keys(schema.shape as object) : [];
  const known = shape.length > 0 ? ` There are ${shape.join(", ")}.` : " Leave it out.";
  return issue.keys
    .slice(0, mostFieldProblems)
    .map((key) => ({ field: `${field}.${key.slice(0, 64)}`, problem: `There is no such field.${known}` }));
}

const units: Readonly<Record<string, string>> = { string: " characters", array: " entries", set: " entries" };

/** A sentence for bounds and forms that the schema gave none of its own. Undefined: it did, or it is about something else. */
function limitIn(issue: z.core.$ZodIssue): string | undefined {
  if (issue.code === "too_small" && issue.message.startsWith("Too small")) {
    return `Give ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${units[issue.origin] ?? ""}.`;
  }
  if (issue.code === "too_big" && issue.message.startsWith("Too big")) {
    return `Give ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${units[issue.origin] ?? ""}.`;
  }
  if (issue.code === "invalid_format" && issue.format === "regex" && issue.message.startsWith("Invalid string")) {
    return `Give a text of the form ${issue.pattern}.`;
  }
  return undefined;
}
