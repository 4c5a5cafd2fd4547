// Reservation and slot at the same time: what one got is given back when the other fails, and a key changed meanwhile counts as it is now.
import { describe, expect, it, vi } from "vitest";
import { priceTable } from "../../../../lambdas/relay/counting/price-table.ts";
import { keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import type { Ledger, LedgerKey, ReserveRequest } from "../../../../lambdas/relay/ledger/ledger.ts";
import { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { accountSettingsSchema } from "../../../../lambdas/relay/scheduling/account.ts";
import { noTraffic } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import type { Admitted, Asked } from "../../../../lambdas/relay/serving/admit.ts";
import type { ServingPorts } from "../../../../lambdas/relay/serving/ports.ts";
import { type Search, takeSeat } from "../../../../lambdas/relay/serving/reach-account.ts";
import { reserveAndSit } from "../../../../lambdas/relay/serving/reserve-and-sit.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";

const now = Date.parse("2026-11-20T12:00:00Z");
const price = priceTable.find(({ model }) => model.startsWith("claude-opus-4-5"));

const key = (policy: object = {}, version = 1): LedgerKey => ({
  ...{ keyId: "k", version, isEnabled: true, isDeleted: false, policy: keyPolicySchema.parse(policy) },
  ...{ expiresAt: undefined, daysFromFirstUse: undefined, secrets: { hash: null }, used: {} },
  ...{ balanceNanoUsd: undefined, leaseCount: 0 },
});

function accountView(accountId: string, groups: string[] = []) {
  const settings = accountSettingsSchema.parse({ name: accountId, provider: "anthropic", groups });
  const condition = { state: "healthy", since: 0, until: null, failures: 0 } as const;
  const at = new Date(now).toISOString();
  const rest = {
    accountId,
    platform: "anthropic",
    version: 1,
    credentialVersion: 1,
    createdAt: at,
    changedAt: at,
  } as const;
  return { account: { ...settings, ...rest, condition, familyConditions: {} }, shards: [], own: noTraffic() };
}

/** `reserve` may look at what it is asked, and answer with another key. */
function stage(
  reserve: (request: ReserveRequest) => Promise<LedgerKey>,
  take: () => Promise<object | undefined>,
  read = key(),
) {
  const settings = relaySettingsSchema.parse({});
  // With nothing between them and this chance, the first seat is at b.
  const accounts = [accountView("a", ["special"]), accountView("b", ["usual"])];
  const snapshot = { readAt: now, accounts, groups: [], priceOverrides: [], settings };
  const demand = {
    ...{ inputBytes: 1000, hasInputElsewhere: false, mostOutputTokens: 100, answers: 1, hasVisibleOutput: false },
    serverTools: {},
  };
  const call = {
    ...{ platform: "anthropic", operation: "messages", metering: "metered", model: "claude-opus-4-5", answers: "json" },
    ...{ demand, sessions: [], boundIds: [] },
  } as const;
  const settlement = { reserved: vi.fn(), unused: vi.fn(), identified: vi.fn() };
  const arrival = { requestId: "r", endsAt: now + 900_000, sourceIp: "203.0.113.1" };
  const asked = { arrival, call, identity: { keyId: "k", hash: "hash" }, settlement } as unknown as Asked;
  const search = {
    ...{ requestId: "r", call, key: read, snapshot, price, session: undefined, owner: undefined },
    ...{ endsAt: now + 900_000, slotUntil: now + 960_000 },
  };
  const worst = {
    nanoUsd: 7,
    tokens: 7,
    inputTokens: 0,
    coveredTokens: 1,
    mostTokens: 1,
    sliceTokens: 1,
    costOf: () => 0,
  };
  const admitted = { key: read, price, worst, search } as unknown as Admitted;
  const ledger = {
    reserve: async (request: ReserveRequest) => ({ nanoUsd: request.nanoUsd, key: await reserve(request) }),
  } as unknown as Ledger;
  const saw = vi.fn();
  const ports = {
    ...{
      ledger,
      slots: { take: vi.fn(take) },
      keys: { saw, isCountOld: () => false },
      now: () => now,
      random: () => 0,
      isAddressIn: () => true,
    },
  } as unknown as ServingPorts;
  return { settlement, saw, ports, seat: () => reserveAndSit(asked, admitted, ports) };
}

describe("a reservation and a slot", () => {
  it("are taken both", async () => {
    const { seat, saw } = stage(
      async () => key(),
      async () => ({ accountId: "a", shard: 0 }),
    );
    const taken = await seat();
    expect([taken.lease?.nanoUsd, taken.worst?.nanoUsd]).toEqual([7, 7]);
    expect(saw).toHaveBeenCalledTimes(1);
  });

  it("of which the reservation fails: the slot is given back, and its refusal is the answer", async () => {
    const refusal = new Refusal("BudgetReached", "no");
    const { seat, settlement } = stage(
      () => Promise.reject(refusal),
      async () => ({ accountId: "a", shard: 0 }),
    );
    await expect(seat()).rejects.toBe(refusal);
    expect(settlement.unused).toHaveBeenCalledTimes(1);
  });

  it.each<[string, object, Partial<LedgerKey>]>([
    ["a day's budget", { spend: { day: 100 } }, { used: { d20261120: 94 } }],
    ["a family's budget", { familySpend: { opus: { total: 100 } } }, { used: { "total:opus": 94 } }],
    ["the balance", { prepaid: true }, { balanceNanoUsd: 6 }],
    ["the tokens of the minute", { tokensPerMinute: 100 }, { used: { [`k${now / 60_000}`]: 94 } }],
    ["the requests of the minute", { requestsPerMinute: 1 }, { used: { [`r${now / 60_000}`]: 1 } }],
  ])(
    "that %s will not allow, by what was seen of the key: no slot is taken for the refusal",
    async (_, policy, seen) => {
      const refusal = new Refusal("BudgetReached", "no");
      const taken: string[] = [];
      const take = async () => {
        taken.push("slot");
        return { accountId: "a", shard: 0 };
      };
      const spent = { ...key(policy), ...seen };
      await expect(stage(() => Promise.reject(refusal), take, spent).seat()).rejects.toBe(refusal);
      expect(taken).toEqual([]);
      // What was seen is old: the reservation decides.
      await stage(async () => key(policy), take, spent).seat();
      expect(taken).toEqual(["slot"]);
    },
  );

  it("of which the slot fails: the reservation is kept for its settlement", async () => {
    const { seat, settlement } = stage(
      async () => key(),
      async () => undefined,
    );
    await expect(seat()).rejects.toMatchObject({ name: "AccountsLimited" });
    expect(settlement.reserved).toHaveBeenCalledTimes(1);
  });

  it("under a policy that changed meanwhile are priced by the new one, slices too", async () => {
    const newer = key({ multiplierThousandths: 3000 }, 2);
    const { seat } = stage(
      async (request) => {
        const again = await request.renewed(newer);
        expect(again.nanoUsd).toBeGreaterThan(7);
        return newer;
      },
      async () => ({ accountId: "a", shard: 0 }),
    );
    const { worst } = await seat();
    const rate = price?.rates.output ?? 0;
    expect(worst?.costOf(1_000_000)).toBe(3 * rate);
  });

  it("for a key that was bound to other accounts meanwhile: the slot is given back and another taken there", async () => {
    const newer = key({ boundTo: { kind: "group", group: "special" } }, 2);
    const { seat, settlement } = stage(
      async (request) => {
        await request.renewed(newer);
        return newer;
      },
      async () => ({ accountId: "?", shard: 0 }),
    );
    const taken = await seat();
    expect(settlement.unused).toHaveBeenCalledTimes(1);
    expect(taken.seat.account.accountId).toBe("a");
  });

  it("for a key that was bound to a group of the same account meanwhile: the slot stays", async () => {
    const { seat, settlement, ports } = stage(
      async () => key({ boundTo: { kind: "group", group: "usual" } }, 2),
      async () => ({ accountId: "?", shard: 0 }),
    );
    expect((await seat()).seat.account.accountId).toBe("b");
    expect(settlement.unused).not.toHaveBeenCalled();
    expect(ports.slots.take).toHaveBeenCalledTimes(1);
  });
});

it("a session whose account has no slot left has left it, which is told", async () => {
  const accounts = ["a", "b"].map((id) => ({ view: accountView(id), tier: 1 as const }));
  const ports = {
    slots: {
      take: async ({ account }: { account: { accountId: string } }) => (account.accountId === "b" ? {} : undefined),
    },
    now: () => now,
  } as unknown as ServingPorts;
  const seatOf = (session: string | undefined) =>
    takeSeat({ kind: "accounts", accounts, left: undefined }, { session } as Search, ports);
  expect((await seatOf("a")).left).toEqual({ accountId: "a", why: "full" });
  expect((await seatOf("b")).left).toBeUndefined();
  expect((await seatOf(undefined)).left).toBeUndefined();
});
