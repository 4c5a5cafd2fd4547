// Gemini's usage metadata, in the relay's form.
import type { TokenUsage } from "../token-usage.ts";
import { countOf, type JsonObject, listOf, objectOf, objectsOf } from "./json-values.ts";

/**
 * `metadata`: usageMetadata of an answer or of the last chunk that had one (it is cumulative). The prompt's count has the
 * cached content in it; thoughts are apart from the candidates' count and billed as output (facts 2.3).
 */
export function readGeminiUsage(metadata: JsonObject, serverTools: Readonly<Record<string, number>>): TokenUsage {
  const prompt = countOf(metadata.promptTokenCount);
  const cacheReadTokens = Math.min(prompt, countOf(metadata.cachedContentTokenCount));
  const reasoningTokens = countOf(metadata.thoughtsTokenCount);
  return {
    inputTokens: prompt - cacheReadTokens + countOf(metadata.toolUsePromptTokenCount),
    cacheWrite5mTokens: 0,
    cacheWrite1hTokens: 0,
    cacheReadTokens,
    outputTokens: countOf(metadata.candidatesTokenCount) + reasoningTokens,
    reasoningTokens,
    serverTools,
  };
}

const billedByPrompt = /^gemini-[12]\./;

/** Google's own tools: searches are billed by the search since Gemini 3, by the prompt before; Maps by the prompt that found something there. */
export function countGrounding(answer: JsonObject, model: string): Record<string, number> {
  let searches = 0;
  let hasPlaces = false;
  for (const candidate of objectsOf(answer.candidates)) {
    const grounding = objectOf(candidate.groundingMetadata);
    searches += listOf(grounding?.webSearchQueries).length;
    hasPlaces ||= objectsOf(grounding?.groundingChunks).some(({ maps }) => maps !== undefined && maps !== null);
  }
  const billed = billedByPrompt.test(model) ? Math.min(1, searches) : searches;
  return { ...(billed > 0 && { google_search: billed }), ...(hasPlaces && { google_maps: 1 }) };
}
