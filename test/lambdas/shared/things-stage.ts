// Made-up routes with their handlers over real tables: what the tests of the HTTP framework ask.
import { afterAll, beforeAll, beforeEach, vi } from "vitest";
import * as z from "zod";
import { readCursor, writeCursor } from "../../../lambdas/shared/cursor.ts";
import { defineRoutes } from "../../../lambdas/shared/define-routes.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { cursorPageOf, cursorPaging, flagText, idText, numberText } from "../../../lambdas/shared/route-fields.ts";
import type { Route } from "../../../lambdas/shared/routes.ts";
import { auditSince } from "./audit-since.ts";
import { type CapturedOutput, captureOutput } from "./captured-output.ts";
import { callHttp, type HttpCall, type HttpResult } from "./http-call.ts";
import { type HttpTables, startHttpTables } from "./http-tables.ts";

const thing = z.object({ id: z.string(), text: z.string() });

export const routes = [
  {
    method: "GET",
    path: "/api/things",
    operation: "listThings",
    entry: "answer-things",
    access: "viewer",
    summary: "Lists things",
    query: z.strictObject({ ...cursorPaging, kind: z.enum(["big", "small"]).optional(), deep: flagText().optional() }),
    data: cursorPageOf(thing),
  },
  {
    method: "POST",
    path: "/api/things",
    operation: "makeThing",
    entry: "answer-things",
    access: "operator",
    summary: "Makes a thing",
    body: z.strictObject({ text: z.string().max(20), count: z.int().min(1).default(1) }),
    data: thing,
    status: 202,
    idempotent: true,
    audited: "made a thing",
  },
  {
    method: "GET",
    path: "/api/things/{thingId}",
    operation: "getThing",
    entry: "answer-things",
    access: "viewer",
    summary: "One thing",
    pathParameters: z.strictObject({ thingId: idText("a thing") }),
    data: thing,
  },
  {
    method: "PUT",
    path: "/api/things/{thingId}",
    operation: "changeThing",
    entry: "answer-things",
    access: "admin",
    summary: "Changes a thing",
    pathParameters: z.strictObject({ thingId: idText("a thing") }),
    body: z.strictObject({ text: z.string() }),
    data: thing,
    conditional: true,
    audited: "changed a thing",
    auditedInTransaction: true,
  },
  {
    method: "GET",
    path: "/api/things/special",
    operation: "specialThing",
    entry: "answer-things",
    access: "public",
    summary: "A path that a parameter would match, too",
    data: z.object({ special: z.boolean() }),
  },
  {
    method: "GET",
    path: "/page",
    operation: "showPage",
    entry: "answer-things",
    access: "public",
    summary: "No JSON",
    data: z.string(),
    contentType: "text/html; charset=utf-8",
  },
  {
    method: "GET",
    path: "/numbers",
    operation: "showNumbers",
    entry: "answer-things",
    access: "metrics-token",
    summary: "For machines",
    data: z.string(),
    contentType: "text/plain; charset=utf-8",
    query: z.strictObject({ from: numberText(1, 9, "numbers").default(1) }),
  },
  {
    method: "POST",
    path: "/api/others",
    operation: "makeOther",
    entry: "another-entry",
    access: "operator",
    summary: "Answered by another function",
    data: thing,
  },
] as const satisfies readonly Route[];

/** What makeThing does; a test may let it fail or hang. */
export const work = vi.fn(async (text: string): Promise<string> => text);
export const workIds: string[] = [];

/** Set by setUpThings. */
export const stage = {} as { tables: HttpTables; output: CapturedOutput };

export const handler = defineRoutes({
  routes,
  entry: "answer-things",
  build: () => ({
    audit: stage.tables.audit,
    idempotency: stage.tables.idempotency,
    metricsToken: async () => "the metrics token",
  }),
  handlers: {
    listThings: async ({ query }) => {
      const from = readCursor(["things", query.kind], query.cursor, z.object({ at: z.number() }))?.at ?? 0;
      const items = Array.from({ length: query.limit }, (_, index) => ({ id: String(from + index), text: "t" }));
      return { data: { items, cursor: writeCursor(["things", query.kind], { at: from + query.limit }) } };
    },
    makeThing: async ({ body, workId, audit }) => {
      workIds.push(workId);
      audit.note({ count: body.count });
      const text = await work(body.text);
      return { data: { id: workId, text, secret: "is left out" }, location: `/api/things/${workId}` };
    },
    getThing: ({ path }) => {
      if (path.thingId === "broken") throw new Error("the database at 10.0.0.7 is on fire");
      if (path.thingId === "none") throw new CausewayError("NotFound", "There is no thing none.");
      return { data: { id: path.thingId, text: "t" }, ...(path.thingId === "versioned" && { etag: '"7"' }) };
    },
    changeThing: async ({ path, body, ifMatch, audit }) => {
      ifMatch.demand('"7"');
      await stage.tables.audit.put(audit.item({ before: "t" }).Put.Item as never);
      return { data: { id: path.thingId, text: body.text }, etag: '"8"' };
    },
    specialThing: () => ({ data: { special: true } }),
    showPage: () => ({ content: "<p>hello</p>", headers: { "Cache-Control": "max-age=60" } }),
    showNumbers: ({ query }) => ({ content: `from ${query.from}\n` }),
  },
});

export const call = (request: HttpCall) => callHttp(handler, request);

/** The fields that an answer complains of. */
export const fieldsOf = (answer: HttpResult) =>
  (answer.envelope.data.fields as { field: string }[]).map(({ field }) => field).sort();

const begun = Date.now();

export async function auditOf(requestId: string) {
  const entries = await auditSince(stage.tables.audit, begun);
  return entries.filter((entry) => entry.requestId === requestId);
}

/** Once in each test file. */
export function setUpThings(): void {
  beforeAll(async () => {
    stage.tables = await startHttpTables();
  });
  afterAll(async () => {
    await stage.tables?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    stage.output = captureOutput();
    work.mockClear();
    work.mockImplementation(async (text) => text);
    workIds.length = 0;
    return () => vi.restoreAllMocks();
  });
}
