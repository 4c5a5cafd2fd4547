// A fleet of accounts under several Lambdas in simulated time: shares, stickiness, failover, and nothing for the dead.
import { describe, expect, it } from "vitest";
import { accountOf, start } from "./sample-accounts.ts";
import { type FleetPlan, type FleetRun, runFleet } from "./simulated-fleet.ts";

const second = 1000;
const minute = 60 * second;

/** 12,000 requests in ten minutes; weights 1:2:1:4, speeds 1:2:4:8. */
const plan: FleetPlan = {
  accounts: [
    accountOf("a", { weight: 100 }),
    accountOf("b", { weight: 200 }),
    accountOf("c", { weight: 100 }),
    accountOf("d", { weight: 400 }),
  ],
  upstreams: {
    a: { milliseconds: 200 },
    b: { milliseconds: 400 },
    c: { milliseconds: 800 },
    d: { milliseconds: 1600 },
  },
  algorithm: "round-robin",
  lambdas: 8,
  requestsPerSecond: 20,
  seconds: 600,
  seed: 7,
};

function expectShares({ shares }: FleetRun, wanted: Readonly<Record<string, number>>): void {
  for (const [accountId, share] of Object.entries(wanted)) {
    expect(Math.abs((shares[accountId] ?? 0) / share - 1), `${accountId}: ${shares[accountId]}`).toBeLessThan(0.1);
  }
}

describe("in a simulated fleet", () => {
  it.each([1, 8, 40])("round robin gives every account its turn, with %i Lambdas", async (lambdas) => {
    const run = await runFleet({ ...plan, lambdas });
    expectShares(run, { a: 0.25, b: 0.25, c: 0.25, d: 0.25 });
    expect(run.served.every(({ isRefused }) => !isRefused)).toBe(true);
    expect(run.openSlots).toBe(0);
  });

  it("one Lambda alone takes the accounts strictly in turn", async () => {
    const { served } = await runFleet({ ...plan, lambdas: 1, seconds: 60 });
    const turns = served.toSorted((left, right) => left.at - right.at).map(({ accounts }) => accounts[0]);
    expect(turns.length).toBeGreaterThan(1000);
    for (let at = 4; at + 4 <= turns.length; at += 4) {
      expect(new Set(turns.slice(at, at + 4)).size).toBe(4);
    }
  });

  it("weighted random gives each account its weight's share", async () => {
    const run = await runFleet({ ...plan, algorithm: "weighted-random" });
    expectShares(run, { a: 1 / 8, b: 2 / 8, c: 1 / 8, d: 4 / 8 });
  });

  it("least connections sends more to those that are done sooner, and no account piles up", async () => {
    const { shares, peaks } = await runFleet({ ...plan, algorithm: "least-connections" });
    const [a = 0, b = 0, c = 0, d = 0] = ["a", "b", "c", "d"].map((accountId) => shares[accountId]);
    expect(a).toBeGreaterThan(b);
    expect(b).toBeGreaterThan(c);
    expect(c).toBeGreaterThan(d);
    expect(Math.max(...Object.values(peaks))).toBeLessThan(25);
  });

  it("response time prefers the quick ones, and hardly uses the slowest", async () => {
    const { shares } = await runFleet({ ...plan, algorithm: "response-time" });
    expect(shares.a).toBeGreaterThan(0.45);
    expect(shares.b).toBeGreaterThan(shares.c ?? 0);
    expect(shares.d).toBeLessThan(0.02);
  });

  it("a session stays with its account, and leaves it once when it is limited", async () => {
    const limitedAt = start + 2 * minute;
    const limitedUntil = start + 4 * minute;
    const run = await runFleet({
      ...plan,
      requestsPerSecond: 10,
      seconds: 480,
      upstreams: {
        ...plan.upstreams,
        a: {
          milliseconds: 200,
          says: (now) =>
            now >= limitedAt && now < limitedUntil
              ? { state: "rate-limited", until: limitedUntil, said: "429" }
              : undefined,
        },
      },
      sessionOf: (request) => `session ${request % 40}`,
    });
    expect(run.served.every(({ isRefused }) => !isRefused)).toBe(true);
    const bySession = Map.groupBy(run.served, ({ session }) => session);
    let moved = 0;
    for (const requests of bySession.values()) {
      const accounts = requests.toSorted((left, right) => left.at - right.at).map((each) => each.accounts.at(-1));
      const changes = accounts.filter((accountId, at) => at > 0 && accountId !== accounts[at - 1]).length;
      if (accounts[0] === "a") {
        expect(changes).toBe(1);
        moved += 1;
      } else {
        expect(changes).toBe(0);
      }
    }
    expect(moved).toBeGreaterThan(5);
    const reasons = new Set(run.served.flatMap(({ leftWhy }) => leftWhy ?? []));
    expect([...reasons].sort()).toEqual(["failed", "rate-limited"]);
  });

  it("failover converges: a failing account is left, costs no client anything, and comes back", async () => {
    const failsUntil = start + 6 * minute;
    const run = await runFleet({
      ...plan,
      seconds: 900,
      upstreams: {
        ...plan.upstreams,
        b: {
          milliseconds: 400,
          says: (now) => (now > start + minute && now < failsUntil ? { state: "failing", said: "500" } : undefined),
        },
      },
    });
    expect(run.served.every(({ isRefused }) => !isRefused)).toBe(true);
    const during = run.served.filter(({ at }) => at > start + minute && at < failsUntil);
    const touched = during.filter(({ accounts }) => accounts.includes("b"));
    expect(touched.length / during.length).toBeLessThan(0.02);
    const after = run.served.filter(({ at }) => at > failsUntil + 5 * minute);
    const back = after.filter(({ accounts }) => accounts.at(-1) === "b");
    expect(back.length / after.length).toBeGreaterThan(0.2);
    expect(run.conditions.b).toMatchObject({ state: "healthy", failures: 0 });
  });

  it.each([
    ["of one key", () => "mine"],
    ["of many keys", (request: number) => `key ${request % 50}`],
  ])("failover converges, too, where the requests %s themselves may be at fault", async (_, keyOf) => {
    const failsUntil = start + 6 * minute;
    const run = await runFleet({
      ...{ ...plan, keyOf, seconds: 900 },
      upstreams: {
        ...plan.upstreams,
        b: {
          milliseconds: 400,
          says: (now) =>
            now > start + minute && now < failsUntil ? { state: "failing", isDoubtful: true, said: "500" } : undefined,
        },
      },
    });
    expect(run.served.every(({ isRefused }) => !isRefused)).toBe(true);
    const during = run.served.filter(({ at }) => at > start + minute && at < failsUntil);
    const touched = during.filter(({ accounts }) => accounts.includes("b"));
    expect(touched.length / during.length).toBeLessThan(0.02);
    const after = run.served.filter(({ at }) => at > failsUntil + 5 * minute);
    const back = after.filter(({ accounts }) => accounts.at(-1) === "b");
    expect(back.length / after.length).toBeGreaterThan(0.2);
    expect(run.conditions.b).toMatchObject({ state: "healthy", failures: 0 });
  });

  it("nothing goes to a dead account, nor to one that is switched off, expired or without a credential", async () => {
    const deadAt = start + 3 * minute;
    const run = await runFleet({
      ...plan,
      accounts: [
        ...plan.accounts,
        accountOf("off", { schedulable: false }),
        accountOf("expired", { expiresAt: new Date(start - 1).toISOString() }),
        accountOf("bare", { credentialVersion: 0 }),
      ],
      upstreams: {
        ...plan.upstreams,
        c: { milliseconds: 800, says: (now) => (now >= deadAt ? { state: "blocked", said: "403" } : undefined) },
      },
    });
    const attempts = run.served.flatMap(({ at, accounts }) => accounts.map((accountId) => ({ at, accountId })));
    expect(attempts.some(({ accountId }) => ["off", "expired", "bare"].includes(accountId))).toBe(false);
    const late = attempts.filter(({ at, accountId }) => accountId === "c" && at >= deadAt);
    // What was asked before the first 403 was known: by its own Lambda at once, by the others within two seconds.
    expect(late.length).toBeGreaterThan(0);
    const firstDead = Math.min(...late.map(({ at }) => at));
    expect(late.every(({ at }) => at < firstDead + 2 * second + second)).toBe(true);
    expect(run.conditions.c).toMatchObject({ state: "blocked", until: null });
    expect(run.served.every(({ isRefused }) => !isRefused)).toBe(true);
  });

  it("no account has more requests at once than its concurrency", async () => {
    const few = plan.accounts.map((account) => ({ ...account, concurrency: 5 }));
    const run = await runFleet({ ...plan, accounts: few, requestsPerSecond: 40, seconds: 120 });
    expect(run.served.some(({ isRefused }) => isRefused)).toBe(true);
    for (const peak of Object.values(run.peaks)) expect(peak).toBeLessThanOrEqual(5);
    expect(run.openSlots).toBe(0);
  });
});
