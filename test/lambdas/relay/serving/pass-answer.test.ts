// Passing an answer on: bytes unchanged, paid for first, and every way in which it can end is told once.
import { describe, expect, it, vi } from "vitest";
import type { AnswerReader } from "../../../../lambdas/relay/protocols/protocol.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { Arrivals } from "../../../../lambdas/relay/serving/arrivals.ts";
import { MadeThings } from "../../../../lambdas/relay/serving/made-things.ts";
import type { Meter } from "../../../../lambdas/relay/serving/meter.ts";
import { type Passed, type PassOptions, passAnswer } from "../../../../lambdas/relay/serving/pass-answer.ts";
import { TransportError } from "../../../../lambdas/relay/transports/transport.ts";

/** Words are events; `END` is the protocol's own end. */
function wordReader(): AnswerReader {
  const state = { outputBytes: 0, shown: 0, isComplete: false, error: undefined as AnswerReader["streamedError"] };
  return {
    push: (bytes) => {
      state.outputBytes += bytes.length;
      if (bytes.toString().includes("END")) state.isComplete = true;
      if (bytes.toString().includes("ERROR")) state.error = { type: "overloaded", message: "" };
      return bytes;
    },
    passed: () => {
      state.shown = state.outputBytes;
    },
    flush: () => Buffer.from(""),
    get outputBytes() {
      return state.outputBytes;
    },
    usage: undefined,
    inputUsage: undefined,
    servedModel: undefined,
    get isComplete() {
      return state.isComplete;
    },
    get streamedError() {
      return state.error;
    },
    madeIds: [],
    ping: () => Buffer.from("<ping>"),
    ending: (reason) => Buffer.from(`<${reason} after ${state.shown}>`),
    failure: (refusal) => Buffer.from(`<${refusal.name}>`),
  };
}

async function* pieces(...words: readonly (string | Error | Promise<void>)[]): AsyncGenerator<Buffer> {
  for (const word of words) {
    if (word instanceof Error) throw word;
    if (word instanceof Promise) await word;
    else yield Buffer.from(word);
  }
}

function stage(
  body: AsyncIterable<Buffer>,
  more: Partial<PassOptions> = {},
  sent: Promise<void> = Promise.resolve(),
  settled: Promise<void> = Promise.resolve(),
) {
  const abort = vi.fn();
  const finished: Passed[] = [];
  let now = 0;
  const ticks = new Set<() => void>();
  const options: PassOptions = {
    reader: wordReader(),
    arrivals: new Arrivals(body),
    first: Buffer.alloc(0),
    exchange: { abort },
    meter: undefined,
    made: new MadeThings(async () => undefined),
    pings: true,
    waitsForEnd: () => true,
    began: () => {},
    pingMilliseconds: 10_000,
    endsAt: 900_000,
    ...more,
  };
  const ports = {
    now: () => now,
    afterSending: () => sent,
    every: (_milliseconds: number, tick: () => void) => {
      ticks.add(tick);
      return () => ticks.delete(tick);
    },
  };
  const passing = passAnswer(options, ports, async (passed) => {
    finished.push(passed);
    await settled;
  });
  const pass = (milliseconds: number) => {
    now += milliseconds;
    for (const tick of ticks) tick();
  };
  return { passing, finished, abort, pass, ticks };
}

async function textOf(passing: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of passing) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

const meterThat = (cover: Meter["cover"]) => ({ cover }) as unknown as Meter;

describe("an answer", () => {
  it("goes on unchanged, and its end is told before the client has it", async () => {
    const { passing, finished, abort, ticks } = stage(pieces("one ", "two ", "END"));
    expect(await textOf(passing)).toBe("one two END");
    expect(finished).toEqual([{ outcome: "ok", error: undefined }]);
    expect(abort).toHaveBeenCalled();
    expect(ticks.size).toBe(0);
  });

  it("that waits for its end waits for some time alone, however long it takes to settle", async () => {
    const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
    const { passing, finished, pass, ticks } = stage(pieces("END"), {}, Promise.resolve(), settled);
    const text = textOf(passing);
    await vi.waitFor(() => expect(finished).toHaveLength(1));
    expect(ticks.size).toBe(1);
    pass(5000);
    expect(await text).toBe("END");
    expect([finished.length, ticks.size]).toEqual([1, 0]);
    settle();
  });

  it("that need not wait for its end is sent whole before its end is told", async () => {
    const { promise: sent, resolve: send } = Promise.withResolvers<void>();
    const { passing, finished } = stage(pieces("one ", "END"), { waitsForEnd: () => false }, sent);
    expect(await textOf(passing)).toBe("one END");
    expect(finished).toEqual([]);
    send();
    await vi.waitFor(() => expect(finished).toEqual([{ outcome: "ok", error: undefined }]));
  });

  it("is held at its end until what it made is bound, so that the client may come back with it at once", async () => {
    const { promise: bound, resolve: bind } = Promise.withResolvers<void>();
    const asked: string[][] = [];
    const made = new MadeThings((ids) => {
      asked.push([...ids]);
      return bound;
    });
    const words = wordReader();
    const reader = new Proxy(words, {
      get: (of, name) => (name === "madeIds" ? ["resp_1"] : Reflect.get(of, name)),
    });
    const { passing } = stage(pieces("one ", "END"), { made, reader });
    const read: string[] = [];
    const reading = (async () => {
      for await (const piece of passing) read.push(piece.toString());
    })();
    await vi.waitFor(() => expect(read).toEqual(["one "]));
    expect(asked).toEqual([["resp_1"]]);
    bind();
    await reading;
    expect(read.join("")).toBe("one END");
  });

  it("ends in its own form where the next bytes are not covered, and from what the client has seen", async () => {
    const refusal = new Refusal("BudgetReached", "no more");
    const cover = vi.fn(async (bytes: number) => (bytes > 8 ? refusal : undefined));
    const { passing, finished, abort } = stage(pieces("one ", "two ", "three ", "END"), { meter: meterThat(cover) });
    expect(await textOf(passing)).toBe("one two <budget after 8>");
    expect(finished).toEqual([{ outcome: "budget", error: refusal }]);
    expect(abort).toHaveBeenCalled();
  });

  it("waits with its bytes while the next slice is asked for", async () => {
    let allow = () => {};
    const asked = new Promise<undefined>((resolve) => {
      allow = () => resolve(undefined);
    });
    const { passing } = stage(pieces("one ", "END"), { meter: meterThat(() => asked) });
    const first = passing.next();
    const early = await Promise.race([first.then(() => "passed"), Promise.resolve("waits")]);
    expect(early).toBe("waits");
    allow();
    expect((await first).value?.toString()).toBe("one ");
  });

  it.each([
    ["breaks off", pieces("one ", new TransportError("cut", "gone", true)), "one <UpstreamFailed>"],
    ["ends too early in good order", pieces("one "), "one <UpstreamFailed>"],
    ["tells an error of its own", pieces("one ", "ERROR"), "one ERROR"],
  ])("that %s is an error of the upstream's, and the client is told", async (_, body, expected) => {
    const { passing, finished } = stage(body);
    expect(await textOf(passing)).toBe(expected);
    expect(finished.map(({ outcome }) => outcome)).toEqual(["upstream-error"]);
  });

  it("ends in its own form five seconds before the function does, however silent it is", async () => {
    const never = new Promise<void>(() => {});
    const { passing, finished, pass } = stage(pieces("one ", never), { endsAt: 60_000, pings: false });
    expect((await passing.next()).value?.toString()).toBe("one ");
    const next = passing.next();
    pass(54_000);
    pass(1_000);
    expect((await next).value?.toString()).toBe("<deadline after 4>");
    expect((await passing.next()).done).toBe(true);
    expect(finished[0]?.outcome).toBe("deadline");
  });

  it("is kept alive by pings while it is silent, and only then", async () => {
    let speak = () => {};
    const silence = new Promise<void>((resolve) => {
      speak = resolve;
    });
    const { passing, pass } = stage(pieces("one ", silence, "END"));
    await passing.next();
    const next = passing.next();
    pass(9_000);
    pass(1_000);
    expect((await next).value?.toString()).toBe("<ping>");
    const after = passing.next();
    pass(9_000);
    speak();
    expect((await after).value?.toString()).toBe("END");
  });

  it("that the client leaves is given up upstream and told, once", async () => {
    const { passing, finished, abort, ticks } = stage(pieces("one ", "two ", "END"));
    await passing.next();
    await passing.return();
    await passing.return();
    expect(finished).toEqual([{ outcome: "client-gone", error: undefined }]);
    expect([abort.mock.calls.length, ticks.size]).toEqual([1, 0]);
  });

  it("that the ledger cannot pay for is an error of the relay's", async () => {
    const error = new Error("DynamoDB is away");
    const { passing, finished } = stage(pieces("one ", "END"), { meter: meterThat(() => Promise.reject(error)) });
    expect(await textOf(passing)).toBe("<RelayUnavailable>");
    expect(finished).toEqual([{ outcome: "relay-error", error }]);
  });
});
