// The upstream's body, one piece asked for at a time: a slow client slows the upstream. Looked at with one waiter.
import { Mailbox } from "./mailbox.ts";

export type Piece =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "end" }
  | { readonly kind: "cut"; readonly error: unknown };

export class Arrivals {
  /** Woken by each piece; and by whoever looks after time. */
  readonly mailbox = new Mailbox();
  readonly #iterator: AsyncIterator<Buffer>;
  #isAsked = false;
  #arrived: Piece | undefined;

  constructor(body: AsyncIterable<Buffer>) {
    this.#iterator = body[Symbol.asyncIterator]();
  }

  /** Asks for the next piece, unless it was asked for. */
  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#iterator.next().then(
      ({ done, value }) => this.#arrive(done ? { kind: "end" } : { kind: "bytes", bytes: value }),
      (error: unknown) => this.#arrive({ kind: "cut", error }),
    );
  }

  take(): Piece | undefined {
    const arrived = this.#arrived;
    if (arrived === undefined) return undefined;
    this.#arrived = undefined;
    this.#isAsked = false;
    return arrived;
  }

  #arrive(piece: Piece): void {
    this.#arrived = piece;
    this.mailbox.wake();
  }
}
