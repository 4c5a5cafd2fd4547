// The key cache: what reservations show is used at once, and the whole key is read again all the same before it is old.
import { describe, expect, it, vi } from "vitest";
import type { LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { KeyCache } from "../../../../lambdas/relay/serving/key-cache.ts";

const keyAt = (version: number, used: number) =>
  ({ keyId: "k", version, used: { total: used } }) as unknown as LedgerKey;

function stage() {
  let now = 0;
  const read = vi.fn(async () => keyAt(1, 0));
  const pass = (milliseconds: number) => {
    now += milliseconds;
  };
  return { read, pass, cache: new KeyCache(read, () => now) };
}

describe("the key cache", () => {
  it("reads a busy key again every half minute, however many reservations show it", async () => {
    const { cache, read, pass } = stage();
    await cache.key("k", false);
    for (let second = 1; second < 30; second += 1) {
      pass(1000);
      cache.saw(keyAt(1, second), true);
      expect((await cache.key("k", false)).key?.used.total).toBe(second);
    }
    expect(read).toHaveBeenCalledTimes(1);
    pass(1000);
    expect((await cache.key("k", false)).isFresh).toBe(true);
    expect(read).toHaveBeenCalledTimes(2);
  });

  it("has reservations say every two seconds how many requests run, and not more often", async () => {
    const { cache, pass } = stage();
    expect(cache.isCountOld("k")).toBe(true);
    await cache.key("k", false);
    expect(cache.isCountOld("k")).toBe(false);
    pass(2000);
    cache.saw(keyAt(1, 1), false);
    expect(cache.isCountOld("k")).toBe(true);
    cache.saw(keyAt(1, 1), true);
    expect(cache.isCountOld("k")).toBe(false);
  });

  it("takes no older version for a newer one", async () => {
    const { cache } = stage();
    cache.saw(keyAt(3, 5), true);
    cache.saw(keyAt(2, 9), true);
    expect((await cache.key("k", false)).key?.version).toBe(3);
  });
});
