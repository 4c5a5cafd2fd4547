// Answers of compatible servers that differ from the vendors': the relay adds nothing to what clients bear, and reads what is there.
import { expect, test } from "vitest";
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
