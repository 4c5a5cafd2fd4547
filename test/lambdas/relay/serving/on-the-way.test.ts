// What pages in browsers, and proxies on the way, get beside the answer itself.
import { describe, expect, it } from "vitest";
import { serveRequest } from "../../../../lambdas/relay/serving/serve-request.ts";
import { stageServing } from "./serving-stage.ts";

const page = "http://localhost:5173";

function stage(change: object = {}) {
  const staged = stageServing();
  const arrival = staged.arrival("01HZZZZZZZZZZZZZZZZZZZZZZZ");
  return { staged, ask: () => serveRequest({ ...arrival, ...change }, staged.ports), own: arrival.headers };
}

describe("a browser's question before its request", () => {
  const asking = {
    origin: page,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang",
  };

  it.each(["/v1/messages", "/v1/chat/completions", "/openai/v1/models", "/v1beta/models/m:generateContent"])(
    "is answered without a key and without a call: %s",
    async (path) => {
      const { staged, ask } = stage({ method: "OPTIONS", path, headers: asking, body: Buffer.alloc(0) });
      const { status, headers, body } = await ask();
      expect([status, body]).toEqual([200, ""]);
      expect(headers).toMatchObject({
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD, POST",
        "access-control-allow-headers": asking["access-control-request-headers"],
      });
      expect(staged.seen.steps).toEqual([]);
    },
  );

  it("gives back no more than names of headers", async () => {
    for (const names of ["x".repeat(5000), "a\r\nset-cookie: b", 'a="b"']) {
      const headers = { ...asking, "access-control-request-headers": names };
      const answer = await stage({ method: "OPTIONS", headers }).ask();
      expect(answer.status).toBe(200);
      expect(answer.headers).not.toHaveProperty("access-control-allow-headers");
    }
  });

  it("is none without its headers: OPTIONS is a method that no path takes", async () => {
    expect((await stage({ method: "OPTIONS", headers: { origin: page } }).ask()).status).toBe(405);
  });
});

describe("an answer", () => {
  it("may be read by the page that asked, and a refusal too", async () => {
    const { own } = stage();
    const shown = { "access-control-allow-origin": "*", "access-control-expose-headers": "*" };
    const served = await stage({ headers: { ...own, origin: page } }).ask();
    expect([served.status, served.headers]).toEqual([200, expect.objectContaining(shown)]);
    const refused = await stage({ headers: { origin: page } }).ask();
    expect([refused.status, refused.headers]).toEqual([401, expect.objectContaining(shown)]);
  });

  it("has nothing for browsers where none asked", async () => {
    const { headers } = await stage().ask();
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
  });

  it("that is a stream is not to be kept back by proxies; others may be", async () => {
    expect((await stage().ask()).headers).toMatchObject({ "x-accel-buffering": "no" });
    expect((await stage({ headers: {} }).ask()).headers).not.toHaveProperty("x-accel-buffering");
  });
});
