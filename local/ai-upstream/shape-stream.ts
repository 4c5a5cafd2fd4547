// From the events of a stream to its frames of bytes: each vendor's framing, and what a script puts in between.
import type { Behaviour, VendorError } from "./behaviour.ts";
import { responseFailed } from "./openai-responses.ts";
import type { Plan } from "./plan-answer.ts";
import type { Asked } from "./read-asked.ts";
import type { JsonObject } from "./read-json.ts";
import type { StreamEvent } from "./stream-event.ts";
import { errorEnvelope } from "./vendor-errors.ts";
import { requestIdOf } from "./vendor-headers.ts";

/** A field and an event that no client and no relay can know. */
const unknownField = { x_future_field: { nested: [1, "two", null] } };
const comment = ": keep-alive\n\n";

/** One text per event. */
export function shapeStream(events: readonly StreamEvent[], asked: Asked, plan: Plan, behaviour: Behaviour): string[] {
  let shaped = [...events];
  if (behaviour.unknownEvents)
    shaped = [
      ...shaped.slice(0, 1),
      unknownEvent(asked),
      ...shaped.slice(1, -1),
      unknownEvent(asked),
      ...shaped.slice(-1),
    ];
  const { streamError } = behaviour;
  if (streamError) shaped = [...shaped.slice(0, streamError.afterEvents), errorEvent(asked, plan, behaviour)];
  if (asked.operation === "openai.responses") shaped = numbered(shaped);
  if (behaviour.unknownFields) shaped = shaped.map(withUnknownField);
  const frames = asked.operation === "gemini.stream" && !asked.sse ? arrayFrames(shaped) : sseFrames(shaped, asked);
  return behaviour.comments && asked.sse ? frames.map((frame) => comment + frame) : frames;
}

/** While nothing is said; a JSON array has no room for it. */
export function pingFrame({ operation, sse }: Asked): string {
  if (operation === "anthropic.messages") return 'event: ping\ndata: {"type":"ping"}\n\n';
  return operation === "gemini.stream" && !sse ? "" : ": ping\n\n";
}

function sseFrames(events: readonly StreamEvent[], { platform }: Asked): string[] {
  // Gemini writes CRLF.
  const end = platform === "gemini" ? "\r\n\r\n" : "\n\n";
  return events.map(({ name, data }) => {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    return `${name === undefined ? "" : `event: ${name}\n`}data: ${text}${end}`;
  });
}

function arrayFrames(events: readonly StreamEvent[]): string[] {
  return events.map(({ data }, index) => {
    const before = index === 0 ? "[" : ",\r\n";
    return `${before}${JSON.stringify(data, null, 2)}\n${index === events.length - 1 ? "]" : ""}`;
  });
}

function numbered(events: readonly StreamEvent[]): StreamEvent[] {
  return events.map((event, index) =>
    typeof event.data === "string" ? event : { ...event, data: { ...event.data, sequence_number: index } },
  );
}

function withUnknownField(event: StreamEvent): StreamEvent {
  return typeof event.data === "string" ? event : { ...event, data: { ...event.data, ...unknownField } };
}

function unknownEvent({ operation, model }: Asked): StreamEvent {
  switch (operation) {
    case "openai.chat":
      // As Azure begins its streams: a chunk without choices.
      return {
        data: { id: "", object: "", created: 0, model, choices: [], prompt_filter_results: [{ prompt_index: 0 }] },
      };
    case "openai.responses":
      return { name: "response.future_event", data: { type: "response.future_event", ...unknownField } };
    case "anthropic.messages":
      return { name: "future_event", data: { type: "future_event", ...unknownField } };
    default:
      return { data: { futureChunk: unknownField, modelVersion: model } };
  }
}

/**
 * OpenAI's responses fail with `response.failed`, or with the event `error` when the script names that as the type. What
 * follows an error is the end.
 */
function errorEvent(asked: Asked, plan: Plan, { streamError }: Behaviour): StreamEvent {
  const { platform, operation } = asked;
  const error: VendorError = streamError ?? { status: 500 };
  const envelope = errorEnvelope(platform, error, requestIdOf(platform, plan.id));
  if (operation === "anthropic.messages") return { name: "error", data: envelope };
  if (operation !== "openai.responses") return { data: envelope };
  const { code, message, param } = envelope.error as { code: string | null; message: string; param: string | null };
  if (error.type === "error") return { name: "error", data: { type: "error", code, message, param } };
  return responseFailed(asked, plan, { code: code ?? "server_error", message });
}

export function addUnknownField(json: JsonObject): JsonObject {
  return { ...json, ...unknownField };
}
