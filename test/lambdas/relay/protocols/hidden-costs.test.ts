// Requests whose costs are not where one would look for them: by what upstreams read that the relay might not. Each is reserved
// as what it can cost, or refused as what cannot be known.
import { describe, expect, test } from "vitest";
import { callOf, read, refusalOf } from "./streams.ts";

const messages = [{ role: "user", content: "Hi" }];

const message = (extra: object) =>
  callOf("anthropic", { path: "/v1/messages", body: { model: "claude-opus-5-5", max_tokens: 10, messages, ...extra } });
const chat = (extra: object) =>
  callOf("openai", { path: "/v1/chat/completions", body: { model: "gpt-4o", messages, ...extra } });
const response = (extra: object) =>
  callOf("openai", { path: "/v1/responses", body: { model: "gpt-5", input: "Hi", ...extra } });
const generate = (extra: object, query = "alt=sse") =>
  callOf("gemini", {
    path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent",
    query,
    body: { contents: [{ parts: [{ text: "Hi" }] }], ...extra },
  });

describe("Gemini, which takes a list's only element without its list", () => {
  test("is asked for a tool all the same", () => {
    expect(generate({ tools: { googleSearch: {} } }).demand).toMatchObject({
      serverTools: { google_search: 20 },
      hasInputElsewhere: true,
      hasVisibleOutput: false,
    });
    expect(generate({ tools: { functionDeclarations: [] } }).demand.inputBytes).toBeGreaterThan(1000);
  });

  test("is asked for images all the same", () => {
    const thinkingConfig = { thinkingBudget: 0 };
    const visible = (config: object) => generate({ generationConfig: { thinkingConfig, ...config } }).demand;
    expect(visible({}).hasVisibleOutput).toBe(true);
    expect(visible({ responseModalities: ["TEXT"] }).hasVisibleOutput).toBe(true);
    expect(visible({ responseModalities: "IMAGE" }).hasVisibleOutput).toBe(false);
  });

  test("embeds the only request's images all the same", () => {
    const content = { parts: { inlineData: { mimeType: "image/png", data: "AAAA" } } };
    const body = { requests: { model: "models/gemini-embedding-2", content } };
    const call = callOf("gemini", { path: "/v1beta/models/gemini-embedding-2:batchEmbedContents", body });
    expect(call.demand.inputBytes).toBeGreaterThan(10_000);
  });

  test("is asked for one form of an answer alone: the relay could read the other one", () => {
    expect(refusalOf(() => generate({}, "alt=sse&alt=json"))).toBe("BodyInvalid");
    expect(refusalOf(() => generate({}, "%24alt=json&alt=sse"))).toBe("BodyInvalid");
    expect(generate({}, "alt=sse&alt=sse").answers).toBe("sse");
  });
});

describe("a switch that is neither on nor off, which some servers take for on", () => {
  test.each([
    ["a message's stream", () => message({ stream: 1 })],
    ["a chat's stream", () => chat({ stream: "true" })],
    ["a response's stream", () => response({ stream: "yes" })],
    ["a response in the background", () => response({ background: 1 })],
  ])("%s", (_what, work) => {
    expect(refusalOf(work)).toBe("BodyInvalid");
  });

  test("null is off, as vendors take it", () => {
    expect([message({ stream: null }), chat({ stream: null }), response({ background: null })]).toMatchObject(
      Array.from({ length: 3 }, () => ({ answers: "json" })),
    );
  });
});

describe("other models, or another request, inside of the one that is read", () => {
  test.each([
    ["OpenRouter's list", () => chat({ models: ["openai/o1-pro"] })],
    ["LiteLLM's fallbacks", () => chat({ fallbacks: ["o1-pro"] })],
    ["LiteLLM's fallbacks for what is too long", () => chat({ context_window_fallbacks: [{ "gpt-4o": ["o1-pro"] }] })],
    ["LiteLLM's extra body", () => response({ extra_body: { model: "o1-pro" } })],
    ["in Anthropic's form", () => message({ models: ["anthropic/claude-opus-4.1"] })],
  ])("%s is refused by name", (_what, work) => {
    expect(refusalOf(work)).toBe("NotSupported");
  });

  test("Gemini's own way to ask for thinking in OpenAI's form passes, and nothing else beside it", () => {
    const extra = (extra_body: object) => refusalOf(() => chat({ model: "gemini-2.5-flash", extra_body }));
    const thinking_config = { thinking_budget: 0, include_thoughts: true };
    expect([extra({}), extra({ google: { thinking_config } })]).toEqual(["none", "none"]);
    const hiding = [
      { google: { thinking_config }, model: "o1-pro" },
      { google: { cached_content: "cachedContents/x" } },
    ];
    for (const extra_body of [...hiding, { google: [] }]) expect(extra(extra_body)).toBe("NotSupported");
  });

  test("Gemini's model in a body is the path's", () => {
    expect(refusalOf(() => generate({ model: "models/gemini-2.5-pro" }))).toBe("BodyInvalid");
    expect(refusalOf(() => generate({ model: 5 }))).toBe("BodyInvalid");
    expect(refusalOf(() => generate({ model: "models/gemini-2.5-flash" }))).toBe("none");
    const embed = (named: string) => () => {
      const body = { requests: [{ model: named, content: { parts: [{ text: "Hi" }] } }] };
      return read("gemini", { path: "/v1beta/models/gemini-embedding-001:batchEmbedContents", body });
    };
    expect(refusalOf(embed("models/gemini-embedding-2"))).toBe("BodyInvalid");
    expect(refusalOf(embed("models/gemini-embedding-001"))).toBe("none");
  });

  test("nothing in them is nothing", () => {
    expect(refusalOf(() => chat({ models: [], fallbacks: null }))).toBe("none");
    expect(refusalOf(() => message({ fallbacks: "default" }))).toBe("none");
  });

  test.each([
    [
      "Gemini",
      "/v1beta/models/m:generateContent",
      '{"generationConfig":{"maxOutputTokens":1,"MaxOutputTokens":65536}}',
    ],
    ["Anthropic", "/v1/messages", '{"model":"m","max_tokens":1,"thinking":{"type":"disabled","type":"enabled"}}'],
    ["OpenAI", "/v1/responses", '{"model":"m","input":"","reasoning":{"effort":"none","Effort":"high"}}'],
  ] as const)("%s: what stands in a decisive member is said once", async (name, path, text) => {
    const { protocols } = await import("../../../../lambdas/relay/protocols/index.ts");
    const platform = name.toLowerCase() as "gemini" | "anthropic" | "openai";
    const asked = { method: "POST", path, query: "", headers: {}, body: Buffer.from(text) };
    expect(refusalOf(() => protocols[platform].read(asked))).toBe("BodyInvalid");
  });

  test("also behind a thousand others", () => {
    const others = Object.fromEntries(Array.from({ length: 1001 }, (_, nth) => [`x${nth}`, 0]));
    expect(refusalOf(() => generate({ generationConfig: others }))).toBe("BodyInvalid");
  });
});

describe("what decides and stands in the query", () => {
  test.each([
    ["a model, which LiteLLM prefers", "openai", "/v1/chat/completions", "model=o1-pro"],
    ["a model in Anthropic's form", "anthropic", "/v1/messages", "beta=true&model=claude-opus-4-1"],
    ["a largest output", "anthropic", "/v1/messages", "Max_Tokens=100000"],
    ["a model of Gemini's", "gemini", "/v1beta/models/m:generateContent", "model=models/gemini-2.5-pro"],
  ] as const)("%s", (_what, platform, path, query) => {
    const body = { model: "gpt-4o-mini", max_tokens: 1, messages };
    expect(refusalOf(() => read(platform, { path, query, body }))).toBe("BodyInvalid");
  });

  test.each(["$httpHeaders=x-goog-fieldmask%3Acandidates", "%24req=%7B%7D", "$fields=candidates", "$userProject=p"])(
    "%s of Google's servers",
    (query) => {
      expect(refusalOf(() => generate({}, `alt=sse&${query}`))).toBe("NotSupported");
    },
  );

  test("nothing else", () => {
    expect(refusalOf(() => generate({}, "alt=sse&key=cwk_x&$prettyPrint=false&%24.xgafv=2&quotaUser=q"))).toBe("none");
    expect(refusalOf(() => read("anthropic", { path: "/v1/messages", query: "beta=true", body: { model: "m" } }))).toBe(
      "none",
    );
  });
});

describe("input that is not in the body", () => {
  test("an item that is only named, its type left out", () => {
    const call = response({ input: [{ id: "msg_1" }, { role: "user", content: "Hi" }] });
    expect(call.demand.hasInputElsewhere).toBe(true);
    expect(call.boundIds).toEqual(["msg_1"]);
  });

  test("reasoning without its text", () => {
    const reasoning = { type: "reasoning", id: "rs_1", summary: [] };
    expect(response({ input: [reasoning] }).demand.hasInputElsewhere).toBe(true);
    for (const whole of [{ encrypted_content: "gAAA" }, { content: [{ type: "reasoning_text", text: "Hm." }] }]) {
      const call = response({ input: [{ ...reasoning, ...whole }] });
      expect(call.demand.hasInputElsewhere).toBe(false);
      expect(call.boundIds).toEqual([]);
    }
  });

  test("reasoning without a name is nowhere else, as Codex sends it to servers that do not encrypt", () => {
    const reasoning = { type: "reasoning", summary: [{ type: "summary_text", text: "Hm." }], encrypted_content: null };
    expect(response({ input: [reasoning] }).demand.hasInputElsewhere).toBe(false);
  });

  test.each(["video_url", "audio_url"])("%s of compatible servers", (type) => {
    const content = [{ type, [type]: { url: "https://example.com/film" } }];
    expect(chat({ messages: [{ role: "user", content }] }).demand.hasInputElsewhere).toBe(true);
  });

  test.each([
    "https://generativelanguage.googleapis.com/v1beta/files/abc-1",
    "HTTPS://generativelanguage.googleapis.com//v1beta/files/abc-1?alt=media",
    "files/abc-1",
  ])("a file at Google belongs to an account, however it is written: %s", (fileUri) => {
    const call = generate({ contents: [{ parts: [{ fileData: { fileUri } }] }] });
    expect(call.boundIds).toEqual(["files/abc-1"]);
  });

  test("files and skills of a shell's container belong to an account", () => {
    const environment = {
      type: "container_auto",
      file_ids: ["file-1"],
      skills: [{ type: "skill_reference", skill_id: "skill_1" }],
    };
    expect(response({ tools: [{ type: "shell", environment }] }).boundIds).toEqual(["file-1", "skill_1"]);
  });
});

test("a request without anything hidden is what it was", () => {
  expect(read("openai", { path: "/v1/responses", body: { model: "gpt-5", input: "Hi" } })).toMatchObject({
    answers: "json",
    boundIds: [],
    demand: { hasInputElsewhere: false, serverTools: {} },
  });
});
