// Pass answer: the upstream's bytes go to the client unchanged, paid for before they go; and every way in which that can end.
import type { AnswerReader } from "../protocols/protocol.ts";
import { Refusal } from "../refusal.ts";
import type { Exchange } from "../transports/transport.ts";
import { Mailbox } from "./mailbox.ts";
import type { Meter } from "./meter.ts";

export type PassOutcome = "ok" | "budget" | "deadline" | "client-gone" | "upstream-error" | "relay-error";

export interface PassPorts {
  now(): number;
  every(milliseconds: number, tick: () => void): () => void;
}

export interface PassOptions {
  readonly reader: AnswerReader;
  readonly exchange: Exchange;
  /** Undefined where everything that the answer can cost is reserved, or nothing is charged. */
  readonly meter: Meter | undefined;
  /** Whether the reader's pings go out while the upstream is silent. */
  readonly pings: boolean;
  readonly pingMilliseconds: number;
  /** The stream is ended in its own form before this moment. */
  readonly endsAt: number;
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

/** How often silence and deadline are looked at. */
const tickMilliseconds = 1000;

/**
 * Yields what goes to the client. `finish` hears how it ended, once, in any case: also when the client's side stops
 * reading, and the generator is left early. It is waited for before the generator ends.
 */
export async function* passAnswer(
  options: PassOptions,
  ports: PassPorts,
  finish: (passed: Passed) => Promise<void>,
): AsyncGenerator<Buffer, void, undefined> {
  // Whoever leaves the generator without a word was a client that went.
  let passed: Passed = { outcome: "client-gone", error: undefined };
  const arrivals = new Arrivals(options.exchange.body);
  const watch = new Watch(options, ports, arrivals);
  try {
    for (;;) {
      const arrival = await watch.next();
      if (arrival.kind === "silence") {
        yield* some(options.reader.ping());
        continue;
      }
      if (arrival.kind === "bytes") {
        const bytes = options.reader.push(arrival.bytes);
        const refusal = await options.meter?.cover(options.reader.outputBytes);
        if (refusal !== undefined) {
          passed = { outcome: "budget", error: refusal };
          yield* some(options.reader.ending("budget"));
          return;
        }
        yield* some(bytes);
        options.reader.passed();
        continue;
      }
      passed = ended(arrival, options.reader);
      yield* some(lastWords(arrival, passed, options.reader));
      return;
    }
  } catch (error) {
    passed = { outcome: "relay-error", error };
    yield* some(
      options.reader.failure(new Refusal("RelayUnavailable", "The relay could not go on.", { cause: error })),
    );
  } finally {
    watch.stop();
    options.exchange.abort();
    await finish(passed);
  }
}

type Arrival =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "silence" }
  | { readonly kind: "end" }
  | { readonly kind: "deadline" }
  | { readonly kind: "cut"; readonly error: unknown };

function ended(arrival: Exclude<Arrival, { kind: "bytes" | "silence" }>, reader: AnswerReader): Passed {
  if (arrival.kind === "deadline") return { outcome: "deadline", error: undefined };
  if (arrival.kind === "cut") return { outcome: "upstream-error", error: arrival.error };
  if (reader.streamedError !== undefined) return { outcome: "upstream-error", error: reader.streamedError };
  if (!reader.isComplete) return { outcome: "upstream-error", error: new Error("the answer ended before its end") };
  return { outcome: "ok", error: undefined };
}

function lastWords(arrival: Arrival, { outcome }: Passed, reader: AnswerReader): Buffer {
  if (outcome === "deadline") return reader.ending("deadline");
  const rest = reader.flush();
  // An upstream that told its own error has said enough; a silent end must not look like a whole answer.
  if (outcome !== "upstream-error" || reader.streamedError !== undefined) return rest;
  const why = arrival.kind === "cut" ? "broke off" : "ended before its end";
  return Buffer.concat([rest, reader.failure(new Refusal("UpstreamFailed", `The upstream's answer ${why}.`))]);
}

function* some(bytes: Buffer): Generator<Buffer> {
  if (bytes.length > 0) yield bytes;
}

/** The upstream's body, one piece asked for at a time: a slow client slows the upstream. */
class Arrivals {
  readonly mailbox = new Mailbox();
  readonly #iterator: AsyncIterator<Buffer>;
  #isAsked = false;
  #arrived: Arrival | undefined;

  constructor(body: AsyncIterable<Buffer>) {
    this.#iterator = body[Symbol.asyncIterator]();
  }

  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    this.#iterator.next().then(
      ({ done, value }) => this.#arrive(done ? { kind: "end" } : { kind: "bytes", bytes: value }),
      (error: unknown) => this.#arrive({ kind: "cut", error }),
    );
  }

  take(): Arrival | undefined {
    const arrived = this.#arrived;
    if (arrived === undefined) return undefined;
    this.#arrived = undefined;
    this.#isAsked = false;
    return arrived;
  }

  #arrive(arrival: Arrival): void {
    this.#arrived = arrival;
    this.mailbox.wake();
  }
}

/** Looks after silence and the deadline between the upstream's pieces. */
class Watch {
  readonly #options: PassOptions;
  readonly #ports: PassPorts;
  readonly #arrivals: Arrivals;
  readonly #stop: () => void;
  #quietSince: number;
  #hasBegun = false;

  constructor(options: PassOptions, ports: PassPorts, arrivals: Arrivals) {
    this.#options = options;
    this.#ports = ports;
    this.#arrivals = arrivals;
    this.#quietSince = ports.now();
    this.#stop = ports.every(tickMilliseconds, () => arrivals.mailbox.wake());
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
