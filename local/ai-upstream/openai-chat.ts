// Answers of OpenAI's Chat Completions, as JSON and as the chunks of a stream (facts/relay.md 2.2; types of the SDK).
import { cutIntoDeltas, type Plan, type PlannedCall, type Usage } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import type { JsonObject } from "./read-json.ts";
import type { StreamEvent } from "./stream-event.ts";

const piecesPerCall = 3;

export function completionJson(asked: Asked, plan: Plan): JsonObject {
  const message = {
    role: "assistant",
    content: plan.text === "" && plan.calls.length > 0 ? null : plan.text,
    ...(plan.calls.length > 0 && {
      tool_calls: plan.calls.map((call, index) => ({ ...callOf(call, plan.id, index) })),
    }),
    refusal: null,
    annotations: [],
  };
  return {
    ...head("chat.completion", asked, plan),
    choices: Array.from({ length: asked.answers }, (_, index) => ({
      ...{ index, message, logprobs: null, finish_reason: finishReason(plan) },
    })),
    ...(plan.usage && { usage: usageOf(plan.usage) }),
    ...tail,
  };
}

export function completionChunks(asked: Asked, plan: Plan): StreamEvent[] {
  // Without include_usage the chunks have no field `usage` at all.
  const noUsage = asked.includeUsage ? { usage: null } : {};
  const chunk = (index: number, delta: JsonObject, reason: string | null = null): StreamEvent => ({
    data: {
      ...head("chat.completion.chunk", asked, plan),
      ...tail,
      choices: [{ index, delta, logprobs: null, finish_reason: reason }],
      ...noUsage,
    },
  });
  const chunks: StreamEvent[] = [];
  for (let index = 0; index < asked.answers; index += 1) {
    const isOnlyCalls = plan.text === "" && plan.calls.length > 0;
    chunks.push(chunk(index, { role: "assistant", content: isOnlyCalls ? null : "", refusal: null }));
    for (const content of plan.deltas) chunks.push(chunk(index, { content }));
    for (const delta of callDeltas(plan)) chunks.push(chunk(index, { tool_calls: [delta] }));
    chunks.push(chunk(index, {}, finishReason(plan)));
  }
  if (asked.includeUsage && plan.usage) {
    const data = { ...head("chat.completion.chunk", asked, plan), ...tail, choices: [], usage: usageOf(plan.usage) };
    chunks.push({ data });
  }
  return [...chunks, { data: "[DONE]" }];
}

const tail = { service_tier: "default", system_fingerprint: "fp_causeway" };

function head(object: string, { model }: Asked, { id, createdSeconds }: Plan): JsonObject {
  return { id: `chatcmpl-${id}`, object, created: createdSeconds, model };
}

function finishReason({ stop }: Plan): string {
  return typeof stop === "object" ? stop.verbatim : { end: "stop", limit: "length", tool: "tool_calls" }[stop];
}

function callOf({ name, kind, input }: PlannedCall, id: string, index: number): JsonObject {
  const inner = kind === "custom" ? { name, input } : { name, arguments: input };
  return { id: `call_${id}${index}`, type: kind, [kind]: inner };
}

function callDeltas({ calls, id }: Plan): JsonObject[] {
  return calls.flatMap((call, index) => [
    { index, ...callOf({ ...call, input: "" }, id, index) },
    ...cutIntoDeltas(call.input, piecesPerCall).map((piece) => ({
      index,
      [call.kind]: call.kind === "custom" ? { input: piece } : { arguments: piece },
    })),
  ]);
}

function usageOf(usage: Usage): JsonObject {
  const cacheWrite = usage.cacheWrite5mTokens + usage.cacheWrite1hTokens;
  const prompt = usage.inputTokens + usage.cacheReadTokens + cacheWrite;
  return {
    prompt_tokens: prompt,
    completion_tokens: usage.outputTokens,
    total_tokens: prompt + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadTokens,
      audio_tokens: 0,
      ...(cacheWrite > 0 && { cache_write_tokens: cacheWrite }),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
