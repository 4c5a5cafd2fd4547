// What was sent to a route of the HTTP API: checked in full, and refused by field and cure.
import { describe, expect, it } from "vitest";
import { eventOf } from "./http-call.ts";
import { auditOf, call, fieldsOf, handler, setUpThings } from "./things-stage.ts";

setUpThings();

describe("what was sent", () => {
  const post = { method: "POST", path: "/api/things", role: "operator" } as const;

  it("arrives as the types that the route says, with its defaults", async () => {
    const answer = await call({ path: "/api/things", role: "viewer", query: { limit: "3", deep: "true" } });
    expect((answer.envelope.data.items as unknown[]).length).toBe(3);
    const made = await call({ ...post, body: { text: "x" }, requestId: "with-default" });
    expect(made.status).toBe(202);
    expect(await auditOf("with-default")).toMatchObject([{ details: { count: 1 } }]);
  });

  it.each([
    [{ limit: "0" }, "query.limit"],
    [{ limit: "1e2" }, "query.limit"],
    [{ limit: "" }, "query.limit"],
    [{ kind: "huge" }, "query.kind"],
    [{ deep: "yes" }, "query.deep"],
    [{ limit: ["1", "2"] }, "query.limit"],
    [{ __proto__x: "1" }, "query.__proto__x"],
    [{ limi: "3" }, "query.limi"],
    [{ cursor: "made-up" }, "query.cursor"],
  ])("the query %j is a 400 that names %s and a cure", async (query, field) => {
    const answer = await call({ path: "/api/things", role: "viewer", query });
    expect([answer.status, answer.envelope.code, fieldsOf(answer)]).toEqual([400, 400, [field]]);
    expect(JSON.stringify(answer.envelope.data.fields)).toMatch(/Give|There are|cursor/);
  });

  it("is told all of what is wrong at once", async () => {
    const answer = await call({ ...post, body: { text: 5, count: 0, more: true }, query: { a: "1" } });
    expect(fieldsOf(answer)).toEqual(["body.count", "body.more", "body.text", "query.a"]);
  });

  it.each([
    ["no JSON", "{"],
    ["not an object", "[]"],
    ["null", "null"],
    ["too deep", `${'{"a":'.repeat(40)}1${"}".repeat(40)}`],
    ["of half a character", '{"text":"\\ud800"}'],
    ["of half a character in a name", '{"text":"x","\\udc00":1}'],
    ["nothing where a body must be", undefined],
  ])("a body that is %s is a 400", async (_what, body) => {
    const answer = await call({ ...post, body, headers: { "Content-Type": "application/json" } });
    expect(answer.status).toBe(400);
    expect(answer.text).toContain("body");
  });

  it("a body that is not UTF-8 is a 400, also in base64", async () => {
    const event = eventOf({ ...post, headers: { "Content-Type": "application/json" } }, "r-base64");
    const bytes = Buffer.concat([Buffer.from('{"text":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    const body = { body: bytes.toString("base64"), isBase64Encoded: true };
    const answer = await handler({ ...event, ...body }, { awsRequestId: "i", getRemainingTimeInMillis: () => 9000 });
    expect(answer.statusCode).toBe(400);
  });

  it.each([
    ["text/plain", 415],
    ["application/json; charset=latin1", 415],
    ["application/json;charset=UTF-8", 202],
    ["Application/JSON", 202],
  ])("as %s it is %i", async (type, status) => {
    const answer = await call({ ...post, body: '{"text":"x"}', headers: { "Content-Type": type } });
    expect(answer.status).toBe(status);
  });

  it("is a 413 when it is too large", async () => {
    const answer = await call({ ...post, body: { text: "x".repeat(300_000) } });
    expect([answer.status, answer.envelope.data.name]).toEqual([413, "BodyTooLarge"]);
  });

  it("is a 400 where the route takes no body, and no parameter", async () => {
    expect((await call({ path: "/api/things/7", role: "viewer", body: {} })).status).toBe(400);
    expect(fieldsOf(await call({ path: "/api/things/7", role: "viewer", query: { a: "1" } }))).toEqual(["query.a"]);
  });

  it("a cursor goes on where the page ended, and only in its own list", async () => {
    const first = await call({ path: "/api/things", role: "viewer", query: { limit: "2" } });
    const cursor = String(first.envelope.data.cursor);
    const second = await call({ path: "/api/things", role: "viewer", query: { limit: "2", cursor } });
    expect(second.envelope.data.items).toMatchObject([{ id: "2" }, { id: "3" }]);
    for (const other of [`${cursor}x`, cursor.slice(1), `${cursor}.x`]) {
      expect((await call({ path: "/api/things", role: "viewer", query: { cursor: other } })).status).toBe(400);
    }
    const filtered = await call({ path: "/api/things", role: "viewer", query: { cursor, kind: "big" } });
    expect(filtered.status).toBe(400);
  });
});
