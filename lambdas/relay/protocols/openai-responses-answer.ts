// Answers of OpenAI's Responses API: usage, ids and the end of a stream, read while its bytes pass unchanged.
import type { Refusal } from "../refusal.ts";
import { jsonTextLength, readEvent, writeEvent } from "../wire/event-text.ts";
import { type JsonObject, objectOf, objectsOf, parseJson, textOf } from "../wire/json-values.ts";
import { readResponseUsage } from "../wire/openai-usage.ts";
import { EventAnswer } from "./event-answer.ts";
import type { JsonFacts } from "./json-answer.ts";
import { openaiError } from "./openai-refusal.ts";
import type { Call } from "./protocol.ts";

/** Events that come by the hundred, each with one text of the model: `event: response.output_text.delta` and its like. */
const namedBeginning = "event: response.";
const deltaEnd = ".delta";
const visibleText = '"delta":"';

/** Role, end and separators of an output item: tokens that its text does not show. */
const hiddenTokensPerItem = 32;

const bytesPerToken = 4;

interface State {
  /** Data of the event that began the answer: its response object is repeated by the last one. */
  readonly created: string | undefined;
  readonly isComplete: boolean;
}

export class ResponsesStream extends EventAnswer<State> {
  readonly #call: Call;
  /** The last event with a sequence number; read only when the relay has to go on counting. */
  #last = "";
  #sentLast = "";
  /** `response.failed` was told, by the upstream or by the relay. */
  #isFailureTold = false;

  constructor(call: Call) {
    super({ created: undefined, isComplete: false });
    this.#call = call;
  }

  override passed(): void {
    super.passed();
    this.#sentLast = this.#last;
  }

  /**
   * Some servers end a stream with `error` alone, of which Codex takes no notice (codex-api/src/sse/responses.rs): it would
   * show that the stream was cut, without the reason, and whether to try again. SDKs have stopped at `error` by then.
   */
  override flush(): Buffer {
    const rest = super.flush();
    if (this.streamedError === undefined || this.isComplete || this.#isFailureTold) return rest;
    const { type, message } = this.streamedError;
    const end = this.#failed({ code: type, message }, this.state.created, nextNumber(this.#last));
    return Buffer.concat([rest, Buffer.from(end)]);
  }

  protected take(event: Buffer): Buffer {
    const text = event.toString("latin1");
    if (text.startsWith(namedBeginning) && text.endsWith(deltaEnd, text.indexOf("\n"))) {
      const at = text.indexOf(visibleText);
      this.outputBytes += at < 0 ? text.length : jsonTextLength(text, at + visibleText.length);
      this.#last = text;
      return event;
    }
    const { data } = readEvent(event);
    if (data === undefined) return event;
    const said = objectOf(parseJson(data));
    if (said === undefined) {
      this.outputBytes += event.length;
      return event;
    }
    const taken = this.#takeSaid(said, data, event);
    this.#last = text;
    return taken;
  }

  #takeSaid(said: JsonObject, data: string, event: Buffer): Buffer {
    const type = textOf(said.type) ?? "";
    const response = objectOf(said.response);
    if (response !== undefined) this.#takeResponse(type, response, data);
    switch (type) {
      case "response.output_item.added":
        this.outputBytes += hiddenTokensPerItem + (textOf(objectOf(said.item)?.name)?.length ?? 0);
        break;
      case "response.failed":
        return this.streamed(errorOf(objectOf(response?.error) ?? {}), event);
      case "error":
        return this.streamed(errorOf(objectOf(said.error) ?? said), event);
      default:
        // Refusals and reasoning are texts, too; parts and items repeat what deltas said.
        if (type.endsWith(".delta")) this.outputBytes += Buffer.byteLength(String(said.delta ?? ""));
    }
    return event;
  }

  #takeResponse(type: string, response: JsonObject, data: string): void {
    this.servedModel = textOf(response.model) ?? this.servedModel;
    if (this.#call.keepsThings === true) for (const id of idsOf(response)) this.made(id);
    if (type === "response.created") this.state = { ...this.state, created: data };
    if (/^response\.(completed|incomplete|failed)$/.test(type)) {
      // What compatible servers say before the end is of a part, or nothing but zeros.
      this.reported = readResponseUsage(response);
      this.isComplete = true;
      this.state = { ...this.state, isComplete: true };
    }
  }

  /** Clients that accumulate keep the items that they saw; the response object itself has none. */
  protected closing(): string {
    const { created, isComplete } = this.sent;
    if (isComplete) return "";
    const begun = objectOf(objectOf(parseJson(created ?? ""))?.response) ?? this.#unbegun();
    const output_tokens = Math.ceil(this.outputBytes / bytesPerToken);
    const input_tokens = Math.ceil(this.#call.demand.inputBytes / bytesPerToken);
    const usage = {
      input_tokens,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: input_tokens + output_tokens,
    };
    const incomplete_details = { reason: "max_output_tokens" };
    const response = { ...begun, status: "incomplete", incomplete_details, output: [], usage };
    const next = nextNumber(this.#sentLast);
    if (created !== undefined) return numbered("response.incomplete", next, { response });
    const first = numbered("response.created", next, { response: begun });
    return first + numbered("response.incomplete", next + 1, { response });
  }

  /** Both forms that OpenAI's own streams have: SDKs throw at `error`, Codex reads the reason in `response.failed`. */
  protected failing(refusal: Refusal, isWithin: boolean): string {
    const { error } = openaiError(refusal, 0);
    const { code, message } = error;
    const { created } = isWithin ? this.state : this.sent;
    const next = nextNumber(isWithin ? this.#last : this.#sentLast);
    this.#isFailureTold = true;
    return (
      numbered("error", next, { code, message, param: null, error }) +
      this.#failed({ code, message }, created, next + 1)
    );
  }

  #failed(error: { code: string; message: string }, created: string | undefined, number: number): string {
    const begun = objectOf(objectOf(parseJson(created ?? ""))?.response) ?? this.#unbegun();
    return numbered("response.failed", number, { response: { ...begun, status: "failed", error, output: [] } });
  }

  #unbegun(): JsonObject {
    const { model } = this.#call;
    const empty = { error: null, instructions: null, metadata: {}, tools: [], parallel_tool_calls: true };
    const head = { id: "resp_relay", object: "response", created_at: 0, status: "in_progress", model };
    return { ...head, ...empty, incomplete_details: null, output: [], tool_choice: "auto", usage: null };
  }
}

/** Behind the number of the event with this text. */
function nextNumber(text: string): number {
  const last = [...text.matchAll(/"sequence_number":\s*(\d{1,15})/g)].at(-1)?.[1];
  return last === undefined ? 0 : Number(last) + 1;
}

function numbered(type: string, sequence_number: number, fields: JsonObject): string {
  return writeEvent(type, { type, sequence_number, ...fields });
}

function errorOf(error: JsonObject) {
  return { type: textOf(error.code) ?? textOf(error.type) ?? "error", message: textOf(error.message) ?? "" };
}

/** At most so many ids of an answer can be asked for later. */
const mostIds = 16;

/** The response's own id first; then its conversation, reasoning, which moves worst, and the other items. */
function idsOf(response: JsonObject): string[] {
  const items = objectsOf(response.output);
  const ids = [
    response.id,
    objectOf(response.conversation)?.id,
    ...items.map((item) => item.container_id),
    ...items.filter(({ type }) => type === "reasoning").map(({ id }) => id),
    ...items.map(({ id }) => id),
  ];
  return [...new Set(ids.flatMap((id) => textOf(id) ?? []))].slice(0, mostIds);
}

export function readResponse(call: Call): (response: JsonObject) => JsonFacts {
  return (response) => ({
    usage: readResponseUsage(response),
    servedModel: textOf(response.model),
    madeIds: call.keepsThings === true ? idsOf(response) : [],
  });
}
