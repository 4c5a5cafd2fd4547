// Trying again: bounded in attempts and in time, with jitter, and ended at once by the signal.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pause, retry } from "../../../lambdas/shared/retry.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const settings = { mostAttempts: 5, firstWaitMilliseconds: 100, longestWaitMilliseconds: 300, isRetryable: () => true };

/** Runs an attempt that fails so many times, and tells when each attempt began. */
async function run(failures: number, options: Partial<Parameters<typeof retry>[1]> = {}) {
  const startedAt = Date.now();
  const attempts: number[] = [];
  const told: number[] = [];
  const running = retry(
    async () => {
      attempts.push(Date.now() - startedAt);
      if (attempts.length <= failures) throw new Error(`failure ${attempts.length}`);
      return "done";
    },
    { ...settings, random: () => 1, onRetry: (_error, attempt) => told.push(attempt), ...options },
  );
  const outcome = running.then(
    (value) => value,
    (error: unknown) => error,
  );
  await vi.runAllTimersAsync();
  return { attempts, told, outcome: await outcome };
}

describe("trying again", () => {
  it("ends with the first success, and tells of each failure before", async () => {
    expect(await run(0)).toEqual({ attempts: [0], told: [], outcome: "done" });
    expect(await run(2)).toMatchObject({ told: [1, 2], outcome: "done" });
  });

  it("waits twice as long each time, up to the longest wait", async () => {
    expect((await run(4)).attempts).toEqual([0, 100, 300, 600, 900]);
  });

  it("ends with the last error when the attempts are used up", async () => {
    const { attempts, outcome } = await run(100);
    expect(attempts).toHaveLength(5);
    expect(outcome).toEqual(new Error("failure 5"));
  });

  it("ends with an error that will not pass", async () => {
    const { attempts, outcome } = await run(100, { isRetryable: (error) => !String(error).includes("2") });
    expect(attempts).toHaveLength(2);
    expect(outcome).toEqual(new Error("failure 2"));
  });

  it("never waits longer than the draw of its ceiling, whatever the settings", async () => {
    const numbers = {
      first: fc.nat(2000),
      longest: fc.nat(5000),
      draw: fc.nat(999).map((thousandths) => thousandths / 1000),
    };
    await fc.assert(
      fc.asyncProperty(fc.record(numbers), async ({ first, longest, draw }) => {
        const { attempts } = await run(100, {
          firstWaitMilliseconds: first,
          longestWaitMilliseconds: longest,
          random: () => draw,
        });
        expect(attempts).toHaveLength(5);
        for (const [index, at] of attempts.slice(1).entries()) {
          const waited = at - (attempts[index] ?? 0);
          // Timers count in whole milliseconds.
          expect(waited).toBeLessThanOrEqual(2 + Math.min(longest, first * 2 ** index) * draw);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("is ended by the signal: while it waits, and before it waits", async () => {
    const reason = new Error("no time left");
    const stop = new AbortController();
    const waiting = run(100, { firstWaitMilliseconds: 1e6, longestWaitMilliseconds: 1e6, signal: stop.signal });
    setTimeout(() => stop.abort(reason), 500);
    expect(await waiting).toMatchObject({ attempts: [0], outcome: reason });
    expect(await run(100, { signal: stop.signal })).toMatchObject({ attempts: [0], outcome: new Error("failure 1") });
  });
});

describe("a pause", () => {
  it("ends in time, or at once with the signal's reason, and leaves no timer behind", async () => {
    const ended = pause(1000);
    await vi.advanceTimersByTimeAsync(1000);
    await expect(ended).resolves.toBeUndefined();
    const stop = new AbortController();
    const broken = pause(1e9, stop.signal);
    stop.abort("enough");
    await expect(broken).rejects.toBe("enough");
    await expect(pause(1, stop.signal)).rejects.toBe("enough");
    expect(vi.getTimerCount()).toBe(0);
  });
});
