// Tests of cutting a stream into events, whatever its line ends and its splits.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventFramer } from "../../../../lambdas/relay/wire/event-framing.ts";
import { readEvent } from "../../../../lambdas/relay/wire/event-text.ts";
import { cut } from "./cut.ts";

/** What the framer passes on and what it showed as events, for pieces of a stream. */
function frame(pieces: readonly Buffer[], mostBytes?: number) {
  const events: string[] = [];
  const framer = new EventFramer((event) => {
    events.push(event.toString());
    return event;
  }, mostBytes);
  const passed = pieces.map((piece) => framer.push(piece));
  return { framer, events, passed: Buffer.concat(passed), rest: framer.takeRest() };
}

const lineEnd = fc.constantFrom("\n", "\r\n", "\r");
const field = fc.constantFrom(
  'data: {"a":"b"}',
  "event: ping",
  ": comment",
  "data:two",
  "data",
  "id: 7",
  "data: 世界 👋🏽",
);
const event = fc.tuple(fc.array(field, { minLength: 1, maxLength: 4 }), lineEnd);
const stream = fc
  .array(event, { maxLength: 8 })
  .map((events) => events.map(([fields, end]) => `${fields.map((line) => line + end).join("")}${end}`).join(""));

describe("event framing", () => {
  test("gives the same events and the same bytes however the stream was split", () => {
    fc.assert(
      fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (text, cuts) => {
        const bytes = Buffer.from(text);
        const whole = frame([bytes]);
        const split = frame(cut(bytes, cuts));
        expect(Buffer.concat([split.passed, split.rest]).toString()).toBe(text);
        expect(split.events.map((one) => readEvent(Buffer.from(one)))).toEqual(
          whole.events.map((one) => readEvent(Buffer.from(one))),
        );
      }),
      { numRuns: 500 },
    );
  });

  test("finds as many events as the format has, whatever ends the lines", () => {
    for (const end of ["\n", "\r\n", "\r"]) {
      const text = [
        `data: 1${end}${end}`,
        `: hello${end}${end}`,
        `event: x${end}data: 2${end}data: 3${end}${end}`,
      ].join("");
      for (let at = 0; at <= text.length; at += 1) {
        const { events } = frame([Buffer.from(text.slice(0, at)), Buffer.from(text.slice(at))]);
        const data = events.map((one) => readEvent(Buffer.from(one)).data);
        expect(data).toEqual(["1", undefined, "2\n3"]);
      }
    }
  });

  test("passes whole events only", () => {
    const { passed, rest } = frame([Buffer.from("data: 1\n\ndata: 2\n")]);
    expect(passed.toString()).toBe("data: 1\n\n");
    expect(rest.toString()).toBe("data: 2\n");
  });

  test("gives the piece itself where nothing is held and nothing changed", () => {
    const framer = new EventFramer((one) => one);
    const piece = Buffer.from("data: 1\n\ndata: 2\n\n");
    expect(framer.push(piece)).toBe(piece);
  });

  test("puts what the reader gives in the place of an event", () => {
    const framer = new EventFramer((one) =>
      one.includes("2") ? Buffer.alloc(0) : one.includes("3") ? Buffer.from("X") : one,
    );
    const text = "data: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n";
    expect(framer.push(Buffer.from(text)).toString()).toBe("data: 1\n\nXdata: 4\n\n");
    const pieces = cut(Buffer.from(text), [3, 12, 13, 25]).map((piece) => framer.push(piece));
    expect(Buffer.concat(pieces).toString()).toBe("data: 1\n\nXdata: 4\n\n");
  });

  test("passes an event that is too large unread, in order, and reads on behind it", () => {
    const large = `data: ${"x".repeat(50)}\n\n`;
    const text = `data: 1\n\n${large}data: 2\n\n`;
    for (let size = 1; size < 20; size += 1) {
      const pieces = cut(
        Buffer.from(text),
        Array.from({ length: Math.ceil(text.length / size) }, (_, index) => index * size),
      );
      const { passed, events, framer } = frame(pieces, 30);
      expect(passed.toString()).toBe(text);
      expect(events).toEqual(["data: 1\n\n", "data: 2\n\n"]);
      expect(framer.hasLostEvent).toBe(true);
      expect(framer.isInsideRaw).toBe(false);
    }
  });

  test("knows when it stands inside an event that passes unread", () => {
    const framer = new EventFramer((one) => one, 10);
    framer.push(Buffer.from("data: 0123456789"));
    expect(framer.isInsideRaw).toBe(true);
    framer.push(Buffer.from("more\n\n"));
    expect(framer.isInsideRaw).toBe(false);
  });
});

test("data over several lines is one text, whichever way each of the lines ends", () => {
  for (const text of [
    "data: {\ndata: }\n\n",
    "data: {\r\ndata: }\r\n\r\n",
    "data: {\ndata: }\r\n\r\n",
    "data: {\rdata: }\n\n",
  ]) {
    expect(readEvent(Buffer.from(text)), JSON.stringify(text)).toEqual({ name: "", data: "{\n}" });
  }
});
