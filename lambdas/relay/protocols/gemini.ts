// The Gemini API: generateContent and its streams, countTokens, embeddings and models. The path carries the model.
import { queryWithoutKeys } from "../read-key-text.ts";
import { Refusal } from "../refusal.ts";
import { headersForUpstream } from "../wire/client-headers.ts";

import { findOperation, type Operation, type Unserved } from "./find-operation.ts";
import { GeminiArray, GeminiStream } from "./gemini-answer.ts";
import { checkNamedModel, geminiBoundIds, geminiDemand, geminiEmbedDemand, geminiSessions } from "./gemini-demand.ts";
import { refuseGemini } from "./gemini-refusal.ts";
import { readGenerated } from "./gemini-tap.ts";
import { JsonAnswer } from "./json-answer.ts";
import { type AnswerReader, type Call, type ClientRequest, freeDemand, type Protocol } from "./protocol.ts";
import { readBody, readPathModel } from "./request-body.ts";

const version = "\\/v1(?:beta|alpha)?";
const atModel = (method: string) => new RegExp(`^${version}\\/models\\/([^/:]+):${method}$`);

const operations: readonly Operation[] = [
  { name: "generate", method: "POST", path: atModel("generateContent") },
  { name: "stream-generate", method: "POST", path: atModel("streamGenerateContent") },
  { name: "count-tokens", method: "POST", path: atModel("countTokens") },
  { name: "embed", method: "POST", path: atModel("embedContent") },
  { name: "batch-embed", method: "POST", path: atModel("batchEmbedContents") },
  { name: "models", method: "GET", path: new RegExp(`^${version}\\/models$`) },
  { name: "model", method: "GET", path: new RegExp(`^${version}\\/models\\/([^/:]+)$`) },
];

const unserved: readonly Unserved[] = [
  { path: /\/projects\/|\/publishers\//, what: "Vertex AI yet" },
  { path: /^\/v1internal/, what: "Gemini CLI's login with a Google account yet" },
  { path: /:(batch|asyncBatch)\w+$|\/batches(\/|$)/, what: "the Batch API" },
  { path: /:(predict|predictLongRunning)$|\/operations(\/|$)/, what: "images and videos by Imagen and Veo" },
  { path: /\/cachedContents(\/|$)/, what: "explicit caching" },
  { path: /\/files(\/|$)|\/fileSearchStores(\/|$)|^\/(upload|download)\//, what: "the Files API" },
  { path: /\/(tunedModels|corpora|dynamic)(\/|$)/, what: "tuned models and corpora" },
  { path: /\/interactions(\/|$)|\/agents(\/|$)/, what: "the Interactions API" },
  { path: /^\/ws\/|BidiGenerateContent|\/auth_tokens/, what: "the Live API" },
  { path: /\/openai(\/|$)/, what: "Gemini in OpenAI's form: use /openai with an account that speaks it" },
];

/**
 * Parameters that would take the usage out of the answer, or make it something else than JSON; and those of Google's servers
 * that bring headers, a method or a whole body along (`$httpHeaders`, `$req` …).
 */
const answerShaping = /^(fields|callback|\$(?!prettyPrint$|\.xgafv$).*)$/i;

const decisiveMembers = [
  ...["generationConfig", "generation_config", "tools", "contents", "content", "requests", "model"],
  ...["cachedContent", "cached_content", "serviceTier", "service_tier", "systemInstruction", "system_instruction"],
];

export const gemini: Protocol = {
  platform: "gemini",

  read(request: ClientRequest): Call {
    const found = findOperation(operations, unserved, request);
    const isSse = readShape(request.query);
    const model = readPathModel(found);
    const upstream = {
      method: request.method,
      path: request.path,
      query: queryWithoutKeys(request.query),
      headers: headersForUpstream(request.headers),
      body: request.body,
    };
    const common = { platform: "gemini", operation: found.name, model, upstream } as const;
    const free = { metering: "free", answers: "json", demand: freeDemand, sessions: [], boundIds: [] } as const;
    if (request.method === "GET") return { ...common, ...free };
    const body = readBody(request, decisiveMembers);
    checkNamedModel(body.json, model);
    const boundIds = geminiBoundIds(body.json);
    if (found.name === "count-tokens") return { ...common, ...free, boundIds };
    if (found.name === "embed" || found.name === "batch-embed") {
      const demand = geminiEmbedDemand(body);
      return { ...common, metering: "metered", answers: "json", demand, sessions: [], boundIds };
    }
    const isStream = found.name === "stream-generate";
    return {
      ...common,
      metering: "metered",
      answers: isStream ? (isSse ? "sse" : "json-array") : "json",
      demand: geminiDemand(body, model, isStream),
      sessions: geminiSessions(body, request, model),
      boundIds,
    };
  },

  refuse: refuseGemini,

  follow(call: Call): AnswerReader {
    if (call.answers === "sse") return new GeminiStream(call);
    if (call.answers === "json-array") return new GeminiArray(call);
    return new JsonAnswer(readGenerated(call.model));
  },
};

/** Whether events are asked for. Throws `Refusal` NotSupported for other forms than JSON. */
function readShape(query: string): boolean {
  let shape: string | undefined;
  for (const [name, value] of new URLSearchParams(query)) {
    if (/^\$?alt$/.test(name)) {
      if (value !== "sse" && value !== "json")
        throw new Refusal("NotSupported", "alt: this relay passes json and sse alone.");
      // Which of two counts, readers of queries decide each for themselves.
      if (shape !== undefined && shape !== value)
        throw new Refusal("BodyInvalid", "alt: is in the query more than once.");
      shape = value;
    } else if (answerShaping.test(name)) {
      throw new Refusal("NotSupported", `${name}: this relay passes whole answers alone.`);
    }
  }
  return shape === "sse";
}
