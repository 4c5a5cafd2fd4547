// Which calls the upstream takes, what it keeps of them, and how a script chooses among them.
import { createHash } from "node:crypto";
import zlib from "node:zlib";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startAiUpstream } from "../../../local/ai-upstream/ai-upstream.ts";
import { hashCredential } from "../../../local/ai-upstream/upstream-keys.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { post, startUpstreamRig, type UpstreamRig } from "./upstream-rig.ts";

let rig: UpstreamRig;
const startAtMilliseconds = Date.parse("2026-11-20T12:00:00.000Z");
const clock = new Clock({ startAtMilliseconds });
beforeAll(async () => {
  rig = await startUpstreamRig({ clock });
});
afterEach(() => rig.upstream.clear());
afterAll(async () => {
  await rig.upstream.close();
  clock.close();
});

const message = { model: "claude-sonnet-5-5", max_tokens: 100, messages: [] };
const chat = { model: "gpt-5", messages: [] };
const generate = "/v1beta/models/gemini-2.5-pro:generateContent";
const version = { "anthropic-version": "2023-06-01" };
const jsonOf = ({ body }: { readonly body: Buffer }) => JSON.parse(body.toString());

describe("credentials", () => {
  const wrongKey = "sk-proj-0123456789abcdef";
  test.each<[string, string, object, Record<string, string>, number, string]>([
    ["Anthropic, none", "/v1/messages", message, version, 401, "x-api-key header is required"],
    ["Anthropic, wrong", "/v1/messages", message, { ...version, "x-api-key": wrongKey }, 401, "invalid x-api-key"],
    [
      "Anthropic, wrong bearer",
      "/v1/messages",
      message,
      { ...version, authorization: `Bearer ${wrongKey}` },
      401,
      "Invalid bearer token",
    ],
    ["OpenAI, none", "/v1/chat/completions", chat, {}, 401, "You didn't provide an API key"],
    [
      "OpenAI, wrong",
      "/v1/chat/completions",
      chat,
      { authorization: `Bearer ${wrongKey}` },
      401,
      "sk-proj-************cdef",
    ],
    ["Gemini, none", generate, {}, {}, 403, "unregistered callers"],
    ["Gemini, wrong", generate, {}, { "x-goog-api-key": wrongKey }, 400, "API_KEY_INVALID"],
    ["Gemini, wrong in the query", `${generate}?key=${wrongKey}`, {}, {}, 400, "API_KEY_INVALID"],
    ["Gemini, wrong bearer", generate, {}, { authorization: `Bearer ${wrongKey}` }, 401, "UNAUTHENTICATED"],
  ])("%s: refused in the vendor's way", async (_name, path, body, headers, status, words) => {
    rig.upstream.script({}, { text: "never said" });
    const refused = await post(rig.upstream.url + path, body, headers);
    expect(refused.status).toBe(status);
    expect(refused.body.toString()).toContain(words);
    expect(rig.upstream.requests.at(-1)).toMatchObject({ key: undefined, status });
  });

  test("a key is its platform's alone, the same for the same name, and refused once revoked", async () => {
    const key = rig.upstream.issueKey("anthropic", "spare");
    const other = await startAiUpstream();
    expect(other.issueKey("anthropic", "spare")).toBe(key);
    await other.close();
    const ask = (headers: Record<string, string>) =>
      post(`${rig.upstream.url}/v1/messages`, message, { ...version, ...headers });
    expect((await ask({ authorization: `Bearer ${key}` })).status).toBe(200);
    expect(rig.upstream.requests.at(-1)?.key).toBe("spare");
    // With both, Anthropic looks at its own.
    expect((await ask({ authorization: `Bearer ${key}`, "x-api-key": "x" })).status).toBe(401);
    expect(
      (await post(`${rig.upstream.url}/v1/chat/completions`, chat, { authorization: `Bearer ${key}` })).status,
    ).toBe(401);
    rig.upstream.revokeKey("anthropic", "spare");
    expect((await ask({ "x-api-key": key })).status).toBe(401);
    rig.upstream.issueKey("anthropic", "spare");
    expect((await ask({ "x-api-key": key })).status).toBe(200);
  });
});

describe("the record of a request", () => {
  test("has what came, byte for byte, and credentials only as hashes", async () => {
    const raw = Buffer.from('{"model":"gemini-2.5-pro" ,\n"contents":[{"parts":[{"text":"h\\u00e9"}]}]}');
    const before = rig.upstream.count;
    await post(`${rig.upstream.url}//v1beta/models`.replace("//v1beta", "/gemini/v1beta"), raw, {});
    const url = `${rig.upstream.url}${generate}?key=${rig.keys.gemini}&x=1`;
    await post(url, raw, { Cookie: "a=b", "X-Trace": "t", authorization: "Bearer of-a-client" });
    expect(rig.upstream.count).toBe(before + 2);
    const request = rig.upstream.requests.at(-1);
    expect(request).toMatchObject({
      method: "POST",
      path: generate,
      rawBody: raw,
      body: raw,
      key: "default",
      stream: false,
    });
    expect(request?.query).toBe(`key=${hashCredential(rig.keys.gemini)}&x=1`);
    const hash = `sha256:${createHash("sha256").update("of-a-client").digest("hex").slice(0, 16)}`;
    expect(request?.headers).toMatchObject({
      "x-trace": "t",
      cookie: hashCredential("a=b"),
      authorization: `Bearer ${hash}`,
    });
    expect(request?.at).toMatch(/^2026-11-20T12:/);
    expect(request?.mentions("of-a-client")).toBe(true);
    expect(request?.mentions(rig.keys.gemini)).toBe(true);
    expect(request?.mentions(rig.keys.openai)).toBe(false);
    expect(JSON.stringify(request)).not.toContain("of-a-client");
  });

  test.each([
    ["gzip", zlib.gzipSync],
    ["br", zlib.brotliCompressSync],
    ["zstd", zlib.zstdCompressSync],
    ["deflate", zlib.deflateSync],
  ] as const)("has a body in %s both ways", async (encoding, encode) => {
    const body = Buffer.from(JSON.stringify(chat));
    const answer = await rig.post("openai", "/v1/chat/completions", encode(body), { "content-encoding": encoding });
    expect(answer.status).toBe(200);
    expect(rig.upstream.requests[0]).toMatchObject({ rawBody: encode(body), body, json: chat });
    const wrong = await rig.post("openai", "/v1/chat/completions", body, { "content-encoding": encoding });
    expect(wrong.status).toBe(400);
  });

  test("is kept for so many requests only", async () => {
    const few = await startUpstreamRig({ mostKept: 2 });
    for (const content of ["1", "2", "3"]) await few.post("openai", "/v1/chat/completions", { ...chat, user: content });
    expect(few.upstream.requests.map(({ sequence }) => sequence)).toEqual([2, 3]);
    expect(few.upstream.count).toBe(3);
    await few.upstream.close();
    const none = await startUpstreamRig({ mostKept: 0, byDefault: { text: "by default" } });
    const answer = await none.post("openai", "/v1/chat/completions", chat);
    expect(jsonOf(answer).choices[0].message.content).toBe("by default");
    expect(none.upstream.requests).toEqual([]);
    await none.upstream.close();
  });
});

describe("paths", () => {
  const get = (path: string, headers: Record<string, string>) => fetch(rig.upstream.url + path, { headers });
  test("where they collide, headers decide; a base path decides before them", async () => {
    const anthropic = { ...version, "x-api-key": rig.keys.anthropic };
    expect(await (await get("/v1/models", anthropic)).json()).toHaveProperty("first_id");
    const openai = { authorization: `Bearer ${rig.keys.openai}` };
    expect(await (await get("/v1/models", openai)).json()).toHaveProperty("object", "list");
    expect(await (await get(`/v1/models?key=${rig.keys.gemini}`, {})).json()).toHaveProperty("models");
    expect(await (await get("/openai/v1/models", { ...version, ...openai })).json()).toHaveProperty("object", "list");
    expect((await get("/v1beta/models", { "x-goog-api-key": rig.keys.gemini })).status).toBe(200);
    expect((await fetch(`${rig.upstream.url}/api/hello`, { method: "HEAD" })).status).toBe(200);
    const unknown = await get("/v1/nothing", openai);
    expect([unknown.status, await unknown.json()]).toMatchObject([404, { error: { message: "Invalid URL" } }]);
  });
});

describe("a script", () => {
  const ask = async (body: object = {}, headers: Record<string, string> = {}) => {
    const answer = await rig.post("openai", "/v1/chat/completions", { ...chat, ...body }, headers);
    return answer.status === 200 ? (jsonOf(answer).choices[0].message.content as string) : answer.status;
  };

  test("counts, takes turns, and falls back to the honest answer", async () => {
    const once = rig.upstream.script({ platform: "openai", times: 1 }, { text: "once" });
    const third = rig.upstream.script({ operation: "openai.chat", nth: [3, 4] }, { error: { status: 500 } });
    const small = rig.upstream.script({ model: /mini$/ }, { text: "small" });
    rig.upstream.script({ platform: "gemini" }, { text: "never" });
    expect(await ask({ model: "gpt-5-mini" })).toBe("once");
    expect(await ask({ model: "gpt-5-mini" })).toBe("small");
    expect(await ask()).toBe(500);
    expect(await ask({ model: "gpt-5-mini" })).toBe(500);
    expect([once.hits, third.hits, small.hits]).toEqual([1, 2, 1]);
    small.remove();
    expect(await ask({ model: "gpt-5-mini" })).toMatch(/^Hello/);
  });

  test("knows accounts by their keys, paths, and streams", async () => {
    const other = { authorization: `Bearer ${rig.upstream.issueKey("openai", "other")}` };
    rig.upstream.script({ key: "other" }, { text: "the other's" });
    rig.upstream.script({ path: "/chat/", stream: true }, { error: { status: 503 } });
    rig.upstream.script({ path: /completions$/, model: "gpt-5" }, { text: "by path" });
    expect(await ask({}, other)).toBe("the other's");
    expect(await ask()).toBe("by path");
    expect(await ask({ stream: true })).toBe(503);
  });
});

describe("a limit that is reached", () => {
  test("is told as Anthropic tells it, by the minute and by the window of a subscription", async () => {
    rig.upstream.script({ nth: 1 }, { rateLimit: { resetAfterSeconds: 30 } });
    rig.upstream.script(
      { nth: 2 },
      { rateLimit: { resetAfterSeconds: 3600, form: "unified", window: "7d_opus", retryAfter: false } },
    );
    const plain = await rig.post("anthropic", "/v1/messages", message);
    expect(plain).toMatchObject({
      status: 429,
      headers: { "retry-after": "30", "anthropic-ratelimit-requests-remaining": "0" },
    });
    const reset = Date.parse(String(plain.headers["anthropic-ratelimit-requests-reset"]));
    expect(reset).toBeGreaterThan(startAtMilliseconds + 29_000);
    expect(jsonOf(plain)).toMatchObject({ error: { type: "rate_limit_error" } });
    const unified = await rig.post("anthropic", "/v1/messages", message);
    expect(unified.headers).toMatchObject({
      "anthropic-ratelimit-unified-status": "rejected",
      "anthropic-ratelimit-unified-representative-claim": "seven_day_opus",
      "anthropic-ratelimit-unified-7d_opus-reset": unified.headers["anthropic-ratelimit-unified-reset"],
    });
    expect(Number(unified.headers["anthropic-ratelimit-unified-reset"]) * 1000).toBeGreaterThan(startAtMilliseconds);
    expect(unified.headers["retry-after"]).toBeUndefined();
  });

  test("is told as OpenAI tells it", async () => {
    rig.upstream.script({}, { rateLimit: { resetAfterSeconds: 72 } });
    const limited = await rig.post("openai", "/v1/chat/completions", chat);
    expect(limited.headers).toMatchObject({
      "x-ratelimit-reset-requests": "1m12s",
      "x-ratelimit-remaining-requests": "0",
      "retry-after": "72",
    });
    expect(jsonOf(limited)).toMatchObject({
      error: { code: "rate_limit_exceeded", message: expect.stringContaining("try again in 1m12s") },
    });
  });

  test.each([
    ["plain", "PerMinute"],
    ["daily", "PerDay"],
  ] as const)("is told as Gemini tells it: %s", async (form, window) => {
    rig.upstream.script({}, { rateLimit: { resetAfterSeconds: 20, form } });
    const limited = await rig.post("gemini", generate, { contents: [] });
    expect(limited.status).toBe(429);
    const { error } = jsonOf(limited);
    expect(error).toMatchObject({ status: "RESOURCE_EXHAUSTED" });
    expect(error.details).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          violations: [expect.objectContaining({ quotaId: expect.stringContaining(window) })],
        }),
        expect.objectContaining({ retryDelay: "20s" }),
      ]),
    );
  });
});
