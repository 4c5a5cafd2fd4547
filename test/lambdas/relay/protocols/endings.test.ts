// Tests of the relay's own last words and pings in a stream: the vendors' clients must read them behind every event.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AnswerReader } from "../../../../lambdas/relay/protocols/protocol.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { callFor, eventsOf, passAll, stream } from "./streams.ts";
import { type AnsweringServer, readByClients, startAnswering } from "./vendor-clients.ts";

const names = [
  "anthropic-text.sse",
  "anthropic-thinking-and-tools.sse",
  "anthropic-compatible-zeros.sse",
  "openai-chat-plain.sse",
  "openai-chat-tools-plain.sse",
  "openai-chat-two-choices-plain.sse",
  "openai-chat-azure-plain.sse",
  "openai-responses-text.sse",
  "openai-responses-tools.sse",
  "gemini-text.sse",
  "gemini-tools.sse",
];

const largest: Readonly<Record<string, RegExp>> = {
  anthropic: /^max_tokens$/,
  "openai-chat": /^(length|length,length|(stop,)+length)$/,
  "openai-responses": /^max_output_tokens$/,
  gemini: /^MAX_TOKENS$/,
};
const stopOf = (name: string) =>
  Object.entries(largest).find(([beginning]) => name.startsWith(beginning))?.[1] ?? /never/;

let server: AnsweringServer;

beforeAll(async () => {
  server = await startAnswering();
});

afterAll(() => server.close());

const readBy = (name: string, bytes: Buffer) => readByClients(server, name, bytes);

/** The events of a stream that say its end: behind them the relay cuts nothing any more. */
function endsAt(events: readonly Buffer[]): number {
  const end = events.findIndex((event) =>
    /"(stop_reason|finish_reason|finishReason)":\s*"|response.completed/.test(event.toString()),
  );
  return end < 0 ? events.length : end;
}

describe("a stream that the relay ends", () => {
  test.each(names)("is a whole answer for its clients behind every event: %s", async (name) => {
    const events = eventsOf(name);
    const end = endsAt(events);
    for (let count = 0; count <= end; count += 1) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const passed = passAll(reader, events.slice(0, count));
      const bytes = Buffer.concat([passed, reader.ending("budget")]);
      for (const outcome of await readBy(name, bytes)) {
        expect(outcome, `behind ${count} events`).toMatchObject({ stop: expect.stringMatching(stopOf(name)) });
      }
    }
  });

  test.each(names)("goes on from what was passed, not from what was held back: %s", async (name) => {
    const events = eventsOf(name);
    const end = endsAt(events);
    for (let count = 0; count < end; count += 1) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const passed = passAll(reader, events.slice(0, count));
      reader.push(Buffer.concat(events.slice(count)));
      const bytes = Buffer.concat([passed, reader.ending("budget")]);
      const twin = callFor(name);
      const other = twin.protocol.follow(twin.call);
      passAll(other, events.slice(0, count));
      const plain = Buffer.concat([passed, other.ending("budget")]);
      expect(withoutEstimates(bytes)).toBe(withoutEstimates(plain));
    }
  });

  test.each(names)("is ended once: behind its own end there is nothing to say: %s", (name) => {
    const { call, protocol } = callFor(name);
    const reader = protocol.follow(call);
    passAll(reader, [stream(name)]);
    if (!name.startsWith("gemini")) expect(reader.ending("deadline").length).toBe(0);
  });

  test("gives the usage to clients of chat that asked for it, and to no others", () => {
    const events = eventsOf("openai-chat-usage.sse").slice(0, 3);
    const ended = (extra: object) => {
      const { call, protocol } = callFor("openai-chat-usage.sse", extra);
      const reader = protocol.follow(call);
      passAll(reader, events);
      return reader.ending("budget").toString();
    };
    expect(ended({ stream_options: { include_usage: true } })).toMatch(/"choices":\[\],"usage":\{"prompt_tokens":\d+/);
    expect(ended({})).not.toContain("usage");
  });

  test("closes a JSON array behind any element, so that it parses", () => {
    const bytes = stream("gemini-text.array");
    for (let at = 0; at <= bytes.length; at += 7) {
      const { call, protocol } = callFor("gemini-text.array");
      const reader = protocol.follow(call);
      const passed = reader.push(bytes.subarray(0, at));
      reader.passed();
      const ended = JSON.parse(Buffer.concat([passed, reader.ending("budget")]).toString());
      expect(ended.at(-1).candidates[0].finishReason).toBe("MAX_TOKENS");
      const failed = JSON.parse(Buffer.concat([passed, failureOf(reader)]).toString());
      expect(failed.at(-1).error.status).toBe("UNAVAILABLE");
    }
  });
});

describe("a stream that fails", () => {
  test.each(names)("throws in its clients behind every event: %s", async (name) => {
    const events = eventsOf(name);
    for (let count = 0; count < events.length - 1; count += 1) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const bytes = Buffer.concat([passAll(reader, events.slice(0, count)), failureOf(reader)]);
      for (const outcome of await readBy(name, bytes)) {
        expect(outcome.error?.message, `behind ${count} events`).toContain("The upstream's answer broke off.");
      }
    }
  });

  test.each(names)("throws also where the upstream was cut inside an event: %s", async (name) => {
    const bytes = stream(name);
    for (const at of [0.2, 0.4, 0.6].map((share) => Math.floor(bytes.length * share))) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const passed = passAll(reader, [bytes.subarray(0, at)]);
      for (const outcome of await readBy(name, Buffer.concat([passed, failureOf(reader)]))) {
        expect(outcome.error?.message, `cut at ${at}`).toContain("The upstream's answer broke off.");
      }
    }
  });
});

describe("pings", () => {
  test.each(names)("between all events change nothing for the clients: %s", async (name) => {
    const events = eventsOf(name);
    const { call, protocol } = callFor(name);
    const reader = protocol.follow(call);
    const passed = events.flatMap((event) => {
      const pings = [reader.ping(), reader.ping()];
      const bytes = reader.push(event);
      reader.passed();
      return [...pings, bytes];
    });
    const plain = await readBy(name, stream(name));
    expect(await readBy(name, Buffer.concat([...passed, reader.flush()]))).toEqual(plain);
    expect(plain.every(({ error }) => error === undefined)).toBe(true);
  });

  test.each(names)("do not harm the relay's own last words: %s", async (name) => {
    const events = eventsOf(name);
    for (const isEnding of [true, false]) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const passed = [passAll(reader, events.slice(0, 2)), reader.ping(), reader.ping()];
      reader.push(Buffer.concat(events.slice(2)));
      const last = isEnding ? reader.ending("deadline") : failureOf(reader);
      for (const outcome of await readBy(name, Buffer.concat([...passed, last]))) {
        if (isEnding) expect(outcome.stop).toMatch(stopOf(name));
        else expect(outcome.error?.message).toContain("The upstream's answer broke off.");
      }
    }
  });

  test("stand at places where the Go and Python clients of Gemini bear them: never a comment, never a line of their own", () => {
    const { call, protocol } = callFor("gemini-text.sse");
    const reader = protocol.follow(call);
    const passed = eventsOf("gemini-text.sse").map((event) => {
      const pings = [reader.ping(), reader.ping()];
      const bytes = Buffer.concat([...pings, reader.push(event)]);
      reader.passed();
      return bytes.toString();
    });
    for (const event of passed.filter((one) => one !== "")) {
      expect(event).toMatch(/^data: +\{.*\}\r\n\r\n$/);
      expect(JSON.parse(event.slice("data:".length))).toHaveProperty("candidates");
    }
  });

  test.each(["openai-chat-plain.sse", "openai-responses-text.sse"])(
    "are no blank lines where events have ids, for the Python SDK of OpenAI fails at them: %s",
    async (name) => {
      for (const id of ["id: 7\n", "id:\n"]) {
        const events = eventsOf(name).map((event) => Buffer.concat([Buffer.from(id), event]));
        const { call, protocol } = callFor(name);
        const reader = protocol.follow(call);
        expect(passAll(reader, [Buffer.from(": PROCESSING\n\n")]).length).toBeGreaterThan(0);
        const passed = events.map((event) => {
          const bytes = Buffer.concat([reader.push(event), reader.ping(), reader.ping()]);
          reader.passed();
          return bytes;
        });
        const bytes = Buffer.concat(passed);
        expect(bytes.toString().split("\n\n")).toHaveLength(events.length + 1);
        expect(bytes.toString()).toContain("\n\n: ping\n: ping\nid");
        expect(await readBy(name, bytes)).toEqual(await readBy(name, stream(name)));
      }
    },
  );

  test("are not sent in the middle of an event that is too large to be read", () => {
    const { call, protocol } = callFor("anthropic-text.sse");
    const reader = protocol.follow(call);
    reader.push(Buffer.concat([Buffer.from("data: "), Buffer.alloc(17 * 1024 * 1024, "x")]));
    expect(reader.ping().length).toBe(0);
    expect(reader.ending("budget").toString()).toMatch(/^\n\nevent: /);
    reader.push(Buffer.from("\n\n"));
    expect(reader.ping().length).toBeGreaterThan(0);
  });

  test("keep a JSON array JSON", () => {
    const bytes = stream("gemini-text.array");
    const { call, protocol } = callFor("gemini-text.array");
    const reader = protocol.follow(call);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 100)
      pieces.push(reader.ping(), reader.push(bytes.subarray(at, at + 100)));
    expect(JSON.parse(Buffer.concat([...pieces, reader.flush()]).toString())).toEqual(JSON.parse(bytes.toString()));
  });
});

function failureOf(reader: AnswerReader): Buffer {
  return reader.failure(new Refusal("UpstreamFailed", "The upstream's answer broke off."));
}

/** Estimates of usage count what was seen, passed or not. */
function withoutEstimates(bytes: Buffer): string {
  return bytes
    .toString()
    .replace(/"(output|completion|total)_tokens":\d+/g, "")
    .replace(/"usageMetadata":\{.*?\},|,"responseId":"\w+"/g, "");
}
