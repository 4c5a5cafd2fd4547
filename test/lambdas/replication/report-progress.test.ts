// Progress reports: seldom enough to cost nothing, the last numbers always, and never a reason for a copy to fail.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { reportProgress } from "../../../lambdas/replication/report-progress.ts";
import type { WorkerProgress } from "../../../lambdas/shared/jobs.ts";
import { now } from "./copy-facts.ts";

const who = { unitId: "copy-1", worker: "3" };

beforeEach(() => {
  vi.useFakeTimers({ now });
});

afterEach(() => {
  vi.useRealTimers();
});

function stage(options: { put?: (item: WorkerProgress) => Promise<void>; draw?: number } = {}) {
  const written: WorkerProgress[] = [];
  const lost: unknown[] = [];
  const progress = reportProgress(who, {
    put: options.put ?? (async (item) => void written.push(item)),
    now: () => Date.now(),
    random: () => options.draw ?? 0,
    onLost: (error) => void lost.push(error),
  });
  return { written, lost, progress };
}

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const bytesOf = (items: readonly WorkerProgress[]) => items.map(({ bytesDone }) => bytesDone);

describe("progress", () => {
  it("is written at most every two seconds, and at the end in any case", async () => {
    const { written, progress } = stage();
    for (let chunk = 1; chunk <= 100; chunk += 1) {
      await pass(100);
      progress.update({ bytes: chunk * 10, parts: chunk });
    }
    await progress.end();
    const times = written.map(({ at }) => Date.parse(at));
    for (const [index, time] of times.slice(1, -1).entries()) {
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(2000);
    }
    expect(written).toHaveLength(6);
    expect(written.at(-1)).toMatchObject({ ...who, bytesDone: 1000, partsDone: 100, bytesPerSecond: 0 });
  });

  it("is written when it is due, though nothing more happens just then, and not for nothing", async () => {
    const { written, progress } = stage();
    progress.update({ bytes: 0, parts: 0 });
    await pass(10_000);
    expect(written).toEqual([]);
    progress.update({ bytes: 10, parts: 1 });
    progress.update({ bytes: 20, parts: 2 });
    expect(bytesOf(written.slice(0, 1))).toEqual([]);
    await pass(10_000);
    expect(bytesOf(written)).toEqual([10, 20]);
    await progress.end();
    await pass(10_000);
    expect(bytesOf(written)).toEqual([10, 20, 20]);
  });

  it("comes from different workers at different times", async () => {
    const first: number[] = [];
    for (const draw of [0, 0.5, 0.99]) {
      const { written, progress } = stage({ draw });
      const startedAt = Date.now();
      progress.update({ bytes: 1, parts: 1 });
      await pass(2000);
      first.push(Date.parse(written[0]?.at ?? "") - startedAt);
      await progress.end();
    }
    expect(new Set(first).size).toBe(3);
    expect(Math.max(...first)).toBeLessThanOrEqual(2000);
  });

  it("never lands out of order, however the writes overlap", async () => {
    vi.useRealTimers();
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.nat(3000), { minLength: 1, maxLength: 20 }),
        async (scheduler, steps) => {
          const landed: number[] = [];
          let time = now;
          const progress = reportProgress(who, {
            put: async (item) => {
              await scheduler.schedule(Promise.resolve());
              landed.push(item.bytesDone);
            },
            now: () => time,
            random: () => 0,
            onLost: () => undefined,
          });
          let bytes = 0;
          for (const step of steps) {
            time += step;
            bytes += step;
            progress.update({ bytes, parts: 1 });
          }
          await scheduler.waitFor(progress.end());
          expect(landed).toEqual([...landed].sort((left, right) => left - right));
          expect(landed.at(-1)).toBe(bytes);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("tells the rate of this call alone, without what was there before it", async () => {
    const { written, progress } = stage();
    progress.update({ bytes: 5_000_000, parts: 5 });
    await pass(4000);
    progress.update({ bytes: 9_000_000, parts: 9 });
    await progress.end();
    expect(written.map(({ bytesPerSecond }) => bytesPerSecond)).toEqual([0, 1_000_000, 0]);
  });

  it("that is lost is told, and harms neither the copy nor the next report", async () => {
    let failures = 1;
    const landed: number[] = [];
    const { lost, progress } = stage({
      put: async (item) => {
        failures -= 1;
        if (failures >= 0) throw new Error("throttled");
        landed.push(item.bytesDone);
      },
    });
    progress.update({ bytes: 1, parts: 0 });
    await pass(2000);
    progress.update({ bytes: 2, parts: 0 });
    await pass(2000);
    await progress.end();
    expect(lost).toHaveLength(1);
    expect(landed).toEqual([2, 2]);
    failures = 100;
    progress.update({ bytes: 3, parts: 0 });
    await progress.end();
    expect(lost.length).toBeGreaterThan(1);
  });

  it("of a call that moved nothing is nothing", async () => {
    const { written, progress } = stage();
    await progress.end();
    expect(written).toEqual([]);
  });
});
