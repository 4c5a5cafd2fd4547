// To the client: bytes on their way out, and bodies whose end is told even where nobody reads them, or reads on.
import { Readable } from "node:stream";
import type { Served, ServingPorts } from "./ports.ts";

/** The client's side broke off while bytes were out: no fault of the relay's, nor of the upstream's. */
export class ClientGone extends Error {
  override readonly name = "ClientGone";
}

/** Throws `ClientGone` where whoever reads throws into the generator. */
export function* toClient(bytes: Buffer): Generator<Buffer> {
  if (bytes.length === 0) return;
  try {
    yield bytes;
  } catch (cause) {
    throw new ClientGone("the client's side broke off", { cause });
  }
}

/**
 * A generator that is left before it was begun runs none of its own endings, and what it should have settled would stay
 * open until the invocation is over: `leave` is called instead.
 */
export class EndedAlways implements AsyncIterableIterator<Buffer> {
  readonly #body: AsyncGenerator<Buffer, void, undefined>;
  readonly #leave: () => Promise<void>;
  #isBegun = false;

  constructor(body: AsyncGenerator<Buffer, void, undefined>, leave: () => Promise<void>) {
    this.#body = body;
    this.#leave = leave;
  }

  next(): Promise<IteratorResult<Buffer, void>> {
    this.#isBegun = true;
    return this.#body.next();
  }

  async return(): Promise<IteratorResult<Buffer, void>> {
    await this.#leaveUnread();
    return this.#body.return();
  }

  async throw(error: unknown): Promise<IteratorResult<Buffer, void>> {
    if (this.#isBegun) return this.#body.throw(error);
    return this.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #leaveUnread(): Promise<void> {
    if (this.#isBegun) return;
    this.#isBegun = true;
    await this.#leave();
  }
}

/** Later than the stream's own end at the deadline, which a client that reads has by then; with time left to settle. */
const timeToSettleMilliseconds = 3000;
const tickMilliseconds = 1000;

/**
 * The body as the runtime sends it. A client that reads no more keeps its answer from coming to any end; shortly before the
 * invocation is over it is given up, so that it is charged what it had, and not all that was reserved.
 */
export function outgoing(
  { body }: Pick<Served, "body">,
  endsAt: number,
  { now, every }: Pick<ServingPorts, "now" | "every">,
): Readable {
  const sending = Readable.from(body);
  if (typeof body === "string" || Buffer.isBuffer(body)) return sending;
  const stop = every(tickMilliseconds, () => {
    if (now() >= endsAt - timeToSettleMilliseconds) sending.destroy();
  });
  return sending.once("close", stop);
}
