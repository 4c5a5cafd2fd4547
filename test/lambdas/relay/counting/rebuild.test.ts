// A rebuild: the same figures from the records that are there, and a refusal by name where some are not.
import { describe, expect, it } from "vitest";
import { checkRebuild, formerAfter, recordDaysSince } from "../../../../lambdas/relay/counting/rebuild.ts";
import { rollUpUsage } from "../../../../lambdas/relay/counting/roll-up-usage.ts";
import { hourAt, totalUnit } from "../../../../lambdas/relay/counting/units.ts";
import { MemoryTotals } from "./memory-totals.ts";
import { noon, recordAt } from "./sample-records.ts";

const hour = 3_600_000;
const day = 24 * hour;

describe("a rebuild", () => {
  const now = noon;

  it("leaves figures alone whose records, and the rows of whose lanes, are gone", async () => {
    const totals = new MemoryTotals(noon + hour);
    const record = recordAt(noon, { chargedNanoUsd: 7 });
    totals.put(record);
    await rollUpUsage(totals.batch([record]), totals.ports());
    // Kept for a day only at first, then for longer: a range of then looks as if it could be rebuilt.
    totals.records.clear();
    totals.recordsUntil.clear();
    for (const partition of [...totals.rows.keys()]) if (partition.startsWith("l#")) totals.rows.delete(partition);
    totals.now = noon + 40 * day;
    await rollUpUsage({ rebuild: { from: noon, to: noon + hour } }, totals.ports());
    for (const unit of [hourAt(noon), totalUnit]) {
      expect([...totals.rowsOf(unit).values()].map(({ chargedNanoUsd }) => chargedNanoUsd)).toEqual([7]);
    }
  });

  it("is refused by name where records may be gone already", () => {
    const range = { from: now - 90 * day, to: now - 89 * day };
    expect(() => checkRebuild(range, 90, now)).toThrow(expect.objectContaining({ name: "RecordsExpired" }));
    expect(() => checkRebuild(range, 91, now)).not.toThrow();
  });

  it("is refused where records were kept for less time when they were written, though they are kept for longer now", () => {
    const changedAt = now - 20 * day;
    const unchanged = formerAfter({ recordDays: 30, former: [] }, 30, changedAt);
    expect(unchanged).toEqual([]);
    const former = formerAfter({ recordDays: 30, former: unchanged }, 90, changedAt);
    const rebuildFrom = (from: number) =>
      checkRebuild({ from, to: from + day }, recordDaysSince(from, 90, former), now);
    expect(() => rebuildFrom(now - 40 * day)).toThrow(expect.objectContaining({ name: "RecordsExpired" }));
    expect(() => rebuildFrom(now - 29 * day)).not.toThrow();
    // Written after the change: they are there for 90 days from then on.
    expect(recordDaysSince(changedAt + day, 90, former)).toBe(90);
    expect(recordDaysSince(changedAt - day, 10, former)).toBe(10);
  });

  it("is refused for no range, and for one that is too long", () => {
    const wrong = (field: string) =>
      expect.objectContaining({ name: "InputInvalid", details: { fields: [expect.objectContaining({ field })] } });
    expect(() => checkRebuild({ from: now, to: now }, 90, now)).toThrow(wrong("body.from"));
    expect(() => checkRebuild({ from: now - 40 * day, to: now }, 90, now)).toThrow(wrong("body.to"));
  });
});
