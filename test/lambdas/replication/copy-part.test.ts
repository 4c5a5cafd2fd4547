// One part: a row in the ledger only for bytes that all arrived and were summed, and the true reason for any that did not.
import { afterEach, describe, expect, it, vi } from "vitest";
import { copyPart } from "../../../lambdas/replication/copy-part.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { copyId, crc64Of, key, mark, nvmeOf, planFor, someBytes } from "./copy-facts.ts";
import { MemorySource, silence, streamOf } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";

const content = someBytes(25_000);
const second = content.subarray(10_000, 20_000);

afterEach(() => {
  vi.useRealTimers();
});

async function stage(rangesPerPart = 1) {
  const source = new MemorySource(content);
  const target = new MemoryTarget();
  const ref = await target.begin(key, copyId, mark);
  const plan = planFor(content, 10_000, { ...ref, rangesPerPart, sourceFacts: source.facts });
  const rows: LedgerPart[] = [];
  const stop = new AbortController();
  const here = { source, target, plan, rows, stop, now: 0, passed: 0 };
  const copy = () =>
    copyPart(
      plan,
      "https://source",
      2,
      {
        source,
        target,
        keepPart: async (part) => void rows.push(part),
        onBytes: (bytes) => {
          here.passed += bytes;
        },
        now: () => here.now,
      },
      stop.signal,
    );
  return Object.assign(here, { copy });
}

describe("a part", () => {
  it.each([1, 3])("is its own bytes, with both checksums and the target's ETag (%i connections)", async (ranges) => {
    const here = await stage(ranges);
    const row = await here.copy();
    expect(row).toEqual({
      partNumber: 2,
      offset: 10_000,
      bytes: 10_000,
      etag: expect.stringMatching(/^".+"$/),
      crc64: crc64Of(second),
      checksum: nvmeOf(second),
    });
    expect(here.rows).toEqual([row]);
    expect(here.passed).toBe(10_000);
    expect(here.target.uploads.get(here.plan.uploadId)?.parts.get(2)?.bytes.equals(second)).toBe(true);
    expect(here.source.openNow).toBe(0);
  });

  it("whose bytes the target sums otherwise is damaged, and in no ledger", async () => {
    const here = await stage();
    here.target.onTheWay = (bytes) => Buffer.from(bytes).fill(0, 0, 1);
    await expect(here.copy()).rejects.toMatchObject({ name: "PartDamaged", retryable: true });
    expect(here.rows).toEqual([]);
  });

  it.each([0, 9_999])("of which only %i bytes come is not there", async (bytes) => {
    const here = await stage();
    here.source.onBytes = () => streamOf(second.subarray(0, bytes));
    await expect(here.copy()).rejects.toMatchObject({ name: "SourceUnavailable" });
    expect(here.rows).toEqual([]);
    expect(here.source.openNow).toBe(0);
  });

  it("whose source breaks off tells why, not that the upload was interrupted", async () => {
    const here = await stage();
    here.source.onBytes = (bytes) => {
      const stream = streamOf(bytes);
      stream.once("data", () => stream.destroy(new Error("read ECONNRESET")));
      return stream.pause();
    };
    await expect(here.copy()).rejects.toMatchObject({
      name: "SourceUnavailable",
      message: expect.stringContaining("ECONNRESET"),
    });
  });

  it("in which no byte moves for a minute is given up, on whichever side it hangs", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    const here = await stage();
    here.source.onBytes = silence;
    const copying = here.copy();
    const outcome = expect(copying).rejects.toMatchObject({ name: "SourceUnavailable", message: /No byte/ });
    await vi.waitFor(() => expect(here.source.openNow).toBe(1));
    here.now = 59_000;
    vi.advanceTimersByTime(59_000);
    expect(here.source.openNow).toBe(1);
    here.now = 75_000;
    vi.advanceTimersByTime(16_000);
    await outcome;
    expect(here.source.openNow).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("that is given up from outside carries that reason, and closes its connection", async () => {
    const here = await stage();
    here.source.onBytes = silence;
    const reason = new Error("the Lambda's time is used up");
    const outcome = expect(here.copy()).rejects.toBe(reason);
    await vi.waitFor(() => expect(here.source.openNow).toBe(1));
    here.stop.abort(reason);
    await outcome;
    expect(here.source.openNow).toBe(0);
  });

  it("that the target refuses tells the target's reason", async () => {
    const here = await stage();
    here.target.fail("putPart", new CausewayError("TargetRefused", "AccessDenied"));
    await expect(here.copy()).rejects.toMatchObject({ name: "TargetRefused" });
    await vi.waitFor(() => expect(here.source.openNow).toBe(0));
    expect(here.rows).toEqual([]);
  });
});
