// Tests of streams that their upstream ends with an error: told in a form that the clients read, and once.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { callFor, eventsOf, passAll } from "./streams.ts";
import { type AnsweringServer, readByClients, startAnswering } from "./vendor-clients.ts";

let server: AnsweringServer;

beforeAll(async () => {
  server = await startAnswering();
});

afterAll(() => server.close());

describe("a stream that its upstream ends with an error's JSON, which is no event", () => {
  const shed = (status: string, message: string) =>
    Buffer.from(JSON.stringify({ error: { code: 503, message, status } }, undefined, 2));

  test("tells the error as an event", async () => {
    for (const pings of [0, 2]) {
      const { call, protocol } = callFor("gemini-text.sse");
      const reader = protocol.follow(call);
      const passed = eventsOf("gemini-text.sse")
        .slice(0, 2)
        .map((event) => {
          const bytes = reader.push(event);
          reader.passed();
          return bytes;
        });
      for (let ping = 0; ping < pings; ping += 1) passed.push(reader.ping());
      const held = reader.push(shed("UNAVAILABLE", "High demand."));
      const bytes = Buffer.concat([...passed, held, reader.flush()]);
      expect(bytes.toString()).toMatch(/\ndata: +\{"error":\{"code":503,"message":"High demand.",[^\n]*\}\n\n$/);
      expect(reader.streamedError).toEqual({ type: "UNAVAILABLE", message: "High demand." });
      for (const outcome of await readByClients(server, "gemini-text.sse", bytes)) {
        expect(outcome.error?.message).toContain("High demand.");
      }
    }
  });

  test("tells it in the relay's words where it is about the account", () => {
    const { call, protocol } = callFor("gemini-text.sse");
    const reader = protocol.follow(call);
    const bytes = passAll(reader, [
      ...eventsOf("gemini-text.sse").slice(0, 2),
      shed("PERMISSION_DENIED", "project 12"),
    ]);
    expect(bytes.toString()).toContain("The upstream broke the answer off.");
    expect(bytes.toString()).not.toContain("project 12");
  });
});

describe("a stream of responses that its upstream ends with an error", () => {
  const name = "openai-responses-text.sse";
  const error = { type: "error", code: "server_is_overloaded", message: "Too much.", param: null, sequence_number: 40 };
  const told = Buffer.from(`event: error\ndata: ${JSON.stringify(error)}\n\n`);
  const endsOf = (bytes: Buffer) => [...bytes.toString().matchAll(/event: (response\.failed)\ndata: (.*)\n\n/g)];

  test("alone, tells it once more as Codex reads it", () => {
    for (const count of [0, 2, 4]) {
      const { call, protocol } = callFor(name);
      const reader = protocol.follow(call);
      const events = eventsOf(name).slice(0, count);
      const passed = passAll(reader, [...events, told]);
      expect(passed.subarray(0, -1).toString()).toContain(Buffer.concat([...events, told]).toString());
      const [[, , data = ""] = [], ...others] = endsOf(passed);
      const { code, message } = error;
      expect(JSON.parse(data)).toMatchObject({
        type: "response.failed",
        sequence_number: 41,
        response: { status: "failed", error: { code, message }, output: [] },
      });
      expect([others, reader.streamedError]).toEqual([[], { type: code, message }]);
    }
  });

  test("and a failed response, or one that the relay words itself, tells no more", () => {
    const failed = { type: "response.failed", sequence_number: 41, response: { status: "failed", error } };
    const whole = Buffer.concat([told, Buffer.from(`event: response.failed\ndata: ${JSON.stringify(failed)}\n\n`)]);
    const hidden = Buffer.from(told.toString().replace("server_is_overloaded", "insufficient_quota"));
    for (const bytes of [whole, hidden]) {
      const { call, protocol } = callFor(name);
      expect(endsOf(passAll(protocol.follow(call), [...eventsOf(name).slice(0, 2), bytes]))).toHaveLength(1);
    }
  });
});
