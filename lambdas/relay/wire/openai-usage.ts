// OpenAI's usage objects (chat completions, responses, embeddings), in the relay's form.
import { noUsage, type TokenUsage } from "../token-usage.ts";
import { countOf, type JsonObject, objectOf, objectsOf } from "./json-values.ts";

/** `prompt_tokens` has cached and newly cached tokens in it; `completion_tokens` has reasoning in it. */
export function readChatUsage(usage: JsonObject): TokenUsage {
  const input = objectOf(usage.prompt_tokens_details);
  const output = objectOf(usage.completion_tokens_details);
  const prompt = countOf(usage.prompt_tokens);
  return {
    ...splitInput(prompt, input),
    outputTokens: wholeOutput(prompt, countOf(usage.completion_tokens), usage),
    reasoningTokens: countOf(output?.reasoning_tokens),
    serverTools: {},
  };
}

/** Of a whole response object: the calls of tools that OpenAI runs stand in its output, not in its usage. */
export function readResponseUsage(response: JsonObject): TokenUsage | undefined {
  const usage = objectOf(response.usage);
  if (usage === undefined) return undefined;
  const input = countOf(usage.input_tokens);
  return {
    ...splitInput(input, objectOf(usage.input_tokens_details)),
    outputTokens: wholeOutput(input, countOf(usage.output_tokens), usage),
    reasoningTokens: countOf(objectOf(usage.output_tokens_details)?.reasoning_tokens),
    serverTools: countCalls(response),
  };
}

/**
 * Some servers that are compatible with OpenAI's leave the reasoning out of the output and have it in the total alone:
 * Google's own and gateways to Gemini, xAI. It is billed as output all the same. A total without an input says nothing of
 * that: it may be the input.
 */
function wholeOutput(input: number, output: number, { total_tokens }: JsonObject): number {
  return input === 0 ? output : Math.max(output, countOf(total_tokens) - input);
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

/** Of a web search: only its searches are billed (OpenAI's guide "Web search"), not the pages that it opens and reads. */
const freeActions: ReadonlySet<unknown> = new Set(["open_page", "find_in_page", "find"]);

function countCalls(response: JsonObject): Record<string, number> {
  // The preview of web search is the dearer tool, and its calls look like those of the other.
  const isPreview = objectsOf(response.tools).some(({ type }) => String(type).startsWith("web_search_preview"));
  const counts: Record<string, number> = {};
  const containers = new Set<unknown>();
  for (const { type, action, container_id } of objectsOf(response.output)) {
    const tool = typeof type === "string" && Object.hasOwn(billedCalls, type) ? billedCalls[type] : undefined;
    if (tool === undefined || freeActions.has(objectOf(action)?.type)) continue;
    // Billed by the container, however often code runs in it.
    if (container_id !== undefined && containers.has(container_id)) continue;
    containers.add(container_id);
    const name = tool === "web_search" && isPreview ? "web_search_preview" : tool;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
