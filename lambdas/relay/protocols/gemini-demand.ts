// What a request to the Gemini API may cost, which session it belongs to, and what it refers to.
import { Refusal } from "../refusal.ts";
import { contentHash } from "../wire/content-hash.ts";
import { type JsonObject, listOf, objectOf, objectsOf, positiveOf, textOf } from "../wire/json-values.ts";
import { answersOf, boundIdsOf, mostCallsUnstated } from "./demand-parts.ts";
import type { ClientRequest, Demand } from "./protocol.ts";
import type { RequestBody } from "./request-body.ts";

/** Function calling and the like add instructions. */
const toolInstructionTokens = 1000;

/** 258 tokens a tile of 768 pixels: a large image that is strongly compressed has fewer bytes than tokens. */
const mostImageTokens = 17_000;

/** Implicit caching begins at some thousand tokens. */
const leastCachedBytes = 4096;

/** Models that never think; and those of 2.5 that do not with a budget of 0. All others are taken to think out of sight. */
const neverThinks = /^(gemini-1\.5-|gemini-2\.0-(flash|flash-lite|pro)(-exp|-\d{3})?$|gemma-)/;
const thinksByBudget = /^gemini-2\.5-flash(-lite)?(-\d|-preview|$)/;

/** Tools that Google runs: name in the price table. */
const serverTools: Readonly<Record<string, string>> = {
  googleSearch: "google_search",
  googleSearchRetrieval: "google_search",
  enterpriseWebSearch: "enterprise_web_search",
  googleMaps: "google_maps",
  urlContext: "url_context",
  codeExecution: "code_execution",
  fileSearch: "file_search",
  mcpServers: "mcp",
  retrieval: "retrieval",
};

/** Requests as Google's JSON allows them: in camelCase, and with the names of the protocol buffers. Throws for both at once. */
export function fieldOf(object: JsonObject | undefined, name: string): unknown {
  const other = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  if (object === undefined) return undefined;
  if (name !== other && object[name] !== undefined && object[other] !== undefined) {
    throw new Refusal("BodyInvalid", `${name}: is in the body more than once.`);
  }
  return object[name] ?? object[other];
}

/** Where protocol buffers have a list, Google takes its only element without one. */
function repeatedOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? objectsOf(value) : objectsOf([value]);
}

export function geminiDemand({ json, bytes }: RequestBody, model: string, isStream: boolean): Demand {
  const config = objectOf(fieldOf(json, "generationConfig"));
  const tools = repeatedOf(json.tools);
  const run = tools.flatMap((tool) => Object.keys(serverTools).filter((name) => fieldOf(tool, name) !== undefined));
  const content = contentOf(json);
  const candidates = fieldOf(config, "candidateCount");
  // Protocol buffers take numbers as texts, too.
  const answers = answersOf(isDigits(candidates) ? Number(candidates) : candidates, "candidateCount");
  return {
    inputBytes: bytes.length + (tools.length > 0 ? toolInstructionTokens : 0) + content.images * mostImageTokens,
    hasInputElsewhere: content.isElsewhere || run.length > 0 || textOf(fieldOf(json, "cachedContent")) !== undefined,
    mostOutputTokens: positiveOf(fieldOf(config, "maxOutputTokens")),
    answers,
    hasVisibleOutput: isStream && answers === 1 && run.length === 0 && saysAll(config, model),
    serverTools: Object.fromEntries(run.map((name) => [serverTools[name] ?? name, mostCallsUnstated])),
    ...tierOf(json),
  };
}

/**
 * Some bodies name the model once more, and some servers (LiteLLM) go by that. Throws `Refusal` BodyInvalid where it is another
 * one than the path's.
 */
export function checkNamedModel(json: JsonObject, model: string): void {
  for (const { model: named } of [json, ...repeatedOf(json.requests)]) {
    if (named === undefined || named === null || named === model || named === `models/${model}`) continue;
    throw new Refusal("BodyInvalid", "model: is another one in the body than in the path.");
  }
}

/** Embeddings: everything is input, and there is no output. */
export function geminiEmbedDemand({ bytes, json }: RequestBody): Demand {
  const requests = [json, ...repeatedOf(json.requests)];
  const content: Content = { images: 0, isElsewhere: false, files: [] };
  for (const request of requests) readParts(objectOf(request.content), content);
  return {
    inputBytes: bytes.length + content.images * mostImageTokens,
    hasInputElsewhere: content.isElsewhere,
    mostOutputTokens: 0,
    answers: 1,
    hasVisibleOutput: false,
    serverTools: {},
  };
}

/** Gemini CLI names no session in the mode with an API key: what implicit caching works on names it. */
export function geminiSessions({ json, bytes }: RequestBody, { headers }: ClientRequest, model: string): string[] {
  const named = textOf(headers["x-session-id"]) ?? textOf(headers["session-id"]);
  if (named !== undefined) return [named];
  if (bytes.length < leastCachedBytes) return [];
  return [contentHash([model, fieldOf(json, "systemInstruction"), listOf(json.contents)[0]])];
}

/** Cached contents and uploaded files belong to the project of the key that made them; other addresses to nobody. */
export function geminiBoundIds(json: JsonObject): string[] {
  const files = contentOf(json).files.flatMap((uri) => {
    const [, file] = /^(?:https?:\/\/[\w.-]+\.googleapis\.com\/(?:[^?#]*\/)?)?(files\/[\w-]+)/i.exec(String(uri)) ?? [];
    return file ?? [];
  });
  return boundIdsOf([fieldOf(json, "cachedContent"), ...files]);
}

function saysAll(config: JsonObject | undefined, model: string): boolean {
  const modalities = fieldOf(config, "responseModalities") ?? [];
  if (!Array.isArray(modalities) || modalities.some((modality) => modality !== "TEXT")) return false;
  const budget = fieldOf(objectOf(fieldOf(config, "thinkingConfig")), "thinkingBudget");
  return neverThinks.test(model) || (budget === 0 && thinksByBudget.test(model));
}

function isDigits(value: unknown): boolean {
  return typeof value === "string" && /^\d{1,9}$/.test(value);
}

function tierOf(json: JsonObject): { tier?: string } {
  const asked = fieldOf(json, "serviceTier");
  // Names of protocol buffers may be written as their numbers; 0 is none.
  const name = typeof asked === "number" && asked !== 0 ? String(asked) : textOf(asked);
  const tier = name?.toLowerCase().replace(/^service_tier_/, "");
  return tier === undefined || tier === "standard" || tier === "unspecified" ? {} : { tier };
}

interface Content {
  images: number;
  isElsewhere: boolean;
  readonly files: unknown[];
}

function contentOf(json: JsonObject): Content {
  const content: Content = { images: 0, isElsewhere: false, files: [] };
  readParts(objectOf(fieldOf(json, "systemInstruction")), content);
  for (const one of repeatedOf(json.contents)) readParts(one, content);
  return content;
}

/** Results of functions hold parts, which are media; nothing nests deeper. */
const mostDepth = 20;

/** Of media only images are bounded, by a number of tokens; sound, films and pages are not bounded by their bytes. */
function readParts(one: JsonObject | undefined, content: Content, depth = 0): void {
  if (depth > mostDepth) throw new Refusal("BodyInvalid", "The body nests too deeply.");
  for (const part of repeatedOf(one?.parts)) {
    const inline = objectOf(fieldOf(part, "inlineData"));
    const file = objectOf(fieldOf(part, "fileData"));
    if (inline !== undefined) {
      if (String(fieldOf(inline, "mimeType")).startsWith("image/")) content.images += 1;
      else content.isElsewhere = true;
    }
    if (file !== undefined) {
      content.isElsewhere = true;
      content.files.push(fieldOf(file, "fileUri"));
    }
    const result = objectOf(fieldOf(part, "functionResponse"));
    if (result !== undefined) readParts(result, content, depth + 1);
  }
}
