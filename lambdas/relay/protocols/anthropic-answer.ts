// Answers of Anthropic's Messages API: usage, open blocks and the end of a stream, read while its bytes pass unchanged.
import type { Refusal } from "../refusal.ts";
import { mergeAnthropicUsage, readAnthropicUsage } from "../wire/anthropic-usage.ts";
import { jsonTextLength, readEvent, writeEvent } from "../wire/event-text.ts";
import { countOf, type JsonObject, objectOf, parseJson, textOf } from "../wire/json-values.ts";
import { anthropicError } from "./anthropic-refusal.ts";
import { EventAnswer } from "./event-answer.ts";
import type { JsonFacts } from "./json-answer.ts";

const pingEvent = Buffer.from(writeEvent("ping", { type: "ping" }));

/** What the events of every delta begin with, and what stands before the texts that the model wrote. */
const deltaBeginning = "event: content_block_delta\n";
const visibleTexts = ['"text_delta","text":"', '"input_json_delta","partial_json":"', '"thinking_delta","thinking":"'];

/** Tokens of a block that its text does not show: its beginning and end, a tool's frame around name and input. */
const hiddenTokensPerBlock = 32;

interface State {
  readonly isStarted: boolean;
  /** Indexes of blocks that are begun and not ended; one at most, by the protocol. */
  readonly open: readonly number[];
  /** The `message_delta` with the stop reason came. */
  readonly isStopped: boolean;
  readonly isComplete: boolean;
}

const before: State = { isStarted: false, open: [], isStopped: false, isComplete: false };

export class AnthropicStream extends EventAnswer<State> {
  readonly #model: string;
  #usage: JsonObject = {};

  /** `model`: as asked; for an answer that is ended before its first event. */
  constructor(model: string) {
    super(before);
    this.#model = model;
  }

  protected take(event: Buffer): Buffer {
    const text = event.toString("latin1");
    if (text.startsWith(deltaBeginning)) {
      this.outputBytes += visibleLength(text);
      return event;
    }
    const { name, data } = readEvent(event);
    if (data === undefined || name === "ping") return event;
    const said = objectOf(parseJson(data));
    // Unknown events pass; what cannot be read is counted whole.
    if (said === undefined) this.outputBytes += event.length;
    return said === undefined ? event : this.#takeSaid(said, data, event);
  }

  #takeSaid(said: JsonObject, data: string, event: Buffer): Buffer {
    switch (said.type) {
      case "message_start":
        this.#start(said);
        break;
      case "content_block_start":
        this.outputBytes += hiddenTokensPerBlock + beginningLength(objectOf(said.content_block) ?? {});
        this.state = { ...this.state, open: [...this.state.open, indexOf(said)] };
        break;
      case "content_block_delta":
        // Not the event's own length: with CRLF, the end of its blank line may come later.
        this.outputBytes += Buffer.byteLength(data);
        break;
      case "content_block_stop":
        this.state = { ...this.state, open: this.state.open.filter((index) => index !== indexOf(said)) };
        break;
      case "message_delta":
        this.#delta(said);
        break;
      case "message_stop":
        this.isComplete = true;
        this.state = { ...this.state, isComplete: true };
        break;
      case "error":
        return this.streamed(errorOf(said), event);
    }
    return event;
  }

  #start(said: JsonObject): void {
    const message = objectOf(said.message) ?? {};
    this.servedModel = textOf(message.model);
    this.#usage = objectOf(message.usage) ?? {};
    // The output that stands here is a placeholder: it is billed by the last message_delta alone.
    this.reportedInput = { ...readAnthropicUsage(this.#usage), outputTokens: 0, reasoningTokens: 0 };
    this.made(objectOf(message.container)?.id);
    this.state = { ...this.state, isStarted: true };
  }

  #delta(said: JsonObject): void {
    const usage = objectOf(said.usage);
    const delta = objectOf(said.delta);
    if (usage !== undefined) {
      this.#usage = mergeAnthropicUsage(this.#usage, usage);
      // Without a count of its own, what stands there as output is still the placeholder.
      if (typeof usage.output_tokens === "number" || countOf(usage.output_tokens) > 0)
        this.reported = readAnthropicUsage(this.#usage);
    }
    this.made(objectOf(delta?.container)?.id);
    if (textOf(delta?.stop_reason) !== undefined) this.state = { ...this.state, isStopped: true };
  }

  protected closing(): string {
    const { isStarted, open, isStopped, isComplete } = this.sent;
    if (isComplete) return "";
    const events = isStarted ? [] : [writeEvent("message_start", startOf(this.#model))];
    for (const index of open) events.push(writeEvent("content_block_stop", { type: "content_block_stop", index }));
    if (!isStopped) {
      const usage = { output_tokens: Math.ceil(this.outputBytes / bytesPerToken) };
      const delta = { stop_reason: "max_tokens", stop_sequence: null };
      events.push(writeEvent("message_delta", { type: "message_delta", delta, usage }));
    }
    events.push(writeEvent("message_stop", { type: "message_stop" }));
    return events.join("");
  }

  protected failing(refusal: Refusal): string {
    return writeEvent("error", anthropicError(refusal, 0).body);
  }

  protected override pingBytes(): Buffer {
    return pingEvent;
  }
}

/** For the client's display alone: the upstream's own count never came. */
const bytesPerToken = 4;

/** Most deltas hold one text; whatever else they hold counts with all its bytes. */
function visibleLength(text: string): number {
  for (const marker of visibleTexts) {
    const at = text.indexOf(marker);
    if (at < 0) continue;
    const start = at + marker.length;
    const length = jsonTextLength(text, start);
    return text.startsWith('"}}', start + length) ? length : text.length - start;
  }
  // Signatures of thinking are no output.
  return text.includes('"signature_delta"') ? 0 : text.length;
}

/** Of a block's beginning: a tool's name, and what compatible providers send at once. Results of tools are no output. */
function beginningLength({ name, text, input }: JsonObject): number {
  const written = [textOf(name), textOf(text), input === undefined ? undefined : JSON.stringify(input)];
  return written.reduce<number>((sum, part) => sum + Buffer.byteLength(part ?? ""), 0);
}

function indexOf(said: JsonObject): number {
  const { index } = said;
  return typeof index === "number" ? index : 0;
}

function errorOf(said: JsonObject) {
  const error = objectOf(said.error) ?? {};
  return { type: textOf(error.type) ?? "error", message: textOf(error.message) ?? "" };
}

function startOf(model: string): JsonObject {
  const usage = { input_tokens: 0, output_tokens: 0 };
  const message = { id: "msg_relay", type: "message", role: "assistant", model, content: [] };
  return { type: "message_start", message: { ...message, stop_reason: null, stop_sequence: null, usage } };
}

export function readMessage(message: JsonObject): JsonFacts {
  const usage = objectOf(message.usage);
  const container = textOf(objectOf(message.container)?.id);
  return {
    usage: usage === undefined ? undefined : readAnthropicUsage(usage),
    servedModel: textOf(message.model),
    madeIds: container === undefined ? [] : [container],
  };
}
