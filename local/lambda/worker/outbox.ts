// What a worker has to say to its host, posted once in a turn of the event loop; pieces of responses travel in one buffer.
import type { MessagePort } from "node:worker_threads";
import { streamWindowBytes, type WorkerMessage, type WorkerPost } from "./messages.ts";

interface StreamState {
  /** Bytes on their way to the host. */
  under: number;
  /** Goes on with the handler's next piece. */
  resume: (() => void) | undefined;
}

export class Outbox {
  readonly #port: MessagePort;
  #messages: WorkerMessage[] = [];
  /** Pieces are copied at once, for a handler may use its own memory anew as soon as it goes on. */
  #gathered = new Uint8Array(streamWindowBytes);
  #bytes = 0;
  #isQueued = false;
  /** By slot. */
  readonly #streams = new Map<number, StreamState>();

  constructor(port: MessagePort) {
    this.#port = port;
  }

  say(message: WorkerMessage): void {
    this.#messages.push(message);
    if (this.#isQueued) return;
    this.#isQueued = true;
    setImmediate(() => this.flush());
  }

  /** `done` is called when the handler may write more: at once, unless its pieces pile up before the host. */
  piece(slot: number, bytes: Buffer, done: () => void): void {
    if (this.#bytes + bytes.length > this.#gathered.length) this.#grow(this.#bytes + bytes.length);
    this.#gathered.set(bytes, this.#bytes);
    this.#bytes += bytes.length;
    this.say({ kind: "chunk", slot, bytes: bytes.length });
    const stream = this.#streams.get(slot) ?? { under: 0, resume: undefined };
    this.#streams.set(slot, stream);
    stream.under += bytes.length;
    if (stream.under < streamWindowBytes) done();
    else stream.resume = done;
  }

  taken(slot: number, bytes: number): void {
    const stream = this.#streams.get(slot);
    if (!stream) return;
    stream.under -= bytes;
    if (stream.under >= streamWindowBytes) return;
    const { resume } = stream;
    stream.resume = undefined;
    resume?.();
  }

  /** The slot's next invocation begins with an empty stream. */
  forget(slot: number): void {
    this.#streams.delete(slot);
  }

  /** Also called before the process ends by itself. */
  flush(): void {
    this.#isQueued = false;
    if (this.#messages.length === 0) return;
    // A buffer of their own, for it is handed over.
    const bytes = this.#bytes > 0 ? this.#gathered.slice(0, this.#bytes) : undefined;
    const post: WorkerPost = { messages: this.#messages, bytes };
    this.#messages = [];
    this.#bytes = 0;
    this.#port.postMessage(post, bytes ? [bytes.buffer] : []);
  }

  #grow(neededBytes: number): void {
    const larger = new Uint8Array(Math.max(neededBytes, 2 * this.#gathered.length));
    larger.set(this.#gathered.subarray(0, this.#bytes));
    this.#gathered = larger;
  }
}
