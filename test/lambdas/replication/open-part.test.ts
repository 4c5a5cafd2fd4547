// The bytes of a part: in order from one connection or several, read ahead only so far, and closed when nobody wants them.
import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { openPart } from "../../../lambdas/replication/open-part.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { planFor, someBytes } from "./copy-facts.ts";
import { MemorySource, silence, streamOf } from "./memory-source.ts";
import { readAll, rejection } from "./outcomes.ts";

/** What one connection fetches at a time, as the rule has it. */
const segmentBytes = 2 * 1024 * 1024;
const never = new AbortController().signal;
const address = "https://source/a.xb";
const content = someBytes(5 * segmentBytes + 12_345);

function open(source: MemorySource, rangesPerPart: number, partBytes = content.length, partNumber = 1, signal = never) {
  const plan = planFor(source.content, partBytes, { rangesPerPart, sourceFacts: source.facts });
  return openPart(source, address, plan, partNumber, signal);
}

/** Half of the bytes, then an error. */
function brokenOff(bytes: Buffer): Readable {
  function* half() {
    yield Buffer.from(bytes.subarray(0, bytes.length / 2));
    throw new Error("aborted");
  }
  return Readable.from(half(), { objectMode: false });
}

describe("a part from several connections", () => {
  it("is the same bytes as from one, whatever the sizes, and covers the part once", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: content.length }),
        fc.integer({ min: 1, max: 16 }),
        async (partBytes, rangesPerPart) => {
          const source = new MemorySource(content);
          const partNumber = Math.ceil(content.length / partBytes);
          const first = (partNumber - 1) * partBytes;
          const bytes = await readAll(await open(source, rangesPerPart, partBytes, partNumber));
          expect(bytes.equals(content.subarray(first, first + partBytes))).toBe(true);
          const ranges = source.opened.map(({ range }) => range);
          expect(ranges[0]?.first).toBe(first);
          expect(ranges.at(-1)?.last).toBe(content.length - 1);
          for (const [index, range] of ranges.slice(1).entries())
            expect(range.first).toBe((ranges[index]?.last ?? 0) + 1);
          if (rangesPerPart === 1) expect(ranges).toHaveLength(1);
          expect(source.openNow).toBe(0);
        },
      ),
      { numRuns: 12 },
    );
  });

  it("is in order even when later connections are the quicker ones", async () => {
    const source = new MemorySource(content);
    source.beforeOpen = (_range, call) => new Promise((resolve) => setTimeout(resolve, 40 - call * 6));
    expect((await readAll(await open(source, 6))).equals(content)).toBe(true);
  });

  it("reads ahead no further than its connections: memory is bounded", async () => {
    const source = new MemorySource(content);
    const stream = await open(source, 3);
    await vi.waitFor(() => expect(source.opened.length).toBe(0));
    const bytes: Buffer[] = [];
    let mostAhead = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes.push(chunk);
      // Time enough to read everything, if nothing held it back.
      await new Promise((resolve) => setTimeout(resolve, 5));
      mostAhead = Math.max(mostAhead, source.opened.length - bytes.length);
    }
    expect(Buffer.concat(bytes).equals(content)).toBe(true);
    expect(mostAhead).toBeGreaterThan(0);
    // One more than the connections: what the stream holds ready for its reader.
    expect(mostAhead).toBeLessThanOrEqual(4);
  });

  it("fails with the error of the connection that failed, and closes the others", async () => {
    const source = new MemorySource(content);
    source.beforeOpen = (_range, call) => {
      if (call === 3) throw new CausewayError("LinkExpired", "the link has expired");
    };
    source.onBytes = (bytes, range) => (range.first > 3 * segmentBytes ? silence() : streamOf(bytes));
    const error = await rejection(open(source, 5).then(readAll));
    expect(error).toMatchObject({ name: "LinkExpired" });
    await vi.waitFor(() => expect(source.openNow).toBe(0));
  });

  it("fails when a connection breaks off in the middle", async () => {
    const source = new MemorySource(content);
    source.onBytes = (bytes, range) => (range.first === segmentBytes ? brokenOff(bytes) : streamOf(bytes));
    expect(await rejection(open(source, 2).then(readAll))).toMatchObject({ message: "aborted" });
    await vi.waitFor(() => expect(source.openNow).toBe(0));
  });

  it("fails when a connection ends short of its range in good order", async () => {
    const source = new MemorySource(content);
    source.onBytes = (bytes, range) => streamOf(range.first === segmentBytes ? bytes.subarray(1) : bytes);
    expect(await rejection(open(source, 2).then(readAll))).toMatchObject({ name: "SourceUnavailable" });
  });

  it.each([1, 4])(
    "closes every connection when it is destroyed, one that hangs included (%i at once)",
    async (ranges) => {
      const source = new MemorySource(content);
      source.onBytes = silence;
      const stream = await open(source, ranges);
      stream.on("error", () => undefined);
      stream.resume();
      await vi.waitFor(() => expect(source.openNow).toBe(ranges));
      stream.destroy();
      await vi.waitFor(() => expect(source.openNow).toBe(0));
    },
  );

  it("closes every connection when it is destroyed between two segments", async () => {
    const source = new MemorySource(content);
    const stream = await open(source, 2);
    for await (const _ of stream) break;
    await vi.waitFor(() => expect(source.openNow).toBe(0));
    expect(stream.destroyed).toBe(true);
  });

  it.each([1, 3])("fails with the signal, whose reason it carries (%i at once)", async (ranges) => {
    const source = new MemorySource(content);
    source.onBytes = silence;
    const stop = new AbortController();
    const reading = open(source, ranges, content.length, 1, stop.signal).then(readAll);
    reading.catch(() => undefined);
    await vi.waitFor(() => expect(source.openNow).toBe(ranges));
    stop.abort(new Error("the Lambda's time is used up"));
    await expect(reading).rejects.toThrow();
    await vi.waitFor(() => expect(source.openNow).toBe(0));
  });

  it("opens nothing when it is destroyed before anybody reads", async () => {
    const source = new MemorySource(content);
    const stream = await open(source, 4);
    stream.destroy();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(source.openNow).toBe(0);
  });
});
