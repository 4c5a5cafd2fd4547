// A batch between a source and a target in memory: what is copied and what is not, and when the time is used up.
import { afterEach, describe, expect, it, vi } from "vitest";
import { agrees, copyBatch } from "../../../lambdas/replication/copy-batch.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { address, batchStage, content, expectHonest, partBytes, partCount, whole } from "./batch-stage.ts";
import { ledgerFor, nvmeOf, planFor, storedAs } from "./copy-facts.ts";
import { silence, streamOf } from "./memory-source.ts";

describe("a batch", () => {
  it("is copied whole, each part once, from the address that was given", async () => {
    const here = await batchStage();
    expect(await here.run()).toEqual({ state: "done", copiedParts: partCount, remainingParts: 0 });
    expect(here.ledger.size).toBe(partCount);
    expect(here.source.opened).toHaveLength(partCount);
    expect(new Set(here.source.opened.map((opened) => opened.address))).toEqual(new Set([address]));
    expectHonest(here);
  });

  it("is its own parts and no others", async () => {
    const here = await batchStage();
    expect(await here.run({ number: 2, firstPart: 4, lastPart: 6 })).toMatchObject({ state: "done", copiedParts: 3 });
    expect([...here.ledger.keys()].sort()).toEqual([4, 5, 6]);
  });

  it("that is there already is not copied again", async () => {
    const here = await batchStage();
    await here.run();
    const before = here.source.opened.length;
    expect(await here.run()).toEqual({ state: "done", copiedParts: 0, remainingParts: 0 });
    expect(here.source.opened).toHaveLength(before);
    expect(here.progress.at(-1)).toEqual({ bytes: content.length, parts: partCount });
  });

  it("goes on where ledger and target agree, and sends the rest again", async () => {
    const here = await batchStage();
    await here.run();
    here.ledger.delete(2);
    const row = here.ledger.get(5);
    if (row) here.ledger.set(5, { ...row, etag: '"another"' });
    here.target.uploads.get(here.plan.uploadId)?.parts.delete(9);
    expect(await here.run()).toMatchObject({ state: "done", copiedParts: 3 });
    const again = here.source.opened.slice(partCount).map(({ range }) => range.first / partBytes + 1);
    expect(again.sort()).toEqual([2, 5, 9]);
    expectHonest(here);
  });

  it("keeps to the number of parts that may be in flight, and follows it when it changes", async () => {
    const here = await batchStage();
    here.limit = 3;
    await here.run();
    expect(here.target.mostPartsAtOnce).toBe(3);
    const wider = await batchStage();
    wider.target.before = (_operation, count) => {
      if (count > 2) wider.limit = 6;
    };
    wider.limit = 1;
    await wider.run();
    expect(wider.target.mostPartsAtOnce).toBeGreaterThan(1);
    expect(wider.target.mostPartsAtOnce).toBeLessThanOrEqual(6);
  });

  it("tells absolute numbers, which never fall and end at all of it, whatever was tried again", async () => {
    const here = await batchStage();
    here.ledger.set(1, { ...(ledgerFor(content, here.plan)[0] as LedgerPart) });
    here.target.fail("putPart", new CausewayError("TargetUnavailable", "500"), { times: 5, afterWork: true });
    await here.run();
    expect(here.progress[0]).toEqual({ bytes: 0, parts: 0 });
    for (const [index, done] of here.progress.slice(1).entries()) {
      expect(done.bytes).toBeGreaterThan(here.progress[index]?.bytes ?? 0);
      expect(done.parts).toBe((here.progress[index]?.parts ?? 0) + 1);
    }
    expect(here.progress.at(-1)).toEqual({ bytes: content.length, parts: partCount });
  });
});

describe("agreement of ledger and target", () => {
  const [row] = ledgerFor(content, planFor(content, partBytes));
  if (row === undefined) throw new Error("there is a first part");
  const stored = storedAs(row);

  it("needs both, the same length, the same ETag, and the same checksum where the target states one", () => {
    const target = { checksum: "crc64Nvme" } as const;
    expect(agrees(target, row, stored)).toBe(true);
    expect(agrees(target, row, { ...stored, checksum: null })).toBe(true);
    expect(agrees(target, undefined, stored)).toBe(false);
    expect(agrees(target, row, undefined)).toBe(false);
    expect(agrees(target, row, { ...stored, bytes: stored.bytes - 1 })).toBe(false);
    expect(agrees(target, row, { ...stored, etag: '"x"' })).toBe(false);
    expect(agrees(target, row, { ...stored, checksum: nvmeOf(Buffer.from("x")) })).toBe(false);
  });

  it("compares the checksum that the target is one for", () => {
    const oss = { checksum: "crc64Xz" } as const;
    expect(agrees(oss, row, { ...stored, checksum: row.crc64 })).toBe(true);
    expect(agrees(oss, row, { ...stored, checksum: row.checksum })).toBe(false);
  });
});

describe("the deadline", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  /** So much time passes once the condition holds, however long that takes here. */
  async function passWhen(isSo: () => boolean, milliseconds: number): Promise<void> {
    while (!isSo()) await new Promise(setImmediate);
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    vi.advanceTimersByTime(milliseconds);
  }

  it("gives up what is under way in time to answer, and keeps what is done", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const here = await batchStage();
    here.remainingMilliseconds = () => 10_000 + 250;
    here.limit = 2;
    here.source.onBytes = (bytes, range) => (range.first >= 3 * partBytes ? silence() : streamOf(bytes));
    const running = copyBatch(here.plan, address, whole, { ...here.ports, now: () => 0 });
    await passWhen(() => here.ledger.size === 3 && here.source.opened.length === 5, 250);
    const result = await running;
    expect(result).toEqual({ state: "more", copiedParts: 3, remainingParts: partCount - 3 });
    expect(here.source.openNow).toBe(0);
    expectHonest(here);
  });

  it("stops beginning parts that could not end in time", async () => {
    const here = await batchStage();
    let now = 0;
    here.remainingMilliseconds = () => 30_000 - now;
    here.limit = 1;
    const ports = { ...here.ports, now: () => now };
    // Every part takes five seconds: with ten to close and twice five for one more, there is time for two or three.
    here.target.before = (operation) => {
      if (operation === "putPart") now += 5000;
    };
    const result = await copyBatch(here.plan, address, whole, ports);
    expect(result.state).toBe("more");
    expect(result.copiedParts).toBe(2);
    expect(here.source.opened).toHaveLength(2);
  });

  it("keeps a slow line for so few parts that all of them end: with more, none would", async () => {
    const here = await batchStage();
    let now = 0;
    here.limit = 1;
    here.remainingMilliseconds = () => 10_000 + 60_000 - now;
    // The first part of 4,000 bytes takes eight seconds; in the 52 that are left, six more can pass.
    here.target.after = (operation, count) => {
      if (operation !== "putPart" || count > 1) return;
      now = 8000;
      here.limit = 8;
    };
    let inFlight = 0;
    here.target.before = async (operation, count) => {
      if (operation !== "putPart" || count === 1) return;
      while (here.target.mostPartsAtOnce < 6) await new Promise(setImmediate);
      // Turns in which a seventh would come.
      for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
      inFlight ||= here.target.mostPartsAtOnce;
    };
    await copyBatch(here.plan, address, whole, { ...here.ports, now: () => now });
    expect(inFlight).toBe(6);
    expectHonest(here);
  });

  it("that is there at once ends with nothing copied and nothing lost", async () => {
    const here = await batchStage();
    here.remainingMilliseconds = () => 5000;
    here.source.onBytes = silence;
    expect(await here.run()).toEqual({ state: "more", copiedParts: 0, remainingParts: partCount });
    expect(here.source.openNow).toBe(0);
  });

  it("does not wait for a retry that is pausing", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const here = await batchStage();
    here.remainingMilliseconds = () => 10_000 + 100;
    let attempts = 0;
    here.source.beforeOpen = () => {
      attempts += 1;
      throw new CausewayError("SourceUnavailable", "for ever");
    };
    // The longest draw: the first pause of a part is 200 ms.
    const running = copyBatch(here.plan, address, whole, { ...here.ports, now: () => 0, random: () => 1 });
    await passWhen(() => attempts === here.limit, 100);
    const result = await running;
    expect(result).toEqual({ state: "more", copiedParts: 0, remainingParts: partCount });
    expect(attempts).toBe(here.limit);
  });
});
