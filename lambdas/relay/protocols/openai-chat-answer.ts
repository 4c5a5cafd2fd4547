// Answers of OpenAI's Chat Completions: usage, open choices and the end of a stream, read while its bytes pass.
import type { Refusal } from "../refusal.ts";
import { type TokenUsage, tokensOf } from "../token-usage.ts";
import { jsonTextLength, readEvent, writeEvent } from "../wire/event-text.ts";
import { type JsonObject, objectOf, objectsOf, parseJson, textOf } from "../wire/json-values.ts";
import { chunkUsageOf, readChatUsage } from "../wire/openai-usage.ts";
import { EventAnswer } from "./event-answer.ts";
import type { JsonFacts } from "./json-answer.ts";
import { openaiError } from "./openai-refusal.ts";
import { withoutNullUsage } from "./openai-usage-request.ts";
import type { Call } from "./protocol.ts";

const nothing = Buffer.alloc(0);

/** What stands before and behind the text of most chunks: an answer's, and a tool call's arguments. */
const visibleTexts = [
  ['"delta":{"content":"', '"}'],
  ['"function":{"arguments":"', '"}}]}'],
] as const;
const notFinished = '"finish_reason":null';
const usageName = '"usage":';

/** For the usage of a stream that the relay ends, where the client asked for usage: the upstream's own never came. */
const bytesPerToken = 4;

/** Role, end and separators of a choice: tokens that its text does not show. */
const hiddenTokensPerChoice = 16;

/** What an answer without any text counts as, at most. */
const emptyAnswerBytes = 100;

/** OpenAI's own limit of `n`. */
const mostChoices = 128;

interface State {
  /** Id, time and model of the first chunk, as the closing chunks repeat them. */
  readonly head: JsonObject | undefined;
  /** Choices with a finish reason. */
  readonly finished: readonly number[];
  readonly hasUsage: boolean;
  readonly isComplete: boolean;
}

const before: State = { head: undefined, finished: [], hasUsage: false, isComplete: false };

export class ChatStream extends EventAnswer<State> {
  readonly #call: Call;
  readonly #isInjected: boolean;
  readonly #wantsUsage: boolean;

  constructor(call: Call) {
    super(before);
    this.#call = call;
    this.#isInjected = call.injected === "include_usage";
    // Where the relay did not ask for it, the client did.
    this.#wantsUsage = !this.#isInjected;
  }

  /** Without a single token of output, where some was seen, it is a placeholder, and its input alone is believed. */
  override get usage(): TokenUsage | undefined {
    const { reported } = this;
    return reported?.outputTokens === 0 && this.outputBytes > emptyAnswerBytes ? undefined : reported;
  }

  override get inputUsage(): TokenUsage | undefined {
    return this.reported !== undefined && tokensOf(this.reported) > 0 ? this.reported : undefined;
  }

  /** Compatible servers may end without `[DONE]`: their own end is one where each answer has told why it ended. */
  override flush(): Buffer {
    const rest = super.flush();
    if (new Set(this.state.finished).size >= this.#call.demand.answers) this.isComplete = true;
    return rest;
  }

  protected take(event: Buffer): Buffer {
    const length = this.state.head === undefined ? -1 : plainDeltaLength(event);
    if (length >= 0) {
      this.outputBytes += length;
      return this.#isInjected ? withoutNullUsage(event) : event;
    }
    const { data } = readEvent(event);
    if (data === undefined) return event;
    if (data === "[DONE]") {
      this.isComplete = true;
      this.state = { ...this.state, isComplete: true };
      return event;
    }
    const chunk = objectOf(parseJson(data));
    if (chunk === undefined) {
      this.outputBytes += event.length;
      return event;
    }
    const error = objectOf(chunk.error);
    if (error !== undefined) return this.streamed(errorOf(error), event);
    return this.#takeChunk(chunk, event);
  }

  protected override isWhole(data: string): boolean {
    return data === "[DONE]" || super.isWhole(data);
  }

  #takeChunk(chunk: JsonObject, event: Buffer): Buffer {
    const choices = objectsOf(chunk.choices);
    const usage = objectOf(chunk.usage);
    this.servedModel ??= textOf(chunk.model);
    this.#report(chunk);
    this.#follow(chunk, choices);
    if (choices.length > 0) {
      const isFirst = choices.some(({ delta }) => objectOf(delta)?.role !== undefined);
      // The whole delta, as it is written; names of members and numbers count too.
      for (const { delta } of choices) this.outputBytes += Buffer.byteLength(JSON.stringify(delta ?? {})) - 2;
      if (isFirst) this.outputBytes += hiddenTokensPerChoice;
    }
    if (!this.#isInjected) {
      if (usage !== undefined) this.state = { ...this.state, hasUsage: true };
      return event;
    }
    // The chunk that was asked for in the client's name: without choices, and without what else Azure puts there.
    const isAskedFor = usage !== undefined && choices.length === 0 && chunk.prompt_filter_results === undefined;
    return isAskedFor ? nothing : withoutNullUsage(event);
  }

  /** The last one counts, for servers that tell of it in every chunk: it is of all until then. Zeros take nothing back. */
  #report(chunk: JsonObject): void {
    const said = chunkUsageOf(chunk);
    if (said === undefined) return;
    const tier = chunk.service_tier ?? this.state.head?.service_tier;
    const usage = withSearch(readChatUsage(said, tier), this.#call);
    if (this.reported === undefined || usage.outputTokens > 0) this.reported = usage;
  }

  #follow(chunk: JsonObject, choices: readonly JsonObject[]): void {
    const { id, created, model, system_fingerprint, service_tier } = chunk;
    // Azure's first chunk is about the prompt alone, and its id is empty.
    const isNamed = this.state.head !== undefined || textOf(id) === undefined;
    const head = isNamed ? this.state.head : { id, created, model, system_fingerprint, service_tier };
    const finished = choices.filter((choice) => textOf(choice.finish_reason) !== undefined).map(indexOf);
    this.state = { ...this.state, head, finished: [...this.state.finished, ...finished] };
  }

  protected closing(): string {
    const { head, finished, hasUsage, isComplete } = this.sent;
    if (isComplete) return "";
    const common = head ?? { id: "chatcmpl-relay", created: 0, model: this.#call.model };
    const chunk = { ...common, object: "chat.completion.chunk" };
    const events: string[] = [];
    for (let index = 0; index < Math.min(this.#call.demand.answers, mostChoices); index += 1) {
      if (finished.includes(index)) continue;
      const choice = { index, delta: {}, logprobs: null, finish_reason: "length" };
      events.push(writeEvent(undefined, { ...chunk, choices: [choice], ...(this.#wantsUsage && { usage: null }) }));
    }
    if (this.#wantsUsage && !hasUsage) {
      events.push(writeEvent(undefined, { ...chunk, choices: [], usage: this.#estimate() }));
    }
    events.push(writeEvent(undefined, "[DONE]"));
    return events.join("");
  }

  #estimate(): JsonObject {
    const prompt_tokens = Math.ceil(this.#call.demand.inputBytes / bytesPerToken);
    const completion_tokens = Math.ceil(this.outputBytes / bytesPerToken);
    return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  }

  protected failing(refusal: Refusal): string {
    return writeEvent(undefined, { error: openaiError(refusal, 0).error });
  }
}

/** Bytes of the text of a chunk that holds one piece of one choice's text and nothing else; -1 for any other. */
function plainDeltaLength(event: Buffer): number {
  const text = event.toString("latin1");
  for (const [marker, end] of visibleTexts) {
    const at = text.indexOf(marker);
    if (at < 0) continue;
    const start = at + marker.length;
    const length = jsonTextLength(text, start);
    const behind = start + length;
    if (!text.startsWith(end, behind) || text.indexOf(notFinished, behind) < 0) return -1;
    // A second choice, or usage that is more than null, is looked at closely.
    const usage = text.lastIndexOf(usageName);
    if (usage >= 0 && !text.startsWith("null", usage + usageName.length)) return -1;
    return text.includes('"delta":', behind) ? -1 : length;
  }
  return -1;
}

function indexOf({ index }: JsonObject): number {
  return typeof index === "number" ? index : 0;
}

function errorOf(error: JsonObject) {
  return { type: textOf(error.code) ?? textOf(error.type) ?? "error", message: textOf(error.message) ?? "" };
}

/** Search models bill a search with each answer, and report none. */
function withSearch(usage: TokenUsage, { demand }: Call): TokenUsage {
  return { ...usage, serverTools: demand.serverTools };
}

export function readCompletion(call: Call): (completion: JsonObject) => JsonFacts {
  return (completion) => {
    const usage = objectOf(completion.usage);
    return {
      usage: usage === undefined ? undefined : withSearch(readChatUsage(usage, completion.service_tier), call),
      servedModel: textOf(completion.model),
      madeIds: [],
    };
  };
}
