// Tests of streams through their readers: the same bytes and the same usage at every split.
import { readdirSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cut } from "../wire/cut.ts";
import { callFor, factsOf, passAll, stream } from "./streams.ts";

const names = readdirSync(new URL("../../../fixtures/relay/streams/", import.meta.url)).filter(
  (name) => !name.endsWith(".md"),
);
const asksUsage = { stream_options: { include_usage: true } };

/** Streams that pass byte for byte. Chat streams with usage do so where the client asked for it. */
const unchanged = names.filter((name) => !/anthropic-cut|-failed|gemini-error/.test(name));

const none = {
  inputTokens: 0,
  cacheWrite5mTokens: 0,
  cacheWrite1hTokens: 0,
  cacheReadTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  serverTools: {},
};
const anthropicInput = { inputTokens: 2095, cacheWrite5mTokens: 100, cacheWrite1hTokens: 200, cacheReadTokens: 1200 };
/** Their service tier is "default". */
const chat = {
  ...none,
  inputTokens: 86,
  cacheReadTokens: 1920,
  outputTokens: 300,
  reasoningTokens: 256,
  tier: "standard",
};
const response = { ...none, inputTokens: 242, cacheReadTokens: 128, outputTokens: 211, reasoningTokens: 192 };
const gemini = {
  ...none,
  inputTokens: 630,
  cacheReadTokens: 400,
  outputTokens: 60,
  reasoningTokens: 40,
  // Two searches, which this model's price counts by the prompt.
  serverTools: { google_search: 1 },
};
const geminiTools = { ...none, inputTokens: 50, outputTokens: 9 };

const usages: Readonly<Record<string, object | undefined>> = {
  "anthropic-text.sse": { ...none, ...anthropicInput, outputTokens: 15 },
  "anthropic-thinking-and-tools.sse": { ...none, ...anthropicInput, outputTokens: 89, reasoningTokens: 40 },
  "anthropic-server-tools.sse": {
    ...none,
    inputTokens: 10682,
    cacheWrite5mTokens: 500,
    outputTokens: 510,
    serverTools: { web_search: 2 },
  },
  "anthropic-compatible-zeros.sse": { ...none, inputTokens: 120, outputTokens: 7 },
  "anthropic-spaced.sse": { ...none, ...anthropicInput, outputTokens: 9 },
  "anthropic-error.sse": undefined,
  "anthropic-cut.sse": undefined,
  "openai-responses-text.sse": response,
  "openai-responses-tools.sse": { ...response, serverTools: { web_search: 1 } },
  "openai-responses-failed.sse": undefined,
  "gemini-text.sse": gemini,
  "gemini-text.array": gemini,
  "gemini-tools.sse": geminiTools,
  "gemini-tools.array": geminiTools,
  "gemini-blocked.sse": { ...none, inputTokens: 9 },
  // Cut before it told of its output: that is estimated.
  "gemini-error.sse": undefined,
};
const usageOf = (name: string) =>
  name.startsWith("openai-chat") ? (name.includes("usage") ? chat : undefined) : usages[name];

describe("a stream through its reader", () => {
  test.each(unchanged)("passes byte for byte at every split: %s", (name) => {
    const bytes = stream(name);
    for (let at = 0; at <= bytes.length; at += 1) {
      const { call, protocol } = callFor(name, name.startsWith("openai-chat") ? asksUsage : {});
      const reader = protocol.follow(call);
      const passed = passAll(reader, [bytes.subarray(0, at), bytes.subarray(at)]);
      if (!passed.equals(bytes)) expect(passed.toString()).toBe(bytes.toString());
      if (at % 50 === 0) expect(reader.usage).toEqual(usageOf(name));
    }
  });

  test.each(names)("says the same of any split into many pieces: %s", (name) => {
    const bytes = stream(name);
    const { call, protocol } = callFor(name);
    const whole = protocol.follow(call);
    const expected = passAll(whole, [bytes]).toString();
    expect(whole.usage).toEqual(usageOf(name));
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 60 }), (cuts) => {
        const reader = protocol.follow(call);
        expect(passAll(reader, cut(bytes, cuts)).toString()).toBe(expected);
        expect(factsOf(reader)).toEqual(factsOf(whole));
        expect(reader.outputBytes).toBe(whole.outputBytes);
      }),
      { numRuns: 40 },
    );
    const bytewise = protocol.follow(call);
    expect(
      passAll(
        bytewise,
        Array.from(bytes, (byte) => Buffer.from([byte])),
      ).toString(),
    ).toBe(expected);
    expect(factsOf(bytewise)).toEqual(factsOf(whole));
  });

  test.each(names.filter((name) => name.includes("-usage")))(
    "is what it would have been without the usage that the relay asked for: %s",
    (name) => {
      const { call, protocol } = callFor(name);
      expect(call.injected).toBe("include_usage");
      const reader = protocol.follow(call);
      expect(passAll(reader, [stream(name)]).toString()).toBe(stream(name.replace("-usage", "-plain")).toString());
      expect(reader.usage).toEqual(chat);
    },
  );

  test("counts at least every byte that the model wrote", () => {
    const said: Readonly<Record<string, string>> = {
      "anthropic-text.sse": 'Hello 世界 "quoted" \\ back, 👋🏽 and\nmore',
      "anthropic-thinking-and-tools.sse": 'Let me lookI shall ask.{"location": "San Francisco"}get_weather',
      "anthropic-spaced.sse": "no names, other spacing",
      "openai-chat-usage.sse": 'Hello 世界 "usage":null, \\ 👋🏽!',
      "openai-chat-tools-usage.sse": '{"city": "Oslo"}get_weather',
      "openai-chat-two-choices-usage.sse": "ABC",
      "openai-chat-spaced-usage.sse": 'Hello 世界 "usage":null, \\ 👋🏽!',
      "openai-responses-text.sse": "Hi there 世界!",
      "openai-responses-tools.sse": '{"cmd":"ls"}shell',
      "gemini-text.sse": 'Thinking about itHello 世界 {"a": [1,2]} \\ and 👋🏽 }].',
      "gemini-text.array": 'Thinking about itHello 世界 {"a": [1,2]} \\ and 👋🏽 }].',
      "gemini-tools.sse": 'ls{"path":"/"}',
    };
    for (const [name, text] of Object.entries(said)) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      passAll(reader, [stream(name)]);
      expect(reader.outputBytes, name).toBeGreaterThanOrEqual(Buffer.byteLength(text));
    }
  });

  test("names the model that served and the end that it saw", () => {
    const facts = (name: string) => {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      passAll(reader, [stream(name)]);
      return [reader.servedModel, reader.isComplete];
    };
    expect(facts("anthropic-compatible-zeros.sse")).toEqual(["glm-5", true]);
    expect(facts("anthropic-cut.sse")).toEqual(["claude-opus-5-5", false]);
    expect(facts("openai-chat-usage.sse")).toEqual(["gpt-4o-2024-08-06", true]);
    expect(facts("openai-responses-text.sse")).toEqual(["gpt-5-2025-08-07", true]);
    expect(facts("gemini-text.sse")).toEqual(["gemini-2.5-flash", true]);
    expect(facts("gemini-text.array")).toEqual(["gemini-2.5-flash", true]);
  });

  test("that was cut has its input's usage, not the placeholder of its output", () => {
    const { call, protocol } = callFor("anthropic-cut.sse");
    const reader = protocol.follow(call);
    const passed = passAll(reader, [stream("anthropic-cut.sse")]);
    expect(reader.usage).toBeUndefined();
    expect(reader.inputUsage).toEqual({ ...none, ...anthropicInput });
    // The torn event is not passed on: no client could read what follows it.
    expect(passed.toString()).toMatch(/"text":"Hello"\}\}\n\n$/);
  });

  test("names the things that it made, where they are kept", () => {
    const made = (name: string, extra: object = {}) => {
      const { call, protocol } = callFor(name, extra);
      const reader = protocol.follow(call);
      passAll(reader, [stream(name)]);
      return reader.madeIds;
    };
    const id = "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b";
    expect(made("openai-responses-text.sse")).toEqual([id, "rs_123", "msg_67c9fdcf37fc"]);
    expect(made("openai-responses-text.sse", { store: false })).toEqual([]);
    expect(made("anthropic-server-tools.sse")).toEqual(["container_011"]);
  });
});

describe("an error inside a stream", () => {
  test("about the request or the whole upstream passes as it is", () => {
    const { call, protocol } = callFor("anthropic-error.sse");
    const reader = protocol.follow(call);
    expect(passAll(reader, [stream("anthropic-error.sse")]).equals(stream("anthropic-error.sse"))).toBe(true);
    expect(reader.streamedError).toEqual({ type: "overloaded_error", message: "Overloaded" });
  });

  test.each(["openai-responses-failed.sse", "gemini-error.sse"])(
    "about our account is told in the relay's words: %s",
    (name) => {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const passed = passAll(reader, [stream(name)]).toString();
      expect(passed).not.toContain("SECRET");
      expect(passed).toContain("The upstream broke the answer off at a limit.");
      expect(reader.streamedError?.message).toContain("SECRET");
    },
  );
});

describe("an answer that is not what was asked for", () => {
  test("passes as it is: JSON in the place of a stream", () => {
    const body = Buffer.from('{"id":"x","choices":[],\n\n"usage":null}');
    const { call, protocol } = callFor("anthropic-text.sse");
    const reader = protocol.follow(call);
    expect(passAll(reader, [Buffer.from('{"a":1}')]).toString()).toBe('{"a":1}');
    const chatReader = callFor("openai-chat-usage.sse");
    expect(passAll(chatReader.protocol.follow(chatReader.call), [body]).length).toBeGreaterThan(0);
  });
});
