// OpenAI's API: chat completions, responses, embeddings and models.
import { queryWithoutKeys } from "../read-key-text.ts";
import { Refusal } from "../refusal.ts";
import { headersForUpstream } from "../wire/client-headers.ts";
import { type JsonObject, objectOf, textOf } from "../wire/json-values.ts";
import { readEmbeddingUsage } from "../wire/openai-usage.ts";
import { flagOf, refuseOtherModels } from "./demand-parts.ts";
import { findOperation, type Operation, type Unserved } from "./find-operation.ts";
import { JsonAnswer, type JsonFacts } from "./json-answer.ts";
import { ChatStream, readCompletion } from "./openai-chat-answer.ts";
import {
  chatDemand,
  compactDemand,
  embeddingDemand,
  openaiBoundIds,
  openaiSessions,
  refuseBackground,
  responsesDemand,
} from "./openai-demand.ts";
import { refuseOpenai } from "./openai-refusal.ts";
import { ResponsesStream, readResponse } from "./openai-responses-answer.ts";
import { askForUsage } from "./openai-usage-request.ts";
import {
  type AnswerReader,
  type Call,
  type ClientRequest,
  freeDemand,
  type Protocol,
  type UpstreamMessage,
} from "./protocol.ts";
import { type RequestBody, readBody, readModel, readPathModel } from "./request-body.ts";

const operations: readonly Operation[] = [
  { name: "chat", method: "POST", path: /^\/v1\/chat\/completions$/ },
  { name: "responses", method: "POST", path: /^\/v1\/responses$/ },
  { name: "compact", method: "POST", path: /^\/v1\/responses\/compact$/ },
  { name: "count-tokens", method: "POST", path: /^\/v1\/responses\/input_tokens$/ },
  { name: "embeddings", method: "POST", path: /^\/v1\/embeddings$/ },
  { name: "models", method: "GET", path: /^\/v1\/models$/ },
  { name: "model", method: "GET", path: /^\/v1\/models\/(.+)$/ },
];

const azure = "Azure OpenAI yet";

const unserved: readonly Unserved[] = [
  { path: /^\/v1\/(deployments|responses\/deployments)\//, what: azure },
  { path: /^\/v1\/responses\//, what: "stored responses and the other operations of the Responses API" },
  { path: /^\/v1\/chat\/completions\//, what: "stored chat completions" },
  { path: /^\/v1\/completions$/, what: "the old Completions API" },
  { path: /^\/v1\/batches(\/|$)/, what: "the Batch API" },
  { path: /^\/v1\/(files|uploads)(\/|$)/, what: "the Files API" },
  { path: /^\/v1\/realtime(\/|$)/, what: "the Realtime API" },
  { path: /^\/v1\/audio\//, what: "the Audio API" },
  { path: /^\/v1\/(images|videos)(\/|$)/, what: "the Images and Videos APIs" },
  { path: /^\/v1\/moderations$/, what: "the Moderations API" },
  { path: /^\/v1\/(assistants|threads)(\/|$)/, what: "the Assistants API" },
  {
    path: /^\/v1\/(conversations|containers|vector_stores|prompts|skills)(\/|$)/,
    what: "stored things of the Responses API",
  },
  { path: /^\/v1\/(fine_tuning|evals|graders)(\/|$)/, what: "fine-tuning and evals" },
  { path: /^\/v1\/(organization|projects)(\/|$)/, what: "the Administration API" },
  { path: /^\/v1\/chatkit(\/|$)/, what: "ChatKit" },
  { path: /^\/v1\/backend-api(\/|$)/, what: "ChatGPT's own backend" },
];

const decisiveMembers = [
  ...["model", "stream", "stream_options", "n", "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens"],
  ...["service_tier", "background", "tools", "reasoning", "reasoning_effort", "prediction", "web_search_options"],
  ...["messages", "input", "functions", "modalities", "audio", "max_tool_calls"],
  ...["previous_response_id", "conversation", "prompt", "models", "fallbacks", "extra_body"],
  ...["context_management"],
];

/** Two things that only have a name of Azure's in the query or a header; its paths are among the unserved ones. */
function refuseAzure({ query, headers, path }: ClientRequest): void {
  const isListed = /^\/v1\/models(\/|$)/.test(path) && headers["api-key"] !== undefined;
  if (!isListed && !/(^|&)api-version=/.test(query)) return;
  throw new Refusal("NotSupported", `This relay does not serve ${azure}.`);
}

export const openai: Protocol = {
  platform: "openai",

  read(request: ClientRequest): Call {
    refuseAzure(request);
    if (request.method === "GET" && request.path === "/v1/responses") {
      throw new Refusal("UpgradeRequired", "This relay takes no WebSockets: send the request by POST.");
    }
    const found = findOperation(operations, unserved, request);
    const upstream = {
      method: request.method,
      path: request.path,
      query: queryWithoutKeys(request.query),
      headers: headersForUpstream(request.headers),
      body: request.body,
    };
    const named = { platform: "openai", operation: found.name, upstream } as const;
    const free = { metering: "free", answers: "json", demand: freeDemand, sessions: [], boundIds: [] } as const;
    if (request.method === "GET") return { ...named, ...free, model: readPathModel(found) };
    const body = readBody(request, decisiveMembers);
    refuseOtherModels(body.json);
    if (found.name === "count-tokens") {
      const sessions = openaiSessions(body, request);
      return { ...named, ...free, model: readModel(body.json.model), sessions, boundIds: openaiBoundIds(body.json) };
    }
    const mayStream = found.name === "chat" || found.name === "responses";
    const isStream = mayStream && flagOf(body.json.stream, "stream");
    const common = {
      ...named,
      metering: "metered",
      model: readModel(body.json.model),
      answers: isStream ? "sse" : "json",
      sessions: found.name === "embeddings" ? [] : openaiSessions(body, request),
      boundIds: openaiBoundIds(body.json),
    } as const;
    if (found.name === "embeddings") return { ...common, demand: embeddingDemand(body) };
    if (found.name === "compact") return { ...common, demand: compactDemand(body, common.model) };
    if (found.name === "responses") {
      refuseBackground(body.json);
      return { ...common, demand: responsesDemand(body, common.model), keepsThings: body.json.store !== false };
    }
    return { ...common, demand: chatDemand(body, common.model), ...askingForUsage(common.answers, upstream, body) };
  },

  refuse: refuseOpenai,

  follow(call: Call): AnswerReader {
    if (call.answers === "sse") return call.operation === "chat" ? new ChatStream(call) : new ResponsesStream(call);
    if (call.operation === "chat") return new JsonAnswer(readCompletion(call));
    if (call.operation === "embeddings") return new JsonAnswer(readEmbeddings);
    // Of responses and of what compacts them; counts of tokens and lists of models have no usage.
    return new JsonAnswer(readResponse(call));
  },
};

/** What is injected is put into the decoded body, which then goes without its encoding. */
function askingForUsage(answers: string, upstream: UpstreamMessage, body: RequestBody): Partial<Call> {
  const asking = answers === "sse" ? askForUsage(body) : undefined;
  if (asking === undefined) return {};
  const { "content-encoding": _, ...headers } = upstream.headers;
  return { upstream: { ...upstream, headers, body: asking }, uninjected: upstream, injected: "include_usage" };
}

function readEmbeddings(answer: JsonObject): JsonFacts {
  const usage = objectOf(answer.usage);
  return {
    usage: usage === undefined ? undefined : readEmbeddingUsage(usage),
    servedModel: textOf(answer.model),
    madeIds: [],
  };
}
