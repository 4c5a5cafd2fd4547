// One request on its way through one route: who may, what is checked, what is repeated, what is written down.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AuditEntry, AuditStore } from "./audit.store.ts";
import { isUnchanged, readIfMatch, tagOfContent } from "./entity-tags.ts";
import { type HttpAnswer, jsonContentType, securityHeaders, successBody } from "./envelope.ts";
import { CausewayError } from "./errors.ts";
import { failureOf } from "./http-errors.ts";
import {
  type CheckedInput,
  callerOf,
  checkInput,
  decodePathParameters,
  type HttpEvent,
  headersOf,
  prefixOf,
} from "./http-request.ts";
import type { IdempotencyStore, IdempotentRequest } from "./idempotency.store.ts";
import { log } from "./log.ts";
import type { AuditTicket, RawAnswer } from "./route-types.ts";
import { type Caller, mayCall, type Route } from "./routes.ts";
import { wrongInput } from "./wrong-input.ts";

/** What the framework itself needs; which of them, the routes' types say. */
export interface HttpPorts {
  readonly audit?: AuditStore;
  readonly idempotency?: IdempotencyStore;
  /** The token that `/metrics` is read with. Throws `SecretMissing`. */
  readonly metricsToken?: () => Promise<string>;
  /**
   * Whose relay key is in these headers (lower-case names): its id as the subject, no roles. Throws `Unauthenticated` where
   * there is none that is valid, `Forbidden` where it may not be used, or not from this address.
   */
  readonly keyHolder?: (headers: ReadonlyMap<string, string>, sourceIp: string) => Promise<Caller>;
}

/** A handler without its route's types: define-routes.ts made sure that they fit. */
export type PlainHandler = (request: object, dependencies: object) => unknown;

export interface Asked {
  readonly route: Route;
  readonly event: HttpEvent;
  readonly requestId: string;
  /** By name, still percent-encoded. */
  readonly encodedParameters: Readonly<Record<string, string | undefined>>;
  remainingMilliseconds(): number;
}

/** Lambda takes 6 MB; what would not fit is an error of ours, not a broken connection. */
const mostAnswerBytes = 5 * 1024 * 1024;

/** Answers, or throws what failureOf makes an answer of. */
export async function answerRoute(
  asked: Asked,
  handler: PlainHandler,
  dependencies: object & HttpPorts,
): Promise<HttpAnswer> {
  const { route, event, requestId } = asked;
  const headers = headersOf(event);
  const caller = await admit(asked, headers, dependencies);
  const parameters = decodePathParameters(asked.encodedParameters);
  const input = checkInput(route, event, headers, parameters);
  const ifMatch = route.conditional ? readIfMatch(headers.get("if-match")) : undefined;
  const request = {
    ...input,
    caller,
    requestId,
    ifMatch,
    sourceIp: sourceIpOf(event),
    header: (name: string) => headers.get(name),
    addressPrefix: prefixOf(event),
    remainingMilliseconds: () => asked.remainingMilliseconds(),
  };
  if (route.method === "GET") {
    return withTag(render(route, await handler(request, dependencies), request.addressPrefix, requestId), headers);
  }
  const key = route.idempotent ? readIdempotencyKey(headers) : undefined;
  // At random, and kept with the Idempotency-Key alone: what is derived from it can be derived from nothing that is logged.
  const newWorkId = randomBytes(16).toString("hex");
  const work = (workId: string) =>
    audited(asked, caller, dependencies.audit, async (audit) =>
      render(route, await handler({ ...request, audit, workId }, dependencies), request.addressPrefix, requestId),
    );
  return key === undefined
    ? work(newWorkId)
    : once(asked, { caller, key, input, newWorkId }, dependencies.idempotency, work);
}

/** Throws `Unauthenticated` or `Forbidden`; who was refused a change is written down. */
async function admit(
  asked: Asked,
  headers: ReadonlyMap<string, string>,
  { metricsToken, keyHolder, audit }: HttpPorts,
): Promise<Caller> {
  const { route, event } = asked;
  const anonymous: Caller = { subject: "anonymous", name: "anonymous", roles: [] };
  if (route.access === "metrics-token") {
    await demandToken(headers.get("authorization"), metricsToken);
    return anonymous;
  }
  if (route.access === "relay-key") return need(keyHolder, "keyHolder")(headers, sourceIpOf(event));
  const caller = callerOf(event);
  if (route.access === "public") return caller ?? anonymous;
  if (caller === undefined) {
    throw new CausewayError("Unauthenticated", "Sign in first: this needs an access token.");
  }
  if (mayCall(route.access, caller)) return caller;
  if (route.method !== "GET") await need(audit, "audit").put(entryOf(asked, caller, "Forbidden"));
  throw new CausewayError(
    "Forbidden",
    `This needs the role ${route.access}; you have ${caller.roles.join(", ") || "none"}.`,
  );
}

async function demandToken(header: string | undefined, metricsToken: HttpPorts["metricsToken"]): Promise<void> {
  const expected = await need(metricsToken, "metricsToken")();
  const [, given = ""] = /^Bearer +(\S+)\s*$/i.exec(header ?? "") ?? [];
  // Of equal length and compared in constant time, whatever was sent.
  const digests = [given, expected].map((text) => createHash("sha256").update(text).digest()) as [Buffer, Buffer];
  if (given === "" || !timingSafeEqual(...digests)) {
    throw new CausewayError("Unauthenticated", "This needs the bearer token of the metrics.");
  }
}

/** Writes the intent before and the outcome after, or leaves both to the handler's transaction. */
async function audited(
  asked: Asked,
  caller: Caller,
  store: AuditStore | undefined,
  work: (ticket: AuditTicket) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const audit = need(store, "audit");
  const inTransaction = asked.route.auditedInTransaction === true;
  const entry = entryOf(asked, caller, "started");
  let details: AuditEntry["details"];
  let isTaken = false;
  const noted = (): Pick<AuditEntry, "details"> => (details === undefined ? {} : { details });
  const ticket: AuditTicket = {
    note(facts) {
      details = { ...details, ...facts };
    },
    item(facts) {
      if (!inTransaction) throw new TypeError(`${asked.route.operation} is not auditedInTransaction`);
      isTaken = true;
      if (facts !== undefined) ticket.note(facts);
      return audit.transactItem({ ...entry, ...noted(), outcome: "done" });
    },
  };
  if (!inTransaction) await audit.put(entry);
  let answer: HttpAnswer;
  try {
    answer = await work(ticket);
    if (inTransaction && !isTaken) throw new TypeError(`${asked.route.operation} changed something without its audit`);
  } catch (error) {
    const outcome = failureOf(error).data.name;
    await writeDown(asked, () => audit.put({ ...entry, ...noted(), outcome }));
    throw error;
  }
  if (!inTransaction) await writeDown(asked, () => audit.close({ ...entry, ...noted(), outcome: "done" }));
  return answer;
}

/** The work is done or refused by now: that its outcome could not be written does not change the answer. */
async function writeDown({ route, requestId }: Asked, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    log.error("the outcome of a change was not written down", { operation: route.operation, requestId, error });
  }
}

function entryOf(asked: Asked, caller: Caller, outcome: string): AuditEntry {
  const { route, event, requestId } = asked;
  return {
    at: new Date().toISOString(),
    subject: caller.subject,
    name: caller.name,
    action: route.audited ?? route.operation,
    operation: route.operation,
    target: event.path,
    outcome,
    requestId,
    sourceIp: sourceIpOf(event),
  };
}

const sourceIpOf = (event: HttpEvent) => event.requestContext?.identity?.sourceIp ?? "unknown";

interface KeyedRequest {
  readonly caller: Caller;
  readonly key: string;
  readonly input: CheckedInput;
  readonly newWorkId: string;
}

async function once(
  { route, event, requestId }: Asked,
  { caller, key, input, newWorkId }: KeyedRequest,
  store: IdempotencyStore | undefined,
  work: (workId: string) => Promise<HttpAnswer>,
): Promise<HttpAnswer> {
  const idempotency = need(store, "idempotency");
  const request: IdempotentRequest = {
    requestKey: hash([caller.subject, route.operation, event.path, key]),
    requestHash: hash(input),
    requestId,
    workId: newWorkId,
  };
  const { workId, answer: kept } = await idempotency.begin(request, Date.now());
  if (kept !== undefined) {
    if (route.keepsNoAnswer) {
      const again = await work(workId);
      return { ...again, headers: { ...again.headers, "Idempotency-Replayed": "true" } };
    }
    const headers = { ...kept.headers, "X-Request-Id": requestId, "Idempotency-Replayed": "true" };
    return { ...kept, headers, isBase64Encoded: false };
  }
  try {
    const answer = await work(workId);
    const toKeep = route.keepsNoAnswer ? { statusCode: answer.statusCode, headers: {}, body: "" } : answer;
    await keepAnswer(() => idempotency.complete(request, toKeep));
    return answer;
  } catch (error) {
    await keepAnswer(() => idempotency.release(request));
    throw error;
  }
}

/** The work is done, and named so that a repetition begins nothing twice: the answer goes out in any case. */
async function keepAnswer(keep: () => Promise<void>): Promise<void> {
  try {
    await keep();
  } catch (error) {
    log.error("an answer was not kept for its Idempotency-Key", { error });
  }
}

function readIdempotencyKey(headers: ReadonlyMap<string, string>): string | undefined {
  const key = headers.get("idempotency-key");
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw wrongInput([
    { field: "header.Idempotency-Key", problem: "Give 1 to 255 letters, digits or signs, such as a random UUID." },
  ]);
}

interface AnyAnswer extends Partial<RawAnswer> {
  readonly data?: unknown;
  readonly location?: string;
}

function render(route: Route, answered: unknown, prefix: string, requestId: string): HttpAnswer {
  const answer = answered as AnyAnswer;
  const body = route.contentType === undefined ? successBody(checkData(route, answer.data)) : (answer.content ?? "");
  if (Buffer.byteLength(body) > mostAnswerBytes) {
    throw new RangeError(`the answer of ${route.operation} is larger than ${mostAnswerBytes} bytes`);
  }
  return {
    statusCode: answer.status ?? route.status ?? 200,
    headers: {
      ...securityHeaders,
      "Content-Type": answer.contentType ?? route.contentType ?? jsonContentType,
      "X-Request-Id": requestId,
      ...(answer.location !== undefined && { Location: prefix + answer.location }),
      ...(answer.etag !== undefined && { ETag: answer.etag }),
      ...answer.headers,
    },
    body,
    isBase64Encoded: false,
  };
}

/** What the document promises is what goes out: whatever else a handler answered is left out. */
function checkData(route: Route, data: unknown): unknown {
  const parsed = route.data.safeParse(data);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).slice(0, 5);
  throw new TypeError(`${route.operation} answers other than its route says: ${wrong.join("; ")}`);
}

function withTag(answer: HttpAnswer, headers: ReadonlyMap<string, string>): HttpAnswer {
  if (answer.statusCode !== 200) return answer;
  const tag = answer.headers.ETag ?? tagOfContent(answer.body);
  const tagged = { ...answer, headers: { ...answer.headers, ETag: tag } as Readonly<Record<string, string>> };
  if (!isUnchanged(headers.get("if-none-match"), tag)) return tagged;
  const { "Content-Type": _none, ...rest } = tagged.headers;
  return { ...tagged, statusCode: 304, headers: rest, body: "" };
}

function need<Port>(port: Port | undefined, name: string): Port {
  if (port === undefined) throw new TypeError(`the entry's build() gives no ${name}`);
  return port;
}

/** Of the value's canonical JSON: the order of an object's members does not matter. */
function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value, sorted)).digest("hex");
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}
