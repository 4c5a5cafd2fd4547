// Event answer: what the readers of event streams have in common: framing, the end, and what was really passed on.
import { Refusal } from "../refusal.ts";
import type { TokenUsage } from "../token-usage.ts";
import { EventFramer } from "../wire/event-framing.ts";
import { readEvent, writeEvent } from "../wire/event-text.ts";
import { objectOf, parseJson } from "../wire/json-values.ts";
import type { AnswerReader } from "./protocol.ts";

const nothing = Buffer.alloc(0);
const blankLine = Buffer.from("\n\n");

const colon = 0x3a;
const idLine = /(^|[\r\n])id:/;

/** The SDKs of OpenAI skip comments (SSEDecoder), and so do other clients: OpenRouter sends them all the time. */
const pingComment = Buffer.from(": ping\n\n");

/**
 * Behind an event with an id, the Python SDK of OpenAI takes any blank line for an event, and fails at its missing data
 * (openai-python#2722): the comment stands at the beginning of the next event, then.
 */
const pingLine = Buffer.from(": ping\n");

/** At most so many ids of an answer are kept: the response's own, and what it refers to. */
const mostMadeIds = 16;

export interface StreamedError {
  readonly type: string;
  readonly message: string;
}

/**
 * `State`: what the protocol's ending depends on. It is replaced, never changed in place: what `push` has seen and what
 * went to the client differ while the next slice of a budget is asked for.
 */
export abstract class EventAnswer<State> implements AnswerReader {
  outputBytes = 0;
  servedModel: string | undefined;
  isComplete = false;
  streamedError: StreamedError | undefined;
  readonly madeIds: string[] = [];
  /** What `usage` answers. */
  protected reported: TokenUsage | undefined;
  /** What `inputUsage` answers. */
  protected reportedInput: TokenUsage | undefined;
  protected state: State;
  /** The state as the client knows it. */
  protected sent: State;
  readonly #framer: EventFramer;
  /** The last event passed without its blank line. */
  #isUnended = false;
  /** Of the first event that is no comment, as of all that follow; undefined before it. */
  #hasId: boolean | undefined;

  constructor(state: State) {
    this.state = state;
    this.sent = state;
    this.#framer = new EventFramer((event) => {
      if (this.#hasId === undefined && event[0] !== colon) this.#hasId = idLine.test(event.toString("latin1"));
      return this.take(event);
    });
  }

  get usage(): TokenUsage | undefined {
    return this.reported;
  }

  get inputUsage(): TokenUsage | undefined {
    return this.reportedInput;
  }

  push(bytes: Buffer): Buffer {
    const passed = this.#framer.push(bytes);
    if (this.#framer.isInsideRaw) this.outputBytes += bytes.length;
    return passed;
  }

  /**
   * A last event without its blank line still counts. What is no whole event was torn off: no client can read it, and
   * before the relay's own last words it would spoil them. An answer that never was an event stream passes as it is.
   */
  flush(): Buffer {
    const rest = this.#framer.takeRest();
    if (rest.length === 0) return nothing;
    if (!this.#framer.hasEvents && !looksLikeEvent(rest)) {
      this.outputBytes += rest.length;
      this.#isUnended = true;
      return rest;
    }
    const { data } = readEvent(rest);
    if (data === undefined) return this.#bareError(rest);
    if (!this.isWhole(data)) return nothing;
    const event = Buffer.concat([rest, blankLine]);
    const taken = this.take(event);
    this.#isUnended = taken === event;
    return this.#isUnended ? rest : taken;
  }

  passed(): void {
    this.sent = this.state;
  }

  ping(): Buffer {
    return this.#framer.isInsideRaw ? nothing : this.pingBytes();
  }

  ending(reason: "budget" | "deadline"): Buffer {
    return this.#onItsOwn(this.closing(reason));
  }

  failure(refusal: Refusal): Buffer {
    return this.#onItsOwn(this.failing(refusal, false));
  }

  /** Sees one whole event and gives what passes in its place: the same buffer where nothing is changed. */
  protected abstract take(event: Buffer): Buffer;
  protected abstract closing(reason: "budget" | "deadline"): string;
  /** `isWithin`: in the place of the event that is being taken; else behind what was passed on. */
  protected abstract failing(refusal: Refusal, isWithin: boolean): string;

  protected pingBytes(): Buffer {
    return this.#hasId === true ? pingLine : pingComment;
  }

  protected isWhole(data: string): boolean {
    try {
      JSON.parse(data);
      return true;
    } catch {
      return false;
    }
  }

  /** An error inside the stream: those that tell of our account are told in the relay's own words. */
  protected streamed(error: StreamedError, event: Buffer): Buffer {
    this.streamedError = error;
    const refusal = hiddenError(error);
    return refusal === undefined ? event : Buffer.from(this.failing(refusal, true));
  }

  protected made(id: unknown): void {
    if (typeof id !== "string" || id === "" || this.madeIds.length >= mostMadeIds || this.madeIds.includes(id)) return;
    this.madeIds.push(id);
  }

  /** Google ends streams that it sheds with the JSON of an error, which is no event (theopenco/llmgateway#3616): it is made one. */
  #bareError(rest: Buffer): Buffer {
    const said = objectOf(parseJson(rest.toString("utf8")));
    return objectOf(said?.error) === undefined ? nothing : this.take(Buffer.from(writeEvent(undefined, said)));
  }

  #onItsOwn(text: string): Buffer {
    if (text === "") return nothing;
    return Buffer.from(this.#framer.isInsideRaw || this.#isUnended ? `\n\n${text}` : text);
  }
}

function looksLikeEvent(bytes: Buffer): boolean {
  return /^\ufeff?(data|event|id|retry)?:/.test(bytes.toString("utf8", 0, 16));
}

/** Vendors' types, codes and statuses of errors that are the account's, not the request's. Their messages name organisations. */
const accountErrors =
  /^(authentication_error|permission_error|billing_error|insufficient_quota|invalid_api_key|PERMISSION_DENIED|UNAUTHENTICATED)$/;
const limitErrors = /^(rate_limit_error|rate_limit_exceeded|tokens|requests|usage_limit_reached|RESOURCE_EXHAUSTED)$/;

/** Undefined: the error is about the request or the upstream as a whole, and passes. */
export function hiddenError({ type }: StreamedError): Refusal | undefined {
  if (accountErrors.test(type)) return new Refusal("UpstreamFailed", "The upstream broke the answer off.");
  if (limitErrors.test(type)) return new Refusal("AccountsLimited", "The upstream broke the answer off at a limit.");
  return undefined;
}
