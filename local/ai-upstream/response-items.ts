// The output items of a response of OpenAI's Responses API: reasoning, web searches, the message, calls of tools.
import { cutIntoDeltas, type Plan, type PlannedCall } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import type { JsonObject } from "./read-json.ts";

export interface OutputItem {
  /** As in `response.output_item.added`. */
  readonly start: JsonObject;
  /** What comes between its start and its end in a stream. */
  readonly inside: readonly { readonly type: string; readonly fields: JsonObject }[];
  readonly whole: JsonObject & { readonly id: string };
}

const pieces = 3;

export function outputItems(asked: Asked, plan: Plan): OutputItem[] {
  if (asked.compaction) return [compactionItem(plan)];
  const searches = Array.from({ length: Math.min(plan.usage?.webSearchRequests ?? 0, 100) }, (_, index) =>
    searchItem(`ws_${plan.id}${index}`),
  );
  return [
    ...(plan.thinking === "" ? [] : [reasoningItem(asked, plan)]),
    ...searches,
    ...(plan.text === "" ? [] : [messageItem(plan)]),
    ...plan.calls.map((call, index) => callItem(call, plan.id, index)),
  ];
}

/** What it says is for OpenAI alone to read; only its place and its size matter. */
export function compactionItem({ id, text }: Plan): OutputItem {
  const base = { id: `cmp_${id}`, type: "compaction" };
  return {
    start: { ...base, encrypted_content: "" },
    inside: cutIntoDeltas(text, pieces).map(() => insideOf("compaction.compacting", {})),
    whole: { ...base, encrypted_content: Buffer.from(text).toString("base64") },
  };
}

function reasoningItem({ showThoughts }: Asked, { id, thinking }: Plan): OutputItem {
  // Encrypted reasoning is opaque to whoever passes it on; only its place and its size matter.
  const encrypted = showThoughts ? { encrypted_content: Buffer.from(thinking).toString("base64") } : {};
  const base = { id: `rs_${id}`, type: "reasoning" };
  const part = { type: "summary_text", text: thinking };
  return {
    start: { ...base, ...encrypted, summary: [] },
    inside: [
      insideOf("reasoning_summary_part.added", { summary_index: 0, part: { ...part, text: "" } }),
      ...cutIntoDeltas(thinking, pieces).map((delta) =>
        insideOf("reasoning_summary_text.delta", { summary_index: 0, delta }),
      ),
      insideOf("reasoning_summary_text.done", { summary_index: 0, text: thinking }),
      insideOf("reasoning_summary_part.done", { summary_index: 0, part }),
    ],
    whole: { ...base, ...encrypted, summary: [part] },
  };
}

function searchItem(id: string): OutputItem {
  const base = { id, type: "web_search_call" };
  return {
    start: { ...base, status: "in_progress" },
    inside: ["in_progress", "searching", "completed"].map((status) => insideOf(`web_search_call.${status}`, {})),
    whole: { ...base, status: "completed", action: { type: "search", query: "causeway" } },
  };
}

function messageItem({ id, text, deltas, stop }: Plan): OutputItem {
  const base = { id: `msg_${id}`, type: "message", role: "assistant" };
  const part = { type: "output_text", annotations: [], logprobs: [], text };
  return {
    start: { ...base, status: "in_progress", content: [] },
    inside: [
      insideOf("content_part.added", { content_index: 0, part: { ...part, text: "" } }),
      ...deltas.map((delta) => insideOf("output_text.delta", { content_index: 0, delta, logprobs: [] })),
      insideOf("output_text.done", { content_index: 0, text, logprobs: [] }),
      insideOf("content_part.done", { content_index: 0, part }),
    ],
    whole: { ...base, status: stop === "limit" ? "incomplete" : "completed", content: [part] },
  };
}

function callItem({ kind, name, input }: PlannedCall, id: string, index: number): OutputItem {
  const isCustom = kind === "custom";
  const field = isCustom ? "input" : "arguments";
  const type = isCustom ? "custom_tool_call" : "function_call";
  const base = { id: `${isCustom ? "ctc" : "fc"}_${id}${index}`, type, call_id: `call_${id}${index}`, name };
  const eventName = isCustom ? "custom_tool_call_input" : "function_call_arguments";
  return {
    start: { ...base, [field]: "", status: "in_progress" },
    inside: [
      ...cutIntoDeltas(input, pieces).map((delta) => insideOf(`${eventName}.delta`, { delta })),
      insideOf(`${eventName}.done`, { [field]: input }),
    ],
    whole: { ...base, [field]: input, status: "completed" },
  };
}

function insideOf(type: string, fields: JsonObject) {
  return { type: `response.${type}`, fields };
}
