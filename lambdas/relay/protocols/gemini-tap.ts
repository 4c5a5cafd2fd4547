// Gemini tap: what the chunks of a generated answer say of usage, model and end, whichever way they are framed.

import type { TokenUsage } from "../token-usage.ts";
import { countGrounding, readGeminiUsage } from "../wire/gemini-usage.ts";
import { type JsonObject, objectOf, objectsOf, parseJson, textOf } from "../wire/json-values.ts";
import type { StreamedError } from "./event-answer.ts";
import type { JsonFacts } from "./json-answer.ts";

/** Members that make a chunk worth reading at once. */
const decisive = ['"finishReason"', '"blockReason"', '"groundingMetadata"', '"error"'];

/** What of a chunk the relay's own last chunk repeats. */
export interface GeminiHead {
  readonly modelVersion: string | undefined;
  readonly responseId: string | undefined;
}

export class GeminiTap {
  outputBytes = 0;
  head: GeminiHead = { modelVersion: undefined, responseId: undefined };
  /** A finish or block reason came: Gemini's streams have no other end. */
  isFinished = false;
  streamedError: StreamedError | undefined;
  readonly #model: string;
  #hasHead = false;
  #tools: Readonly<Record<string, number>> = {};
  /** Each chunk has usage, and the last one counts: only that is ever parsed. */
  #lastWithUsage: string | undefined;
  #usage: { readonly of: string; readonly metadata: JsonObject | undefined } | undefined;

  /** `model`: as asked; what its tools cost goes by it. */
  constructor(model: string) {
    this.#model = model;
  }

  /** `json`: one chunk, as text. False: it is an error that tells of the account, or not to be read. */
  take(json: string): void {
    if (json.includes('"usageMetadata"')) this.#lastWithUsage = json;
    this.outputBytes += visibleLength(json);
    if (this.#hasHead && !decisive.some((member) => json.includes(member))) return;
    const chunk = objectOf(parseJson(json));
    if (chunk !== undefined) this.#takeChunk(chunk);
  }

  /** Of the last chunk that had one, as it stood there. */
  get metadata(): JsonObject | undefined {
    const json = this.#lastWithUsage;
    if (json === undefined) return undefined;
    if (this.#usage?.of !== json)
      this.#usage = { of: json, metadata: objectOf(objectOf(parseJson(json))?.usageMetadata) };
    return this.#usage.metadata;
  }

  /** Undefined, too, for a stream that was cut before it told of its output: some models do so with the last chunk alone. */
  get usage(): TokenUsage | undefined {
    return this.#hasOutput ? this.inputUsage : undefined;
  }

  get inputUsage(): TokenUsage | undefined {
    const { metadata } = this;
    return metadata === undefined ? undefined : readGeminiUsage(metadata, this.#tools);
  }

  get #hasOutput(): boolean {
    return this.isFinished || typeof this.metadata?.candidatesTokenCount === "number";
  }

  #takeChunk(chunk: JsonObject): void {
    const error = objectOf(chunk.error);
    if (error !== undefined) {
      this.streamedError = { type: textOf(error.status) ?? "error", message: textOf(error.message) ?? "" };
      return;
    }
    const { modelVersion, responseId } = chunk;
    if (!this.#hasHead) this.head = { modelVersion: textOf(modelVersion), responseId: textOf(responseId) };
    this.#hasHead = true;
    const isBlocked = textOf(objectOf(chunk.promptFeedback)?.blockReason) !== undefined;
    const candidates = objectsOf(chunk.candidates);
    if (isBlocked || candidates.some(({ finishReason }) => textOf(finishReason) !== undefined)) this.isFinished = true;
    // What a later chunk tells of the same tool counts.
    this.#tools = { ...this.#tools, ...countGrounding(chunk, this.#model) };
  }
}

/** From the parts to the usage: their text, and some of the JSON around it. Never less than what is said. */
function visibleLength(json: string): number {
  const start = json.indexOf('"parts"');
  if (start < 0) return 0;
  const usage = json.indexOf('"usageMetadata"', start);
  return Buffer.byteLength(usage < 0 ? json.slice(start) : json.slice(start, usage));
}

/** Twice Google's own limit of candidateCount. */
const mostCandidates = 16;

/** The chunk with which the relay ends a stream, as if the model had reached its largest output. */
export function lastGeminiChunk(tap: Pick<GeminiTap, "head" | "metadata">, model: string, answers: number): string {
  const candidates = Array.from({ length: Math.min(answers, mostCandidates) }, (_, index) => ({
    content: { parts: [{ text: "" }], role: "model" },
    finishReason: "MAX_TOKENS",
    index,
  }));
  const { modelVersion = model, responseId } = tap.head;
  return JSON.stringify({ candidates, usageMetadata: tap.metadata, modelVersion, responseId });
}

export function readGenerated(model: string): (answer: JsonObject) => JsonFacts {
  return (answer) => {
    const metadata = objectOf(answer.usageMetadata);
    return {
      usage: metadata === undefined ? undefined : readGeminiUsage(metadata, countGrounding(answer, model)),
      servedModel: textOf(answer.modelVersion),
      madeIds: [],
    };
  };
}
