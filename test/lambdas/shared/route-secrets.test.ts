// Answers that hold a secret, deletions, and routes that are asked with a client key: what the HTTP framework does with each.
import { ScanCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import * as z from "zod";
import { defineRoutes } from "../../../lambdas/shared/define-routes.ts";
import { readIfMatch, tagOfVersion } from "../../../lambdas/shared/entity-tags.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { openApiDocument } from "../../../lambdas/shared/openapi.ts";
import { documentPlaceholders } from "../../../lambdas/shared/openapi-placeholders.ts";
import { idText } from "../../../lambdas/shared/route-fields.ts";
import { mayCall, type Route } from "../../../lambdas/shared/routes.ts";
import { auditSince } from "./audit-since.ts";
import { captureOutput } from "./captured-output.ts";
import { callHttp, type HttpCall } from "./http-call.ts";
import { type HttpTables, startHttpTables } from "./http-tables.ts";

const made = z.object({ id: z.string(), secret: z.string() });

const routes = [
  {
    method: "POST",
    path: "/api/secrets",
    operation: "makeSecret",
    entry: "answer-secrets",
    access: "operator",
    summary: "Makes a secret",
    data: made,
    status: 201,
    idempotent: true,
    keepsNoAnswer: true,
    audited: "made a secret",
  },
  {
    method: "DELETE",
    path: "/api/secrets/{id}",
    operation: "deleteSecret",
    entry: "answer-secrets",
    access: "operator",
    summary: "Deletes a secret",
    pathParameters: z.strictObject({ id: idText("a secret") }),
    data: z.object({ id: z.string() }),
    audited: "deleted a secret",
  },
  {
    method: "GET",
    path: "/api/mine",
    operation: "showMine",
    entry: "answer-secrets",
    access: "relay-key",
    summary: "What belongs to the holder of a key",
    data: z.object({ whose: z.string(), roles: z.array(z.string()) }),
  },
] as const satisfies readonly Route[];

let tables: HttpTables;
const begun = Date.now();
const workIds: string[] = [];
const holderOf = vi.fn(async (headers: ReadonlyMap<string, string>, sourceIp: string) => {
  const key = headers.get("x-api-key");
  if (key === undefined) throw new CausewayError("Unauthenticated", "Give a key.");
  if (key === "off") throw new CausewayError("Forbidden", "This key is switched off.");
  return { subject: `${key} at ${sourceIp}`, name: key, roles: [] };
});

const handler = defineRoutes({
  routes,
  entry: "answer-secrets",
  build: () => ({ audit: tables.audit, idempotency: tables.idempotency, keyHolder: holderOf }),
  handlers: {
    makeSecret: ({ workId, audit }) => {
      workIds.push(workId);
      audit.note({ id: "1" });
      return { data: { id: "1", secret: `secret-of-${workId}` } };
    },
    deleteSecret: ({ path }) => {
      if (path.id === "none") throw new CausewayError("NotFound", "There is no secret none.");
      return { data: { id: path.id } };
    },
    showMine: ({ caller }) => ({ data: { whose: caller.subject, roles: [...caller.roles] } }),
  },
});

const call = (request: HttpCall) => callHttp(handler, request);

beforeAll(async () => {
  tables = await startHttpTables();
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  captureOutput();
  workIds.length = 0;
  return () => vi.restoreAllMocks();
});

async function audited(operation: string) {
  const entries = await auditSince(tables.audit, begun);
  return entries.filter((entry) => entry.operation === operation);
}

describe("a route whose answer holds a secret", () => {
  const post = (key?: string, body?: unknown) =>
    call({
      method: "POST",
      path: "/api/secrets",
      role: "operator",
      ...(key !== undefined && { headers: { "Idempotency-Key": key } }),
      ...(body !== undefined && { body }),
    });

  it("answers a repetition by doing the same work again, and says so", async () => {
    const first = await post("same");
    const again = await post("same");
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.envelope.data).toEqual(first.envelope.data);
    expect(workIds).toEqual([workIds[0], workIds[0]]);
    expect(first.headers).not.toHaveProperty("idempotency-replayed");
    expect(again.headers["idempotency-replayed"]).toBe("true");
  });

  it("keeps nothing of the answer, and writes neither secret nor work into the audit", async () => {
    const { envelope } = await post("kept");
    const kept = JSON.stringify((await tables.documents.send(new ScanCommand({ TableName: "Idempotency" }))).Items);
    expect(kept).toContain(workIds[0]);
    expect(kept).not.toContain(envelope.data.secret);
    expect(JSON.stringify(await audited("makeSecret"))).not.toContain(workIds[0]);
    expect((await audited("makeSecret")).at(-1)).toMatchObject({ outcome: "done", details: { id: "1" } });
  });

  it("names its work at random: nothing that is logged says what was derived from it", async () => {
    await post();
    await post();
    expect(new Set(workIds).size).toBe(2);
    for (const workId of workIds) expect(workId).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe("a deletion", () => {
  it("is done for whoever may, and written down", async () => {
    const answer = await call({ method: "DELETE", path: "/api/secrets/7", role: "operator" });
    expect([answer.status, answer.envelope.data]).toEqual([200, { id: "7" }]);
    expect((await audited("deleteSecret"))[0]).toMatchObject({ outcome: "done", target: "/api/secrets/7" });
  });

  it("is refused to others, and of nothing", async () => {
    expect((await call({ method: "DELETE", path: "/api/secrets/7", role: "viewer" })).status).toBe(403);
    expect((await call({ method: "DELETE", path: "/api/secrets/none", role: "admin" })).status).toBe(404);
    expect((await audited("deleteSecret")).map(({ outcome }) => outcome).slice(0, 2)).toEqual([
      "NotFound",
      "Forbidden",
    ]);
  });

  it("is among the methods that a path has", async () => {
    const answer = await call({ method: "PUT", path: "/api/secrets/7", role: "admin" });
    expect([answer.status, answer.headers.allow]).toEqual([405, "DELETE, OPTIONS"]);
  });
});

describe("a route that is asked with a client key", () => {
  it("knows its caller by the key alone, whatever role comes with it", async () => {
    const answer = await call({ path: "/api/mine", headers: { "x-api-key": "mine" }, role: "admin" });
    expect(answer.status).toBe(200);
    expect(answer.envelope.data).toEqual({ whose: expect.stringMatching(/^mine at /), roles: [] });
  });

  it("is a 401 without a key, and a 403 with one that may not be used", async () => {
    expect((await call({ path: "/api/mine", role: "admin" })).status).toBe(401);
    const off = await call({ path: "/api/mine", headers: { "x-api-key": "off" } });
    expect([off.status, off.envelope.message]).toEqual([403, "This key is switched off."]);
  });

  it("is open at the gateway, and has security schemes of its own in the document", () => {
    expect(mayCall("relay-key", { roles: [] })).toBe(true);
    const document = openApiDocument(routes, { version: "1", ...documentPlaceholders }) as unknown as {
      readonly paths: Readonly<
        Record<string, { readonly get?: { readonly security: unknown; readonly responses: object } }>
      >;
      readonly components: { readonly securitySchemes: Readonly<Record<string, unknown>> };
    };
    const operation = document.paths["/api/mine"]?.get;
    expect(operation?.security).toEqual([
      { relayKey: [] },
      { relayApiKey: [] },
      { relayGoogleKey: [] },
      { relayAzureKey: [] },
    ]);
    expect(Object.keys(operation?.responses ?? {})).toEqual(expect.arrayContaining(["401", "403"]));
    expect(document.components.securitySchemes).toMatchObject({
      relayKey: { type: "http", scheme: "bearer" },
      relayGoogleKey: { type: "apiKey", in: "header", name: "x-goog-api-key" },
    });
  });
});

describe("the tag of a thing that shows more than what has a version", () => {
  it("changes with anything that is shown, and its version is all that a change looks at", () => {
    const [quiet, busy] = [tagOfVersion(3, "load 0"), tagOfVersion(3, "load 9")];
    expect(quiet).not.toBe(busy);
    for (const tag of [quiet, busy, '"3"', "*"]) expect(() => readIfMatch(tag).demandVersion(3)).not.toThrow();
    for (const tag of [quiet, '"3"', '"44.x"', 'W/"4"']) {
      expect(() => readIfMatch(tag).demandVersion(4), tag).toThrow(/changed since you saw it/);
    }
  });
});
