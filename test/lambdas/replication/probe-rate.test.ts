// The rate of a source from its first few mebibytes: bounded in bytes and in time, and its errors are the source's own.
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { probeBytes, probeRate } from "../../../lambdas/replication/probe-rate.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { someBytes } from "./copy-facts.ts";
import { MemorySource } from "./memory-source.ts";

const content = someBytes(5 * 1024 * 1024);

/** A source that needs so many milliseconds for each chunk of a hundred thousand bytes. */
function stage(millisecondsPerChunk: number, source = new MemorySource(content)) {
  const clock = { now: 1_000_000 };
  source.onBytes = (bytes) => {
    function* chunks() {
      for (let at = 0; at < bytes.length; at += 100_000) {
        clock.now += millisecondsPerChunk;
        yield Buffer.from(bytes.subarray(at, at + 100_000));
      }
    }
    return Readable.from(chunks(), { objectMode: false, highWaterMark: 1 });
  };
  return { source, rate: () => probeRate(source, "https://source", source.facts, () => clock.now) };
}

describe("the rate of a source", () => {
  it("is what a few mebibytes took, and no more of them are read", async () => {
    const { source, rate } = stage(10);
    const bytesPerSecond = await rate();
    expect(bytesPerSecond).toBeGreaterThan(9_000_000);
    expect(bytesPerSecond).toBeLessThan(11_000_000);
    expect(source.opened.map(({ range }) => range)).toEqual([{ first: 0, last: probeBytes - 1 }]);
    expect(source.openNow).toBe(0);
  });

  it("of a slow source is judged after five seconds by what came, and the rest is not waited for", async () => {
    const { source, rate } = stage(2000);
    const bytesPerSecond = await rate();
    expect(bytesPerSecond).toBeGreaterThan(30_000);
    expect(bytesPerSecond).toBeLessThan(60_000);
    expect(source.openNow).toBe(0);
  });

  it("of a small object is that of the whole object, and never less than one", async () => {
    const small = new MemorySource(content.subarray(0, 10));
    const { source, rate } = stage(1e9, small);
    expect(await rate()).toBe(1);
    expect(source.opened.map(({ range }) => range)).toEqual([{ first: 0, last: 9 }]);
  });

  it("is not known of a source that fails: that error is the source's", async () => {
    const named = stage(1);
    named.source.beforeOpen = () => {
      throw new CausewayError("SourceThrottled", "slow down");
    };
    await expect(named.rate()).rejects.toMatchObject({ name: "SourceThrottled" });
    const broken = stage(1);
    broken.source.onBytes = () =>
      Readable.from(
        (function* () {
          yield Buffer.alloc(10);
          throw Object.assign(new Error("aborted"), { code: "ECONNRESET" });
        })(),
        { objectMode: false },
      );
    await expect(broken.rate()).rejects.toMatchObject({ name: "SourceUnavailable" });
    expect(broken.source.openNow).toBe(0);
  });
});
