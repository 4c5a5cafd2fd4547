// The body of an answer as its reader takes it: bounded in memory, watched for silence, and never ended quietly when it was cut.
import type { IncomingMessage } from "node:http";
import { pipeline, type Readable, type Transform } from "node:stream";
import { TransportError } from "./transport.ts";

/** What waits for the reader: above this the upstream is not read on, so that a slow client holds no memory. */
const mostWaitingBytes = 262_144;
const fewWaitingBytes = 65_536;

export class AnswerBody implements AsyncIterableIterator<Buffer> {
  readonly #answer: IncomingMessage;
  readonly #source: Readable;
  readonly #host: string;
  readonly #silenceMilliseconds: number;
  /** Closes the connection. */
  readonly #close: () => void;
  readonly #chunks: Buffer[] = [];
  #waitingBytes = 0;
  #end: "running" | "whole" | TransportError = "running";
  #reader: { resolve: (result: IteratorResult<Buffer>) => void; reject: (error: Error) => void } | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    answer: IncomingMessage,
    decoders: readonly Transform[],
    { host, silenceMilliseconds, close }: { host: string; silenceMilliseconds: number; close: () => void },
  ) {
    this.#answer = answer;
    this.#host = host;
    this.#silenceMilliseconds = silenceMilliseconds;
    this.#close = close;
    const last = decoders.at(-1);
    this.#source = last ?? answer;
    if (last !== undefined) pipeline([answer, ...decoders], (error) => error && this.#cut(error));
    this.#source.on("data", (chunk: Buffer) => this.#take(chunk));
    this.#source.on("end", () => this.#finish("whole"));
    answer.on("error", (error) => this.#cut(error));
    answer.on("close", () => {
      if (!answer.complete) this.#cut(undefined);
    });
  }

  /** Nothing more comes: of the connection's own error, or because the caller said so. */
  fail(error: TransportError): void {
    this.#finish(error);
  }

  abort(): void {
    if (this.#end !== "running") return;
    this.fail(new TransportError("aborted", `The answer of ${this.#host} was not read to its end.`, true));
  }

  next(): Promise<IteratorResult<Buffer>> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) {
      this.#waitingBytes -= chunk.length;
      if (this.#waitingBytes < fewWaitingBytes && this.#source.isPaused()) this.#source.resume();
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#end === "whole") return Promise.resolve({ done: true, value: undefined });
    if (this.#end !== "running") return Promise.reject(this.#end);
    if (this.#reader !== undefined) throw new Error("An answer has one reader at a time.");
    this.#watch();
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Buffer>> {
    this.abort();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #take(chunk: Buffer): void {
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      reader.resolve({ done: false, value: chunk });
      return;
    }
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= mostWaitingBytes) this.#source.pause();
  }

  /** Only a reader that waits hears silence: while a slow client is served, nobody knows what the upstream does. */
  #watch(): void {
    if (this.#timer !== undefined) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => {
      if (this.#reader === undefined) return;
      const seconds = this.#silenceMilliseconds / 1000;
      this.fail(new TransportError("silence", `${this.#host} sent nothing for ${seconds} s.`, true));
    }, this.#silenceMilliseconds);
  }

  #cut(error: unknown): void {
    const code = codeOf(error);
    const isBroken = /^(Z_DATA_ERROR|ERR__?ERROR_FORMAT|ERR_BROTLI|ERR_ZSTD|ZSTD_error)/.test(code);
    this.fail(
      isBroken
        ? new TransportError("encoding", `${this.#host} sent bytes that its content-encoding does not allow.`, true)
        : new TransportError("cut", `${this.#host} ended its answer before it was whole${code && ` (${code})`}.`, true),
    );
  }

  #finish(end: "whole" | TransportError): void {
    if (this.#end !== "running") return;
    this.#end = end;
    clearTimeout(this.#timer);
    if (end !== "whole") this.#letGo();
    const reader = this.#reader;
    this.#reader = undefined;
    if (reader === undefined) return;
    if (end === "whole") reader.resolve({ done: true, value: undefined });
    else reader.reject(end);
  }

  /** A connection whose answer was read to its end is already with the next request. */
  #letGo(): void {
    if (!this.#answer.readableEnded) this.#close();
    if (this.#source !== this.#answer) this.#source.destroy();
  }
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? code : "";
}
