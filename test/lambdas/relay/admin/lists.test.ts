// Lists of accounts, groups, prices and records: pages that go on where they ended, and names that an address can carry.
import { describe, expect, it } from "vitest";
import {
  demandEmptyGroup,
  listAccounts,
  listGroups,
  viewAccount,
} from "../../../../lambdas/relay/admin/list-accounts.ts";
import { priceBody } from "../../../../lambdas/relay/admin/price-answers.ts";
import { listPrices, newOverride, readPriceId, shownPrice } from "../../../../lambdas/relay/admin/prices.ts";
import { askUsage, pageOfRecords, usageOf } from "../../../../lambdas/relay/admin/usage.ts";
import { usageQuery } from "../../../../lambdas/relay/admin/usage-answers.ts";
import { noFigures } from "../../../../lambdas/relay/counting/figures.ts";
import { priceTable } from "../../../../lambdas/relay/counting/price-table.ts";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { makeRequestId } from "../../../../lambdas/relay/request-id.ts";
import type { Account } from "../../../../lambdas/relay/scheduling/account.ts";
import { healthy } from "../../../../lambdas/relay/scheduling/next-condition.ts";
import { noTraffic } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { now, settingsOf } from "./account-fakes.ts";

function inFleet(name: string, given: Partial<Account> = {}) {
  const account: Account = {
    ...settingsOf({ name }),
    ...{
      accountId: `acc-${name}`,
      platform: "anthropic",
      version: 1,
      credentialVersion: 1,
      createdAt: "c",
      changedAt: "c",
    },
    ...{ condition: healthy(now), familyConditions: {}, ...given },
  };
  return { account, shards: [], own: noTraffic() };
}

describe("a list of accounts", () => {
  const fleet = { accounts: ["d", "a", "c", "b"].map((name) => inFleet(name)) };
  const page = (cursor?: string, accounts = fleet.accounts) => listAccounts({ limit: 2, cursor }, { accounts }, now);

  it("goes on behind the last one of the page before, whatever came or went meanwhile", () => {
    const first = page();
    expect(first.items.map(({ name }) => name)).toEqual(["a", "b"]);
    const changed = [...fleet.accounts.filter(({ account }) => account.name !== "b"), inFleet("aa")];
    const second = page(first.cursor ?? "", changed);
    expect([second.items.map(({ name }) => name), second.cursor]).toEqual([["c", "d"], null]);
  });

  it("refuses a cursor of other filters", () => {
    const cursor = page().cursor ?? "";
    expect(() => listAccounts({ limit: 2, cursor, platform: "openai" }, fleet, now)).toThrow(/no cursor of this list/);
  });

  it("is filtered by what was asked for", () => {
    const limited = inFleet("x", {
      condition: { state: "rate-limited", since: now, until: now + 9, failures: 1 },
      groups: ["g"],
    });
    const accounts = [...fleet.accounts, limited];
    for (const filter of [{ state: "rate-limited" }, { group: "g" }]) {
      expect(listAccounts({ limit: 9, ...filter }, { accounts }, now).items.map(({ name }) => name)).toEqual(["x"]);
    }
    expect(listAccounts({ limit: 9, platform: "gemini" }, { accounts }, now).items).toEqual([]);
  });

  it("shows times as times, and why an account is given nothing", () => {
    const until = now + 60_000;
    const accounts = [inFleet("x", { condition: { state: "rate-limited", since: now, until, failures: 2 } })];
    expect(viewAccount("acc-x", { accounts }, now)).toMatchObject({
      serving: { now: false, reason: "rate-limited" },
      condition: { state: "rate-limited", failures: 2, until: new Date(until).toISOString() },
      hasCredential: true,
      load: { streams: 0, lastAssignedAt: null },
    });
    expect(() => viewAccount("acc-y", { accounts }, now)).toThrow(/no account acc-y/);
  });
});

describe("groups", () => {
  const groups = [{ group: "empty", description: "d", algorithm: "response-time" as const }];
  const snapshot = { groups, accounts: [inFleet("a", { groups: ["team"] }), inFleet("b", { groups: ["team"] })] };

  it("are those that were set up, and those that accounts are in", () => {
    expect(listGroups(snapshot)).toEqual([
      { ...groups[0], accounts: [] },
      {
        group: "team",
        description: "",
        algorithm: null,
        accounts: ["a", "b"].map((name) => ({ accountId: `acc-${name}`, name })),
      },
    ]);
  });

  it("are deleted when nothing is in them", () => {
    expect(() => demandEmptyGroup("empty", snapshot)).not.toThrow();
    expect(() => demandEmptyGroup("team", snapshot)).toThrow("a and 1 more are in the group team");
    expect(() => demandEmptyGroup("nobody", snapshot)).toThrow(/no group nobody/);
  });
});

describe("prices", () => {
  const [listed] = priceTable;
  const { effectiveFrom: _from, ...rest } = listed ?? (undefined as never);
  const body = priceBody.parse({ ...rest, model: "anthropic/claude-9*", source: "contract 7" });

  it("are overridden from now on, or from a time to come, and told apart from the table", () => {
    const override = newOverride(body, now);
    expect(override.effectiveFrom).toBe(new Date(now).toISOString());
    const later = newOverride({ ...body, effectiveFrom: "2027-01-01T00:00:00.000Z" }, now);
    const shown = listPrices([override, later], now).filter(({ origin }) => origin === "override");
    expect(shown.map(({ isInEffect }) => isInEffect)).toEqual([true, false]);
    expect(listPrices([], now).every(({ origin, priceId }) => origin === "table" && priceId === null)).toBe(true);
    expect(listPrices([override], now, "anthropic/claude-9-mini").map(({ source }) => source)).toEqual(["contract 7"]);
    expect(listPrices([override], now, "nobody's")).toEqual([]);
  });

  it("have a name that one segment of a path can carry, and that leads back", () => {
    const override = newOverride(body, now);
    const { priceId } = shownPrice(override, true, now);
    expect(priceId).toMatch(/^[\w-]+$/);
    const { platform, model, effectiveFrom } = override;
    expect(readPriceId(priceId ?? "")).toEqual({ platform, model, effectiveFrom });
  });

  it.each(["", "x", "%00", Buffer.from("[1,2,3]").toString("base64url"), Buffer.from("{}").toString("base64url")])(
    "are not found by %j",
    (priceId) => {
      expect(() => readPriceId(priceId)).toThrow(/no such override/);
    },
  );

  it.each(["9999-12-31T23:59:59-14:00", "0000-01-01T00:00:00+14:00"])(
    "are not kept where nobody could read them: %s",
    (at) => {
      expect(() => newOverride(priceBody.parse({ ...body, effectiveFrom: at }), now)).toThrow(/body.effectiveFrom/);
    },
  );

  it.each(["*", "a*b", "a**", "a#b"])("are for a name, with a star at its end at the most: not %s", (model) => {
    expect(() => newOverride({ ...body, model }, now)).toThrow(/a \* may stand at its end/);
  });
});

describe("usage", () => {
  const row = { keyId: "k", accountId: "a", provider: "p", platform: "anthropic", model: "m" };
  const figures = { ...noFigures, requests: 2, chargedNanoUsd: 7 };
  const ports = { now: () => now, rows: async () => ({ rows: [{ ...row, figures, generation: 1, item: "i" }] }) };

  it("has a row for each group under the names that were asked for, and a total", async () => {
    const query = usageQuery.parse({ from: "2026-11-20T11:00:00Z", groupBy: "key,model" });
    const shown = usageOf(await askUsage(query, ports));
    expect(shown.rows).toEqual([{ key: "k", model: "m", ...figures }]);
    expect(shown).toMatchObject({ groupBy: ["key", "model"], total: figures, to: "2026-11-20T12:00:00.000Z" });
  });

  it.each(["", "key,", "key,model,day", "colour", "day,hour"])("is not grouped by %j", async (groupBy) => {
    const asked = { from: "2026-11-20T11:00:00Z", groupBy };
    const parsed = usageQuery.safeParse(asked);
    if (parsed.success) await expect(askUsage(parsed.data, ports)).rejects.toThrow(/groupBy/);
    else expect(parsed.error.issues[0]?.path).toEqual(["groupBy"]);
  });
});

describe("records", () => {
  const bytes = new Uint8Array(16);
  const at = (minutes: number) =>
    ({
      requestId: makeRequestId(now - minutes * 60_000, bytes),
      startedAt: new Date(now - minutes * 60_000).toISOString(),
      keyId: "k",
    }) as UsageRecord;
  const all = [1, 2, 3, 4, 5].map(at);
  const asked: string[] = [];
  const none = { records: [], after: undefined };
  const ports = {
    now: () => now,
    ofKey: async (_keyId: string, { before, most }: { before: string; most: number }) => {
      asked.push(before);
      const records = all.filter(({ requestId }) => requestId < before).slice(0, most);
      return { records, after: undefined };
    },
    ofHour: async () => none,
  };

  it("are looked for where there can be any: neither before the relay's time nor after now", async () => {
    const first = Date.parse("2026-01-01T00:00:00Z");
    const looks: string[] = [];
    const ofHour = async ({ name }: { name: string }) => {
      looks.push(name);
      return none;
    };
    const hours = { ...ports, ofHour };
    const wide = { from: "0001-01-01T00:00:00Z", to: "2100-01-01T00:00:00Z", limit: 9 };
    let { cursor } = await pageOfRecords(wide, hours);
    while (cursor !== null) ({ cursor } = await pageOfRecords({ ...wide, cursor }, hours));
    expect(looks).toHaveLength(Math.ceil((now - first) / 3_600_000));
    expect([looks[0], looks.at(-1)]).toEqual(["2026112011", "2026010100"]);
  });

  it.each([
    ["2026-11-20T00:00:00Z", "2026-11-19T00:00:00Z"],
    ["2026-11-20T00:00:00Z", "2026-11-20T00:00:00Z"],
  ])("are refused for a range from %s to %s", async (from, to) => {
    await expect(pageOfRecords({ from, to, limit: 9 }, ports)).rejects.toMatchObject({ name: "InputInvalid" });
  });

  it("come a page at a time, and a later page is of the range that the first was asked for", async () => {
    const first = await pageOfRecords({ keyId: "k", limit: 3 }, ports);
    expect(first.items.map(({ requestId }) => requestId)).toEqual(all.slice(0, 3).map(({ requestId }) => requestId));
    const later = { ...ports, now: () => now + 3_600_000 };
    const second = await pageOfRecords({ keyId: "k", limit: 3, cursor: first.cursor ?? "" }, later);
    expect(second.items.map(({ requestId }) => requestId)).toEqual(all.slice(3).map(({ requestId }) => requestId));
    expect(second.cursor).toBeNull();
    await expect(pageOfRecords({ keyId: "other", limit: 3, cursor: first.cursor ?? "" }, ports)).rejects.toThrow(
      /cursor/,
    );
  });
});
