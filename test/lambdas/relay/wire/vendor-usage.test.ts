// Usage as vendors and their compatible peers really report it: what is billed is what is read.
import { describe, expect, test } from "vitest";
import { mergeAnthropicUsage, readAnthropicUsage } from "../../../../lambdas/relay/wire/anthropic-usage.ts";
import { countGrounding } from "../../../../lambdas/relay/wire/gemini-usage.ts";
import { countOf } from "../../../../lambdas/relay/wire/json-values.ts";
import { readChatUsage, readResponseUsage } from "../../../../lambdas/relay/wire/openai-usage.ts";

describe("reasoning that stands in the total alone", () => {
  test("of a chat: Google's own server in OpenAI's form, and xAI's", () => {
    const google = { prompt_tokens: 20, completion_tokens: 198, total_tokens: 623 };
    expect(readChatUsage(google).outputTokens).toBe(603);
    const xai = { ...google, completion_tokens_details: { reasoning_tokens: 405 } };
    expect(readChatUsage(xai)).toMatchObject({ inputTokens: 20, outputTokens: 603, reasoningTokens: 405 });
  });

  test("of a response: gateways to Gemini", () => {
    const usage = { input_tokens: 21, output_tokens: 0, total_tokens: 81 };
    expect(readResponseUsage({ usage })?.outputTokens).toBe(60);
  });

  test("a total without an input may be the input, and is no output", () => {
    expect(readChatUsage({ total_tokens: 50_000 }).outputTokens).toBe(0);
    expect(readResponseUsage({ usage: { output_tokens: 7, total_tokens: 50_000 } })?.outputTokens).toBe(7);
  });

  test("a total that is missing, or less than its parts, changes nothing", () => {
    for (const total of [{}, { total_tokens: 0 }, { total_tokens: null }, { total_tokens: 30 }]) {
      expect(readChatUsage({ prompt_tokens: 20, completion_tokens: 10, ...total }).outputTokens).toBe(10);
    }
  });
});

describe("tools that a response used", () => {
  const usage = { input_tokens: 10, output_tokens: 10, total_tokens: 20 };
  const toolsOf = (output: readonly object[]) => readResponseUsage({ usage, output })?.serverTools;
  const search = (type?: string) => ({ type: "web_search_call", ...(type !== undefined && { action: { type } }) });
  const code = (container_id?: string) => ({ type: "code_interpreter_call", container_id });

  test("searches are billed, pages that are opened and read are not", () => {
    const output = [search("search"), search("open_page"), search("find_in_page"), search(), search("search")];
    expect(toolsOf(output)).toEqual({ web_search: 3 });
    expect(toolsOf([search("open_page")])).toEqual({});
  });

  test("code is billed by the container, not by the run", () => {
    expect(toolsOf([code("c1"), code("c1"), code("c2"), code("c1")])).toEqual({ code_interpreter: 2 });
    expect(toolsOf([code(), code()])).toEqual({ code_interpreter: 2 });
  });
});

describe("grounding of Gemini", () => {
  const answer = (groundingMetadata: object) => ({ candidates: [{ groundingMetadata }] });

  test("is billed by the search since Gemini 3, by the prompt before", () => {
    const twice = answer({ webSearchQueries: ["one", "two"] });
    expect(countGrounding(twice, "gemini-3.8-flash")).toEqual({ google_search: 2 });
    expect(countGrounding(twice, "gemini-2.5-pro")).toEqual({ google_search: 1 });
  });

  test("in Maps is billed where it found a place", () => {
    const found = { groundingChunks: [{ maps: { uri: "https://maps.google.com/?cid=1" } }, { web: {} }] };
    expect(countGrounding(answer(found), "gemini-2.5-flash")).toEqual({ google_maps: 1 });
    expect(countGrounding(answer({ groundingChunks: [{ web: {} }] }), "gemini-2.5-flash")).toEqual({});
  });
});

test("numbers that came as texts are numbers; what is none is nothing", () => {
  expect(["1200", "12.5", 12.5].map(countOf)).toEqual([1200, 13, 13]);
  expect(["-3", "1e9", "", "0x10", " 7", "many", "9".repeat(21), true, [5]].map(countOf)).toEqual(Array(9).fill(0));
  expect(countOf("9".repeat(20))).toBe(1_000_000_000);
});

test("a zero at the end of a message does not take back what its beginning said, but for the output", () => {
  const beginning = { input_tokens: 1000, cache_read_input_tokens: 500, output_tokens: 3 };
  const usage = mergeAnthropicUsage(beginning, { input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 0 });
  expect(readAnthropicUsage(usage)).toMatchObject({ inputTokens: 1000, cacheReadTokens: 500, outputTokens: 0 });
  const more = mergeAnthropicUsage(beginning, { input_tokens: 1200, output_tokens: 40 });
  expect(readAnthropicUsage(more)).toMatchObject({ inputTokens: 1200, cacheReadTokens: 500, outputTokens: 40 });
});
