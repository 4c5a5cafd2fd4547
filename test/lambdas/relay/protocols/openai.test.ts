// Tests of what the relay reads of OpenAI's requests: usage that is asked for, costs, sessions, things of one account; and of JSON answers.
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import type { Call } from "../../../../lambdas/relay/protocols/protocol.ts";
import { callOf, passAll, refusalOf } from "./streams.ts";

const hi = [{ role: "user", content: "Hi" }];
const chat = (body: object, headers: Record<string, string> = {}) =>
  callOf("openai", { path: "/v1/chat/completions", headers, body: { model: "gpt-4o", messages: hi, ...body } });
const respond = (body: object, headers: Record<string, string> = {}) =>
  callOf("openai", { path: "/v1/responses", headers, body: { model: "gpt-5", input: "Hi", ...body } });
const chatText = (text: string, headers: Record<string, string> = {}, body = Buffer.from(text)) =>
  protocols.openai.read({ method: "POST", path: "/v1/chat/completions", query: "", headers, body }) as Call;

describe("usage of a chat stream is asked for", () => {
  test.each([
    [
      "without options",
      '{"model":"m","stream":true}',
      '{"stream_options":{"include_usage":true},"model":"m","stream":true}',
    ],
    [
      "behind white space",
      ' \n{ "model":"m", "stream":true}',
      ' \n{"stream_options":{"include_usage":true}, "model":"m", "stream":true}',
    ],
    [
      "with null",
      '{"model":"m","stream_options": null ,"stream":true}',
      '{"model":"m","stream_options": {"include_usage":true} ,"stream":true}',
    ],
    [
      "with empty options",
      '{"model":"m","stream":true,"stream_options":{}}',
      '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      "with other options",
      '{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}',
      '{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
    ],
    [
      "where it was declined",
      '{"model":"m","stream":true,"stream_options":{"include_usage" : false, "x":1.0}}',
      '{"model":"m","stream":true,"stream_options":{"include_usage" : true, "x":1.0}}',
    ],
    [
      "instead of what is no option at all",
      '{"model":"m","stream":true,"stream_options":"all"}',
      '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    ],
    [
      "instead of what some upstreams take for a no",
      '{"model":"m","stream":true,"stream_options":{"include_usage":0}}',
      '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
    ],
  ])("%s, and no other byte is changed", (_what, text, expected) => {
    const call = chatText(text);
    expect(call.upstream.body.toString()).toBe(expected);
    expect(call.injected).toBe("include_usage");
  });

  test("not where the client asked itself, or where it is no stream", () => {
    for (const text of [
      '{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
      '{"model":"m"}',
      '{"model":"m","stream":false,"stream_options":{}}',
    ]) {
      const call = chatText(text);
      expect(call.upstream.body.toString()).toBe(text);
      expect(call.injected).toBeUndefined();
    }
  });

  test("whatever else the body holds", () => {
    const options = fc.option(
      fc.record({ include_usage: fc.constantFrom(false, null), other: fc.jsonValue() }, { requiredKeys: [] }),
    );
    fc.assert(
      fc.property(
        // Of no name that decides about money: those are refused where they are odd.
        fc.dictionary(
          fc.string().map((name) => `x${name}`),
          fc.jsonValue(),
        ),
        options,
        fc.constantFrom(undefined, 2),
        (others, stream_options, space) => {
          const asked = { ...others, model: "m", stream: true, ...(stream_options === null ? {} : { stream_options }) };
          const before = JSON.parse(JSON.stringify(asked));
          const after = JSON.parse(chatText(JSON.stringify(asked, null, space)).upstream.body.toString());
          expect(after).toEqual({ ...before, stream_options: { ...before.stream_options, include_usage: true } });
        },
      ),
    );
  });

  test("in a compressed body, which then goes without its encoding", () => {
    const text = JSON.stringify({ model: "m", stream: true, messages: hi });
    const call = chatText(text, { "content-encoding": "gzip", "x-other": "1" }, gzipSync(text));
    expect(JSON.parse(call.upstream.body.toString()).stream_options).toEqual({ include_usage: true });
    expect(call.upstream.headers).toEqual({ "x-other": "1" });
    const json = JSON.stringify({ model: "m", messages: hi });
    const untouched = chatText(json, { "content-encoding": "gzip" }, gzipSync(json));
    expect(untouched.upstream.headers).toEqual({ "content-encoding": "gzip" });
    expect(untouched.upstream.body.equals(gzipSync(json))).toBe(true);
  });
});

describe("what a chat may cost", () => {
  test.each([
    ["gpt-4o", {}, true],
    ["gpt-4o-2024-08-06", {}, true],
    ["gpt-4.1-mini", {}, true],
    ["gpt-4-0125-preview", {}, true],
    ["chatgpt-4o-latest", {}, true],
    ["gpt-4o-audio-preview", {}, false],
    ["gpt-4o-search-preview", {}, false],
    ["o3", {}, false],
    ["gpt-5", {}, false],
    ["gpt-5", { reasoning_effort: "none" }, false],
    ["gpt-5.1", { reasoning_effort: "none" }, true],
    ["gpt-6-sol", { reasoning_effort: "low" }, false],
    ["deepseek-reasoner", {}, false],
    ["gpt-4o", { n: 2 }, false],
    ["gpt-4o", { modalities: ["text", "audio"] }, false],
    ["gpt-4o", { prediction: { type: "content", content: "x" } }, false],
    ["gpt-4o", { web_search_options: {} }, false],
    ["gpt-4o", { stream: false }, false],
    ["gpt-4o", { tools: [{ type: "function", function: { name: "f" } }] }, true],
  ])("with %s and %j shows all output: %s", (model, body, isVisible) => {
    expect(chat({ model, stream: true, ...body }).demand.hasVisibleOutput).toBe(isVisible);
  });

  test("is limited by either name of its largest output, times its answers", () => {
    expect(chat({ max_tokens: 5 }).demand).toMatchObject({ mostOutputTokens: 5, answers: 1 });
    expect(chat({ max_tokens: 5, max_completion_tokens: 9, n: 3 }).demand).toMatchObject({
      mostOutputTokens: 9,
      answers: 3,
    });
    expect(chat({ best_of: 4, n: 2 }).demand.answers).toBe(4);
    expect(chat({}).demand.mostOutputTokens).toBeUndefined();
  });

  const part = (content: object) => ({ messages: [{ role: "user", content: [content] }] });

  test.each([
    ["text", { type: "text", text: "x" }, false],
    ["an image in the body", { type: "image_url", image_url: { url: "data:image/png;base64,AA" } }, false],
    ["an image at an address", { type: "image_url", image_url: { url: "https://x.example/i.png" } }, true],
    ["sound", { type: "input_audio", input_audio: { data: "AA", format: "wav" } }, true],
    ["a file", { type: "file", file: { file_id: "file-1" } }, true],
    ["a PDF in the body", { type: "file", file: { file_data: "data:application/pdf;base64,AA" } }, true],
  ])("knows whether %s is bounded by the body", (_what, content, isElsewhere) => {
    expect(chat(part(content)).demand.hasInputElsewhere).toBe(isElsewhere);
  });

  test("counts what images cost beside their bytes, and names a tier that is dearer", () => {
    const image = part({ type: "image_url", image_url: { url: "data:image/png;base64,AA" } });
    const added = (body: object) => {
      const { demand, upstream } = chat(body);
      return demand.inputBytes - upstream.body.length;
    };
    expect(added(image)).toBeGreaterThanOrEqual(16_200);
    expect(added({ model: "gpt-4o-mini", ...image })).toBeGreaterThanOrEqual(48_169);
    expect(chat({ service_tier: "priority" }).demand.tier).toBe("priority");
    expect(chat({ service_tier: "auto" }).demand.tier).toBeUndefined();
    expect(chat({ web_search_options: {} }).demand.serverTools).toEqual({ web_search: 1 });
  });
});

describe("what a response may cost", () => {
  test.each([
    ["text", {}, false],
    ["an earlier response", { previous_response_id: "resp_1" }, true],
    ["a conversation", { conversation: "conv_1" }, true],
    ["a stored prompt", { prompt: { id: "pmpt_1" } }, true],
    ["an item by its name", { input: [{ type: "item_reference", id: "msg_1" }] }, true],
    [
      "an image in the body",
      { input: [{ role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,AA" }] }] },
      false,
    ],
    [
      "an image at an address",
      { input: [{ role: "user", content: [{ type: "input_image", image_url: "https://x" }] }] },
      true,
    ],
    ["an image in a file", { input: [{ role: "user", content: [{ type: "input_image", file_id: "file-1" }] }] }, true],
    ["a file", { input: [{ role: "user", content: [{ type: "input_file", file_url: "https://x" }] }] }, true],
    [
      "an image at an address in a tool's output",
      {
        input: [
          { type: "function_call_output", call_id: "c", output: [{ type: "input_image", image_url: "https://x" }] },
        ],
      },
      true,
    ],
    ["web search", { tools: [{ type: "web_search" }] }, true],
    ["a function", { tools: [{ type: "function", name: "f" }] }, false],
  ])("knows whether %s is bounded by the body", (_what, body, isElsewhere) => {
    expect(respond(body).demand.hasInputElsewhere).toBe(isElsewhere);
  });

  const unreasoning = { model: "gpt-6-sol", stream: true, reasoning: { effort: "none" } };
  const update = { type: "configuration_update", reasoning: { effort: "high" } };

  test.each([
    ["its own word", {}, true],
    ["an update in its input", { input: [{ role: "user", content: "x" }, update] }, false],
    ["an earlier response, which may hold one", { previous_response_id: "resp_1" }, false],
    ["a conversation, which may hold one", { conversation: "conv_1" }, false],
  ])("believes that nothing is reasoned out of sight, by %s: %s", (_what, body, isVisible) => {
    expect(respond({ ...unreasoning, ...body }).demand.hasVisibleOutput).toBe(isVisible);
  });

  test("doubles where the conversation may be compacted on the way, whose output nobody sees and no limit holds", () => {
    const plain = respond({ model: "gpt-4.1", stream: true, max_output_tokens: 100 });
    const compacting = respond({
      ...{ model: "gpt-4.1", stream: true, max_output_tokens: 100 },
      context_management: [{ type: "compaction", compact_threshold: 200_000 }],
    });
    expect(plain.demand).toMatchObject({ answers: 1, mostOutputTokens: 100, hasVisibleOutput: true });
    expect(compacting.demand).toMatchObject({ answers: 2, mostOutputTokens: undefined, hasVisibleOutput: false });
    expect(compacting.demand.inputBytes).toBe(compacting.upstream.body.length * 2);
    const triggered = respond({ model: "gpt-4.1", stream: true, input: [{ type: "compaction_trigger" }] });
    expect(triggered.demand).toMatchObject({ answers: 1, hasVisibleOutput: false });
  });

  test("is visible without reasoning and without tools of OpenAI's own", () => {
    const visible = (body: object) => respond({ stream: true, ...body }).demand.hasVisibleOutput;
    expect(visible({ model: "gpt-4.1" })).toBe(true);
    expect(visible({ model: "gpt-5.1", reasoning: { effort: "none" } })).toBe(true);
    expect(visible({ model: "gpt-5.1" })).toBe(false);
    expect(visible({ model: "gpt-4.1", tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }] })).toBe(false);
  });

  test("names the tools that are billed by the call", () => {
    const tools = [
      { type: "web_search_preview" },
      { type: "file_search" },
      { type: "mcp" },
      { type: "function", name: "f" },
    ];
    expect(respond({ tools, max_tool_calls: 3 }).demand.serverTools).toEqual({ web_search_preview: 3, file_search: 3 });
    expect(respond({ tools: [{ type: "code_interpreter", container: { type: "auto" } }] }).demand.serverTools).toEqual({
      code_interpreter: 20,
    });
    // As Codex gives tools to its newest models.
    const added = [{ type: "namespace", name: "functions", tools: [{ type: "web_search" }] }];
    const { demand } = respond({ input: [{ type: "additional_tools", role: "developer", tools: added }] });
    expect([demand.serverTools, demand.hasInputElsewhere]).toEqual([{ web_search: 20 }, true]);
    expect(respond({ max_output_tokens: 77 }).demand.mostOutputTokens).toBe(77);
  });

  test("is refused where it would run on by itself", () => {
    expect(refusalOf(() => respond({ background: true }))).toBe("NotSupported");
    expect(refusalOf(() => respond({ background: false }))).toBe("none");
  });
});

describe("sessions and stored things", () => {
  test("of Codex are named by headers and by the key of its cache", () => {
    expect(respond({ prompt_cache_key: "cache" }, { "session-id": "s1", session_id: "s0" }).sessions).toEqual([
      "s1",
      "s0",
      "cache",
    ]);
    expect(respond({ prompt_cache_key: "cache" }).sessions).toEqual(["cache"]);
  });

  test("without a name are what OpenAI caches, if it is long enough to be cached", () => {
    const system = { role: "developer", content: "x".repeat(5000) };
    const one = chat({ messages: [system, ...hi] }).sessions;
    expect(one).toHaveLength(1);
    expect(chat({ messages: [system, ...hi, { role: "assistant", content: "Yes" }, ...hi] }).sessions).toEqual(one);
    expect(chat({ messages: [system, { role: "user", content: "Other" }] }).sessions).not.toEqual(one);
    expect(chat({}).sessions).toEqual([]);
  });

  test("name the things that live in one account", () => {
    const input = [
      { type: "item_reference", id: "msg_1" },
      { type: "reasoning", id: "rs_old", summary: [] },
      { type: "reasoning", id: "rs_1", summary: [] },
      { type: "reasoning", id: "rs_carried", summary: [], encrypted_content: "x" },
      { role: "user", content: [{ type: "input_file", file_id: "file-1" }] },
    ];
    const tools = [
      { type: "file_search", vector_store_ids: ["vs_1", "vs_2"] },
      { type: "code_interpreter", container: "cntr_1" },
      { type: "code_interpreter", container: { type: "auto", file_ids: ["file-2"] } },
    ];
    const body = {
      previous_response_id: "resp_1",
      conversation: { id: "conv_1" },
      prompt: { id: "pmpt_1" },
      input,
      tools,
    };
    expect(respond(body).boundIds).toEqual([
      "resp_1",
      "conv_1",
      "pmpt_1",
      "msg_1",
      "rs_1",
      "file-1",
      "vs_1",
      "vs_2",
      "cntr_1",
      "file-2",
    ]);
    expect(respond({ store: false }).keepsThings).toBe(false);
    expect(respond({}).keepsThings).toBe(true);
  });
});

describe("answers as JSON", () => {
  const usage = {
    prompt_tokens: 12,
    completion_tokens: 5,
    total_tokens: 17,
    prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 },
  };

  test("of a chat tell their usage", () => {
    const reader = protocols.openai.follow(chat({ web_search_options: {} }));
    const body = Buffer.from(JSON.stringify({ model: "gpt-4o-2024-08-06", choices: [], usage }));
    expect(passAll(reader, [body]).equals(body)).toBe(true);
    expect(reader.usage).toMatchObject({
      inputTokens: 5,
      cacheReadTokens: 4,
      cacheWrite5mTokens: 3,
      outputTokens: 5,
      serverTools: { web_search: 1 },
    });
  });

  test("of a response tell their usage, their tools and what they made", () => {
    const reader = protocols.openai.follow(respond({}));
    const output = [
      { type: "file_search_call", id: "fs_1" },
      { type: "file_search_call", id: "fs_2" },
      { type: "reasoning", id: "rs_1" },
    ];
    const tokens = { input_tokens: 9, input_tokens_details: { cached_tokens: 2 }, output_tokens: 4 };
    passAll(reader, [Buffer.from(JSON.stringify({ id: "resp_1", model: "gpt-5", output, usage: tokens }))]);
    expect(reader.usage).toMatchObject({
      inputTokens: 7,
      cacheReadTokens: 2,
      outputTokens: 4,
      serverTools: { file_search: 2 },
    });
    expect(reader.madeIds).toEqual(["resp_1", "rs_1", "fs_1", "fs_2"]);
  });

  test("of embeddings tell their input", () => {
    const call = callOf("openai", { path: "/v1/embeddings", body: { model: "text-embedding-3-small", input: "x" } });
    expect(call).toMatchObject({ operation: "embeddings", metering: "metered", answers: "json" });
    expect(call.demand).toMatchObject({ mostOutputTokens: 0, hasVisibleOutput: false });
    const reader = protocols.openai.follow(call);
    passAll(reader, [
      Buffer.from(
        '{"object":"list","data":[],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}',
      ),
    ]);
    expect(reader.usage).toMatchObject({ inputTokens: 8, outputTokens: 0 });
  });

  test("that break off or are no JSON leave the usage unknown", () => {
    const reader = protocols.openai.follow(chat({}));
    expect(passAll(reader, [Buffer.from('{"usage":{"prompt_tokens":1')]).toString()).toBe(
      '{"usage":{"prompt_tokens":1',
    );
    expect(reader).toMatchObject({ usage: undefined, isComplete: false });
  });

  test("that lie about their numbers never make a negative count", () => {
    const reader = protocols.openai.follow(chat({}));
    const lie = {
      prompt_tokens: 5,
      completion_tokens: -3,
      prompt_tokens_details: { cached_tokens: 900, cache_write_tokens: 1e300 },
    };
    passAll(reader, [Buffer.from(JSON.stringify({ usage: lie }))]);
    expect(reader.usage).toMatchObject({ inputTokens: 0, cacheReadTokens: 5, cacheWrite5mTokens: 0, outputTokens: 0 });
  });
});

test("a count of a response's tokens is free, and asked where the conversation lives", () => {
  const body = { model: "gpt-5", input: "Hi", previous_response_id: "resp_1", prompt_cache_key: "session" };
  const call = callOf("openai", { path: "/v1/responses/input_tokens", body });
  expect(call).toMatchObject({ operation: "count-tokens", metering: "free", model: "gpt-5", answers: "json" });
  expect([call.boundIds, call.sessions]).toEqual([["resp_1"], ["session"]]);
  const reader = protocols.openai.follow(call);
  passAll(reader, [Buffer.from('{"object":"response.input_tokens","input_tokens":13}')]);
  expect([reader.isComplete, reader.usage, reader.madeIds]).toEqual([true, undefined, []]);
});

describe("a compaction of a conversation", () => {
  const compact = (body: object) =>
    callOf("openai", { path: "/v1/responses/compact", body: { model: "gpt-4.1", input: "Hi", ...body } });

  test("is a JSON answer of the model's largest output, which nobody sees", () => {
    const call = compact({ max_output_tokens: 10, stream: true, prompt_cache_key: "session" });
    expect(call).toMatchObject({ operation: "compact", metering: "metered", model: "gpt-4.1", answers: "json" });
    expect(call.demand).toMatchObject({ answers: 1, mostOutputTokens: undefined, hasVisibleOutput: false });
    expect([call.sessions, call.upstream.path]).toEqual([["session"], "/v1/responses/compact"]);
  });

  test("belongs to the account whose response it goes on from, and is charged what it says", () => {
    const call = compact({ previous_response_id: "resp_1" });
    expect([call.boundIds, call.demand.hasInputElsewhere]).toEqual([["resp_1"], true]);
    const reader = protocols.openai.follow(call);
    const usage = { input_tokens: 90, output_tokens: 7, total_tokens: 97, input_tokens_details: { cached_tokens: 40 } };
    const answer = {
      id: "resp_2",
      object: "response.compaction",
      output: [{ type: "compaction", id: "cmp_1" }],
      usage,
    };
    passAll(reader, [Buffer.from(JSON.stringify(answer))]);
    expect(reader.usage).toMatchObject({ inputTokens: 50, cacheReadTokens: 40, outputTokens: 7 });
    expect([reader.isComplete, reader.madeIds]).toEqual([true, []]);
  });
});
