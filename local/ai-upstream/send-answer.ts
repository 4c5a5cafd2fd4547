// Sends an answer over the wire as its behaviour says: waits, pieces, encodings, and ends before the end.
import type { ServerResponse } from "node:http";
import type { Behaviour } from "./behaviour.ts";
import type { Answer } from "./compose-answer.ts";
import { encoderOf, type StreamEncoder } from "./encode-stream.ts";

/** What of the local clock is needed. */
export interface Waits {
  now(): number;
  sleep(milliseconds: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** What happens meanwhile. */
export interface Sending {
  /** Of the body, as it goes over the wire. */
  sentBytes: number;
  /** `sentBytes` has grown; not told of an answer that is written in one go. */
  onSent(): void;
  /** The script is about to end it before its end. */
  onCut(): void;
}

/** True when it can be written in one go. */
export function isPlain(answer: Answer, behaviour: Behaviour): boolean {
  return (
    behaviour.beforeHeadersMilliseconds === undefined &&
    behaviour.betweenEventsMilliseconds === undefined &&
    behaviour.silence === undefined &&
    behaviour.hold === undefined &&
    behaviour.split === undefined &&
    behaviour.end === undefined &&
    behaviour.encoding === undefined &&
    answer.body.length < mostAtOnceBytes
  );
}

/** More than this is written as fast as it is taken. */
const mostAtOnceBytes = 256 * 1024;

/** Each event is a chunk of its own, all in one turn. */
export function sendAtOnce(outgoing: ServerResponse, answer: Answer, sending: Sending): void {
  const { body, pieces } = answer;
  sending.sentBytes = body.length;
  if (!answer.isStream) {
    outgoing.writeHead(answer.status, { ...answer.headers, "content-length": body.length });
    outgoing.end(body);
    return;
  }
  outgoing.writeHead(answer.status, answer.headers);
  let start = 0;
  for (const { end } of pieces) {
    outgoing.write(body.subarray(start, end));
    start = end;
  }
  outgoing.end();
}

/** Resolves when it was sent, cut, or the client went away. `waits` is the clock that was handed in. */
export async function sendSlowly(
  outgoing: ServerResponse,
  answer: Answer,
  behaviour: Behaviour,
  sending: Sending,
  waits: Waits,
): Promise<void> {
  const gone = new AbortController();
  const onClose = () => gone.abort(new Error("the client went away"));
  if (outgoing.destroyed) onClose();
  outgoing.once("close", onClose);
  try {
    await new Wire(outgoing, answer, behaviour, sending, waits, gone.signal).send();
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    outgoing.off("close", onClose);
  }
}

class Wire {
  readonly #outgoing: ServerResponse;
  readonly #answer: Answer;
  readonly #behaviour: Behaviour;
  readonly #sending: Sending;
  readonly #waits: Waits;
  readonly #signal: AbortSignal;
  readonly #encoder: StreamEncoder | undefined;

  constructor(
    outgoing: ServerResponse,
    answer: Answer,
    behaviour: Behaviour,
    sending: Sending,
    waits: Waits,
    signal: AbortSignal,
  ) {
    this.#outgoing = outgoing;
    this.#answer = answer;
    this.#behaviour = behaviour;
    this.#sending = sending;
    this.#waits = waits;
    this.#signal = signal;
    this.#encoder = behaviour.encoding && encoderOf(behaviour.encoding);
  }

  async send(): Promise<void> {
    const { hold, end, beforeHeadersMilliseconds = 0 } = this.#behaviour;
    await this.#wait(beforeHeadersMilliseconds);
    if (hold && hold.afterEvents === undefined) await this.#until(hold.until);
    if (end?.beforeHeaders) return this.#cut(end.how);
    this.#writeHead();
    if (await this.#writePieces()) return;
    const rest = await this.#encoder?.finish();
    if (rest && (await this.#write(rest))) return;
    this.#outgoing.end();
  }

  /** True when that was the end already. */
  async #writePieces(): Promise<boolean> {
    const { body, pieces } = this.#answer;
    const { hold, end } = this.#behaviour;
    let start = 0;
    let events = 0;
    for (const piece of pieces) {
      if (await this.#endsAfter(events)) return true;
      if (piece.isEvent && hold?.afterEvents === events) await this.#until(hold.until);
      await this.#wait(piece.waitMilliseconds);
      const bytes = body.subarray(start, piece.end);
      start = piece.end;
      if (await this.#write(this.#encoder ? await this.#encoder.encode(bytes) : bytes)) return true;
      if (piece.isEvent) events += 1;
    }
    if (hold?.afterEvents !== undefined && hold.afterEvents >= events) await this.#until(hold.until);
    return end?.afterEvents !== undefined && (await this.#endsAfter(end.afterEvents));
  }

  #writeHead(): void {
    const { status, headers, body, isStream } = this.#answer;
    const { encoding, split, end } = this.#behaviour;
    // A length is said only when it will be kept, and pieces of a body arrive as pieces only when chunked.
    const hasLength = !isStream && encoding === undefined && split === undefined && end?.how !== "clean";
    this.#outgoing.writeHead(status, {
      ...headers,
      ...(encoding && { "content-encoding": encoding }),
      ...(hasLength && { "content-length": body.length }),
    });
    this.#outgoing.flushHeaders();
  }

  /** In the pieces that the script asks for; true when the script's last byte is written. */
  async #write(bytes: Buffer): Promise<boolean> {
    const { end } = this.#behaviour;
    const last = end?.afterBytes ?? Number.POSITIVE_INFINITY;
    let at = 0;
    while (at < bytes.length && this.#sending.sentBytes < last) {
      const until = Math.min(bytes.length, at + Math.min(this.#nextCut(), last) - this.#sending.sentBytes);
      await this.#flush(bytes.subarray(at, until));
      this.#sending.sentBytes += until - at;
      this.#sending.onSent();
      at = until;
    }
    if (end?.afterBytes === undefined || this.#sending.sentBytes < last) return false;
    await this.#cut(end.how);
    return true;
  }

  /** The position in the body at which the piece that begins now ends. */
  #nextCut(): number {
    const { split } = this.#behaviour;
    const position = this.#sending.sentBytes;
    if (!split) return Number.POSITIVE_INFINITY;
    if ("everyBytes" in split) {
      const every = Math.max(1, split.everyBytes);
      return (Math.floor(position / every) + 1) * every;
    }
    return Math.min(...split.atBytes.filter((at) => at > position), Number.POSITIVE_INFINITY);
  }

  #flush(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#signal.throwIfAborted();
      const onAbort = () => reject(this.#signal.reason);
      this.#signal.addEventListener("abort", onAbort, { once: true });
      this.#outgoing.write(bytes, (error) => {
        this.#signal.removeEventListener("abort", onAbort);
        if (error) reject(error);
        else resolve();
      });
    });
  }

  async #endsAfter(events: number): Promise<boolean> {
    const { end } = this.#behaviour;
    if (end?.afterEvents === undefined || end.afterEvents !== events) return false;
    await this.#cut(end.how);
    return true;
  }

  async #cut(how: "reset" | "close" | "clean"): Promise<void> {
    this.#sending.onCut();
    const { socket } = this.#outgoing;
    if (how === "clean") {
      const rest = await this.#encoder?.finish();
      if (rest && rest.length > 0) await this.#flush(rest);
      this.#outgoing.end();
    } else if (how === "close") socket?.destroySoon();
    else socket?.resetAndDestroy();
  }

  async #wait(milliseconds: number): Promise<void> {
    if (milliseconds > 0) await this.#waits.sleep(milliseconds, { signal: this.#signal });
  }

  async #until(promise: Promise<unknown>): Promise<void> {
    const signal = this.#signal;
    signal.throwIfAborted();
    let onAbort = (): void => undefined;
    const gone = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
    });
    try {
      await Promise.race([promise.catch(() => undefined), gone]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
