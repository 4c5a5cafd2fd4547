// What the upstream does to an answer on the wire: pieces, encodings, waits, ends before the end; and clients that leave.
import zlib from "node:zlib";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Behaviour, Encoding } from "../../../local/ai-upstream/behaviour.ts";
import { expectedAnswer } from "../../../local/ai-upstream/read-call.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { eventsIn, post, startUpstreamRig, type UpstreamRig } from "./upstream-rig.ts";

let rig: UpstreamRig;
const clock = new Clock();
beforeAll(async () => {
  rig = await startUpstreamRig({ clock });
});
afterEach(() => rig.upstream.clear());
afterAll(async () => {
  await rig.upstream.close();
  clock.close();
});

const asked = { model: "claude-sonnet-5-5", max_tokens: 1000, messages: [] };
const calls = {
  message: () => rig.post("anthropic", "/v1/messages", asked),
  stream: () => rig.post("anthropic", "/v1/messages", { ...asked, stream: true }),
  chat: () => rig.post("openai", "/v1/chat/completions", { model: "gpt-5", messages: [], stream: true }),
  response: () => rig.post("openai", "/v1/responses", { model: "gpt-5", input: "", stream: true }),
  sse: () => rig.post("gemini", "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse", { contents: [] }),
  array: () => rig.post("gemini", "/v1beta/models/gemini-2.5-pro:streamGenerateContent", { contents: [] }),
};
type CallName = keyof typeof calls;
const names = Object.keys(calls) as CallName[];
const isStream = (name: CallName) => name !== "message";

const decoders: Record<Encoding, (bytes: Buffer) => Buffer> = {
  gzip: zlib.gunzipSync,
  deflate: zlib.inflateSync,
  br: zlib.brotliDecompressSync,
  zstd: zlib.zstdDecompressSync,
};

async function send(name: CallName, behaviour: Behaviour) {
  rig.upstream.script({ times: 1 }, behaviour);
  const received = await calls[name]();
  const request = rig.upstream.requests.at(-1);
  if (!request) throw new Error("nothing arrived");
  return { received, request, expected: request.answer() };
}

/** Ends of the pieces, the last one left out. */
function cutsOf(pieces: readonly Buffer[]): number[] {
  let at = 0;
  return pieces.slice(0, -1).map((piece) => (at += piece.length));
}

describe("what is sent is what the record says, byte for byte", () => {
  test("in pieces of any size, at any places, in any form", async () => {
    const split = fc.oneof(
      fc.record({ everyBytes: fc.integer({ min: 1, max: 300 }) }),
      fc.record({ atBytes: fc.array(fc.integer({ min: 1, max: 1500 }), { maxLength: 6 }) }),
    );
    const behaviours = fc.record(
      {
        text: fc.string({ unit: "grapheme", minLength: 1 }),
        split,
        comments: fc.boolean(),
        unknownEvents: fc.boolean(),
        unknownFields: fc.boolean(),
      },
      { requiredKeys: ["split"] },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), behaviours, async (name, behaviour) => {
        const { received, request, expected } = await send(name, behaviour);
        expect(received.isWhole).toBe(true);
        expect(received.body).toEqual(expected.body);
        await rig.upstream.until(() => request.state === "done");
        expect(request.sentBytes).toBe(expected.body.length);
        const places =
          "everyBytes" in behaviour.split
            ? multiples(behaviour.split.everyBytes, expected.body.length)
            : behaviour.split.atBytes;
        const inside = places.filter((at) => at < expected.body.length);
        expect(cutsOf(received.pieces)).toEqual(expect.arrayContaining(inside));
      }),
      { numRuns: 60 },
    );
  });

  test.each(names)("with nothing scripted, event by event: %s", async (name) => {
    const { received, expected } = await send(name, {});
    expect(received.body).toEqual(expected.body);
    expect(received.headers).toMatchObject(expected.headers["set-cookie"] ? {} : expected.headers);
    if (isStream(name))
      expect(cutsOf(received.pieces)).toEqual(
        expect.arrayContaining(expected.pieces.slice(0, -1).map(({ end }) => end)),
      );
  });

  test.each(["gzip", "deflate", "br", "zstd"] as const)("as %s, each event readable when it came", async (encoding) => {
    for (const name of ["message", "stream", "array"] as const) {
      const { received, expected } = await send(name, { encoding, headers: { "x-extra": "yes" } });
      expect(received.headers).toMatchObject({ "content-encoding": encoding, "x-extra": "yes" });
      expect(decoders[encoding](received.body)).toEqual(expected.body);
    }
    const { received, expected } = await send("stream", { encoding, split: { everyBytes: 1 } });
    expect(received.pieces.every(({ length }) => length === 1)).toBe(true);
    expect(decoders[encoding](received.body)).toEqual(expected.body);
  });

  test("which a test can also have without asking", async () => {
    const behaviour = { id: "fixed", thinkingTokens: 5, unknownEvents: true };
    for (const name of names) {
      const { received, request } = await send(name, behaviour);
      const { method, path, headers, body, query } = request;
      const url = query === "" ? path : `${path}?${query}`;
      const expected = expectedAnswer({ method, url, headers, body }, behaviour, Date.parse(request.at));
      expect(received).toMatchObject({ status: expected.status, body: expected.body });
    }
  });

  test("with bytes that the script gives", async () => {
    const body = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
    const { received } = await send("chat", { body, status: 418, headers: { "content-type": "application/x-odd" } });
    expect(received).toMatchObject({ status: 418, body, headers: { "content-type": "application/x-odd" } });
    const refused = await send("message", { error: { status: 529 }, body: "<html>Overloaded</html>" });
    expect(refused.received).toMatchObject({ status: 529 });
    expect(refused.received.body.toString()).toBe("<html>Overloaded</html>");
  });

  test("with comments, and with events and fields that nobody knows", async () => {
    const { received } = await send("stream", { comments: true, unknownEvents: true, unknownFields: true });
    const events = eventsIn(received.body);
    expect(events.filter(({ type }) => type === "future_event")).toHaveLength(2);
    expect(events.every(({ x_future_field: field }) => field !== undefined)).toBe(true);
    expect(received.body.toString().match(/^: keep-alive$/gm)).toHaveLength(events.length);
    expect(JSON.parse((await send("message", { unknownFields: true })).received.body.toString())).toHaveProperty(
      "x_future_field",
    );
  });

  test("without usage, or with a usage that lies", async () => {
    for (const name of names) {
      const { received } = await send(name, { usage: "missing" });
      expect(received.body.toString()).not.toMatch(/"usage(Metadata)?": ?\{/);
    }
    const { received: honest } = await send("message", {});
    const { received: lying } = await send("message", { usageFactor: 3, usage: { outputTokens: 5000 } });
    const usageIn = (body: Buffer) => JSON.parse(body.toString()).usage as Record<string, number>;
    expect(usageIn(lying.body)).toMatchObject({
      input_tokens: (usageIn(honest.body).input_tokens ?? 0) * 3,
      output_tokens: 15_000,
    });
  });
});

describe("an answer that ends before its end", () => {
  test.each(["reset", "close"] as const)("in a %s after events or bytes is not whole", async (how) => {
    const byEvents = await send("stream", { end: { afterEvents: 2, how } });
    const second = byEvents.expected.pieces[1]?.end;
    expect(byEvents.received.isWhole).toBe(false);
    expect(byEvents.received.body).toEqual(byEvents.expected.body.subarray(0, second));
    expect(byEvents.request).toMatchObject({ state: "cut", sentBytes: second });
    for (const name of ["message", "array"] as const) {
      const byBytes = await send(name, { end: { afterBytes: 10, how } });
      expect(byBytes.received).toMatchObject({ isWhole: false, body: byBytes.expected.body.subarray(0, 10) });
    }
    await expect(send("message", { end: { beforeHeaders: true, how } })).rejects.toThrow();
  });

  test("cleanly looks like all there is", async () => {
    const byEvents = await send("chat", { end: { afterEvents: 3, how: "clean" } });
    expect(byEvents.received).toMatchObject({
      isWhole: true,
      body: byEvents.expected.body.subarray(0, byEvents.expected.pieces[2]?.end),
    });
    const byBytes = await send("message", { end: { afterBytes: 5, how: "clean" } });
    expect(byBytes.received.isWhole).toBe(true);
    expect(byBytes.received.body.toString()).toBe('{"mod');
    const zipped = await send("stream", { encoding: "gzip", end: { afterEvents: 1, how: "clean" } });
    expect(decoders.gzip(zipped.received.body)).toEqual(
      zipped.expected.body.subarray(0, zipped.expected.pieces[0]?.end),
    );
    const past = await send("stream", { end: { afterEvents: 99, how: "clean" } });
    expect(past.received.body).toEqual(past.expected.body);
  });
});

describe("waits are in the clock's time", () => {
  /** Moves the clock until the promise settles. */
  async function fastForward<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    while (!isSettled) {
      clock.advance(60_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return settled;
  }

  test("before the headers, between events, and in a silence with the vendor's pings", async () => {
    const hour = 3_600_000;
    const from = clock.now();
    const slow = { beforeHeadersMilliseconds: hour, betweenEventsMilliseconds: hour };
    expect((await fastForward(calls.message())).status).toBe(200);
    const { expected } = await fastForward(send("chat", slow));
    expect(clock.now() - from).toBeGreaterThanOrEqual(hour * expected.pieces.length);

    const silence = { afterEvents: 2, milliseconds: hour, pingEveryMilliseconds: hour / 4 };
    const pings = {
      stream: /event: ping\ndata: \{"type":"ping"\}\n\n/g,
      chat: /^: ping\n\n/gm,
      response: /^: ping\n\n/gm,
      sse: /^: ping\n\n/gm,
    };
    for (const name of ["stream", "chat", "response", "sse"] as const) {
      const quiet = await fastForward(send(name, { silence }));
      expect(quiet.received.body).toEqual(quiet.expected.body);
      expect(quiet.received.body.toString().match(pings[name])).toHaveLength(name === "stream" ? 4 : 3);
    }
    const array = await fastForward(send("array", { silence: { afterEvents: 99, milliseconds: hour } }));
    expect(array.received.body).toEqual(array.expected.body);
  });

  test("or until the test says so", async () => {
    const { promise: until, resolve } = Promise.withResolvers<void>();
    rig.upstream.script({}, { hold: { until } });
    const waiting = calls.message();
    await rig.upstream.until(([request]) => request?.state === "answering");
    resolve();
    expect((await waiting).status).toBe(200);
    const second = Promise.withResolvers<void>();
    rig.upstream.clear();
    rig.upstream.script({}, { hold: { afterEvents: 2, until: second.promise } });
    const streaming = calls.stream();
    const held = () => rig.upstream.requests[0];
    await rig.upstream.until(() => held()?.sentBytes === held()?.answer().pieces[1]?.end && held() !== undefined);
    second.reject(new Error("however it settles"));
    expect((await streaming).body).toEqual(held()?.answer().body);
  });
});

test("a client that leaves is noted, and nothing more is sent to it", async () => {
  const { promise: until } = Promise.withResolvers<void>();
  rig.upstream.script({}, { hold: { afterEvents: 1, until } });
  const headers = { "x-api-key": rig.keys.anthropic, "anthropic-version": "2023-06-01" };
  const url = `${rig.upstream.url}/v1/messages`;
  await post(url, { ...asked, stream: true }, headers, (request) => request.destroy());
  await rig.upstream.until(([request]) => request?.state === "aborted");
  const [left] = rig.upstream.requests;
  expect(left?.abortedAt).toMatch(/^\d{4}-/);
  expect(left?.sentBytes).toBe(left?.answer().pieces[0]?.end);
});

test("long output comes in as many events as asked for, however long it is", async () => {
  rig.upstream.script({}, { outputTokens: 200_000, events: 500 });
  const asking = { ...asked, max_tokens: 200_000, stream: true };
  const { body } = await rig.post("anthropic", "/v1/messages", asking);
  const deltas = eventsIn(body).filter(({ type }) => type === "content_block_delta");
  expect(deltas).toHaveLength(500);
  expect(eventsIn(body).at(-2)).toMatchObject({ usage: { output_tokens: 200_000 } });
});

function multiples(every: number, most: number): number[] {
  return Array.from({ length: Math.floor((most - 1) / every) }, (_, index) => (index + 1) * every);
}
