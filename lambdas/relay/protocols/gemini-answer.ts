// Answers of Gemini's streams, as events and as a JSON array: usage and end, read while the bytes pass unchanged.
import type { Refusal } from "../refusal.ts";
import type { TokenUsage } from "../token-usage.ts";
import { ElementFramer } from "../wire/element-framing.ts";
import { readEvent, writeEvent } from "../wire/event-text.ts";
import { EventAnswer, hiddenError, type StreamedError } from "./event-answer.ts";
import { geminiError } from "./gemini-refusal.ts";
import { GeminiTap, lastGeminiChunk } from "./gemini-tap.ts";
import type { AnswerReader, Call } from "./protocol.ts";

const nothing = Buffer.alloc(0);
const stretchBeginning = Buffer.from("data: ");
const stretch = Buffer.from(" ");
const newLine = Buffer.from("\n");

interface State {
  /** `data:` and white space of the next event were sent already. */
  readonly isStretched: boolean;
}

/**
 * Google's own clients bear no pings: the Go SDK fails at comments and at blank lines, the Python SDK at comments, and a
 * `data: {}` makes chats of the JavaScript SDK forget the answer. White space before a JSON value is allowed everywhere:
 * so a ping is the beginning of the next event's line, and more pings make it longer.
 */
export class GeminiStream extends EventAnswer<State> {
  readonly #call: Call;
  readonly #tap: GeminiTap;

  constructor(call: Call) {
    super({ isStretched: false });
    this.#call = call;
    this.#tap = new GeminiTap(call.model);
  }

  override get usage(): TokenUsage | undefined {
    return this.#tap.usage;
  }

  override get inputUsage(): TokenUsage | undefined {
    return this.#tap.inputUsage;
  }

  protected take(event: Buffer): Buffer {
    const { data } = readEvent(event);
    if (data !== undefined) {
      const before = this.#tap.outputBytes;
      this.#tap.take(data);
      this.outputBytes += this.#tap.outputBytes - before;
      this.servedModel = this.#tap.head.modelVersion;
      this.isComplete = this.#tap.isFinished;
    }
    const { streamedError } = this.#tap;
    const taken =
      streamedError !== undefined && this.streamedError === undefined ? this.streamed(streamedError, event) : event;
    return this.state.isStretched ? this.#unstretched(taken) : taken;
  }

  protected closing(): string {
    return this.#goingOn(
      writeEvent(undefined, lastGeminiChunk(this.#tap, this.#call.model, this.#call.demand.answers)),
    );
  }

  protected failing(refusal: Refusal, isWithin: boolean): string {
    const text = writeEvent(undefined, geminiError(refusal, 0).body);
    return isWithin ? text : this.#goingOn(text);
  }

  protected override pingBytes(): Buffer {
    if (this.isComplete) return nothing;
    if (this.sent.isStretched) return stretch;
    this.state = { isStretched: true };
    this.sent = this.state;
    return stretchBeginning;
  }

  /** Without the beginning that was sent before; an event without data waits for one that has some, and is dropped. */
  #unstretched(event: Buffer): Buffer {
    const [found] = /(?<=^|[\r\n])data: ?/.exec(event.toString("latin1")) ?? [];
    if (found === undefined) return nothing;
    this.state = { isStretched: false };
    return event.subarray(event.indexOf(found) + found.length);
  }

  /** The relay's own events go on from what was sent, whatever was seen. */
  #goingOn(text: string): string {
    return this.sent.isStretched ? text.slice(stretchBeginning.length) : text;
  }
}

/** The form without `alt=sse`. */
export class GeminiArray implements AnswerReader {
  readonly madeIds = [];
  readonly #call: Call;
  readonly #tap: GeminiTap;
  readonly #framer = new ElementFramer((element) => this.#tap.take(element.toString("utf8")));
  #sentElements = 0;
  #isSentClosed = false;

  constructor(call: Call) {
    this.#call = call;
    this.#tap = new GeminiTap(call.model);
  }

  get outputBytes(): number {
    return this.#tap.outputBytes;
  }

  get usage(): TokenUsage | undefined {
    return this.#tap.usage;
  }

  get inputUsage(): TokenUsage | undefined {
    return this.#tap.inputUsage;
  }

  get servedModel(): string | undefined {
    return this.#tap.head.modelVersion;
  }

  get isComplete(): boolean {
    return this.#framer.isClosed;
  }

  get streamedError(): StreamedError | undefined {
    return this.#tap.streamedError;
  }

  push(bytes: Buffer): Buffer {
    const before = this.streamedError;
    const passed = this.#framer.push(bytes);
    if (this.#framer.isInsideRaw) this.#tap.outputBytes += bytes.length;
    const error = before === undefined ? this.streamedError : undefined;
    const hidden = error === undefined ? undefined : hiddenError(error);
    // Whatever came with an error that tells of our account is withheld with it.
    return hidden === undefined ? passed : this.failure(hidden);
  }

  /** A torn element is dropped: the relay's own last words must be readable. */
  flush(): Buffer {
    const rest = this.#framer.takeRest();
    return this.#framer.isClosed || this.#framer.elements === 0 ? rest : nothing;
  }

  passed(): void {
    this.#sentElements = this.#framer.elements;
    this.#isSentClosed = this.#framer.isClosed;
  }

  /** White space between elements. */
  ping(): Buffer {
    return this.#framer.isInsideRaw || this.#framer.isClosed ? nothing : newLine;
  }

  ending(): Buffer {
    return this.#last(lastGeminiChunk(this.#tap, this.#call.model, this.#call.demand.answers));
  }

  failure(refusal: Refusal): Buffer {
    return this.#last(JSON.stringify(geminiError(refusal, 0).body));
  }

  #last(element: string): Buffer {
    if (this.#isSentClosed) return nothing;
    return Buffer.from(`${this.#sentElements === 0 ? "[" : ",\n"}${element}\n]`);
  }
}
