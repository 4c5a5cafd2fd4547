// Answers of compatible servers that differ from the vendors': the relay adds nothing to what clients bear, and reads what is there.
import { describe, expect, test } from "vitest";
import { protocols } from "../../../../lambdas/relay/protocols/index.ts";
import { callFor, callOf, passAll, stream } from "./streams.ts";

function withoutDone(name: string): Buffer {
  return Buffer.from(
    stream(name)
      .toString()
      .replace(/data: \[DONE\]\s*$/, ""),
  );
}

test.each(["openai-chat-usage.sse", "openai-chat-two-choices-usage.sse"])(
  "a chat that ends without [DONE], but with the reason of every end, is whole: %s",
  (name) => {
    const { call, protocol } = callFor(name, { stream_options: { include_usage: true } });
    const reader = protocol.follow(call);
    const bytes = withoutDone(name);
    expect(passAll(reader, [bytes]).equals(bytes)).toBe(true);
    expect(reader.isComplete).toBe(true);
    expect(reader.usage?.outputTokens).toBeGreaterThan(0);
  },
);

test("a chat that ends before the reason of one of its ends is not", () => {
  const { call, protocol } = callFor("openai-chat-usage.sse", { n: 2 });
  const reader = protocol.follow(call);
  passAll(reader, [withoutDone("openai-chat-usage.sse")]);
  expect(reader.isComplete).toBe(false);
});

test("a JSON answer behind a byte order mark is read", () => {
  const messages = [{ role: "user", content: "Hi" }];
  const call = callOf("openai", { path: "/v1/chat/completions", body: { model: "gpt-4o", messages } });
  const reader = protocols.openai.follow(call);
  const usage = { prompt_tokens: 3, completion_tokens: 5, total_tokens: 8 };
  const bytes = Buffer.from(`\ufeff${JSON.stringify({ model: "gpt-4o", choices: [], usage })}`);
  expect(passAll(reader, [bytes]).equals(bytes)).toBe(true);
  expect([reader.isComplete, reader.usage?.outputTokens]).toEqual([true, 5]);
});

describe("a chat's usage", () => {
  const messages = [{ role: "user", content: "Hi" }];
  const body = { model: "gpt-4o", stream: true, messages };
  const chunk = (fields: object) => `data: ${JSON.stringify({ id: "c1", model: "m", ...fields })}\n\n`;
  const text = (content: string) => ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
  const end = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
  const follow = (...chunks: readonly object[]) => {
    const reader = protocols.openai.follow(callOf("openai", { path: "/v1/chat/completions", body }));
    const passed = passAll(reader, [Buffer.from(`${chunks.map(chunk).join("")}data: [DONE]\n\n`)]);
    return { reader, passed: passed.toString() };
  };
  const first = { choices: [{ index: 0, delta: { role: "assistant", content: "Hello" }, finish_reason: null }] };
  const usage = { prompt_tokens: 19, completion_tokens: 13, total_tokens: 32 };

  test("in the last choice, as Moonshot has it, is read, and stays for the client", () => {
    const { reader, passed } = follow(first, { choices: [{ index: 0, delta: {}, finish_reason: "stop", usage }] });
    expect(reader.usage).toMatchObject({ inputTokens: 19, outputTokens: 13 });
    expect(passed).toContain('"total_tokens":32');
  });

  test("under x_groq is read", () => {
    expect(follow(first, { ...end, x_groq: { id: "req_1", usage } }).reader.usage).toMatchObject({ outputTokens: 13 });
  });

  test("in every chunk is that of the last one, not their sum", () => {
    const upTo = (completion_tokens: number) => ({
      usage: { ...usage, completion_tokens, total_tokens: 19 + completion_tokens },
    });
    const { reader } = follow({ ...first, ...upTo(1) }, { ...text(" you"), ...upTo(2) }, { ...end, ...upTo(2) });
    expect(reader.usage).toMatchObject({ inputTokens: 19, outputTokens: 2 });
  });

  test("of zeros at the end takes nothing back", () => {
    const zeros = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    const { reader } = follow(first, { ...end, usage }, { choices: [], usage: zeros });
    expect(reader.usage).toMatchObject({ inputTokens: 19, outputTokens: 13 });
  });

  test.each(["at the end", "at the beginning"])(
    "without output, where there was some, tells the input alone: %s",
    (where) => {
      const placeholder = { usage: { prompt_tokens: 19, completion_tokens: 0, total_tokens: 19 } };
      const said = text("Nice to meet you. ".repeat(20));
      const chunks =
        where === "at the end" ? [first, said, { ...end, ...placeholder }] : [{ ...first, ...placeholder }, said, end];
      const { reader } = follow(...chunks);
      // The output is estimated.
      expect(reader.usage).toBeUndefined();
      expect(reader.inputUsage).toMatchObject({ inputTokens: 19, outputTokens: 0 });
      expect(reader.outputBytes).toBeGreaterThan(300);
    },
  );

  test("of an answer that is empty may have no output", () => {
    const none = { prompt_tokens: 19, completion_tokens: 0, total_tokens: 19 };
    const filtered = { choices: [{ index: 0, delta: {}, finish_reason: "content_filter" }] };
    const empty = { choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] };
    expect(follow(empty, filtered, { choices: [], usage: none }).reader.usage).toMatchObject({
      inputTokens: 19,
      outputTokens: 0,
    });
  });
});

test("a message's output that came as text is read", () => {
  const { call, protocol } = callFor("anthropic-text.sse");
  const reader = protocol.follow(call);
  const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
  const begun = event("message_start", { message: { model: "m", usage: { input_tokens: "120", output_tokens: "0" } } });
  const usage = { input_tokens: "0", output_tokens: "44" };
  passAll(reader, [Buffer.from(begun + event("message_delta", { delta: { stop_reason: "end_turn" }, usage }))]);
  expect(reader.usage).toMatchObject({ inputTokens: 120, outputTokens: 44 });
});
