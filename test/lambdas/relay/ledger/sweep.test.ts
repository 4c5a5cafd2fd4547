// The sweeper: all keys in turn, bounded in time, one failure never in the way of the others; and a key with a hundred dead leases.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { graceMilliseconds } from "../../../../lambdas/relay/ledger/judge-write.ts";
import type { StoredLease } from "../../../../lambdas/relay/ledger/key-item.ts";
import { type SweepPorts, sweepLeases } from "../../../../lambdas/relay/ledger/sweep.ts";
import { LedgerTables, nanoDollar } from "./ledger-tables.ts";

const noon = Date.parse("2026-11-20T12:00:00.000Z");

const lease = (requestId: string): StoredLease => ({
  ...{ requestId, expiresAt: noon, nanoUsd: 1, tokens: 1, sequence: 0, windows: ["total"], prepaid: false },
  ...{ minute: undefined, family: undefined, accountId: undefined, multiplierThousandths: 1000, isDead: false },
  call: { platform: "openai", operation: "chat", model: "gpt", answers: "json" },
});

/** Two keys in each segment, on a page of their own. */
function fakes(more: Partial<SweepPorts> = {}) {
  const pages: string[] = [];
  const expired: string[] = [];
  const ports: SweepPorts = {
    readPage: async (segment, _segments, position) => {
      pages.push(`${segment}${position ?? ""}`);
      const keyId = `${segment}${position ?? ""}`;
      return {
        keys: [{ keyId, expired: [lease(`${keyId}-1`), lease(`${keyId}-2`)] }],
        looked: 10,
        position: position ? undefined : "b",
      };
    },
    expire: async (_keyId, { requestId }) => {
      expired.push(requestId);
      return "settled";
    },
    now: () => noon,
    remainingMilliseconds: () => 60_000,
    onFailure: () => undefined,
    ...more,
  };
  return { ports, pages, expired };
}

describe("a sweep", () => {
  it("looks at every segment's every page, and begins elsewhere in the next minute", async () => {
    const { ports, pages, expired } = fakes();
    expect(await sweepLeases(ports)).toEqual({ keys: 160, settled: 32, alive: 0, failed: 0, isComplete: true });
    expect(new Set(pages).size).toBe(16);
    expect(new Set(expired).size).toBe(32);
    const next = fakes({ now: () => noon + 60_000 });
    await sweepLeases(next.ports);
    expect(next.pages[0]).not.toBe(pages[0]);
    expect(next.pages.toSorted()).toEqual(pages.toSorted());
  });

  it("goes on where a lease cannot be settled, and counts those that live on", async () => {
    const failures: string[] = [];
    const { ports } = fakes({
      expire: async (_keyId, { requestId }) => {
        if (requestId.startsWith("3")) throw new TypeError("broken");
        return requestId.startsWith("4") ? "alive" : "settled";
      },
      onFailure: (_error, keyId, requestId) => failures.push(`${keyId} ${requestId}`),
    });
    expect(await sweepLeases(ports)).toEqual({ keys: 160, settled: 24, alive: 4, failed: 4, isComplete: true });
    expect(failures.toSorted()).toEqual(["3 3-1", "3 3-2", "3b 3b-1", "3b 3b-2"]);
  });

  it("stops in time, and says that it did not see all", async () => {
    let remaining = 12_000;
    const { ports, expired } = fakes({
      remainingMilliseconds: () => {
        remaining -= 100;
        return remaining;
      },
    });
    const report = await sweepLeases(ports);
    expect(report.isComplete).toBe(false);
    expect(report.settled).toBe(expired.length);
    expect(expired.length).toBeLessThan(32);
  });
});

describe("the tables' sweep", () => {
  let tables: LedgerTables;

  beforeAll(async () => {
    tables = await LedgerTables.start();
  });

  afterAll(async () => {
    await tables?.[Symbol.asyncDispose]();
  });

  it("settles a hundred dead leases of one key, leaves those that live, and costs the others nothing", async () => {
    tables.time = noon;
    const ledger = tables.newLedger();
    const key = await tables.addKey({ concurrency: 100 });
    const quiet = await tables.addKey();
    const until = (nth: number) => (nth < 99 ? noon : noon + 60 * 60_000);
    const leases = await Promise.all(
      Array.from({ length: 100 }, (_, nth) => ledger.reserve(tables.request(key, { leaseUntil: until(nth) }))),
    );
    const ports: SweepPorts = {
      readPage: (...page) => ledger.readExpired(...page),
      expire: (...seen) => ledger.expire(...seen),
      now: () => tables.time,
      remainingMilliseconds: () => 100_000,
      onFailure: (error) => {
        throw error;
      },
    };
    tables.time = noon + graceMilliseconds;
    expect(await sweepLeases(ports)).toMatchObject({ settled: 0, isComplete: true });
    tables.time += 1;
    expect(await sweepLeases(ports)).toMatchObject({ settled: 99, alive: 0, failed: 0, isComplete: true });
    expect(await tables.readKey(key.keyId)).toMatchObject({ leaseCount: 1, used: { total: 100 * nanoDollar } });
    expect(await tables.readKey(quiet.keyId)).toEqual(quiet);
    const records = await tables.records();
    expect(records.size).toBe(99);
    expect(records.get(leases[0]?.requestId ?? "")).toMatchObject({
      ...{ outcome: "lease-expired", chargedNanoUsd: nanoDollar, reservedNanoUsd: nanoDollar, keyId: key.keyId },
      ...{ platform: "anthropic", operation: "messages", modelAsked: "claude-opus-5", stream: true },
      startedAt: "2026-11-20T12:00:00.000Z",
    });
  });
});
