// The watch: what people are told of failing accounts, late answers, overruns, budgets, unusual hours and new networks; once.
import { beforeEach, describe, expect, it } from "vitest";
import { budgetsNear } from "../../../../lambdas/relay/counting/budgets-near.ts";
import { burstCount, FailedAuthentications } from "../../../../lambdas/relay/counting/failed-authentications.ts";
import { figuresOf, type Row } from "../../../../lambdas/relay/counting/figures.ts";
import { usageAnomalies } from "../../../../lambdas/relay/counting/usage-anomalies.ts";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { type WatchPorts, watchRelay } from "../../../../lambdas/relay/counting/watch-relay.ts";
import { keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { eventSchemas } from "../../../../lambdas/shared/events.ts";
import { MemoryTotals } from "./memory-totals.ts";
import { noon, recordAt } from "./sample-records.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

interface Sent {
  readonly name: string;
  readonly detail: Record<string, unknown>;
}

class Rig {
  now = noon + 30 * minute;
  readonly totals = new MemoryTotals(noon);
  readonly sent: Sent[] = [];
  readonly keys: { key: LedgerKey; reserved: Record<string, number> }[] = [];
  readonly networks = new Map<string, Map<string, number>>();
  rows: (unit: string) => Row[] = () => [];

  add(count: number, endedAt: number, changes: Partial<UsageRecord> = {}): void {
    for (let index = 0; index < count; index += 1) {
      const record = recordAt(endedAt - 2000, { network: "", ...changes });
      this.totals.put({ ...record, endedAt: new Date(endedAt).toISOString() });
    }
  }

  async watch(): Promise<Sent[]> {
    const before = this.sent.length;
    const { note, putNote, records } = this.totals.ports();
    const ports: WatchPorts = {
      note,
      putNote: (name, text) => putNote(name, text),
      records: (lane) => records(lane),
      rows: async ({ name }) => ({ rows: this.rows(name).map((row) => ({ ...row, item: "", generation: 1 })) }),
      keys: async (after) => {
        const index = Number(after ?? 0);
        return {
          keys: this.keys.slice(index, index + 1),
          position: index + 1 < this.keys.length ? String(index + 1) : undefined,
        };
      },
      networks: async (keyId) => this.networks.get(keyId) ?? new Map(),
      putNetwork: async (keyId, network, now) =>
        void this.networks.set(keyId, new Map(this.networks.get(keyId)).set(network, now)),
      send: async (name, details) => {
        for (const detail of details) this.sent.push({ name, detail: eventSchemas[name].parse(detail) });
      },
      now: () => this.now,
    };
    await watchRelay(ports);
    return this.sent.slice(before);
  }
}

function keyWith(spend: Partial<LedgerKey["policy"]["spend"]>, used: Record<string, number>): LedgerKey {
  return {
    keyId: "k1",
    version: 1,
    isEnabled: true,
    isDeleted: false,
    policy: keyPolicySchema.parse({ spend, familySpend: { opus: { week: 1000 } } }),
    expiresAt: undefined,
    daysFromFirstUse: undefined,
    secrets: {},
    used,
    balanceNanoUsd: undefined,
    leaseCount: 0,
  } as LedgerKey;
}

let rig: Rig;
beforeEach(() => {
  rig = new Rig();
});

describe("the watch over errors", () => {
  it("tells once of an account whose requests fail, and once of its recovery", async () => {
    const recent = rig.now - 5 * minute;
    rig.add(15, recent);
    rig.add(10, recent, { outcome: "upstream-error" });
    rig.add(30, recent, { accountId: "acc-2" });
    // Nobody knows how these went: they make no account look better.
    rig.add(30, recent, { outcome: "lease-expired" });
    expect(await rig.watch()).toEqual([
      { name: "RelayErrorRate", detail: { accountId: "acc-1", requests: 25, errors: 10, percent: 40, minutes: 10 } },
    ]);
    rig.now += 5 * minute;
    expect(await rig.watch()).toEqual([]);
    rig.now += 20 * minute;
    rig.add(5, rig.now - 2 * minute);
    expect(await rig.watch()).toEqual([{ name: "RelayErrorRateNormal", detail: { accountId: "acc-1" } }]);
  });

  it("says nothing of few requests, nor of what the relay itself refused", async () => {
    rig.add(10, rig.now - 5 * minute, { outcome: "upstream-error" });
    rig.add(100, rig.now - 5 * minute, { outcome: "refused", accountId: "" });
    expect(await rig.watch()).toEqual([]);
  });

  it("counts a long request when it ended, not when it began", async () => {
    const ended = rig.now - 2 * minute;
    for (let index = 0; index < 25; index += 1) {
      const record = recordAt(ended - 14 * minute, { outcome: "upstream-error", network: "" });
      rig.totals.put({ ...record, endedAt: new Date(ended).toISOString() });
    }
    expect((await rig.watch()).map(({ name }) => name)).toContain("RelayErrorRate");
  });
});

describe("the watch over latency", () => {
  it("tells of answers that begin far later than the day before, and of their recovery", async () => {
    const record = recordAt(noon, { firstByteMilliseconds: 2000 });
    const yesterday: Row = {
      keyId: "k",
      accountId: "acc-1",
      provider: "",
      platform: "",
      model: "",
      figures: figuresOf(record),
    };
    rig.rows = (name) => (name === "20261119" ? [yesterday] : []);
    rig.add(25, rig.now - 5 * minute, { firstByteMilliseconds: 9000 });
    const told = await rig.watch();
    expect(told).toContainEqual({
      name: "RelayLatency",
      detail: { accountId: "acc-1", requests: 25, medianMilliseconds: 9000, usualMilliseconds: 2000, minutes: 10 },
    });
    rig.now += 20 * minute;
    rig.add(5, rig.now - 2 * minute, { firstByteMilliseconds: 1900 });
    expect((await rig.watch()).map(({ name }) => name)).toContain("RelayLatencyNormal");
  });
});

describe("the watch over overruns", () => {
  it("tells of each key's once, also when the watch comes late", async () => {
    rig.add(2, rig.now - 3 * minute, { overrunNanoUsd: 500 });
    const [told] = await rig.watch();
    expect(told).toMatchObject({ name: "RelayOverrun", detail: { keyId: "key-1", requests: 2, nanoUsd: 1000 } });
    rig.now += 5 * minute;
    expect(await rig.watch()).toEqual([]);
    rig.add(1, rig.now, { overrunNanoUsd: 7 });
    rig.now += 25 * minute;
    expect(await rig.watch()).toMatchObject([{ name: "RelayOverrun", detail: { requests: 1, nanoUsd: 7 } }]);
  });
});

describe("the watch over networks", () => {
  it("learns where a key lives, and tells once of any other network", async () => {
    rig.add(3, rig.now - 3 * minute, { network: "203.0.113.0/24" });
    expect(await rig.watch()).toEqual([]);
    rig.now += 5 * minute;
    rig.add(2, rig.now - 2 * minute, { network: "198.51.100.0/24", client: "curl/8" });
    rig.add(2, rig.now - 2 * minute, { network: "203.0.113.0/24" });
    expect(await rig.watch()).toEqual([
      { name: "RelayNewNetwork", detail: { keyId: "key-1", network: "198.51.100.0/24", client: "curl/8" } },
    ]);
    rig.now += 5 * minute;
    rig.add(2, rig.now - 2 * minute, { network: "198.51.100.0/24" });
    expect(await rig.watch()).toEqual([]);
  });

  it("remembers a network that is in use, without writing at every look", async () => {
    rig.add(1, rig.now - 3 * minute, { network: "203.0.113.0/24" });
    await rig.watch();
    const first = rig.networks.get("key-1")?.get("203.0.113.0/24");
    rig.now += 5 * minute;
    rig.add(1, rig.now - 2 * minute, { network: "203.0.113.0/24" });
    await rig.watch();
    expect(rig.networks.get("key-1")?.get("203.0.113.0/24")).toBe(first);
    rig.now += day;
    rig.add(1, rig.now - 2 * minute, { network: "203.0.113.0/24" });
    await rig.watch();
    expect(rig.networks.get("key-1")?.get("203.0.113.0/24")).toBe(rig.now);
  });
});

describe("the watch over budgets", () => {
  const used = { d20261120: 850, m202611: 300, total: 300 };

  it("tells of each threshold once per window, of the highest that is reached", async () => {
    rig.keys.push({ key: keyWith({ day: 1000, month: 10_000 }, used), reserved: {} });
    rig.keys.push({ key: { ...keyWith({}, {}), keyId: "k2" }, reserved: {} });
    expect(await rig.watch()).toEqual([
      {
        name: "RelayBudgetNear",
        detail: {
          keyId: "k1",
          limit: "day",
          percent: 80,
          usedNanoUsd: 850,
          limitNanoUsd: 1000,
          resetAt: "2026-11-21T00:00:00.000Z",
        },
      },
    ]);
    expect(await rig.watch()).toEqual([]);
    rig.keys[0] = { key: keyWith({ day: 1000 }, { ...used, d20261120: 1000 }), reserved: {} };
    expect(await rig.watch()).toMatchObject([{ detail: { percent: 100 } }]);
    expect(await rig.watch()).toEqual([]);
    // The next day is another window.
    rig.now += day;
    rig.keys[0] = { key: keyWith({ day: 1000 }, { d20261121: 900 }), reserved: {} };
    expect(await rig.watch()).toMatchObject([{ detail: { percent: 90 } }]);
  });

  it("tells of a window that was filled in its last minutes, between two looks", async () => {
    rig.now = Date.parse("2026-11-20T23:57:00Z");
    rig.keys.push({ key: keyWith({ day: 1000 }, { d20261120: 700 }), reserved: {} });
    expect(await rig.watch()).toEqual([]);
    rig.now += 5 * minute;
    rig.keys[0] = { key: keyWith({ day: 1000 }, { d20261120: 1000, d20261121: 10 }), reserved: {} };
    expect(await rig.watch()).toMatchObject([{ detail: { percent: 100, resetAt: "2026-11-21T00:00:00.000Z" } }]);
    rig.now += 5 * minute;
    expect(await rig.watch()).toEqual([]);
  });

  it("counts what was spent, not what is only reserved, and limits of families too", () => {
    const key = keyWith({ day: 1000 }, { d20261120: 950, "w202647:opus": 900 });
    expect(budgetsNear(key, { d20261120: 500 }, noon)).toMatchObject([{ limit: "week opus", percent: 90 }]);
    expect(budgetsNear(key, {}, noon).map(({ limit, percent }) => [limit, percent])).toEqual([
      ["day", 90],
      ["week opus", 90],
    ]);
    expect(budgetsNear(keyWith({ day: 0 }, {}), {}, noon)).toEqual([]);
  });
});

describe("unusual usage", () => {
  const row = (keyId: string, chargedNanoUsd: number, inputTokens = 0): Row => ({
    ...{ keyId, accountId: "", provider: "", platform: "", model: "" },
    figures: { ...figuresOf(recordAt(noon)), chargedNanoUsd, inputTokens, cacheReadTokens: 0 },
  });
  const dollar = 1_000_000_000;

  it("is an hour of more than three times the median of the same hour before, and worth telling", () => {
    const before = [1, 2, 2, 3, 50, 0, 0].map((dollars) => [row("a", dollars * dollar)]);
    expect(usageAnomalies([row("a", 10 * dollar)], before)).toEqual([
      { keyId: "a", measure: "cost", value: 10 * dollar, usual: 2 * dollar },
      { keyId: "", measure: "cost", value: 10 * dollar, usual: 2 * dollar },
    ]);
    expect(usageAnomalies([row("a", 6 * dollar)], before)).toEqual([]);
  });

  it("is not what a key does on some days of the week only", () => {
    const before = [20, 0, 0, 20, 0, 0, 20].map((dollars) => (dollars === 0 ? [] : [row("a", dollars * dollar)]));
    expect(usageAnomalies([row("a", 20 * dollar)], before)).toEqual([]);
    expect(usageAnomalies([row("a", 61 * dollar)], before)).toMatchObject([{ usual: 20 * dollar }, { keyId: "" }]);
  });

  it("is nothing without enough days to compare with, or of what is small", () => {
    const young = [[row("a", dollar)], [row("a", dollar)], [], [], [], [], []];
    expect(usageAnomalies([row("a", 100 * dollar)], young)).toEqual([]);
    const cents = Array.from({ length: 7 }, () => [row("a", 1000)]);
    expect(usageAnomalies([row("a", 4 * dollar)], cents)).toEqual([]);
  });

  it("is told once per hour, ten minutes after it is over", async () => {
    rig.now = noon + 70 * minute;
    rig.rows = (name) =>
      name === "2026112012" ? [row("a", 20 * dollar)] : name.endsWith("12") ? [row("a", dollar)] : [];
    const told = await rig.watch();
    expect(told).toContainEqual({
      name: "RelayUsageAnomaly",
      detail: { keyId: "a", measure: "cost", value: 20 * dollar, usual: dollar, hour: "2026-11-20T12:00:00.000Z" },
    });
    rig.now += 5 * minute;
    expect(await rig.watch()).toEqual([]);
  });
});

describe("failed authentications", () => {
  it("are a burst from a number on, told once per network and hour", () => {
    const failed = new FailedAuthentications();
    const note = (network: string, at: number) => failed.note(network, at);
    for (let index = 1; index < burstCount; index += 1) expect(note("a", noon + index)).toBeUndefined();
    expect(note("b", noon)).toBeUndefined();
    expect(note("a", noon + 100)).toEqual({ network: "a", failures: burstCount, minutes: 5 });
    expect(note("a", noon + 200)).toBeUndefined();
    for (let index = 0; index < burstCount; index += 1) note("a", noon + 10 * minute + index);
    expect(note("a", noon + 14 * minute)).toBeUndefined();
    for (let index = 1; index < burstCount; index += 1) note("a", noon + 70 * minute + index);
    expect(note("a", noon + 71 * minute)).toBeDefined();
  });

  it("are forgotten when they are few and far between", () => {
    const failed = new FailedAuthentications();
    for (let index = 0; index < 200; index += 1) expect(failed.note("a", noon + index * minute)).toBeUndefined();
  });

  it("take no more memory than a thousand networks", () => {
    const failed = new FailedAuthentications();
    for (let index = 1; index < burstCount; index += 1) failed.note("first", noon);
    for (let index = 0; index < 1000; index += 1) failed.note(`n${index}`, noon);
    // It was forgotten for the others: it has to begin anew.
    expect(failed.note("first", noon)).toBeUndefined();
  });
});
