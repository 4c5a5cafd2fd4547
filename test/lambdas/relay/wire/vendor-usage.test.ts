// Usage as vendors and their compatible peers really report it: what is billed is what is read.
import { describe, expect, test } from "vitest";
import { mergeAnthropicUsage, readAnthropicUsage } from "../../../../lambdas/relay/wire/anthropic-usage.ts";
import { countGrounding, readGeminiUsage } from "../../../../lambdas/relay/wire/gemini-usage.ts";
import { countOf } from "../../../../lambdas/relay/wire/json-values.ts";
import {
  chunkUsageOf,
  readChatUsage,
  readEmbeddingUsage,
  readResponseUsage,
} from "../../../../lambdas/relay/wire/openai-usage.ts";

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

describe("what servers that are compatible with OpenAI's tell under other names", () => {
  // Counts as they stood in DeepSeek's reference, AstrBot's issue 6614, LiteLLM's 11364, Alibaba's page on explicit caches.
  test.each([
    [
      "DeepSeek's cache hits",
      { prompt_tokens: 100, prompt_cache_hit_tokens: 80, prompt_cache_miss_tokens: 20 },
      20,
      80,
      0,
    ],
    [
      "Moonshot's",
      { prompt_tokens: 1336, cached_tokens: 1280, prompt_tokens_details: { cached_tokens: 1280 } },
      56,
      1280,
      0,
    ],
    ["Moonshot's, alone", { prompt_tokens: 1336, cached_tokens: 1280 }, 56, 1280, 0],
    [
      "a zero beside the real count",
      { prompt_tokens: 9, prompt_cache_hit_tokens: 4, prompt_tokens_details: { cached_tokens: 0 } },
      5,
      4,
      0,
    ],
    [
      "LiteLLM's of Anthropic's caches",
      { prompt_tokens: 98_805, prompt_tokens_details: { cached_tokens: 66_360, cache_creation_tokens: 32_435 } },
      ...[10, 66_360, 32_435],
    ],
    [
      "Qwen's writes",
      { prompt_tokens: 30, prompt_tokens_details: { cached_tokens: 0, cache_creation_input_tokens: 20 } },
      10,
      0,
      20,
    ],
    ["more cached than there was", { prompt_tokens: 5, prompt_cache_hit_tokens: 50 }, 0, 5, 0],
  ] as const)("%s", (_whose, usage, inputTokens, cacheReadTokens, cacheWrite5mTokens) => {
    expect(readChatUsage({ completion_tokens: 1, ...usage })).toMatchObject({
      ...{ inputTokens, cacheReadTokens, cacheWrite5mTokens, outputTokens: 1 },
    });
  });

  test("reasoning that is more than the output is no part of it, where no total tells so", () => {
    const details = { completion_tokens_details: { reasoning_tokens: 317 } };
    expect(readChatUsage({ prompt_tokens: 12, completion_tokens: 2, ...details }).outputTokens).toBe(319);
    // xAI's as a part, told by the total.
    const part = { prompt_tokens: 500, completion_tokens: 500, total_tokens: 1000 };
    expect(readChatUsage({ ...part, ...details }).outputTokens).toBe(500);
    const beside = { prompt_tokens: 10_120, completion_tokens: 1499, total_tokens: 14_428 };
    expect(readChatUsage({ ...beside, completion_tokens_details: { reasoning_tokens: 2809 } }).outputTokens).toBe(4308);
  });

  test("embeddings that tell the total alone", () => {
    expect(readEmbeddingUsage({ total_tokens: 12 }).inputTokens).toBe(12);
    expect(readEmbeddingUsage({ prompt_tokens: 12, total_tokens: 15 }).inputTokens).toBe(12);
  });

  test("a chunk's usage where Groq and Moonshot put it", () => {
    const usage = { prompt_tokens: 19, completion_tokens: 13, total_tokens: 32 };
    expect(chunkUsageOf({ choices: [], usage })).toEqual(usage);
    expect(chunkUsageOf({ choices: [], usage: null, x_groq: { id: "req_1", usage } })).toEqual(usage);
    expect(
      chunkUsageOf({
        choices: [
          { index: 0, delta: {} },
          { index: 1, delta: {}, usage },
        ],
      }),
    ).toEqual(usage);
    expect(chunkUsageOf({ choices: [{ index: 0, delta: {}, usage: null }], x_groq: { id: "req_1" } })).toBeUndefined();
  });
});

describe("Gemini's thoughts", () => {
  test("stand apart from the candidates and are billed with them", () => {
    const metadata = {
      promptTokenCount: 15,
      candidatesTokenCount: 359,
      thoughtsTokenCount: 661,
      totalTokenCount: 1035,
    };
    expect(readGeminiUsage(metadata, {})).toMatchObject({ inputTokens: 15, outputTokens: 1020, reasoningTokens: 661 });
  });

  test("count where only the total has them, and what tools read is input", () => {
    const metadata = { promptTokenCount: 7477, candidatesTokenCount: 2060, totalTokenCount: 11_476 };
    expect(readGeminiUsage(metadata, {}).outputTokens).toBe(3999);
    const withTools = { ...metadata, toolUsePromptTokenCount: 1939, cachedContentTokenCount: 7000 };
    expect(readGeminiUsage(withTools, {})).toMatchObject({
      inputTokens: 2416,
      cacheReadTokens: 7000,
      outputTokens: 2060,
    });
    expect(readGeminiUsage({ totalTokenCount: 50 }, {}).outputTokens).toBe(0);
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

  test("is billed by the wording, however often it was searched for", () => {
    const again = answer({ webSearchQueries: ["btc price", "eth price", "btc price", "", null] });
    expect(countGrounding(again, "gemini-3.8-flash")).toEqual({ google_search: 2 });
  });

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

test("zeros inside of a field do not turn writes for an hour into writes for five minutes, nor take a search back", () => {
  const beginning = {
    input_tokens: 3,
    cache_creation_input_tokens: 8989,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 8989 },
    server_tool_use: { web_search_requests: 2 },
  };
  const end = {
    input_tokens: "0",
    output_tokens: 5,
    cache_creation_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    server_tool_use: { web_search_requests: 0, web_fetch_requests: 1 },
  };
  expect(readAnthropicUsage(mergeAnthropicUsage(beginning, end))).toMatchObject({
    ...{ inputTokens: 3, cacheWrite5mTokens: 0, cacheWrite1hTokens: 8989, outputTokens: 5 },
    serverTools: { web_search: 2, web_fetch: 1 },
  });
});

test("writes that the split does not name are for five minutes, and none is counted twice", () => {
  const split = { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 };
  const usage = { input_tokens: 3, cache_creation_input_tokens: 400, cache_creation: split, output_tokens: 1 };
  expect(readAnthropicUsage(usage)).toMatchObject({ inputTokens: 3, cacheWrite5mTokens: 200, cacheWrite1hTokens: 200 });
});
