// Requests that a hostile client writes: each is refused as the client's fault, quickly, and never reaches an account.
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { upstreamRequest } from "../../../../lambdas/relay/providers/prepare-request.ts";
import { routeRequest } from "../../../../lambdas/relay/routing.ts";
import { refusalOf } from "./streams.ts";

function read(path: string, body: Buffer | string = "", headers: Record<string, string> = {}) {
  const bytes = Buffer.from(body);
  const method = bytes.length > 0 ? "POST" : "GET";
  const { protocol, request } = routeRequest({ method, path, query: "", headers, body: bytes });
  return protocol.read(request);
}

/** Deeper than the stack, and well within what a request may have. */
const nested = (open: string, close: string) => `${open.repeat(30_000)}${close.repeat(30_000)}`;

describe("a body that nests deeper than the stack", () => {
  test.each([
    ["a chat", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":${nested("[", "]")}}]}`],
    ["a response", "/v1/responses", `{"model":"m","input":[{"role":"user","content":${nested("[", "]")}}]}`],
    [
      "a message with a cache",
      "/v1/messages",
      `{"model":"m","messages":[{"role":"user","content":[{"cache_control":{},"x":${nested("[", "]")}}]}]}`,
    ],
    [
      "a message's documents",
      "/v1/messages",
      `{"model":"m","messages":[{"role":"user","content":[${nested('{"source":{"type":"content","content":[', "]}}")}]}]}`,
    ],
    [
      "Gemini's results of functions",
      "/v1beta/models/m:generateContent",
      `{"contents":[{"parts":[${nested('{"functionResponse":{"parts":[', "]}}")}]}]}`,
    ],
  ])("%s: is the client's fault, not ours", (_what, path, body) => {
    expect(refusalOf(() => read(path, body))).toBe("BodyInvalid");
  });
});

describe("a body of very many parts", () => {
  const small = '"messages":[],"model":"m"';

  test.each([
    ["lists", `{${small},"x":[${"[],".repeat(1_500_000)}1]}`],
    ["objects", `{${small},"x":[${"{},".repeat(1_500_000)}1]}`],
    ["numbers", `{${small},"x":[${"1,".repeat(2_500_000)}1]}`],
  ])("%s: is not unfolded into hundreds of megabytes", (_what, body) => {
    expect(refusalOf(() => read("/v1/chat/completions", gzipSync(body), { "content-encoding": "gzip" }))).toBe(
      "BodyInvalid",
    );
  });

  test("members: no API has so many", () => {
    const members = Array.from({ length: 20_000 }, (_, at) => `"k${at}":1`).join(",");
    expect(refusalOf(() => read("/v1/chat/completions", `{${small},${members}}`))).toBe("BodyInvalid");
  });

  test("one long text, such as an image, passes", () => {
    const body = `{"model":"m","messages":[{"role":"user","content":"${"[{,".repeat(2_000_000)}"}]}`;
    expect(refusalOf(() => read("/v1/chat/completions", gzipSync(body), { "content-encoding": "gzip" }))).toBe("none");
  });
});

describe("a decisive member in other letters, which some upstreams take for the same (Go's encoding/json)", () => {
  test.each([
    ["/v1/chat/completions", '{"model":"gpt-4o-mini","messages":[],"Model":"gpt-5"}'],
    ["/v1/chat/completions", '{"MODEL":"gpt-5","model":"gpt-4o-mini","messages":[]}'],
    ["/v1/chat/completions", '{"model":"gpt-4o-mini","messages":[],"max_toKens":9}'],
    ["/v1/responses", '{"model":"gpt-4o-mini","input":"Hi","\\u017fervice_tier":"priority"}'],
    ["/v1/embeddings", '{"model":"gpt-4o-mini","input":"Hi","\\u004dodel":"x"}'],
    ["/v1/messages", '{"model":"claude-haiku-4-5","max_tokens":1,"messages":[],"mOdel":"claude-opus-4-1"}'],
  ])("%s %s", (path, body) => {
    expect(refusalOf(() => read(path, body))).toBe("BodyInvalid");
  });
});

describe("a path that names no model", () => {
  test.each([
    // What some servers redirect, and a redirect speaks against the account.
    ["/v1/models/%2F", "NotFound"],
    ["/v1/models/a%2F", "NotFound"],
    ["/v1/models/%2F%2Fevil.example/a", "NotFound"],
    // What HTTP cannot carry speaks against the account, too.
    ["/v1/models/漢", "BodyInvalid"],
    ["/claude/v1/models/漢", "BodyInvalid"],
    ["/v1/models/a%0d%0aX-Evil", "BodyInvalid"],
    // Where the gateway decodes paths, these would end the path.
    ["/v1/models/a?beta=true", "BodyInvalid"],
    ["/v1/models/a%3Fkey=x", "BodyInvalid"],
    ["/v1/models/a#b", "BodyInvalid"],
    // Words of an error message, to be repeated in one.
    ["/v1/models/account%20has%20been%20disabled", "BodyInvalid"],
    ["/v1/models/..%2ffiles", "NotFound"],
    ["/v1/models/%2e%2e/files", "NotFound"],
    ["/v1/models/a%5c..%5cfiles", "NotFound"],
  ])("%s is refused: %s", (path, name) => {
    expect(refusalOf(() => read(path))).toBe(name);
  });

  test.each(["/v1/models/org/model-1", "/v1/models/org%2Fmodel-1", "/v1/models/gpt-4o", "/v1beta/models/gemma-3"])(
    "%s names one",
    (path) => {
      expect(read(path)).toMatchObject({ upstream: { path } });
    },
  );
});

describe("a body that another reader would take for something else than JSON", () => {
  // LiteLLM reads forms: this one is JSON with the one model, and a form with the other.
  const body = '{"model":"gpt-4o-mini","messages":[],"x":"&model=gpt-5&"}';
  const sentAs = (type: string | undefined) => {
    const call = read("/v1/chat/completions", body, type === undefined ? {} : { "content-type": type });
    return "upstream" in call && upstreamRequest(call.upstream, "https://x", {}).headers["content-type"];
  };

  test.each([undefined, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", ""])(
    "goes upstream as JSON, whatever it is called: %s",
    (type) => expect(sentAs(type)).toBe("application/json"),
  );

  test.each(["application/json; charset=utf-16", "application/json; charset=utf-8, text/plain"])("%s, too", (type) =>
    expect(sentAs(type)).toBe("application/json"),
  );

  test.each(["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"])(
    "%s stays as it is",
    (type) => expect(sentAs(type)).toBe(type),
  );
});
