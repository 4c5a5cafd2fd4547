// The pieces of a streamed answer on their way from the function to its client: each goes out as one write, at once.
import type http from "node:http";

export class StreamedBody {
  /** Pieces from before it was known where they go: no more than a worker sends unasked (its stream's window). */
  readonly #early: Buffer[] = [];
  #waiting: (() => void)[] = [];
  #outgoing: http.ServerResponse | undefined;
  #state: "open" | "ended" | "broken" | "dropped" = "open";

  /** Undefined when there is room for more, else a promise of it, which never rejects. */
  write(bytes: Buffer): Promise<void> | undefined {
    if (this.#state !== "open" || bytes.length === 0) return undefined;
    if (!this.#outgoing) this.#early.push(bytes);
    else if (this.#outgoing.write(bytes)) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ended";
    this.#outgoing?.end();
  }

  /** The function failed in the middle: what is sent cannot be taken back, only broken off. */
  breakOff(): void {
    if (this.#state !== "open") return;
    this.#state = "broken";
    this.#outgoing?.destroy();
    this.#letGo();
  }

  /** Nobody wants it (any more): the function writes into nothing, as in AWS, and nothing holds it up. */
  drop(): void {
    if (this.#state === "open") this.#state = "dropped";
    this.#letGo();
  }

  /** The head must be written already. */
  sendTo(outgoing: http.ServerResponse): void {
    outgoing.on("drain", () => this.#letGo());
    outgoing.on("close", () => this.drop());
    // A client that left is no error of anybody's.
    outgoing.on("error", () => this.drop());
    if (this.#state === "broken") {
      outgoing.destroy();
      return;
    }
    this.#outgoing = outgoing;
    // The client shall have status and headers before the function writes more; with a piece they go out by themselves.
    if (this.#early.length === 0) outgoing.flushHeaders();
    let hasRoom = true;
    for (const bytes of this.#early.splice(0)) hasRoom = outgoing.write(bytes);
    if (hasRoom) this.#letGo();
    if (this.#state === "ended") outgoing.end();
  }

  #letGo(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
