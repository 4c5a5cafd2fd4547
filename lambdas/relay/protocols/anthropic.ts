// Anthropic's Messages API: messages, count_tokens and models; what Claude Code asks of its host is answered here.
import { queryWithoutKeys } from "../read-key-text.ts";
import { headersForUpstream } from "../wire/client-headers.ts";
import { AnthropicStream, readMessage } from "./anthropic-answer.ts";
import { anthropicBoundIds, anthropicDemand, anthropicSessions, refuseHiddenModels } from "./anthropic-demand.ts";
import { refuseAnthropic } from "./anthropic-refusal.ts";
import { flagOf } from "./demand-parts.ts";
import { findOperation, type Operation, type Unserved } from "./find-operation.ts";
import { JsonAnswer } from "./json-answer.ts";
import {
  type AnswerReader,
  type Call,
  type ClientRequest,
  freeDemand,
  type HttpAnswer,
  type Protocol,
} from "./protocol.ts";
import { readBody, readModel, readPathModel } from "./request-body.ts";
import { withoutWindowMark } from "./window-mark.ts";

const operations: readonly Operation[] = [
  { name: "messages", method: "POST", path: /^\/v1\/messages$/ },
  { name: "count-tokens", method: "POST", path: /^\/v1\/messages\/count_tokens$/ },
  { name: "models", method: "GET", path: /^\/v1\/models$/ },
  { name: "model", method: "GET", path: /^\/v1\/models\/(.+)$/ },
];

const unserved: readonly Unserved[] = [
  { path: /^\/v1\/messages\/batches(\/|$)/, what: "the Message Batches API" },
  { path: /^\/v1\/files(\/|$)/, what: "the Files API" },
  { path: /^\/v1\/skills(\/|$)/, what: "the Skills API" },
  { path: /^\/v1\/complete$/, what: "the old Text Completions API" },
  { path: /^\/v1\/(agents|sessions|environments|vaults|memory_stores|deployments)(\/|$)/, what: "Managed Agents" },
  { path: /^\/v1\/(organizations|usage_report|user_profiles)(\/|$)/, what: "the Admin API" },
];

/** Probes of Claude Code at its start, and its events, which are nobody's business here. */
const hello = /^\/(api\/)?(hello)?$/;
const eventLogging = /^\/(api\/)?event_logging(\/|$)/;

const decisiveMembers = [
  ...["model", "max_tokens", "stream", "thinking", "speed", "inference_geo", "tools", "fallbacks", "mcp_servers"],
  ...["messages", "system", "container", "context_management", "compaction", "models", "extra_body"],
];

export const anthropic: Protocol = {
  platform: "anthropic",

  read(request: ClientRequest): Call | HttpAnswer {
    const own = answerOwn(request);
    if (own !== undefined) return own;
    const found = findOperation(operations, unserved, request);
    const message = {
      method: request.method,
      path: request.path,
      query: queryWithoutKeys(request.query),
      headers: headersForUpstream(request.headers),
      body: request.body,
    };
    const named = { platform: "anthropic", operation: found.name } as const;
    const free = { metering: "free", answers: "json", demand: freeDemand, sessions: [], boundIds: [] } as const;
    if (request.method === "GET") return { ...named, ...free, upstream: message, model: readPathModel(found) };
    const body = readBody(request, decisiveMembers);
    const { model, upstream } = withoutWindowMark(readModel(body.json.model), message, body);
    const common = { ...named, upstream, model };
    const boundIds = anthropicBoundIds(body.json);
    const sessions = anthropicSessions(body, request);
    if (found.name === "count-tokens") return { ...common, ...free, sessions, boundIds };
    refuseHiddenModels(body.json);
    const answers = flagOf(body.json.stream, "stream") ? "sse" : "json";
    return {
      ...common,
      metering: "metered",
      answers,
      demand: anthropicDemand(body, model),
      sessions,
      boundIds,
    };
  },

  refuse: refuseAnthropic,

  follow(call: Call): AnswerReader {
    if (call.answers === "sse") return new AnthropicStream(call.model);
    return new JsonAnswer(call.operation === "messages" ? readMessage : readNothing);
  },
};

function readNothing() {
  return { usage: undefined, servedModel: undefined, madeIds: [] };
}

function answerOwn({ method, path }: ClientRequest): HttpAnswer | undefined {
  if (eventLogging.test(path)) return ownAnswer("{}");
  const isProbe = method === "HEAD" || method === "GET";
  return isProbe && hello.test(path) ? ownAnswer(method === "HEAD" ? "" : '{"status":"ok"}') : undefined;
}

function ownAnswer(body: string): HttpAnswer {
  return { status: 200, headers: { "content-type": "application/json" }, body };
}
