// Pass answer: the upstream's bytes go to the client unchanged, paid for before they go; and every way in which that can end.
import type { AnswerReader } from "../protocols/protocol.ts";
import { Refusal } from "../refusal.ts";
import type { Exchange } from "../transports/transport.ts";
import type { Arrivals, Piece } from "./arrivals.ts";
import type { MadeThings } from "./made-things.ts";
import type { Meter } from "./meter.ts";
import { ClientGone, toClient } from "./to-client.ts";

export type PassOutcome = "ok" | "budget" | "deadline" | "client-gone" | "upstream-error" | "relay-error";

export interface PassPorts {
  now(): number;
  every(milliseconds: number, tick: () => void): () => void;
  /** Resolves when what was yielded by now is on its way to the client. */
  afterSending(): Promise<void>;
}

export interface PassOptions {
  readonly reader: AnswerReader;
  /** The rest of the upstream's bytes. */
  readonly arrivals: Arrivals;
  /** What was read of them already, and goes out first. */
  readonly first: Buffer;
  readonly exchange: Pick<Exchange, "abort">;
  /** Undefined where everything that the answer can cost is reserved, or nothing is charged. */
  readonly meter: Meter | undefined;
  readonly made: MadeThings;
  /** Whether the reader's pings go out while the upstream is silent. */
  readonly pings: boolean;
  readonly pingMilliseconds: number;
  /** The stream is ended in its own form before this moment. */
  readonly endsAt: number;
  /**
   * The client's side ends only when everything is written: for a key with few places or little money left, and
   * for an account with few slots, whose next request would find what this one holds still there. Asked at the end.
   */
  waitsForEnd(): boolean;
  /** Hears of the upstream's first bytes. */
  began(): void;
}

export interface Passed {
  readonly outcome: PassOutcome;
  /** What ended it, where it was not the upstream's own end. */
  readonly error: unknown;
}

/** A function that is ended by Lambda settles nothing: the stream's own end comes first, with time for the settlement. */
const timeToEndMilliseconds = 5000;

/** A settlement that is tried again and again shall not keep the client's end back for as long. */
const longestHeldMilliseconds = 5000;

/** How often silence and deadline are looked at. */
const tickMilliseconds = 1000;

/**
 * Yields what goes to the client. `finish` hears how it ended, once, in any case: also when the client's side stops
 * reading, and the generator is left early. It must not reject.
 */
export async function* passAnswer(
  options: PassOptions,
  ports: PassPorts,
  finish: (passed: Passed) => Promise<void>,
): AsyncGenerator<Buffer, void, undefined> {
  // Whoever leaves the generator without a word was a client that went.
  let passed: Passed = { outcome: "client-gone", error: undefined };
  const { reader, meter, made } = options;
  const watch = new Watch(options, ports);
  let next: Arrival | undefined;
  let bytes = options.first;
  try {
    for (;;) {
      const refusal = await meter?.cover(reader.outputBytes);
      if (refusal !== undefined) {
        passed = { outcome: "budget", error: refusal };
        yield* toClient(reader.ending("budget"));
        return;
      }
      const binding = made.before(reader);
      if (binding !== undefined) await binding;
      yield* toClient(bytes);
      reader.passed();
      if (next !== undefined && isOver(next)) {
        passed = ended(next, reader);
        yield* toClient(lastWords(next, passed, reader));
        return;
      }
      next = await watch.next();
      bytes = bytesOf(next, reader);
    }
  } catch (error) {
    // What was known of the end by then stands.
    if (error instanceof ClientGone) return;
    passed = { outcome: "relay-error", error };
    const refusal = new Refusal("RelayUnavailable", "The relay could not go on.", { cause: error });
    yield* toClient(reader.failure(refusal));
  } finally {
    watch.stop();
    options.exchange.abort();
    // To settle is half of a request's work: begun at once, it would keep the last bytes and the end back.
    if (options.waitsForEnd()) await forSomeTime(finish(passed), ports);
    else void ports.afterSending().then(() => finish(passed));
  }
}

/** Resolves when the work is over, or when it takes too long; it goes on then. */
async function forSomeTime(work: Promise<void>, { every }: Pick<PassPorts, "every">): Promise<void> {
  const late = Promise.withResolvers<void>();
  const stop = every(longestHeldMilliseconds, late.resolve);
  await Promise.race([work, late.promise]);
  stop();
}

type Arrival = Piece | { readonly kind: "silence" } | { readonly kind: "deadline" };

type Over = Exclude<Arrival, { kind: "bytes" | "silence" }>;

function isOver(arrival: Arrival): arrival is Over {
  return arrival.kind !== "bytes" && arrival.kind !== "silence";
}

function bytesOf(arrival: Arrival, reader: AnswerReader): Buffer {
  if (arrival.kind === "bytes") return reader.push(arrival.bytes);
  if (arrival.kind === "silence") return reader.ping();
  // The deadline's ending follows on what was passed on; what is held back is not sent any more.
  return arrival.kind === "deadline" ? Buffer.alloc(0) : reader.flush();
}

function ended(arrival: Over, reader: AnswerReader): Passed {
  if (arrival.kind === "deadline") return { outcome: "deadline", error: undefined };
  if (arrival.kind === "cut") return { outcome: "upstream-error", error: arrival.error };
  if (reader.streamedError !== undefined) return { outcome: "upstream-error", error: reader.streamedError };
  if (!reader.isComplete) return { outcome: "upstream-error", error: new Error("the answer ended before its end") };
  return { outcome: "ok", error: undefined };
}

function lastWords(arrival: Over, { outcome }: Passed, reader: AnswerReader): Buffer {
  if (outcome === "deadline") return reader.ending("deadline");
  // An upstream that told its own error has said enough; a silent end must not look like a whole answer.
  if (outcome !== "upstream-error" || reader.streamedError !== undefined) return Buffer.alloc(0);
  const why = arrival.kind === "cut" ? "broke off" : "ended before its end";
  return reader.failure(new Refusal("UpstreamFailed", `The upstream's answer ${why}.`));
}

/** Looks after silence and the deadline between the upstream's pieces. */
class Watch {
  readonly #options: PassOptions;
  readonly #ports: PassPorts;
  readonly #arrivals: Arrivals;
  readonly #stop: () => void;
  #quietSince: number;
  #hasBegun = false;

  constructor(options: PassOptions, ports: PassPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#arrivals = options.arrivals;
    this.#quietSince = ports.now();
    this.#stop = ports.every(tickMilliseconds, () => options.arrivals.mailbox.wake());
  }

  stop(): void {
    this.#stop();
  }

  async next(): Promise<Arrival> {
    for (;;) {
      this.#arrivals.ask();
      await this.#arrivals.mailbox.wait();
      const now = this.#ports.now();
      if (now >= this.#options.endsAt - timeToEndMilliseconds) return { kind: "deadline" };
      const arrived = this.#arrivals.take();
      const { pings, pingMilliseconds, began } = this.#options;
      if (arrived !== undefined) {
        this.#quietSince = now;
        if (!this.#hasBegun && arrived.kind === "bytes") began();
        this.#hasBegun ||= arrived.kind === "bytes";
        return arrived;
      }
      if (pings && now - this.#quietSince >= pingMilliseconds) {
        this.#quietSince = now;
        return { kind: "silence" };
      }
    }
  }
}
