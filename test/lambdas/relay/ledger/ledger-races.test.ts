// Every race that broke a simpler ledger, by name, on a real DynamoDB: what is charged is charged once, and no limit is passed.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { numberOf } from "../../../../lambdas/relay/ledger/attributes.ts";
import { graceMilliseconds } from "../../../../lambdas/relay/ledger/judge-write.ts";
import { leasesOf } from "../../../../lambdas/relay/ledger/key-item.ts";
import type { Lease, LedgerKey } from "../../../../lambdas/relay/ledger/ledger.ts";
import { minuteOf, requestsWindow } from "../../../../lambdas/relay/ledger/windows.ts";
import type { Refusal } from "../../../../lambdas/relay/refusal.ts";
import { killedAt, LedgerTables, nanoDollar, policyOf, recordOf, spoilOnce } from "./ledger-tables.ts";

let tables: LedgerTables;

const noon = Date.parse("2026-11-20T12:00:00.000Z");
const minute = 60_000;
const dayLimit = (dollars: number) => ({ spend: { day: dollars * nanoDollar } });

beforeAll(async () => {
  tables = await LedgerTables.start();
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

const usedOf = async (key: LedgerKey) => (await tables.readKey(key.keyId)).used;
const leasesLeft = async (key: LedgerKey) => leasesOf(await tables.item(key.keyId));
const recordOfRequest = async (requestId: string) => (await tables.records()).get(requestId);

/** What the ledger refused with. */
async function refusalOf(work: Promise<unknown>): Promise<Refusal> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome === undefined) throw new Error("it was not refused");
  return outcome as Refusal;
}

/** All that stands in a lease's windows is what was charged, and no lease is left. */
async function expectCharged(key: LedgerKey, lease: Lease, nanoUsd: number): Promise<void> {
  const used = await usedOf(key);
  expect(lease.windows.map((name) => used[name])).toEqual(lease.windows.map(() => nanoUsd));
  expect(await leasesLeft(key)).toEqual([]);
}

describe("a reservation", () => {
  it("takes its worst case from every window, and settling leaves what was charged", async () => {
    tables.time = noon;
    const key = await tables.addKey({ ...dayLimit(5), familySpend: { opus: { week: 3 * nanoDollar } } });
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key, { family: "opus" }));
    expect(lease.windows).toEqual(["d20261120", "w202647", "m202611", "total", "w202647:opus"]);
    expect(lease.key.used).toMatchObject({ d20261120: nanoDollar, "w202647:opus": nanoDollar });
    await ledger.settle(lease, recordOf(lease, 400_000_000));
    await expectCharged(key, lease, 400_000_000);
    expect(await recordOfRequest(lease.requestId)).toMatchObject({
      chargedNanoUsd: 400_000_000,
      reservedNanoUsd: nanoDollar,
      overrunNanoUsd: 0,
      outcome: "ok",
    });
  });

  it("keeps no half of a character of the model's name, which no table takes", async () => {
    const key = await tables.addKey({});
    const asked = tables.request(key);
    const call = { ...asked.call, model: `${"x".repeat(79)}😀` };
    const ledger = tables.newLedger();
    const lease = await ledger.reserve({ ...asked, call });
    await ledger.settle(lease, recordOf(lease, 1));
    expect(await leasesLeft(key)).toEqual([]);
  });

  it("is refused by the limit that it would pass, which is named with its window, its end and its figure", async () => {
    tables.time = noon;
    const key = await tables.addKey({ timeZone: "Asia/Shanghai", ...dayLimit(2) });
    const ledger = tables.newLedger();
    await ledger.reserve(tables.request(key));
    await ledger.reserve(tables.request(key));
    const refusal = await refusalOf(ledger.reserve(tables.request(key)));
    expect(refusal.name).toBe("BudgetReached");
    expect(refusal.message).toContain("2.00 USD per day: 2.00 USD is spent or reserved");
    expect(refusal.facts).toEqual({
      limit: 2 * nanoDollar,
      window: { kind: "day" },
      resetAt: Date.parse("2026-11-20T16:00:00.000Z"),
    });
  });

  it("names the window that ends the latest where several are used up, and the family where it is the family's", async () => {
    tables.time = noon;
    const key = await tables.addKey({
      spend: { day: nanoDollar, total: nanoDollar },
      familySpend: { opus: { week: nanoDollar } },
      concurrency: 1,
    });
    const ledger = tables.newLedger();
    await ledger.reserve(tables.request(key, { family: "opus" }));
    const total = await refusalOf(ledger.reserve(tables.request(key, { family: "opus" })));
    expect(total.facts).toEqual({ limit: nanoDollar, window: { kind: "total" } });
    const view = await tables.keys.change(
      key.keyId,
      undefined,
      {
        policy: policyOf({ familySpend: { opus: { week: nanoDollar } } }),
      },
      "test",
    );
    const family = await refusalOf(ledger.reserve(tables.request(view.key, { family: "opus" })));
    expect(family.facts.window).toEqual({ kind: "week", family: "opus" });
    expect(family.facts.resetAt).toBe(Date.parse("2026-11-23T00:00:00.000Z"));
    await ledger.reserve(tables.request(view.key, { family: "sonnet" }));
  });

  it("above the whole limit is refused, the first one too, and without a time to come again", async () => {
    tables.time = noon;
    const key = await tables.addKey({ ...dayLimit(0.5), tokensPerMinute: 5000 });
    const ledger = tables.newLedger();
    const refusal = await refusalOf(ledger.reserve(tables.request(key)));
    expect([refusal.name, refusal.facts]).toEqual([
      "BudgetReached",
      { limit: nanoDollar / 2, window: { kind: "day" } },
    ]);
    const tokens = await refusalOf(ledger.reserve(tables.request(key, { nanoUsd: 1, tokens: 5001 })));
    expect([tokens.name, tokens.facts]).toEqual(["TokensPerMinute", { limit: 5000 }]);
    expect(await usedOf(key)).toEqual({});
  });

  it("whose answer was lost is not taken twice", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    for (const times of [1, 3]) {
      const ledger = tables.newLedger({
        client: tables.newClient(spoilOnce("UpdateItemCommand", "lost-after", times)),
      });
      const lease = await ledger.reserve(tables.request(key));
      expect(lease.nanoUsd).toBe(nanoDollar);
      expect((await usedOf(key)).d20261120).toBe(nanoDollar);
      await ledger.settle(lease, recordOf(lease, 0));
      await expectCharged(key, lease, 0);
    }
  });

  it("whose answer was lost stays one of the policy that it was made under, though the key was changed since", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const ledger = tables.newLedger();
    const asked: LedgerKey[] = [];
    const renewed = (newer: LedgerKey) => {
      asked.push(newer);
      return { nanoUsd: 5, tokens: 5 };
    };
    const request = tables.request(key, { renewed });
    await ledger.reserve(request);
    await tables.keys.change(key.keyId, undefined, { policy: policyOf({ multiplierThousandths: 3000 }) }, "test");
    const repeated = await ledger.reserve(request);
    expect([repeated.key.version, repeated.nanoUsd, repeated.key.used.total]).toEqual([1, nanoDollar, nanoDollar]);
    expect(asked).toEqual([]);
  });

  it("is tried again when the item is throttled", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(1));
    let left = 3;
    const slow = tables.newClient(() => {
      left -= 1;
      if (left < 0) return undefined;
      return Object.assign(new Error("slow down"), { name: "ProvisionedThroughputExceededException" });
    });
    const lease = await tables.newLedger({ client: slow }).reserve(tables.request(key));
    expect(lease.nanoUsd).toBe(nanoDollar);
    expect((await usedOf(key)).total).toBe(nanoDollar);
  });

  it("meets another's transaction, and is taken all the same", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(1));
    const ledger = tables.newLedger({ client: tables.newClient(spoilOnce("UpdateItemCommand", "conflict", 3)) });
    const lease = await ledger.reserve(tables.request(key));
    await ledger.settle(lease, recordOf(lease, 7));
    await expectCharged(key, lease, 7);
  });

  it("that cannot be made is no refusal, and one whose fate is unknown costs nothing once its failure is recorded", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(1));
    // Done at the last attempt, and no answer came.
    const client = tables.newClient(({ command }) => (command === "UpdateItemCommand" ? "lost-after" : undefined));
    const request = tables.request(key);
    await expect(tables.newLedger({ client }).reserve(request)).rejects.toMatchObject({ name: "AwsUnavailable" });
    const ledger = tables.newLedger();
    const failed = recordOf({ requestId: request.requestId, keyId: key.keyId }, 0, { outcome: "relay-error" });
    await ledger.settle(undefined, failed);
    const [left] = await leasesLeft(key);
    if (left === undefined) throw new Error("the reservation was not made");
    tables.time = left.expiresAt + graceMilliseconds + 1;
    expect(await ledger.expire(key.keyId, left)).toBe("settled");
    expect(await usedOf(key)).toMatchObject({ d20261120: 0, total: 0 });
    expect(await recordOfRequest(request.requestId)).toMatchObject({ outcome: "relay-error", chargedNanoUsd: 0 });
  });

  it("for an unknown, deleted, disabled or expired key is refused as that", async () => {
    tables.time = noon;
    const ledger = tables.newLedger();
    const key = await tables.addKey({}, { expiry: { kind: "at", at: noon + minute } });
    const late = await refusalOf(ledger.reserve(tables.request(key, { now: noon + minute })));
    expect(late.name).toBe("KeyExpired");
    await tables.keys.change(key.keyId, undefined, { enabled: false }, "test");
    expect((await refusalOf(ledger.reserve(tables.request(key)))).name).toBe("KeyDisabled");
    await tables.keys.markDeleted(key.keyId, "test");
    expect((await refusalOf(ledger.reserve(tables.request(key)))).name).toBe("KeyInvalid");
    const unknown = { ...key, keyId: "nobody" };
    expect((await refusalOf(ledger.reserve(tables.request(unknown)))).name).toBe("KeyInvalid");
  });

  it("is made with the newer policy where the key was changed since it was read, asked and priced again", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(1));
    await tables.keys.change(
      key.keyId,
      key.version,
      { policy: policyOf({ ...dayLimit(9), multiplierThousandths: 2000 }) },
      "test",
    );
    const ledger = tables.newLedger();
    const asked: LedgerKey[] = [];
    const renewed = (newer: LedgerKey) => {
      asked.push(newer);
      return { nanoUsd: 2 * nanoDollar, tokens: 5 };
    };
    const lease = await ledger.reserve(tables.request(key, { renewed }));
    expect(asked.map(({ version, policy }) => [version, policy.multiplierThousandths])).toEqual([[2, 2000]]);
    expect([lease.nanoUsd, lease.key.version]).toEqual([2 * nanoDollar, 2]);
    const forbidden = () => {
      throw new TypeError("the model is no longer allowed");
    };
    await expect(ledger.reserve(tables.request(key, { renewed: forbidden }))).rejects.toThrow("no longer allowed");
    expect((await usedOf(key)).total).toBe(2 * nanoDollar);
  });

  it("above a limit that was raised since the key was read is made", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(0.5));
    await tables.keys.change(key.keyId, undefined, { policy: policyOf(dayLimit(5)) }, "test");
    const lease = await tables.newLedger().reserve(tables.request(key));
    expect(lease.key.version).toBe(2);
  });

  it("starts the days of a key that expires from its first use, once", async () => {
    tables.time = noon;
    const key = await tables.addKey({}, { expiry: { kind: "after-first-use", days: 30 } });
    expect([key.expiresAt, key.daysFromFirstUse]).toEqual([undefined, 30]);
    const ledger = tables.newLedger();
    const first = await ledger.reserve(tables.request(key));
    const end = noon + 30 * 24 * 60 * minute;
    expect(first.key.expiresAt).toBe(end);
    // Another Lambda still has the key as it was.
    await ledger.reserve(tables.request(key, { now: noon + 5 * minute }));
    expect((await tables.readKey(key.keyId)).expiresAt).toBe(end);
    expect((await refusalOf(ledger.reserve(tables.request(key, { now: end })))).name).toBe("KeyExpired");
  });

  it("counts requests and tokens of the minute, and the minute's end is told", async () => {
    tables.time = noon;
    const key = await tables.addKey({ requestsPerMinute: 2, tokensPerMinute: 2500 });
    const ledger = tables.newLedger();
    const first = await ledger.reserve(tables.request(key));
    await ledger.reserve(tables.request(key));
    const requests = await refusalOf(ledger.reserve(tables.request(key, { tokens: 1 })));
    expect([requests.name, requests.facts]).toEqual(["RequestsPerMinute", { limit: 2, resetAt: noon + minute }]);
    const tokens = await refusalOf(ledger.reserve(tables.request(key, { tokens: 501 })));
    expect([tokens.name, tokens.facts]).toEqual(["TokensPerMinute", { limit: 2500, resetAt: noon + minute }]);
    // What was not used is free again in the same minute.
    await ledger.settle(first, recordOf(first, 1, { usage: { ...recordOf(first, 1).usage, outputTokens: 10 } }));
    expect((await usedOf(key))[`k${minuteOf(noon)}`]).toBe(1010);
    await ledger.reserve(tables.request(key, { now: noon + minute }));
  });

  it("waits in line for a running request to end, and not for longer than the policy says", async () => {
    tables.time = noon;
    const waiting = { longestMilliseconds: 20_000, most: 1 };
    const key = await tables.addKey({ concurrency: 1, waiting });
    const ledger = tables.newLedger();
    const running = await ledger.reserve(tables.request(key));
    const next = ledger.reserve(tables.request(key));
    const stands = async () => Object.keys((await tables.item(key.keyId)).q?.M ?? {}).length === 1;
    await expect.poll(stands).toBe(true);
    const full = await refusalOf(ledger.reserve(tables.request(key)));
    expect([full.name, full.facts]).toEqual(["ConcurrencyReached", { limit: 1 }]);
    await ledger.settle(running, recordOf(running, 1));
    const admitted = await next;
    expect(await stands()).toBe(false);

    const late = ledger.reserve(tables.request(key));
    await expect.poll(stands).toBe(true);
    tables.time = noon + 20_001;
    expect((await refusalOf(late)).name).toBe("ConcurrencyReached");
    expect(await stands()).toBe(false);
    await ledger.settle(admitted, recordOf(admitted, 1));
  });

  it("takes the place in line of one that died there", async () => {
    tables.time = noon;
    const key = await tables.addKey({ concurrency: 1, waiting: { longestMilliseconds: 1000, most: 1 } });
    const ledger = tables.newLedger();
    const running = await ledger.reserve(tables.request(key));
    const dies = tables.newLedger({ client: tables.newClient(killedAt("GetItemCommand")) });
    await expect(dies.reserve(tables.request(key))).rejects.toThrow("killed");
    const inLine = async () => Object.keys((await tables.item(key.keyId)).q?.M ?? {});
    const dead = await inLine();
    expect(dead).toHaveLength(1);
    tables.time = noon + 1001;
    const waits = ledger.reserve(tables.request(key));
    await expect.poll(inLine).toEqual([expect.not.stringMatching(`^${dead[0]}$`)]);
    await ledger.settle(running, recordOf(running, 1));
    await waits;
    expect((await tables.item(key.keyId)).q?.M).toEqual({});
  });

  it("takes expired leases out of its way", async () => {
    tables.time = noon;
    const key = await tables.addKey({ concurrency: 2, ...dayLimit(2) });
    const ledger = tables.newLedger();
    const dead = await ledger.reserve(tables.request(key, { leaseUntil: noon + minute }));
    await ledger.reserve(tables.request(key));
    expect((await refusalOf(ledger.reserve(tables.request(key, { nanoUsd: 0 })))).name).toBe("ConcurrencyReached");
    tables.time = noon + minute + graceMilliseconds + 1;
    const lease = await ledger.reserve(tables.request(key, { nanoUsd: 0 }));
    expect((await leasesLeft(key)).map(({ requestId }) => requestId)).not.toContain(dead.requestId);
    expect(await recordOfRequest(dead.requestId)).toMatchObject({
      outcome: "lease-expired",
      chargedNanoUsd: nanoDollar,
      platform: "anthropic",
      modelAsked: "claude-opus-5",
    });
    await ledger.settle(lease, recordOf(lease, 0));
  });

  it("removes windows that are long over, and none that a late request is still settled in", async () => {
    tables.time = noon;
    const key = await tables.addKey({ requestsPerMinute: 100 });
    const ledger = tables.newLedger();
    const old = await ledger.reserve(tables.request(key));
    tables.time = noon + 5 * 24 * 60 * minute;
    const lease = await ledger.reserve(tables.request(await tables.readKey(key.keyId)));
    const names = Object.keys(await usedOf(key));
    expect(names).toEqual(expect.arrayContaining(["d20261125", "w202648", "m202611", "total", "w202647"]));
    expect(names).not.toContain("d20261120");
    expect(names).not.toContain(requestsWindow(minuteOf(noon)));
    expect(Object.keys(lease.key.used).sort()).toEqual(names.sort());
    // A cleaned window name: what comes that late is charged, and counts nowhere twice.
    await ledger.settle(old, recordOf(old, 300));
    expect(await usedOf(key)).toMatchObject({ total: nanoDollar + 300, m202611: nanoDollar + 300, d20261120: 300 });
  });

  it("sees now and then what Lambdas that are gone have left, and the next one removes it", async () => {
    tables.time = noon;
    const key = await tables.addKey({ requestsPerMinute: 100 });
    await tables.newLedger().reserve(tables.request(key));
    tables.time = noon + 10 * minute;
    const left = requestsWindow(minuteOf(noon));
    const narrow = await tables.newLedger({ random: () => 0.5 }).reserve(tables.request(key));
    expect(narrow.key.used).not.toHaveProperty(left);
    const whole = await tables.newLedger({ random: () => 0 }).reserve(tables.request(narrow.key));
    expect(whole.key.used).toHaveProperty(left);
    await tables.newLedger().reserve(tables.request(whole.key));
    expect(await usedOf(key)).not.toHaveProperty(left);
  });

  it("says how many others run where it is asked, and so does an extension", async () => {
    tables.time = noon;
    const key = await tables.addKey({});
    const ledger = tables.newLedger({ random: () => 0.5 });
    for (let running = 0; running < 3; running += 1) await ledger.reserve(tables.request(key));
    const blind = await ledger.reserve(tables.request(key));
    expect(blind.key.leaseCount).toBe(0);
    const lease = await ledger.reserve(tables.request(key, { asksForCount: true }));
    expect(lease.key.leaseCount).toBe(4);
    await ledger.settle(blind, recordOf(blind, 1));
    expect((await ledger.extend(lease, tables.more(1))).key.leaseCount).toBe(3);
  });

  it("of a Lambda whose clock is behind is counted in its own day, and resets nothing", async () => {
    tables.time = Date.parse("2026-11-21T00:00:01.000Z");
    const key = await tables.addKey(dayLimit(2));
    const ledger = tables.newLedger();
    await ledger.reserve(tables.request(key));
    const behind = tables.time - 5000;
    await tables.newLedger({ now: () => behind }).reserve(tables.request(key, { now: behind }));
    await ledger.reserve(tables.request(key));
    expect(await usedOf(key)).toMatchObject({
      d20261120: nanoDollar,
      d20261121: 2 * nanoDollar,
      total: 3 * nanoDollar,
    });
    expect((await refusalOf(ledger.reserve(tables.request(key)))).facts.window).toEqual({ kind: "day" });
  });
});

describe("an extension", () => {
  it("takes more in the windows in which the request was admitted, after midnight too", async () => {
    tables.time = Date.parse("2026-11-20T23:59:59.000Z");
    const key = await tables.addKey(dayLimit(2));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    tables.time += 2000;
    const extended = await ledger.extend(lease, tables.more(nanoDollar));
    expect([extended.nanoUsd, extended.tokens, extended.sequence]).toEqual([2 * nanoDollar, 1100, 1]);
    expect((await refusalOf(ledger.extend(extended, tables.more(1)))).facts.window).toEqual({ kind: "day" });
    // Refunded where it was taken: the day after is not made richer.
    await ledger.settle(extended, recordOf(extended, 10));
    expect(await usedOf(key)).toMatchObject({ d20261120: 10, w202647: 10, total: 10 });
    expect(await usedOf(key)).not.toHaveProperty("d20261121");
  });

  it("whose answer was lost is not taken twice, and the lease is what the ledger holds", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const lease = await tables.newLedger().reserve(tables.request(key));
    const ledger = tables.newLedger({ client: tables.newClient(spoilOnce("UpdateItemCommand", "lost-after")) });
    const extended = await ledger.extend(lease, tables.more(3));
    expect([extended.nanoUsd, extended.sequence]).toEqual([nanoDollar + 3, 1]);
    // Asked for again with the lease from before, with another amount: what was taken is told, nothing more is.
    expect((await ledger.extend(lease, tables.more(100))).nanoUsd).toBe(nanoDollar + 3);
    expect((await usedOf(key)).total).toBe(nanoDollar + 3);
  });

  it("whose answer never came is settled with, whatever became of it", async () => {
    tables.time = noon;
    for (const how of ["lost-before", "lost-after"] as const) {
      const key = await tables.addKey(dayLimit(9));
      const lease = await tables.newLedger().reserve(tables.request(key));
      const client = tables.newClient(({ command }) => (command === "UpdateItemCommand" ? how : undefined));
      await expect(tables.newLedger({ client }).extend(lease, tables.more(500))).rejects.toMatchObject({
        name: "AwsUnavailable",
      });
      await tables.newLedger().settle(lease, recordOf(lease, 77));
      await expectCharged(key, lease, 77);
    }
  });

  it("is refused as soon as the key is switched off, and what ran until then is charged", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    await tables.keys.change(key.keyId, undefined, { enabled: false }, "test");
    expect((await refusalOf(ledger.extend(lease, tables.more(1)))).name).toBe("KeyDisabled");
    await ledger.settle(lease, recordOf(lease, 5));
    await expectCharged(key, lease, 5);
  });

  it("obeys a limit that was lowered or raised while the request ran", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    await tables.keys.change(key.keyId, undefined, { policy: policyOf(dayLimit(1)) }, "test");
    expect((await refusalOf(ledger.extend(lease, tables.more(1)))).name).toBe("BudgetReached");
    await tables.keys.change(key.keyId, undefined, { policy: policyOf(dayLimit(2)) }, "test");
    const extended = await ledger.extend(lease, tables.more(nanoDollar));
    expect([extended.nanoUsd, extended.key.version]).toEqual([2 * nanoDollar, 3]);
  });

  it("asks anew whether what runs is allowed where the key was changed, once, and ends where it is not", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    await tables.keys.change(key.keyId, undefined, { policy: policyOf({ ...dayLimit(9), models: ["gpt-*"] }) }, "test");
    const forbidden = new TypeError("the model is no longer allowed");
    const renewed = ({ policy }: LedgerKey) => {
      if (policy.models.length > 0) throw forbidden;
    };
    await expect(ledger.extend(lease, { ...tables.more(1), renewed })).rejects.toBe(forbidden);
    expect((await usedOf(key)).total).toBe(nanoDollar);
    await tables.keys.change(key.keyId, undefined, { policy: policyOf(dayLimit(9)) }, "test");
    const extended = await ledger.extend(lease, { ...tables.more(1), renewed });
    const neverAsked = () => {
      throw forbidden;
    };
    expect((await ledger.extend(extended, { ...tables.more(1), renewed: neverAsked })).nanoUsd).toBe(nanoDollar + 2);
  });

  it("fails once a sweeper gave the lease up", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const lease = await tables.newLedger().reserve(tables.request(key, { leaseUntil: noon }));
    const [seen] = await leasesLeft(key);
    if (seen === undefined) throw new Error("there is no lease");
    // Killed between giving up and settling.
    const dies = tables.newClient(killedAt("PutItemCommand"));
    await expect(tables.newLedger({ client: dies }).expire(key.keyId, seen)).rejects.toThrow("killed");
    expect((await refusalOf(tables.newLedger().extend(lease, tables.more(1)))).name).toBe("RelayUnavailable");
    expect(await tables.newLedger().expire(key.keyId, seen)).toBe("settled");
    await expectCharged(key, lease, nanoDollar);
  });

  it("tells the ledger who serves by now, for the record of one that nobody settles", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const seen: (string | undefined)[] = [];
    const ledger = tables.newLedger({
      findOrphan: async ({ accountId }) => {
        seen.push(accountId);
        return { accountId: accountId ?? "", provider: "openai", modelServed: "gpt-5", count: async () => undefined };
      },
    });
    const lease = await ledger.reserve(tables.request(key, { accountId: "first", leaseUntil: noon }));
    await ledger.extend(lease, { ...tables.more(1), accountId: "second", leaseUntil: noon });
    const [left] = await leasesLeft(key);
    if (left === undefined) throw new Error("there is no lease");
    expect(await ledger.expire(key.keyId, left)).toBe("settled");
    expect(seen).toEqual(["second"]);
    expect(await recordOfRequest(lease.requestId)).toMatchObject({
      ...{ outcome: "lease-expired", accountId: "second", provider: "openai", modelServed: "gpt-5", accountsTried: 1 },
    });
  });

  it("keeps a sweeper that saw the lease before from taking it", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key, { leaseUntil: noon + minute }));
    const [seen] = await leasesLeft(key);
    if (seen === undefined) throw new Error("there is no lease");
    const extended = await ledger.extend(lease, tables.more(1));
    expect(await ledger.expire(key.keyId, seen)).toBe("alive");
    await ledger.settle(extended, recordOf(extended, 9));
    await expectCharged(key, lease, 9);
  });
});

describe("settling", () => {
  it("happens once, whoever settles how often, at the same time too", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    await Promise.all([1, 2, 3].map(() => ledger.settle(lease, recordOf(lease, 11))));
    await ledger.settle(lease, recordOf(lease, 999));
    await expectCharged(key, lease, 11);
    expect((await recordOfRequest(lease.requestId))?.chargedNanoUsd).toBe(11);
  });

  it("happens once when answers are lost, of the record, of the lease, or of both", async () => {
    tables.time = noon;
    for (const lostCommand of ["PutItemCommand", "UpdateItemCommand"]) {
      const key = await tables.addKey(dayLimit(9));
      const lease = await tables.newLedger().reserve(tables.request(key));
      const client = tables.newClient(spoilOnce(lostCommand, "lost-after", 3));
      await tables.newLedger({ client }).settle(lease, recordOf(lease, 12));
      await expectCharged(key, lease, 12);
    }
  });

  it("that died after its record is finished by the sweeper, by what the record says", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(9));
    const lease = await tables.newLedger().reserve(tables.request(key, { leaseUntil: noon }));
    const dies = tables.newClient(killedAt("UpdateItemCommand"));
    await expect(tables.newLedger({ client: dies }).settle(lease, recordOf(lease, 13))).rejects.toThrow("killed");
    const [seen] = await leasesLeft(key);
    if (seen === undefined) throw new Error("there is no lease");
    await tables.newLedger().expire(key.keyId, seen);
    await expectCharged(key, lease, 13);
    expect(await recordOfRequest(lease.requestId)).toMatchObject({ outcome: "ok", chargedNanoUsd: 13 });
  });

  it("by the sweeper counts at the account what the request cost it: the list price, or what its own record says", async () => {
    tables.time = noon;
    const key = await tables.addKey({ ...dayLimit(9), multiplierThousandths: 2500 });
    const counted: number[] = [];
    const findOrphan = async () => ({
      ...{ accountId: "a", provider: "anthropic", modelServed: "claude-opus-5" },
      count: async (realNanoUsd: number) => void counted.push(realNanoUsd),
    });
    const sweeper = tables.newLedger({ findOrphan });
    const orphan = await sweeper.reserve(tables.request(key, { leaseUntil: noon }));
    const half = await sweeper.reserve(tables.request(key, { leaseUntil: noon }));
    // What it is by now prices nothing that ran before.
    const changed = policyOf({ ...dayLimit(9), multiplierThousandths: 10 });
    await tables.keys.change(key.keyId, undefined, { policy: changed }, "test");
    const dies = tables.newClient(killedAt("UpdateItemCommand"));
    const record = recordOf(half, 100, { realNanoUsd: 40 });
    await expect(tables.newLedger({ client: dies }).settle(half, record)).rejects.toThrow("killed");
    // A sweeper that dies before the lease is gone has told the account; the next one tells it again, and its slot knows.
    for (const left of await leasesLeft(key)) {
      let isGivenUp = false;
      const client = tables.newClient(({ command }) => {
        if (command !== "UpdateItemCommand") return undefined;
        if (isGivenUp) return new Error("killed");
        isGivenUp = true;
        return undefined;
      });
      const dying = tables.newLedger({ client, findOrphan });
      await expect(dying.expire(key.keyId, left)).rejects.toThrow("killed");
      await sweeper.expire(key.keyId, left);
    }
    const list = nanoDollar / 2.5;
    expect(counted.toSorted((one, other) => one - other)).toEqual([40, 40, list, list]);
    expect(await recordOfRequest(orphan.requestId)).toMatchObject({
      ...{ accountId: "a", chargedNanoUsd: nanoDollar, realNanoUsd: nanoDollar / 2.5 },
    });
    expect((await usedOf(key)).total).toBe(nanoDollar + 100);
  });

  it("after the sweeper corrects record and windows, once, though answers are lost and transactions conflict", async () => {
    for (const how of [undefined, "lost-after", "conflict"] as const) {
      tables.time = noon;
      const key = await tables.addKey({ ...dayLimit(9), prepaid: true }, { balanceNanoUsd: 5 * nanoDollar });
      const ledger = tables.newLedger();
      const lease = await ledger.reserve(tables.request(key, { leaseUntil: noon }));
      const [seen] = await leasesLeft(key);
      if (seen === undefined) throw new Error("there is no lease");
      await Promise.all([ledger.expire(key.keyId, seen), ledger.expire(key.keyId, seen)]);
      await expectCharged(key, lease, nanoDollar);
      const client = tables.newClient(how && spoilOnce("TransactWriteItemsCommand", how, 3));
      const late = tables.newLedger({ client });
      await Promise.all([late.settle(lease, recordOf(lease, 14)), late.settle(lease, recordOf(lease, 14))]);
      await late.settle(lease, recordOf(lease, 14));
      await expectCharged(key, lease, 14);
      expect(numberOf((await tables.item(key.keyId)).bal)).toBe(5 * nanoDollar - 14);
      expect(await recordOfRequest(lease.requestId)).toMatchObject({ outcome: "ok", chargedNanoUsd: 14 });
      // And the sweeper, coming again with what it saw then, finds nothing to do.
      expect(await ledger.expire(key.keyId, seen)).toBe("settled");
      await expectCharged(key, lease, 14);
    }
  });

  it("charges what the upstream reported above the reservation, and says so", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(1));
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    await ledger.settle(lease, recordOf(lease, nanoDollar + 5));
    await expectCharged(key, lease, nanoDollar + 5);
    expect(await recordOfRequest(lease.requestId)).toMatchObject({ overrunNanoUsd: 5, reservedNanoUsd: nanoDollar });
    expect((await refusalOf(ledger.reserve(tables.request(key, { nanoUsd: 0 })))).name).toBe("BudgetReached");
  });

  it("of a request without a lease writes its record, and nothing else", async () => {
    tables.time = noon;
    const key = await tables.addKey(dayLimit(1));
    const requestId = tables.requestId();
    await tables.newLedger().settle(undefined, recordOf({ requestId, keyId: key.keyId }, 0, { outcome: "refused" }));
    expect(await recordOfRequest(requestId)).toMatchObject({ outcome: "refused", keyId: key.keyId });
    expect(await usedOf(key)).toEqual({});
  });
});

describe("a prepaid balance", () => {
  it("covers every request, and gets back what was not used", async () => {
    tables.time = noon;
    const key = await tables.addKey({ prepaid: true }, { balanceNanoUsd: 2 * nanoDollar });
    const ledger = tables.newLedger();
    const lease = await ledger.reserve(tables.request(key));
    expect(lease.key.balanceNanoUsd).toBe(nanoDollar);
    const extended = await ledger.extend(lease, tables.more(nanoDollar));
    const refusal = await refusalOf(ledger.extend(extended, tables.more(1)));
    expect([refusal.name, refusal.facts]).toEqual(["BalanceSpent", { limit: 0 }]);
    await ledger.settle(extended, recordOf(extended, 300));
    expect((await tables.readKey(key.keyId)).balanceNanoUsd).toBe(2 * nanoDollar - 300);
    await tables.keys.addToBalance({
      ...{ keyId: key.keyId, entryId: "e1", kind: "top-up", nanoUsd: 300, note: "", by: "test" },
    });
    await ledger.reserve(tables.request(key, { nanoUsd: 2 * nanoDollar }));
    expect((await refusalOf(ledger.reserve(tables.request(key, { nanoUsd: 1 })))).name).toBe("BalanceSpent");
  });

  it("of nothing lets requests pass that cost nothing", async () => {
    tables.time = noon;
    const key = await tables.addKey({ prepaid: true });
    const lease = await tables.newLedger().reserve(tables.request(key, { nanoUsd: 0 }));
    expect(lease.key.balanceNanoUsd).toBe(0);
  });
});
