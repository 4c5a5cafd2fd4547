// The framework of the HTTP API: what an answer looks like, which addresses and methods there are, who may.
import { describe, expect, expectTypeOf, it } from "vitest";
import type { RoutesDefinition } from "../../../lambdas/shared/define-routes.ts";
import { call, type routes, setUpThings, stage } from "./things-stage.ts";

setUpThings();

describe("an answer", () => {
  it("is an envelope with code 0, and has the headers that keep it from being misread", async () => {
    const answer = await call({ path: "/api/things/7", role: "viewer", requestId: "r-1" });
    expect(answer.status).toBe(200);
    expect(answer.envelope).toEqual({ code: 0, message: "ok", data: { id: "7", text: "t" } });
    expect(answer.headers).toMatchObject({
      "content-type": "application/json; charset=utf-8",
      "x-content-type-options": "nosniff",
      "cache-control": "no-store",
      "x-request-id": "r-1",
    });
    expect(answer.headers).not.toHaveProperty("access-control-allow-origin");
  });

  it("holds only what the route promises", async () => {
    const answer = await call({ method: "POST", path: "/api/things", role: "operator", body: { text: "x" } });
    expect(answer.status).toBe(202);
    expect(Object.keys(answer.envelope.data)).toEqual(["id", "text"]);
  });

  it("says where to look, with the stage that stands in the address", async () => {
    const request = { method: "POST", path: "/api/things", role: "operator", body: { text: "x" } } as const;
    expect((await call(request)).headers.location).toMatch(/^\/api\/things\/[0-9a-f]{32}$/);
    expect((await call({ ...request, prefix: "/local" })).headers.location).toMatch(/^\/local\/api\/things\//);
  });

  it("may be something else than JSON", async () => {
    const answer = await call({ path: "/page" });
    expect(answer.text).toBe("<p>hello</p>");
    expect(answer.headers).toMatchObject({ "content-type": "text/html; charset=utf-8", "cache-control": "max-age=60" });
  });

  it("prefers a fixed path to a parameter, and decodes a parameter once", async () => {
    expect((await call({ path: "/api/things/special" })).envelope.data).toEqual({ special: true });
    const answer = await call({ path: "/api/things/a%2Fb%253A", role: "viewer" });
    expect(answer.envelope.data.id).toBe("a/b%3A");
  });

  it("tells nothing of what went wrong inside, but where to look for it", async () => {
    const answer = await call({ path: "/api/things/broken", role: "viewer", requestId: "r-2" });
    expect(answer.status).toBe(500);
    expect(answer.envelope).toMatchObject({
      code: 500,
      data: { name: "UnexpectedFailure", fields: [], requestId: "r-2" },
    });
    expect(answer.text).not.toContain("10.0.0.7");
    expect(stage.output.text()).toContain("10.0.0.7");
  });

  it("has the status of the error's name", async () => {
    const answer = await call({ path: "/api/things/none", role: "viewer" });
    expect(answer.status).toBe(404);
    expect(answer.envelope).toMatchObject({
      code: 404,
      message: "There is no thing none.",
      data: { name: "NotFound", retryable: false },
    });
  });
});

describe("addresses and methods", () => {
  it.each(["/", "/api", "/api/thing", "/api/things/1/2", "/api/things//"])("%s is 404", async (path) => {
    const answer = await call({ path, role: "admin" });
    expect([answer.status, answer.envelope.data.name]).toEqual([404, "NotFound"]);
  });

  it("a broken percent-encoding names nothing", async () => {
    expect((await call({ path: "/api/things/%E0%A4%A", role: "viewer" })).status).toBe(404);
  });

  it.each([
    ["DELETE", "/api/things", "GET, HEAD, POST, OPTIONS"],
    ["POST", "/api/things/7", "GET, HEAD, PUT, OPTIONS"],
    ["PATCH", "/page", "GET, HEAD, OPTIONS"],
    ["GET", "/api/others", "POST, OPTIONS"],
  ])("%s %s is 405, with what there is", async (method, path, allow) => {
    const answer = await call({ method, path });
    expect([answer.status, answer.headers.allow]).toEqual([405, allow]);
  });

  it("OPTIONS says which methods there are, and opens the API to no other origin", async () => {
    const answer = await call({
      method: "OPTIONS",
      path: "/api/things/7",
      headers: { Origin: "https://elsewhere.example" },
    });
    expect([answer.status, answer.text, answer.headers.allow]).toEqual([204, "", "GET, HEAD, PUT, OPTIONS"]);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  it("HEAD is GET without its body", async () => {
    const got = await call({ path: "/api/things/7", role: "viewer", requestId: "same" });
    const head = await call({ method: "HEAD", path: "/api/things/7", role: "viewer", requestId: "same" });
    expect(head).toEqual({ ...got, text: "", envelope: undefined });
    expect((await call({ method: "HEAD", path: "/api/things/none", role: "viewer" })).status).toBe(404);
  });

  it("a route of another function is not answered by this one", async () => {
    expect((await call({ method: "POST", path: "/api/others", role: "admin" })).status).toBe(500);
  });
});

describe("who may", () => {
  it.each([
    ["GET", "/api/things", undefined, 401],
    ["GET", "/api/things", "viewer", 200],
    ["GET", "/api/things", "admin", 200],
    ["POST", "/api/things", "viewer", 403],
    ["POST", "/api/things", "operator", 202],
    ["PUT", "/api/things/7", "operator", 403],
    ["GET", "/page", undefined, 200],
  ] as const)("%s %s by %s is %i", async (method, path, role, status) => {
    const answer = await call({
      method,
      path,
      ...(role && { role }),
      ...(method === "POST" && { body: { text: "x" } }),
    });
    expect(answer.status).toBe(status);
  });

  it("a role that we do not know counts for nothing", async () => {
    expect((await call({ path: "/api/things", role: "root" as never })).status).toBe(403);
  });

  it("is asked before anything else is looked at", async () => {
    expect((await call({ method: "POST", path: "/api/things", role: "viewer", body: "{" })).status).toBe(403);
  });

  it("the metrics take their token, and no other", async () => {
    const ask = (authorization?: string) =>
      call({ path: "/numbers", ...(authorization && { headers: { Authorization: authorization } }) });
    expect((await ask()).status).toBe(401);
    expect((await ask("Bearer wrong")).status).toBe(401);
    expect((await ask("the metrics token")).status).toBe(401);
    expect((await ask("Bearer ")).status).toBe(401);
  });
});

describe("the handlers of an entry", () => {
  type Handlers = RoutesDefinition<typeof routes, "answer-things", object>["handlers"];

  it("are those of its own routes: with one missing, or one too many, it does not compile", () => {
    expectTypeOf<keyof Handlers>().toEqualTypeOf<
      "listThings" | "makeThing" | "getThing" | "changeThing" | "specialThing" | "showPage" | "showNumbers"
    >();
    expectTypeOf<Parameters<Handlers["listThings"]>[0]["query"]["limit"]>().toEqualTypeOf<number>();
    expectTypeOf<Parameters<Handlers["makeThing"]>[0]["body"]>().toEqualTypeOf<{ text: string; count: number }>();
    expectTypeOf<Parameters<Handlers["getThing"]>[0]>().not.toHaveProperty("audit");
  });
});
