// Gemini's usage metadata, in the relay's form.
import type { TokenUsage } from "../token-usage.ts";
import { countOf, type JsonObject, listOf, objectOf, objectsOf, tierNameOf } from "./json-values.ts";

/**
 * `metadata`: usageMetadata of an answer or of the last chunk that had one (it is cumulative). The prompt's count has the
 * cached content in it; thoughts are apart from the candidates' count and billed as output (facts 2.3).
 */
export function readGeminiUsage(metadata: JsonObject, serverTools: Readonly<Record<string, number>>): TokenUsage {
  const prompt = countOf(metadata.promptTokenCount);
  const cacheReadTokens = Math.min(prompt, countOf(metadata.cachedContentTokenCount));
  const toolUse = countOf(metadata.toolUsePromptTokenCount);
  const reasoningTokens = countOf(metadata.thoughtsTokenCount);
  const said = countOf(metadata.candidatesTokenCount) + reasoningTokens;
  return {
    inputTokens: prompt - cacheReadTokens + toolUse,
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    cacheReadTokens,
    // Models and gateways have left the thoughts out of everything but the total (new-api's issue 1014).
    outputTokens: Math.max(said, prompt === 0 ? 0 : countOf(metadata.totalTokenCount) - prompt - toolUse),
    reasoningTokens,
    serverTools,
    ...geminiTierOf(metadata.serviceTier),
  };
}

/** As usage metadata and the header `x-gemini-service-tier` tell it, with or without the protocol buffer's prefix. */
export function geminiTierOf(value: unknown): { readonly tier?: string } {
  const tier = tierNameOf(value)?.replace(/^service_tier_/, "");
  if (tier === undefined || tier === "unspecified") return {};
  return { tier };
}

const billedByPrompt = /^gemini-[12]\./;

/** Google's own tools: searches are billed by the search since Gemini 3, each wording once however often it was run (LiteLLM's issue 36377), by the prompt before; Maps by the prompt that found something there. */
export function countGrounding(answer: JsonObject, model: string): Record<string, number> {
  const queries = new Set<string>();
  let hasPlaces = false;
  for (const candidate of objectsOf(answer.candidates)) {
    const grounding = objectOf(candidate.groundingMetadata);
    for (const query of listOf(grounding?.webSearchQueries))
      if (typeof query === "string" && query !== "") queries.add(query);
    hasPlaces ||= objectsOf(grounding?.groundingChunks).some(({ maps }) => maps !== undefined && maps !== null);
  }
  const billed = billedByPrompt.test(model) ? Math.min(1, queries.size) : queries.size;
  return { ...(billed > 0 && { google_search: billed }), ...(hasPlaces && { google_maps: 1 }) };
}
