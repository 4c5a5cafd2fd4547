// The meter: slices in time, never beyond the most, and what is covered may still go when nothing more is to be had.
import { describe, expect, it, vi } from "vitest";
import type { Lease, Ledger } from "../../../../lambdas/relay/ledger/ledger.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { Meter } from "../../../../lambdas/relay/serving/meter.ts";

const renewed = () => undefined;
const lease = { requestId: "r", nanoUsd: 10, tokens: 100, sequence: 0 } as unknown as Lease;

function stage(answer: (nanoUsd: number) => Promise<void> = async () => {}) {
  const extend = vi.fn<Ledger["extend"]>(async (held, { nanoUsd, tokens }) => {
    await answer(nanoUsd);
    return { ...held, nanoUsd: held.nanoUsd + nanoUsd, tokens: held.tokens + tokens, sequence: held.sequence + 1 };
  });
  const plan = { coveredTokens: 100, mostTokens: 350, sliceTokens: 100, costOf: (tokens: number) => tokens * 2 };
  const meter = new Meter(lease, plan, { ledger: { extend }, now: () => 5, leaseUntil: 99, accountId: "a", renewed });
  return { meter, extend };
}

describe("a meter", () => {
  it("asks for the next slice when a quarter is left, not before", async () => {
    const { meter, extend } = stage();
    expect(await meter.cover(74)).toBeUndefined();
    expect(extend).not.toHaveBeenCalled();
    expect(await meter.cover(75)).toBeUndefined();
    expect(extend).toHaveBeenCalledTimes(1);
    expect(extend.mock.calls[0]?.[1]).toEqual({
      nanoUsd: 200,
      tokens: 100,
      now: 5,
      leaseUntil: 99,
      accountId: "a",
      renewed,
    });
    expect([meter.lease.nanoUsd, meter.extensions]).toEqual([210, 1]);
  });

  it("covers a leap in one slice, and never more than the most", async () => {
    const { meter, extend } = stage();
    expect(await meter.cover(1000)).toBeUndefined();
    expect(extend.mock.calls.map(([, { tokens }]) => tokens)).toEqual([250]);
    expect(await meter.cover(5000)).toBeUndefined();
    expect(extend).toHaveBeenCalledTimes(1);
  });

  it("lets go on what is covered when the next slice is refused, and then stops", async () => {
    const refusal = new Refusal("BudgetReached", "no more");
    const { meter } = stage(() => Promise.reject(refusal));
    expect(await meter.cover(80)).toBeUndefined();
    expect(await meter.cover(100)).toBeUndefined();
    expect(await meter.cover(101)).toBe(refusal);
  });

  it("does not take a fault of the ledger for a refusal", async () => {
    const { meter } = stage(() => Promise.reject(new Error("away")));
    await expect(meter.cover(80)).rejects.toThrow("away");
  });
});
