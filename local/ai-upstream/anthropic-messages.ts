// Answers of Anthropic's Messages API, as JSON and as the events of a stream (facts/relay.md 2.1; types of the SDK).
import { cutIntoDeltas, type Plan, type PlannedCall, type Usage } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import type { JsonObject } from "./read-json.ts";
import type { StreamEvent } from "./stream-event.ts";

/** Pieces in which reasoning and the input of tools come. */
const piecesPerBlock = 3;
/** Opaque to everybody but the vendor. */
const signature = Buffer.from("signed by the local upstream").toString("base64");

export function messageJson(asked: Asked, plan: Plan): JsonObject {
  return {
    ...messageHead(asked, plan),
    content: blocksOf(plan).map(({ whole }) => whole),
    ...stopOf(asked, plan),
    ...(plan.usage && { usage: { ...wholeUsage(plan.usage), ...outputUsage(plan.usage) } }),
  };
}

export function messageEvents(asked: Asked, plan: Plan): StreamEvent[] {
  const start = plan.usage && (plan.usageOnlyAtEnd ? withoutInput(plan.usage) : plan.usage);
  const message = {
    ...messageHead(asked, plan),
    content: [],
    ...{ stop_reason: null, stop_sequence: null, stop_details: null },
    // What is written there before anything is written: one token.
    ...(start && { usage: { ...wholeUsage(start), output_tokens: 1 } }),
  };
  const blocks = blocksOf(plan).flatMap(({ start: block, deltas }, index) => [
    event("content_block_start", { index, content_block: block }),
    ...(index === 0 ? [event("ping", {})] : []),
    ...deltas.map((delta) => event("content_block_delta", { index, delta })),
    event("content_block_stop", { index }),
  ]);
  return [
    event("message_start", { message }),
    ...blocks,
    event("message_delta", {
      delta: stopOf(asked, plan),
      ...(plan.usage && { usage: { ...inputUsage(plan.usage), ...outputUsage(plan.usage) } }),
    }),
    event("message_stop", {}),
  ];
}

interface Block {
  readonly start: JsonObject;
  readonly deltas: readonly JsonObject[];
  readonly whole: JsonObject;
}

function blocksOf(plan: Plan): Block[] {
  const { thinking, text, id } = plan;
  const blocks: Block[] = [];
  if (thinking !== "") {
    blocks.push({
      start: { type: "thinking", thinking: "", signature: "" },
      deltas: [
        ...cutIntoDeltas(thinking, piecesPerBlock).map((piece) => ({ type: "thinking_delta", thinking: piece })),
        { type: "signature_delta", signature },
      ],
      whole: { type: "thinking", thinking, signature },
    });
  }
  if (text !== "") {
    blocks.push({
      start: { type: "text", text: "" },
      deltas: plan.deltas.map((piece) => ({ type: "text_delta", text: piece })),
      whole: { type: "text", text },
    });
  }
  return [...blocks, ...plan.calls.map((call, index) => toolBlock(call, `toolu_${id}${index}`))];
}

function toolBlock({ name, input }: PlannedCall, id: string): Block {
  const base = { type: "tool_use", id, name };
  return {
    start: { ...base, input: {} },
    // The first delta of a tool's input is an empty one.
    deltas: ["", ...cutIntoDeltas(input, piecesPerBlock)].map((piece) => ({
      type: "input_json_delta",
      partial_json: piece,
    })),
    whole: { ...base, input: parsed(input) },
  };
}

function messageHead({ model }: Asked, { id }: Plan): JsonObject {
  return { model, id: `msg_${id}`, type: "message", role: "assistant" };
}

function stopOf({ stopSequence }: Asked, { stop }: Plan): JsonObject {
  const reason =
    typeof stop === "object" ? stop.verbatim : { end: "end_turn", limit: "max_tokens", tool: "tool_use" }[stop];
  return {
    stop_reason: reason,
    stop_sequence: reason === "stop_sequence" ? (stopSequence ?? null) : null,
    stop_details: reason === "refusal" ? { type: "refusal", category: null, explanation: null } : null,
  };
}

function inputUsage(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheWrite5mTokens + usage.cacheWrite1hTokens,
    cache_read_input_tokens: usage.cacheReadTokens,
  };
}

function wholeUsage(usage: Usage): JsonObject {
  return {
    ...inputUsage(usage),
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite5mTokens,
      ephemeral_1h_input_tokens: usage.cacheWrite1hTokens,
    },
    service_tier: "standard",
    inference_geo: "not_available",
  };
}

function outputUsage({ outputTokens, reasoningTokens, webSearchRequests, webFetchRequests }: Usage): JsonObject {
  const usesTools = webSearchRequests > 0 || webFetchRequests > 0;
  return {
    output_tokens: outputTokens,
    ...(reasoningTokens > 0 && { output_tokens_details: { thinking_tokens: reasoningTokens } }),
    ...(usesTools && {
      server_tool_use: { web_search_requests: webSearchRequests, web_fetch_requests: webFetchRequests },
    }),
  };
}

function withoutInput(usage: Usage): Usage {
  return { ...usage, inputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, cacheReadTokens: 0 };
}

function event(type: string, fields: JsonObject): StreamEvent {
  return { name: type, data: { type, ...fields } };
}

function parsed(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    // What a script gives as text is sent as it is; only a stream can carry it.
    return { text: input };
  }
}
