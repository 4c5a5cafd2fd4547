// Usage queries: any range without gap or overlap, two groupings, totals, and CSV that no spreadsheet takes for a formula.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csvLine } from "../../../../lambdas/relay/counting/csv.ts";
import { noFigures } from "../../../../lambdas/relay/counting/figures.ts";
import { listRecords } from "../../../../lambdas/relay/counting/list-records.ts";
import { rollUpUsage } from "../../../../lambdas/relay/counting/roll-up-usage.ts";
import { endOf, startOf } from "../../../../lambdas/relay/counting/units.ts";
import { usageCsv } from "../../../../lambdas/relay/counting/usage-csv.ts";
import { type Grouping, queryUsage, unitsThatFill } from "../../../../lambdas/relay/counting/usage-query.ts";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { MemoryTotals } from "./memory-totals.ts";
import { noon, recordAt } from "./sample-records.ts";

const hour = 3_600_000;
const day = 24 * hour;
const midnight = Date.parse("2026-11-20T00:00:00.000Z");

async function counted(records: readonly UsageRecord[], now = noon + day): Promise<MemoryTotals> {
  const totals = new MemoryTotals(now);
  for (const record of records) totals.put(record);
  await rollUpUsage(totals.batch(records), totals.ports());
  return totals;
}

describe("the units that fill a range", () => {
  it("follow one another from its beginning to its end", () => {
    const now = Date.parse("2027-03-05T10:30:00Z");
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 430 * 24 }),
        fc.integer({ min: 1, max: 250 * 24 }),
        fc.constantFrom("total" as const, "month" as const, "day" as const),
        (firstHour, hours, largest) => {
          const from = Math.max(Date.UTC(2026, 0, 30), now - 390 * day) + firstHour * hour;
          const begin = Math.floor(from / hour) * hour;
          const to = begin + hours * hour;
          if (begin >= now) return;
          const units = unitsThatFill(begin, to, largest, now);
          expect(startOf(units[0] ?? { level: "total", name: "" })).toBe(begin);
          for (const [index, unit] of units.entries()) {
            const next = units[index + 1];
            if (next !== undefined) expect(startOf(next)).toBe(endOf(unit));
          }
          const end = endOf(units.at(-1) ?? { level: "total", name: "" });
          // What lies ahead has no figures.
          expect(to < now ? end === to : end >= Math.min(to, now)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("are few: a year is a year, not its hours", () => {
    const now = Date.parse("2027-03-05T10:30:00Z");
    const [from, to] = [Date.UTC(2026, 10, 20, 13), Date.UTC(2027, 2, 2, 5)];
    const names = unitsThatFill(from, to, "total", now).map(({ name }) => name);
    expect(names.filter((name) => name.length === 6)).toEqual(["202612", "202701", "202702"]);
    expect(names).toHaveLength(11 + 10 + 3 + 1 + 5);
    expect(unitsThatFill(0, now, "total", now).map(({ name }) => name)).toEqual(["total"]);
  });

  it("are refused by the field where the range is empty, too long, or older than its hours are kept", () => {
    const now = Date.parse("2028-06-01T00:00:00Z");
    const refused = expect.objectContaining({ name: "InputInvalid" });
    expect(() => unitsThatFill(now, now, "total", now)).toThrow(refused);
    expect(() => unitsThatFill(now - 100 * day, now, "hour", now)).toThrow(refused);
    expect(() => unitsThatFill(now - 500 * day + hour, now, "total", now)).toThrow(/399 days/);
    expect(unitsThatFill(now - 500 * day, now, "total", now).length).toBeGreaterThan(3);
  });
});

describe("a usage query", () => {
  const records = [
    recordAt(midnight, { keyId: "a", accountId: "x", chargedNanoUsd: 1 }),
    recordAt(noon, { keyId: "a", accountId: "y", chargedNanoUsd: 10 }),
    recordAt(noon + hour, { keyId: "b", accountId: "x", chargedNanoUsd: 100 }),
    recordAt(noon + 13 * hour, { keyId: "b", accountId: "x", modelServed: "claude-haiku-4-5", chargedNanoUsd: 1000 }),
  ];
  const ask = async (groupBy: readonly Grouping[], range: { from?: number; to?: number } = {}, only = {}) => {
    const totals = await counted(records);
    const { from = midnight, to = midnight + 2 * day } = range;
    return queryUsage({ from, to, groupBy, only }, totals.ports());
  };

  it("sums a range by two groupings, the dearest first, and its total", async () => {
    const { groups, total } = await ask(["key", "account"]);
    expect(groups.map(({ values, figures }) => [...values, figures.chargedNanoUsd])).toEqual([
      ["b", "x", 1100],
      ["a", "y", 10],
      ["a", "x", 1],
    ]);
    expect(total).toMatchObject({ requests: 4, chargedNanoUsd: 1111 });
  });

  it("sums by time in order of time", async () => {
    const { groups } = await ask(["day", "key"]);
    expect(groups.map(({ values, figures }) => [...values, figures.chargedNanoUsd])).toEqual([
      ["2026-11-20T00:00:00.000Z", "b", 100],
      ["2026-11-20T00:00:00.000Z", "a", 11],
      ["2026-11-21T00:00:00.000Z", "b", 1000],
    ]);
    expect((await ask(["month"])).groups).toMatchObject([{ values: ["2026-11-01T00:00:00.000Z"] }]);
    expect((await ask(["hour"])).groups).toHaveLength(4);
  });

  it("counts whole hours of the range, and only what is asked for", async () => {
    const answer = await ask([], { from: noon + 1000, to: noon + hour + 1 });
    expect(answer).toMatchObject({ from: noon, to: noon + 2 * hour, groups: [], total: { chargedNanoUsd: 110 } });
    expect((await ask([], {}, { keyId: "b", model: "claude-haiku-4-5" })).total.chargedNanoUsd).toBe(1000);
    expect((await ask([], {}, { accountId: "nobody" })).total.requests).toBe(0);
  });

  it("reads the rows of one key alone where no other's are asked for", async () => {
    const read = new Set<string | undefined>();
    const rows = async (_unit: unknown, keyId: string | undefined) => {
      read.add(keyId);
      return { rows: [] };
    };
    const question = { from: midnight, to: noon, groupBy: ["hour"] as const };
    await queryUsage({ ...question, only: { keyId: "a" } }, { rows, now: () => noon });
    expect([...read]).toEqual(["a"]);
    await queryUsage(question, { rows, now: () => noon });
    expect([...read]).toEqual(["a", undefined]);
  });

  it("refuses groupings that make no sense", async () => {
    for (const wrong of [
      ["key", "key"],
      ["hour", "day"],
      ["key", "model", "account"],
    ] as const) {
      await expect(ask(wrong)).rejects.toMatchObject({ name: "InputInvalid" });
    }
  });

  it("is cut to 5,000 groups, and says so, with the total of all", async () => {
    const figures = { ...noFigures, requests: 1 };
    const rows = Array.from({ length: 5100 }, (_, index) => ({
      ...{ keyId: `k${index}`, accountId: "", provider: "", platform: "", model: "", item: "", generation: 1 },
      figures: { ...figures, chargedNanoUsd: index },
    }));
    const ports = { rows: async () => ({ rows }), now: () => noon + day };
    const answer = await queryUsage({ from: noon, to: noon + hour, groupBy: ["key"] }, ports);
    expect(answer).toMatchObject({ isCut: true, total: { requests: 5100 } });
    expect(answer.groups).toHaveLength(5000);
    expect(answer.groups[0]?.values).toEqual(["k5099"]);
    // Whoever sums up the table gets the total all the same.
    const lines = usageCsv(answer).trim().split("\r\n").slice(1);
    expect(lines.reduce((sum, line) => sum + Number(line.split(",")[1]), 0)).toBe(5100);
    expect(lines.at(-1)).toMatch(/^\(other\),100,0,/);
  });

  it("is refused by name where it would hold more groups than anybody can look at", async () => {
    const rows = Array.from({ length: 5000 }, (_, index) => ({
      ...{ keyId: `k${index}`, accountId: "", provider: "", platform: "", model: "", item: "", generation: 1 },
      figures: { ...noFigures, requests: 1 },
    }));
    const ports = { rows: async () => ({ rows }), now: () => noon + 2 * day };
    const question = { from: noon, to: noon + 22 * hour };
    await expect(queryUsage({ ...question, groupBy: ["key", "hour"] }, ports)).rejects.toThrow(/query.groupBy.*100000/);
    expect((await queryUsage({ ...question, groupBy: ["key"] }, ports)).total.requests).toBe(22 * 5000);
  });

  it("is given as CSV, with a line per group or the total alone", async () => {
    const lines = usageCsv(await ask(["key"])).split("\r\n");
    expect(lines[0]).toMatch(/^key,requests,refused,failed,inputTokens,/);
    expect(lines[1]).toMatch(/^b,2,0,0,200,/);
    expect(lines).toHaveLength(4);
    expect(usageCsv(await ask([])).split("\r\n")[1]).toMatch(/^4,0,0,400,/);
  });
});

describe("a line of CSV", () => {
  it("quotes what must be quoted, and disarms what a spreadsheet would compute", () => {
    expect(csvLine(["a", 'b"c', "d,e", "f\r\ng", null, -5, true])).toBe('a,"b""c","d,e","f\r\ng",,-5,true\r\n');
    expect(csvLine(["＝cmd()", "＋1", "－1", "＠x"])).toBe("'＝cmd(),'＋1,'－1,'＠x\r\n");
    expect(csvLine(["=cmd()", "+1", "-1", "@x", "\tx", '="x"'])).toBe(`'=cmd(),'+1,'-1,'@x,'\tx,"'=""x"""\r\n`);
  });
});

describe("a list of records", () => {
  /** As the tables answer: pages by hour or key, newest first, at most so many of them. */
  function ports(records: readonly UsageRecord[], perLook: number) {
    const page = (wanted: (record: UsageRecord) => boolean, range: { first: string; before: string; most: number }) => {
      const found = records
        .filter((record) => wanted(record) && record.requestId >= range.first && record.requestId < range.before)
        .sort((one, other) => (one.requestId < other.requestId ? 1 : -1));
      const some = found.slice(0, Math.min(perLook, range.most));
      return { records: some, after: some.length < found.length ? some.at(-1)?.requestId : undefined };
    };
    return {
      ofKey: async (keyId: string, range: { first: string; before: string; most: number }) =>
        page((record) => record.keyId === keyId, range),
      ofHour: async (unit: { name: string }, range: { first: string; before: string; most: number }) =>
        page((record) => record.startedAt.replace(/\D/g, "").startsWith(unit.name), range),
    };
  }

  it("gives every record of the range once, newest first, whatever the pages are", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 6 * hour }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 7 }),
        fc.boolean(),
        async (times, most, perLook, isOfKey) => {
          const records = times.map((at, index) => recordAt(noon + at, { keyId: index % 2 === 0 ? "a" : "b" }));
          const range = { from: noon + hour, to: noon + 5 * hour };
          const found: string[] = [];
          let position: string | undefined;
          do {
            const question = { ...range, most, position, ...(isOfKey ? { keyId: "a" } : {}) };
            const page = await listRecords(question, ports(records, perLook));
            expect(page.records.length).toBeLessThanOrEqual(most);
            found.push(...page.records.map(({ requestId }) => requestId));
            position = page.position;
          } while (position !== undefined);
          const wanted = records
            .filter(({ startedAt, keyId }) => {
              const at = Date.parse(startedAt);
              return at >= range.from && at < range.to && (!isOfKey || keyId === "a");
            })
            .map(({ requestId }) => requestId);
          expect(found).toEqual(wanted.sort().reverse());
        },
      ),
      { numRuns: 100 },
    );
  });

  it("goes by when requests began, to the millisecond, although their ids are given a moment before", async () => {
    const begun = (at: number, idAt: number) => ({
      ...recordAt(idAt, { keyId: "a" }),
      startedAt: new Date(at).toISOString(),
    });
    const records = [
      begun(noon - 1, noon - 4),
      begun(noon, noon - 3),
      begun(noon + 7, noon + 5),
      begun(noon + 10, noon + 8),
    ];
    const question = { from: noon, to: noon + 10, most: 10, keyId: "a" };
    const found = await listRecords(question, ports(records, 5));
    expect(found.records.map(({ startedAt }) => Date.parse(startedAt) - noon)).toEqual([7, 0]);
  });

  it("filters, and goes on behind a page that had nothing", async () => {
    const records = [recordAt(noon, { outcome: "refused" }), recordAt(noon + 100 * hour, { accountId: "y" })];
    const question = { from: noon - hour, to: noon + 101 * hour, most: 10 };
    const first = await listRecords({ ...question, outcome: "refused" }, ports(records, 5));
    expect(first.records).toEqual([]);
    expect(first.position).toBeDefined();
    let position = first.position;
    const found: UsageRecord[] = [];
    while (position !== undefined) {
      const page = await listRecords({ ...question, outcome: "refused", position }, ports(records, 5));
      found.push(...page.records);
      position = page.position;
    }
    expect(found).toEqual([records[0]]);
    const byModel = await listRecords({ ...question, model: "claude-opus-5-5", accountId: "y" }, ports(records, 5));
    expect(byModel.records).toEqual([records[1]]);
  });
});
