// Figures equal the sum of the records: under repeated, reordered and overlapping calls, deaths at any call, and corrections.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addFigures,
  type Figures,
  figuresOf,
  noFigures,
  rowItemOf,
  rowKeyOf,
} from "../../../../lambdas/relay/counting/figures.ts";
import { claimMilliseconds } from "../../../../lambdas/relay/counting/roll-up.ts";
import { rollUpUsage } from "../../../../lambdas/relay/counting/roll-up-usage.ts";
import { hourAt, partsOf, totalUnit, type Unit } from "../../../../lambdas/relay/counting/units.ts";
import type { UsageRecord } from "../../../../lambdas/relay/counting/usage-record.ts";
import { MemoryTotals } from "./memory-totals.ts";
import { noon, recordAt } from "./sample-records.ts";

const hour = 3_600_000;
const day = 24 * hour;
const tick = { scheduledTime: "2026-11-20T12:00:00Z" };

const units: readonly Unit[] = [
  hourAt(noon),
  hourAt(noon + hour),
  { level: "day", name: "20261120" },
  { level: "day", name: "20261121" },
  { level: "month", name: "202611" },
  { level: "year", name: "2026" },
  totalUnit,
];

function sumOf(records: Iterable<UsageRecord>, unit: Unit): Map<string, Figures> {
  const sums = new Map<string, Figures>();
  const prefix = unit.level === "total" ? "" : unit.name;
  for (const record of records) {
    if (!hourAt(Date.parse(record.startedAt)).name.startsWith(prefix)) continue;
    const item = rowItemOf(rowKeyOf(record));
    sums.set(item, addFigures(sums.get(item) ?? noFigures, figuresOf(record)));
  }
  return sums;
}

function expectAllEqual(totals: MemoryTotals): void {
  for (const unit of units) expect(totals.rowsOf(unit), unit.name).toEqual(sumOf(totals.records.values(), unit));
}

class Killed extends Error {}

describe("rolled-up figures", () => {
  it("equal the sum of the records, whatever the stream repeats, reorders and loses, and whoever dies when", async () => {
    const someRecord = fc.record({
      at: fc.constantFrom(noon, noon + 60_000, noon + hour, noon + 13 * hour),
      keyId: fc.constantFrom("key-1", "key|2"),
      accountId: fc.constantFrom("acc-1", "acc-2", ""),
      model: fc.constantFrom("claude-opus-5-5", "gpt-6-sol"),
      charged: fc.nat(10_000),
    });
    const step = fc.oneof(
      { weight: 5, arbitrary: fc.record({ do: fc.constant("write" as const), record: someRecord }) },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant("correct" as const),
          which: fc.nat(),
          charged: fc.nat(10_000),
          accountId: fc.constantFrom("acc-1", "acc-9"),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("repeat" as const), which: fc.nat() }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("tick" as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 30 }),
        fc.scheduler(),
        fc.array(fc.option(fc.integer({ min: 1, max: 150 }), { freq: 1, nil: undefined }), {
          minLength: 30,
          maxLength: 30,
        }),
        fc.boolean(),
        async (steps, scheduler, deaths, isLeftToSchedule) => {
          const totals = new MemoryTotals(noon + 14 * hour);
          totals.rollUpSeconds = isLeftToSchedule ? 30 : 0;
          const written: UsageRecord[] = [];
          let running: Promise<unknown>[] = [];
          const untaken: Parameters<typeof rollUpUsage>[0][] = [];
          /** A call that dies at its n-th step: only then does the stream deliver its batch again. */
          const call = (input: Parameters<typeof rollUpUsage>[0], diesAt: number | undefined) => {
            let calls = 0;
            const worker = {
              step: async (name: string) => {
                calls += 1;
                if (diesAt === calls) untaken.push(input);
                if (diesAt !== undefined && calls >= diesAt) throw new Killed();
                await scheduler.schedule(Promise.resolve(), name);
              },
            };
            running.push(rollUpUsage(input, totals.ports(worker)).catch(() => undefined));
          };
          for (const [index, each] of steps.entries()) {
            const diesAt = deaths[index];
            if (each.do === "write") {
              const { at, keyId, accountId, model, charged } = each.record;
              const record = recordAt(at, { keyId, accountId, modelServed: model, chargedNanoUsd: charged });
              totals.put(record);
              written.push(record);
              call(totals.batch([record]), diesAt);
            } else if (each.do === "correct" && written.length > 0) {
              const before = written[each.which % written.length];
              const old = before && totals.records.get(before.requestId);
              if (old === undefined) continue;
              totals.put({ ...old, chargedNanoUsd: each.charged, accountId: each.accountId }, old.expiresAt);
              call(totals.batch([old], "MODIFY"), diesAt);
            } else if (each.do === "repeat" && written.length > 0) {
              const again = written[each.which % written.length];
              if (again !== undefined) call(totals.batch([again]), diesAt);
            } else if (each.do === "tick") {
              call(tick, diesAt);
            } else if (each.do === "wait") {
              await scheduler.waitIdle();
              await Promise.all(running);
              running = [];
              totals.now += claimMilliseconds + 1;
            }
          }
          await scheduler.waitIdle();
          await Promise.all(running);
          // The stream delivers what was not acknowledged again; the dead hold nothing any more.
          totals.now += claimMilliseconds + 1;
          for (const input of untaken) if ("Records" in input) await rollUpUsage(input, totals.ports());
          await rollUpUsage(tick, totals.ports());
          expect(totals.marks.size).toBe(0);
          expectAllEqual(totals);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("are right after a death at any call, though nothing is told again", async () => {
    for (let diesAt = 1, isOver = false; !isOver; diesAt += 1) {
      const totals = new MemoryTotals(noon + 14 * hour);
      totals.rollUpSeconds = 30;
      await rollUpUsage(tick, totals.ports());
      const record = recordAt(noon);
      totals.put(record);
      await rollUpUsage(totals.batch([record]), totals.ports());
      let calls = 0;
      const step = async () => {
        calls += 1;
        if (calls >= diesAt) throw new Killed();
      };
      await rollUpUsage(tick, totals.ports({ step })).catch(() => undefined);
      isOver = calls < diesAt;
      totals.now += claimMilliseconds + 1;
      await rollUpUsage(tick, totals.ports());
      expect(totals.marks.size).toBe(0);
      expectAllEqual(totals);
    }
  });

  it("are the same after a rebuild from nothing but the records", async () => {
    const totals = new MemoryTotals(noon + 14 * hour);
    for (let index = 0; index < 60; index += 1) {
      totals.put(recordAt(noon + (index % 3) * hour, { keyId: `key-${index % 4}`, chargedNanoUsd: index }));
    }
    await rollUpUsage(totals.batch([...totals.records.values()]), totals.ports());
    const before = new Map(units.map((unit) => [unit.name, totals.rowsOf(unit)]));
    totals.rows.clear();
    totals.recordsUntil.clear();
    await rollUpUsage({ rebuild: { from: noon - hour, to: noon + 5 * hour } }, totals.ports());
    for (const unit of units) expect(totals.rowsOf(unit)).toEqual(before.get(unit.name));
    expectAllEqual(totals);
  });

  it("stand where the records are gone: a late word of the stream does not take them away", async () => {
    const totals = new MemoryTotals(noon + hour);
    const record = recordAt(noon);
    totals.put(record, (noon + day) / 1000);
    await rollUpUsage(totals.batch([record]), totals.ports());
    const counted = totals.rowsOf(hourAt(noon));
    expect(counted.size).toBe(1);
    totals.now = noon + day + 1;
    totals.records.clear();
    await rollUpUsage(totals.batch([record]), totals.ports());
    expect(totals.rowsOf(hourAt(noon))).toEqual(counted);
    expect(totals.counts.RelayRollUpExpired).toBe(1);
  });

  it("do not count what DynamoDB drops because its time is over", async () => {
    const totals = new MemoryTotals(noon + hour);
    const record = recordAt(noon);
    totals.put(record);
    await rollUpUsage(totals.batch([record]), totals.ports());
    totals.records.clear();
    await rollUpUsage(totals.batch([record], "REMOVE"), totals.ports());
    expect(totals.marks.size).toBe(0);
    expect(totals.rowsOf(totalUnit).size).toBe(1);
  });

  it("follow a correction to another account, and leave nothing at the old one", async () => {
    const totals = new MemoryTotals(noon + hour);
    const record = recordAt(noon, { outcome: "lease-expired", accountId: "acc-1" });
    totals.put(record);
    await rollUpUsage(totals.batch([record]), totals.ports());
    totals.put({ ...record, outcome: "ok", accountId: "acc-2", chargedNanoUsd: 7 });
    await rollUpUsage(totals.batch([record], "MODIFY"), totals.ports());
    const [[item, figures] = []] = totals.rowsOf(totalUnit);
    expect(totals.rowsOf(totalUnit).size).toBe(1);
    expect(item).toContain("acc-2");
    expect(figures).toMatchObject({ requests: 1, chargedNanoUsd: 7 });
  });

  it("wait for the interval of the settings, and are counted by the schedule all the same", async () => {
    const totals = new MemoryTotals(noon + hour);
    totals.rollUpSeconds = 60;
    const [first, second] = [recordAt(noon), recordAt(noon)];
    totals.put(first);
    await rollUpUsage(totals.batch([first]), totals.ports());
    totals.put(second);
    totals.now += 59_000;
    expect(await rollUpUsage(totals.batch([second]), totals.ports())).toBeUndefined();
    expect([...totals.rowsOf(totalUnit).values()]).toMatchObject([{ requests: 1 }]);
    await rollUpUsage(tick, totals.ports());
    expect([...totals.rowsOf(totalUnit).values()]).toMatchObject([{ requests: 2 }]);
  });

  it("keep an interval that is longer than the schedule's, and are counted when it is over", async () => {
    const totals = new MemoryTotals(noon + hour);
    totals.rollUpSeconds = 300;
    await rollUpUsage(tick, totals.ports());
    const record = recordAt(noon);
    totals.put(record);
    totals.now += 10_000;
    await rollUpUsage(totals.batch([record]), totals.ports());
    totals.now += 200_000;
    expect(await rollUpUsage(tick, totals.ports())).toBeUndefined();
    totals.now += 85_000;
    await rollUpUsage(tick, totals.ports());
    expect([...totals.rowsOf(totalUnit).values()]).toMatchObject([{ requests: 1 }]);
    // A clock that was wrong, and is set back, stops nothing.
    totals.now -= 30 * 60_000;
    const later = recordAt(noon);
    totals.put(later);
    await rollUpUsage(totals.batch([later]), totals.ports());
    expect([...totals.rowsOf(totalUnit).values()]).toMatchObject([{ requests: 2 }]);
  });

  it("make up for a pause that was longer than the stream keeps, and say so", async () => {
    const totals = new MemoryTotals(noon);
    await rollUpUsage(tick, totals.ports());
    totals.now = noon + 2 * day;
    // Of this one the stream never told.
    totals.put(recordAt(noon + 3 * hour));
    await rollUpUsage(tick, totals.ports());
    expect(totals.counts.RelayRollUpGapHours).toBeGreaterThanOrEqual(48);
    expectAllEqual(totals);
  });

  it("are held against the records once more after a day, and a difference is counted", async () => {
    const totals = new MemoryTotals(noon + hour);
    const record = recordAt(noon);
    totals.put(record);
    await rollUpUsage(totals.batch([record]), totals.ports());
    totals.put(recordAt(noon));
    totals.now = noon + 25 * hour;
    await rollUpUsage(tick, totals.ports());
    expect(totals.counts.RelayTotalsCorrected).toBe(1);
    expectAllEqual(totals);
  });

  it("are held against the records hour by hour, also of hours that came due while the schedule stood still", async () => {
    const totals = new MemoryTotals(noon);
    await rollUpUsage(tick, totals.ports());
    // Of these the stream never told; the schedule was away for less than the stream keeps.
    for (const hours of [-24, -20, -15]) totals.put(recordAt(noon + hours * hour));
    totals.now = noon + 12 * hour;
    await rollUpUsage(tick, totals.ports());
    expect(totals.counts).toMatchObject({ RelayTotalsCorrected: 3 });
    expectAllEqual(totals);
  });

  it("are rolled up by the schedule although an hour that is held against its records fails", async () => {
    const totals = new MemoryTotals(noon + 2 * hour);
    const record = recordAt(noon + hour);
    totals.put(record);
    totals.rollUpSeconds = 30;
    const ports = totals.ports();
    const old = hourAt(totals.now - 25 * hour).name;
    const rows = (unit: Unit) =>
      unit.name.startsWith(`${old}#`) ? Promise.reject(new Error("cannot be counted")) : ports.rows(unit);
    totals.notes.set("rolled-up", String(totals.now));
    await rollUpUsage(totals.batch([record]), ports);
    await rollUpUsage(tick, { ...ports, rows }).catch(() => undefined);
    expect(totals.failures).not.toHaveLength(0);
    expect(totals.rowsOf(totalUnit).size).toBe(1);
  });

  it("do not keep the stream waiting for a unit that cannot be counted, nor the other units", async () => {
    const totals = new MemoryTotals(noon + 2 * hour);
    const [bad, good] = [recordAt(noon), recordAt(noon + hour)];
    totals.put(bad);
    totals.put(good);
    const ports = totals.ports();
    const failing = {
      ...ports,
      rows: (unit: Unit) =>
        unit.name.startsWith(hourAt(noon).name) && unit.level === "lane"
          ? Promise.reject(new Error("too many rows"))
          : ports.rows(unit),
    };
    await rollUpUsage(totals.batch([bad, good]), failing);
    expect(totals.failures).toHaveLength(1);
    expect(totals.rowsOf(hourAt(noon + hour)).size).toBe(1);
    totals.now += claimMilliseconds + 1;
    await expect(rollUpUsage(tick, failing)).rejects.toThrow("too many rows");
    totals.now += claimMilliseconds + 1;
    await rollUpUsage(tick, totals.ports());
    expectAllEqual(totals);
  });
});

describe("units", () => {
  it("are made of the units below them", () => {
    expect(partsOf({ level: "month", name: "202802" }, noon)).toHaveLength(29);
    expect(partsOf({ level: "year", name: "2026" }, noon)).toHaveLength(12);
    expect(partsOf(totalUnit, noon).map(({ name }) => name)).toEqual(["2026", "2027"]);
  });
});
