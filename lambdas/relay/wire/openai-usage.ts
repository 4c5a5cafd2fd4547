// OpenAI's usage objects (chat completions, responses, embeddings), in the relay's form.
import { isStandardTier, noUsage, type TokenUsage } from "../token-usage.ts";
import { countOf, type JsonObject, objectOf, objectsOf, tierNameOf } from "./json-values.ts";

/**
 * `prompt_tokens` has cached and newly cached tokens in it; `completion_tokens` has reasoning in it. `serviceTier`: what
 * stands beside the usage.
 */
export function readChatUsage(usage: JsonObject, serviceTier?: unknown): TokenUsage {
  const input = objectOf(usage.prompt_tokens_details);
  const output = objectOf(usage.completion_tokens_details);
  const prompt = countOf(usage.prompt_tokens);
  return {
    ...splitInput(prompt, input, usage),
    ...wholeOutput(prompt, countOf(usage.completion_tokens), countOf(output?.reasoning_tokens), usage),
    serverTools: {},
    ...servedTierOf(serviceTier),
  };
}

/** `auto` is what was asked for, not what was served: compatible servers send the request's word back. */
function servedTierOf(serviceTier: unknown): { readonly tier?: string } {
  const tier = tierNameOf(serviceTier);
  if (tier === undefined || tier === "auto") return {};
  return { tier: isStandardTier(tier) ? "standard" : tier };
}

/** Of a whole response object: the calls of tools that OpenAI runs stand in its output, not in its usage. */
export function readResponseUsage(response: JsonObject): TokenUsage | undefined {
  const usage = objectOf(response.usage);
  if (usage === undefined) return undefined;
  const input = countOf(usage.input_tokens);
  const reasoning = countOf(objectOf(usage.output_tokens_details)?.reasoning_tokens);
  return {
    ...splitInput(input, objectOf(usage.input_tokens_details), usage),
    ...wholeOutput(input, countOf(usage.output_tokens), reasoning, usage),
    serverTools: countCalls(response),
    ...servedTierOf(response.service_tier),
  };
}

/**
 * Some servers that are compatible with OpenAI's leave the reasoning out of the output and have it in the total alone:
 * Google's own and gateways to Gemini, xAI. It is billed as output all the same. A total without an input says nothing of
 * that: it may be the input. Without any total, a reasoning that is more than the output is no part of it.
 */
function wholeOutput(input: number, output: number, reasoningTokens: number, { total_tokens }: JsonObject) {
  const total = countOf(total_tokens);
  const beside = total === 0 && reasoningTokens > output ? output + reasoningTokens : 0;
  return { outputTokens: Math.max(output, beside, input === 0 ? 0 : total - input), reasoningTokens };
}

/** Embeddings have no output; some servers tell the total alone. */
export function readEmbeddingUsage(usage: JsonObject): TokenUsage {
  return { ...noUsage, inputTokens: countOf(usage.prompt_tokens) || countOf(usage.total_tokens) };
}

/** Of a chunk: its own, or where Groq and Moonshot put it when their last chunk has none. */
export function chunkUsageOf(chunk: JsonObject): JsonObject | undefined {
  const own = objectOf(chunk.usage) ?? objectOf(objectOf(chunk.x_groq)?.usage);
  return own ?? objectOf(objectsOf(chunk.choices).find(({ usage }) => objectOf(usage) !== undefined)?.usage);
}

/**
 * Caches are written by themselves, for a time that OpenAI chooses: billed like Anthropic's short one where billed at all.
 * DeepSeek and Moonshot tell what was cached in the usage itself; LiteLLM and Qwen what was written under other names.
 */
function splitInput(total: number, details: JsonObject | undefined, usage: JsonObject) {
  const read = mostOf(details?.cached_tokens, usage.prompt_cache_hit_tokens, usage.cached_tokens);
  const cacheReadTokens = Math.min(total, read);
  const written = mostOf(
    details?.cache_write_tokens,
    details?.cache_creation_tokens,
    details?.cache_creation_input_tokens,
  );
  const cacheWrite5mTokens = Math.min(total - cacheReadTokens, written);
  return {
    inputTokens: total - cacheReadTokens - cacheWrite5mTokens,
    cacheWrite5mTokens,
    cacheWrite1hTokens: 0,
    cacheReadTokens,
  };
}

/** Of names for the same count: who tells two of them tells the same in both, or a zero in one. */
function mostOf(...counts: readonly unknown[]): number {
  return Math.max(...counts.map(countOf));
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
