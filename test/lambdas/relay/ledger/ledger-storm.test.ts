// The ledger's promise under load and in storms: charged + reserved never passes a limit, and in the end the windows say what the
// records say, with no lease left. CAUSEWAY_LEDGER_SEEDS: how many storms, for a longer look.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Storm, type Weather } from "./ledger-storm.ts";
import { LedgerTables, nanoDollar, recordOf } from "./ledger-tables.ts";

let tables: LedgerTables;

beforeAll(async () => {
  tables = await LedgerTables.start();
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

const fair: Weather = { lostBefore: 0, lostAfter: 0, conflict: 0, killed: 0, late: 0 };
const rough: Weather = { lostBefore: 0.05, lostAfter: 0.06, conflict: 0.03, killed: 0.12, late: 0.08 };
const seeds = Array.from({ length: Number(process.env.CAUSEWAY_LEDGER_SEEDS ?? 3) }, (_, index) => index + 1);

/** Looks at the item again and again until the work is over; answers how often. */
async function watching(storm: Storm, keyId: string, work: Promise<void>): Promise<number> {
  let isOver = false;
  const over = work.finally(() => {
    isOver = true;
  });
  over.catch(() => undefined);
  let looks = 0;
  for (; !isOver; looks += 1) storm.checkItem(keyId, await tables.item(keyId));
  await over;
  return looks;
}

describe("two hundred streams over one key", () => {
  it("never pass its limits, at no instant that anybody sees, and leave what they were charged", async () => {
    const storm = new Storm(tables, { seed: 200, startsAt: Date.parse("2026-11-20T09:00:00Z"), weather: fair });
    const key = await storm.addKey({
      spend: { day: 9 * nanoDollar, total: 30 * nanoDollar },
      familySpend: { opus: { week: 4 * nanoDollar } },
      concurrency: 100,
      waiting: { longestMilliseconds: 60_000, most: 100 },
    });
    const looks = await watching(storm, key.keyId, storm.blow(400, 200, false));
    await storm.calmDown();
    const counts = await storm.checkSums();
    expect(storm.breaches).toEqual([]);
    expect(looks).toBeGreaterThan(10);
    expect([...storm.refusals.keys()]).toContain("BudgetReached");
    expect(counts["lease-expired"]).toBeUndefined();
    expect((counts.ok ?? 0) + (counts.refused ?? 0)).toBe(400);
  });
});

describe("a storm", () => {
  it.each(seeds)("of seed %i charges everything once, and passes no limit", async (seed) => {
    // Half a minute before a midnight in Berlin after which clocks turn back.
    const storm = new Storm(tables, { seed, startsAt: Date.parse("2026-10-24T21:59:30Z"), weather: rough });
    const spending = { spend: { day: 3 * nanoDollar, week: 9 * nanoDollar, month: 40 * nanoDollar } };
    const watched = await storm.addKey({
      timeZone: "Europe/Berlin",
      ...spending,
      familySpend: { opus: { day: nanoDollar, week: 3 * nanoDollar } },
      tokensPerMinute: 60_000,
    });
    await storm.addKey({ timeZone: "Asia/Shanghai", ...spending, prepaid: true }, { balanceNanoUsd: 3 * nanoDollar });
    await storm.addKey({ concurrency: 6, waiting: { longestMilliseconds: 2000, most: 5 }, requestsPerMinute: 100 });
    await watching(storm, watched.keyId, storm.blow(250, 24, true));
    await storm.calmDown();
    const counts = await storm.checkSums();
    expect(storm.breaches).toEqual([]);
    // It was a storm: some died, some were refused, and some came late.
    expect(counts["lease-expired"]).toBeGreaterThan(0);
    expect(counts.ok).toBeGreaterThan(50);
    expect(storm.refusals.size).toBeGreaterThan(1);
  });

  it("notices what it is there to notice: a charge that nobody recorded", async () => {
    const storm = new Storm(tables, { seed: 1, startsAt: Date.parse("2026-11-20T09:00:00Z"), weather: fair });
    const key = await storm.addKey({ spend: { day: nanoDollar } });
    await storm.blow(5, 1, false);
    const request = tables.request(key, { now: storm.time, nanoUsd: 5 });
    const lease = await storm.ledger.reserve(request);
    await storm.ledger.settle(lease, recordOf(lease, 5));
    await storm.checkSums();
    expect(storm.breaches.join("\n")).toContain("d20261120 says");
  });
});
