// OpenAI's usage objects (chat completions, responses, embeddings), in the relay's form.
import { noUsage, type TokenUsage } from "../token-usage.ts";
import { countOf, type JsonObject, objectOf, objectsOf } from "./json-values.ts";

/** `prompt_tokens` has cached and newly cached tokens in it; `completion_tokens` has reasoning in it. */
export function readChatUsage(usage: JsonObject): TokenUsage {
  const input = objectOf(usage.prompt_tokens_details);
  const output = objectOf(usage.completion_tokens_details);
  return {
    ...splitInput(countOf(usage.prompt_tokens), input),
    outputTokens: countOf(usage.completion_tokens),
    reasoningTokens: countOf(output?.reasoning_tokens),
    serverTools: {},
  };
}

/** Of a whole response object: the calls of tools that OpenAI runs stand in its output, not in its usage. */
export function readResponseUsage(response: JsonObject): TokenUsage | undefined {
  const usage = objectOf(response.usage);
  if (usage === undefined) return undefined;
  return {
    ...splitInput(countOf(usage.input_tokens), objectOf(usage.input_tokens_details)),
    outputTokens: countOf(usage.output_tokens),
    reasoningTokens: countOf(objectOf(usage.output_tokens_details)?.reasoning_tokens),
    serverTools: countCalls(response),
  };
}

/** Embeddings have no output. */
export function readEmbeddingUsage(usage: JsonObject): TokenUsage {
  return { ...noUsage, inputTokens: countOf(usage.prompt_tokens) };
}

/** Caches are written by themselves, for a time that OpenAI chooses: billed like Anthropic's short one where billed at all. */
function splitInput(total: number, details: JsonObject | undefined) {
  const cacheReadTokens = Math.min(total, countOf(details?.cached_tokens));
  const cacheWrite5mTokens = Math.min(total - cacheReadTokens, countOf(details?.cache_write_tokens));
  return {
    inputTokens: total - cacheReadTokens - cacheWrite5mTokens,
    cacheWrite5mTokens,
    cacheWrite1hTokens: 0,
    cacheReadTokens,
  };
}

/** Type of an output item → the tool's name in the price table. */
const billedCalls: Readonly<Record<string, string>> = {
  web_search_call: "web_search",
  file_search_call: "file_search",
  code_interpreter_call: "code_interpreter",
  image_generation_call: "image_generation",
};

function countCalls(response: JsonObject): Record<string, number> {
  // The preview of web search is the dearer tool, and its calls look like those of the other.
  const isPreview = objectsOf(response.tools).some(({ type }) => String(type).startsWith("web_search_preview"));
  const counts: Record<string, number> = {};
  for (const { type } of objectsOf(response.output)) {
    const tool = typeof type === "string" && Object.hasOwn(billedCalls, type) ? billedCalls[type] : undefined;
    if (tool === undefined) continue;
    const name = tool === "web_search" && isPreview ? "web_search_preview" : tool;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
