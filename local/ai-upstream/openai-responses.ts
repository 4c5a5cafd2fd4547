// Answers of OpenAI's Responses API, as JSON and as the named, numbered events of a stream (facts/relay.md 2.2), and compactions.
import type { Plan, Usage } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import type { JsonObject } from "./read-json.ts";
import { compactionItem, type OutputItem, outputItems } from "./response-items.ts";
import type { StreamEvent } from "./stream-event.ts";

export function responseJson(asked: Asked, plan: Plan): JsonObject {
  return responseOf(asked, plan, endStatus(plan), outputItems(asked, plan));
}

/** Numbers are given when it is known what else goes into the stream. */
export function responseEvents(asked: Asked, plan: Plan): StreamEvent[] {
  const items = outputItems(asked, plan);
  const status = endStatus(plan);
  const begun = responseOf(asked, plan, "in_progress", []);
  return [
    event("response.created", { response: begun }),
    event("response.in_progress", { response: begun }),
    ...items.flatMap(({ start, whole, inside }, index) => [
      event("response.output_item.added", { output_index: index, item: start }),
      ...inside.map(({ type, fields }) => event(type, { item_id: whole.id, output_index: index, ...fields })),
      event("response.output_item.done", { output_index: index, item: whole }),
    ]),
    event(`response.${status}`, { response: responseOf(asked, plan, status, items) }),
  ];
}

/** Of POST /v1/responses/compact: what the user said, and the rest as one item that only OpenAI can read (the SDK's types). */
export function compactionJson({ compaction = [] }: Asked, plan: Plan): JsonObject {
  const { id, createdSeconds, usage } = plan;
  const kept = compaction.map((message, index) => ({ id: `msg_${id}${index}`, ...message }));
  return {
    id: `resp_${id}`,
    object: "response.compaction",
    created_at: createdSeconds,
    output: [...kept, compactionItem(plan).whole],
    ...(usage !== undefined && { usage: usageOf(usage) }),
  };
}

/** What a stream ends with that fails after it began. */
export function responseFailed(asked: Asked, plan: Plan, error: { code: string; message: string }): StreamEvent {
  const response = { ...responseOf(asked, plan, "failed", []), error };
  return event("response.failed", { response });
}

type Status = "in_progress" | "completed" | "incomplete" | "failed";

function endStatus({ stop }: Plan): Status {
  return stop === "limit" || typeof stop === "object" ? "incomplete" : "completed";
}

function responseOf(asked: Asked, plan: Plan, status: Status, items: readonly OutputItem[]): JsonObject {
  const { stop, usage } = plan;
  const incomplete = typeof stop === "object" ? stop.verbatim : "max_output_tokens";
  return {
    id: `resp_${plan.id}`,
    object: "response",
    created_at: plan.createdSeconds,
    status,
    background: false,
    error: null,
    incomplete_details: status === "incomplete" ? { reason: incomplete } : null,
    instructions: null,
    max_output_tokens: Number.isFinite(asked.mostOutputTokens) ? asked.mostOutputTokens : null,
    max_tool_calls: null,
    model: asked.model,
    output: items.map(({ whole }) => whole),
    parallel_tool_calls: true,
    previous_response_id: asked.previousResponseId ?? null,
    prompt_cache_key: null,
    reasoning: { effort: null, summary: null },
    safety_identifier: null,
    service_tier: "default",
    store: asked.store,
    temperature: 1,
    text: { format: { type: "text" }, verbosity: "medium" },
    tool_choice: "auto",
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    truncation: "disabled",
    usage: status === "in_progress" || usage === undefined ? null : usageOf(usage),
    user: null,
    metadata: {},
  };
}

function usageOf(usage: Usage): JsonObject {
  const cacheWrite = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
  const input = usage.inputTokens + usage.cacheReadTokens + cacheWrite;
  return {
    input_tokens: input,
    input_tokens_details: { cache_write_tokens: cacheWrite, cached_tokens: usage.cacheReadTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: input + usage.outputTokens,
  };
}

function event(type: string, fields: JsonObject): StreamEvent {
  return { name: type, data: { type, sequence_number: 0, ...fields } };
}
