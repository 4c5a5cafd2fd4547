// Answers that are no conversation: token counts, embeddings, lists of models.
import type { Behaviour, Platform, VendorError } from "./behaviour.ts";
import { tokensInBytes } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import { asList, asNumber, asObject, fieldIn, type JsonObject } from "./read-json.ts";
import { unknownModel } from "./validate-request.ts";

/** Models that the lists name; answers are given for any other of the vendor's too. */
const models: Readonly<Record<Platform, readonly string[]>> = {
  anthropic: ["claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"],
  openai: ["gpt-6-sol", "gpt-5", "gpt-5-mini", "text-embedding-3-small", "text-embedding-3-large"],
  gemini: ["gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-embedding-001"],
};

const defaultDimensions = { openai: 1536, gemini: 3072 };
const mostDimensions = 4096;
const mostEmbeddings = 2048;
const madeAt = "2026-01-01T00:00:00Z";

/** `json`: the request's body. `query`: without the question mark. Of the behaviour only the usage matters. */
export function otherAnswer(
  asked: Asked,
  { json, query }: { readonly json: unknown; readonly query: string },
  { usage, usageFactor = 1 }: Behaviour,
): JsonObject | VendorError {
  const scripted = usage === "missing" ? undefined : usage?.inputTokens;
  const tokens = Math.round((scripted ?? tokensInBytes(asked.inputBytes)) * usageFactor);
  switch (asked.operation) {
    case "anthropic.count-tokens":
      return { input_tokens: tokens };
    case "openai.count-tokens":
      return { object: "response.input_tokens", input_tokens: tokens };
    case "gemini.count-tokens":
      return { totalTokens: tokens, promptTokensDetails: [{ modality: "TEXT", tokenCount: tokens }] };
    case "openai.embeddings":
      return openaiEmbeddings(asked, asObject(json) ?? {}, usage === "missing" ? undefined : tokens);
    case "gemini.embed":
      return {
        embedding: { values: vector(asNumber(fieldIn(json, "outputDimensionality")) ?? defaultDimensions.gemini) },
      };
    case "gemini.batch-embed":
      return { embeddings: asList(fieldIn(json, "requests")).slice(0, mostEmbeddings).map(geminiEmbedding) };
    case "anthropic.models":
      return anthropicList(new URLSearchParams(query));
    case "openai.models":
      return { object: "list", data: models.openai.map(openaiModel) };
    case "gemini.models":
      return { models: models.gemini.map(geminiModel) };
    default:
      return oneModel(asked);
  }
}

function oneModel({ platform, model }: Asked): JsonObject | VendorError {
  const name = model.replace(/^models\//, "");
  if (!models[platform].includes(name)) return unknownModel(platform, name);
  return { anthropic: anthropicModel, openai: openaiModel, gemini: geminiModel }[platform](name);
}

function anthropicList(query: URLSearchParams): JsonObject {
  const after = models.anthropic.indexOf(query.get("after_id") ?? "") + 1;
  const most = Math.max(1, Number(query.get("limit") ?? 20) || 20);
  const page = models.anthropic.slice(after, after + most);
  return {
    data: page.map(anthropicModel),
    has_more: after + most < models.anthropic.length,
    first_id: page[0] ?? null,
    last_id: page.at(-1) ?? null,
  };
}

function anthropicModel(id: string): JsonObject {
  return { type: "model", id, display_name: id.replaceAll("-", " "), created_at: madeAt };
}

function openaiModel(id: string): JsonObject {
  return { id, object: "model", created: Date.parse(madeAt) / 1000, owned_by: "system" };
}

function geminiModel(name: string): JsonObject {
  return {
    name: `models/${name}`,
    version: "001",
    displayName: name.replaceAll("-", " "),
    description: "A model of the local upstream",
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: name.includes("embedding")
      ? ["embedContent", "countTextTokens", "countTokens"]
      : ["generateContent", "countTokens", "createCachedContent", "batchGenerateContent"],
    temperature: 1,
    topP: 0.95,
    topK: 64,
  };
}

/** The SDK asks for base64: little-endian float32. */
function openaiEmbeddings({ model }: Asked, body: JsonObject, tokens: number | undefined): JsonObject {
  const { input } = body;
  // A list of numbers is one text, as tokens.
  const isMany = Array.isArray(input) && typeof input[0] !== "number";
  const count = isMany ? Math.min(input.length, mostEmbeddings) : 1;
  const values = vector(asNumber(body.dimensions) ?? defaultDimensions.openai);
  const embedding =
    body.encoding_format === "base64" ? Buffer.from(new Float32Array(values).buffer).toString("base64") : values;
  return {
    object: "list",
    data: Array.from({ length: count }, (_, index) => ({ object: "embedding", index, embedding })),
    model,
    ...(tokens !== undefined && { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
  };
}

function geminiEmbedding(request: unknown): JsonObject {
  return { values: vector(asNumber(fieldIn(request, "outputDimensionality")) ?? defaultDimensions.gemini) };
}

/** A unit vector, the same for every text. Its numbers are exact in 32 bits. */
function vector(dimensions: number): number[] {
  const length = Math.min(Math.max(1, Math.floor(dimensions)), mostDimensions);
  return Array.from({ length }, (_, index) => (index === 0 ? 1 : 0));
}
