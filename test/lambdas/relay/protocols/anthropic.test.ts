// Tests of what the relay reads of Anthropic's requests: bytes that go on, costs, sessions, things of one account; and of JSON answers.
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import type { Call } from "../../../../lambdas/relay/protocols/protocol.ts";
import { callOf, passAll, read, refusalOf } from "./streams.ts";

const hi = [{ role: "user", content: "Hi" }];
const call = (body: object, headers: Record<string, string> = {}) =>
  callOf("anthropic", {
    path: "/v1/messages",
    headers,
    body: { model: "claude-sonnet-4-5", max_tokens: 100, messages: hi, ...body },
  });

describe("a message", () => {
  test("goes upstream with the very bytes, headers and query of the client, without its keys", () => {
    const body = Buffer.from(
      '{ "model":"claude-opus-5-5","max_tokens": 1e3,\n"messages":[],"unknown":{"n":1.50}, "stream":true }',
    );
    const headers = { "anthropic-version": "2026-10-21", "anthropic-beta": "x-1,y-2", authorization: "Bearer cwk_x" };
    const asked = { method: "POST", path: "/v1/messages", query: "beta=true&key=cwk_x", headers, body };
    const { upstream, ...rest } = protocols.anthropic.read(asked) as Call;
    expect(upstream.body).toBe(body);
    expect(upstream).toMatchObject({ method: "POST", path: "/v1/messages", query: "beta=true" });
    expect(upstream.headers).toEqual({ "anthropic-version": "2026-10-21", "anthropic-beta": "x-1,y-2" });
    expect(rest).toMatchObject({
      operation: "messages",
      metering: "metered",
      model: "claude-opus-5-5",
      answers: "sse",
    });
    expect(rest.demand.mostOutputTokens).toBe(1000);
  });

  test("that is compressed is read, and goes upstream as it came", () => {
    const plain = Buffer.from(JSON.stringify({ model: "m", max_tokens: 5, messages: hi }));
    const body = gzipSync(plain);
    const headers = { "content-encoding": "gzip" };
    const { upstream, demand, model } = protocols.anthropic.read({
      method: "POST",
      path: "/v1/messages",
      query: "",
      headers,
      body,
    }) as Call;
    expect([model, demand.inputBytes]).toEqual(["m", plain.length]);
    expect(upstream.body).toBe(body);
    expect(upstream.headers).toEqual(headers);
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["no model", "{}"],
    ["a model that is no name", '{"model":"a b"}'],
    ["a model said twice", '{"model":"claude-haiku-4-5","model":"claude-opus-5-5"}'],
    ["a model said twice with escapes", '{"model":"claude-haiku-4-5","mod\\u0065l":"claude-opus-5-5"}'],
    ["an output said twice", '{"model":"m","max_tokens":1,"x":{"max_tokens":3},"max_tokens":100000}'],
  ])("is refused as %s", (_what, body) => {
    const asked = { method: "POST", path: "/v1/messages", query: "", headers: {}, body: Buffer.from(body) };
    expect(refusalOf(() => protocols.anthropic.read(asked))).toBe("BodyInvalid");
  });

  test.each([
    ["claude-opus-4-5[1m]", "claude-opus-4-5"],
    ["claude-opus-4-5[1M][1m]", "claude-opus-4-5"],
  ])("for %s, as Claude Code marks a large context window, is one for %s", (marked, model) => {
    const text = `{"max_tokens": 1e1, "n":1.50,"model" : "${marked}","messages":[]}`;
    const expected = text.replace(marked, model);
    for (const path of ["/v1/messages", "/v1/messages/count_tokens"]) {
      for (const [body, headers] of [
        [Buffer.from(text), {}],
        [gzipSync(text), { "content-encoding": "gzip" }],
      ] as const) {
        const asked = { method: "POST", path, query: "", headers: { ...headers, "anthropic-beta": "b-1" }, body };
        const read = protocols.anthropic.read(asked) as Call;
        expect([read.model, read.upstream.body.toString()]).toEqual([model, expected]);
        expect(read.upstream.headers).toEqual({ "anthropic-beta": "b-1" });
      }
    }
  });

  test.each([
    "openrouter,anthropic/claude-opus-4.5",
    "gpt-5.3-codex(high)",
    "深度求索/deepseek-chat",
    "[官方]claude-opus",
  ])("may name a model as gateways do: %s", (model) => {
    expect(call({ model }).model).toBe(model);
  });

  test.each(["a b", "a\u0000", "a|b", 'a"b', "\ud800", "语".repeat(67), "x".repeat(201)])(
    "may not name a model %j",
    (model) => {
      expect(refusalOf(() => call({ model }))).toBe("BodyInvalid");
    },
  );

  test("keeps brackets that are no such mark", () => {
    for (const model of ["[1m]", "claude[1m]-x", "m[2m]"]) {
      const read = call({ model });
      expect([read.model, JSON.parse(read.upstream.body.toString()).model]).toEqual([model, model]);
    }
  });

  test("may have the same name at different depths", () => {
    expect(call({ metadata: { model: "x", max_tokens: 3 } }).demand.mostOutputTokens).toBe(100);
  });
});

describe("what a message may cost", () => {
  test.each([
    ["without thinking", {}, true],
    ["with thinking switched off", { thinking: { type: "disabled" } }, true],
    ["with a model that thinks by default", { model: "claude-opus-5-5" }, false],
    ["with thinking of such a model switched off", { model: "claude-haiku-5-5", thinking: { type: "disabled" } }, true],
    ["with a model that nobody knows", { model: "glm-5" }, false],
    ["with thinking", { thinking: { type: "enabled", budget_tokens: 1024 } }, false],
    ["with adaptive thinking", { thinking: { type: "adaptive" } }, false],
    ["as JSON", { stream: false }, false],
    [
      "with tools of the client",
      {
        tools: [
          { name: "t", input_schema: {} },
          { type: "bash_20250124", name: "bash" },
        ],
      },
      true,
    ],
    ["with web search", { tools: [{ type: "web_search_20250305", name: "web_search" }] }, false],
    ["with MCP servers", { mcp_servers: [{ type: "url", url: "https://x.example", name: "x" }] }, false],
    ["with compaction", { context_management: { edits: [{ type: "compact_20260112" }] } }, false],
    ["with clearing of old results", { context_management: { edits: [{ type: "clear_tool_uses_20250919" }] } }, true],
    ["with fallbacks", { fallbacks: "default" }, false],
  ])("%s shows all its output in the stream: %j %s", (_what, body, isVisible) => {
    expect(call({ stream: true, ...body }).demand.hasVisibleOutput).toBe(isVisible);
  });

  const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } };
  const withBlock = (block: object) => ({ messages: [{ role: "user", content: [block] }] });

  test.each([
    ["text", { type: "text", text: "x" }, false],
    ["an image", image, false],
    ["an image at an address", { type: "image", source: { type: "url", url: "https://x.example/i.png" } }, true],
    ["an image in a file", { type: "image", source: { type: "file", file_id: "file_1" } }, true],
    ["a text document", { type: "document", source: { type: "text", media_type: "text/plain", data: "x" } }, false],
    [
      "a PDF, whose pages cost more than their bytes",
      { type: "document", source: { type: "base64", data: "x" } },
      true,
    ],
    ["a file for a container", { type: "container_upload", file_id: "file_1" }, true],
    [
      "an image at an address in a tool's result",
      {
        type: "tool_result",
        tool_use_id: "t",
        content: [{ type: "image", source: { type: "url", url: "https://x" } }],
      },
      true,
    ],
    [
      "a tool's input that looks like a file",
      { type: "tool_use", id: "t", name: "n", input: { type: "image", source: { type: "file", file_id: "f" } } },
      false,
    ],
  ])("knows whether %s is in the body", (_what, block, isElsewhere) => {
    expect(call(withBlock(block)).demand.hasInputElsewhere).toBe(isElsewhere);
  });

  test("counts what Anthropic adds to the body's bytes: instructions for tools, and images", () => {
    const bytes = (body: object) => {
      const { demand, upstream } = call(body);
      return demand.inputBytes - upstream.body.length;
    };
    expect(bytes({})).toBe(0);
    expect(bytes({ tools: [{ name: "t", input_schema: {} }] })).toBeGreaterThanOrEqual(530);
    expect(bytes({ tools: [{ type: "computer_20250124", name: "computer" }] })).toBeGreaterThanOrEqual(530 + 735);
    expect(bytes(withBlock(image))).toBeGreaterThanOrEqual(4784);
    expect(bytes(withBlock({ type: "tool_result", tool_use_id: "t", content: [image, image] }))).toBeGreaterThanOrEqual(
      2 * 4784,
    );
  });

  test("names tools that Anthropic bills by the call, with the most calls", () => {
    const tools = [
      { type: "web_search_20250305", name: "web_search", max_uses: 8 },
      { type: "web_fetch_20250910", name: "web_fetch" },
    ];
    const { demand } = call({ tools });
    expect(demand.serverTools).toEqual({ web_search: 8, web_fetch: 20 });
    expect(demand.hasInputElsewhere).toBe(true);
  });

  test("names the caches that are written, and what is dearer than the list", () => {
    expect(call({}).demand.cacheWrites).toBeUndefined();
    const cached = (ttl: object) =>
      call({ system: [{ type: "text", text: "s", cache_control: { type: "ephemeral", ...ttl } }] });
    expect(cached({}).demand.cacheWrites).toBe("5m");
    expect(cached({ ttl: "1h" }).demand.cacheWrites).toBe("1h");
    expect(call({ speed: "fast" }).demand.tier).toBe("fast");
    expect(call({ speed: "standard", inference_geo: "global" }).demand.tier).toBeUndefined();
    expect(call({ inference_geo: "us" }).demand.tier).toBe("geo-us");
  });

  test("is refused where another model would be called unseen", () => {
    expect(refusalOf(() => call({ fallbacks: [{ model: "claude-fable-5-2" }] }))).toBe("NotSupported");
    expect(refusalOf(() => call({ tools: [{ type: "advisor_20260301", model: "claude-opus-5-5" }] }))).toBe(
      "NotSupported",
    );
  });

  test("takes a limit of output that is none for none: the upstream will refuse it", () => {
    for (const max_tokens of [0, -1, 1.5, "9", null])
      expect(call({ max_tokens }).demand.mostOutputTokens).toBeUndefined();
  });
});

describe("the session of a message", () => {
  const cached = { system: [{ type: "text", text: "s", cache_control: { type: "ephemeral" } }] };

  test("is the client's own: header first, then metadata in its old and new form", () => {
    const id = "0b5d9b1e-5b1a-4a3c-9d2e-1f2a3b4c5d6e";
    const user_id = JSON.stringify({ device_id: "d", account_uuid: "a", session_id: id });
    expect(call({ metadata: { user_id } }, { "x-claude-code-session-id": "h" }).sessions).toEqual(["h", id]);
    expect(call({ metadata: { user_id: `user_${"a".repeat(64)}_account__session_${id}` } }).sessions).toEqual([id]);
    expect(call({ metadata: { user_id: "customer-7" } }).sessions).toEqual([]);
    expect(call({ metadata: { user_id: "{not json" } }).sessions).toEqual([]);
  });

  test("is what is cached, together with the first message: not all users of an application are one session", () => {
    const one = call({ ...cached, messages: hi }).sessions;
    const later = call({ ...cached, messages: [...hi, { role: "assistant", content: "Yes?" }, ...hi] }).sessions;
    const other = call({ ...cached, messages: [{ role: "user", content: "Another" }] }).sessions;
    expect(one).toHaveLength(1);
    expect(later).toEqual(one);
    expect(other).not.toEqual(one);
    expect(call({ system: "s" }).sessions).toEqual([]);
  });
});

test("things of one account are named: containers, custom skills, files; never what only looks like them", () => {
  const messages = [
    {
      role: "user",
      content: [
        { type: "image", source: { type: "file", file_id: "file_1" } },
        { type: "container_upload", file_id: "file_2" },
      ],
    },
    { role: "assistant", content: [{ type: "tool_use", id: "t", name: "n", input: { file_id: "file_of_the_user" } }] },
  ];
  expect(call({ messages, container: "container_1" }).boundIds).toEqual(["container_1", "file_1", "file_2"]);
  const skills = [
    { type: "custom", skill_id: "skill_1" },
    { type: "anthropic", skill_id: "pptx" },
  ];
  expect(call({ container: { id: "container_2", skills } }).boundIds).toEqual(["container_2", "skill_1"]);
  const files = Array.from({ length: 101 }, (_, index) => ({ type: "container_upload", file_id: `file_${index}` }));
  expect(refusalOf(() => call({ messages: [{ role: "user", content: files }] }))).toBe("BodyInvalid");
});

describe("free calls", () => {
  test("are counts of tokens and lists of models", () => {
    const count = callOf("anthropic", {
      path: "/v1/messages/count_tokens",
      body: { model: "claude-sonnet-4-5", messages: hi },
    });
    expect(count).toMatchObject({
      metering: "free",
      operation: "count-tokens",
      model: "claude-sonnet-4-5",
      answers: "json",
    });
    const list = callOf("anthropic", { method: "GET", path: "/v1/models", query: "limit=1000", body: {} });
    expect(list).toMatchObject({ metering: "free", operation: "models", model: "", upstream: { query: "limit=1000" } });
    const one = callOf("anthropic", { method: "GET", path: "/v1/models/claude%2Fx", body: {} });
    expect(one).toMatchObject({ metering: "free", model: "claude/x", upstream: { path: "/v1/models/claude%2Fx" } });
  });

  test("of Claude Code's start are answered without a key", () => {
    expect(read("anthropic", { method: "HEAD", path: "/", body: {} })).toMatchObject({ status: 200, body: "" });
    expect(read("anthropic", { method: "POST", path: "/api/event_logging/batch", body: {} })).toMatchObject({
      status: 200,
      body: "{}",
    });
  });
});

test("a message as JSON passes unchanged, and its usage is read with every kind of token", () => {
  const usage = {
    input_tokens: 10,
    cache_creation_input_tokens: 30,
    cache_read_input_tokens: 5,
    output_tokens: 7,
    iterations: [
      { type: "compaction", input_tokens: 1000, output_tokens: 50 },
      { type: "message", input_tokens: 10, output_tokens: 7 },
    ],
  };
  const body = Buffer.from(
    JSON.stringify({ id: "msg", model: "claude-sonnet-4-5-20250929", container: { id: "c_1" }, usage }),
  );
  const reader = protocols.anthropic.follow(call({}));
  expect(passAll(reader, [body.subarray(0, 20), body.subarray(20)]).equals(body)).toBe(true);
  // Without a split, what was written to a cache was written for five minutes.
  expect(reader.usage).toMatchObject({
    inputTokens: 1010,
    cacheWrite5mTokens: 30,
    cacheReadTokens: 5,
    outputTokens: 57,
  });
  expect(reader).toMatchObject({ isComplete: true, servedModel: "claude-sonnet-4-5-20250929", madeIds: ["c_1"] });
});
