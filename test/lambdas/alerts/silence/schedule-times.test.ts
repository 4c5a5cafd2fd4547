// When a schedule was due last: against the local scheduler, which computes when it is due next.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lastDue, ratePeriod } from "../../../../lambdas/alerts/silence/schedule-times.ts";
import { compileCron } from "../../../../local/eventbridge/cron-expression.ts";

const at = (time: string) => Date.parse(time);
const text = (moment: number | undefined) => (moment === undefined ? undefined : new Date(moment).toISOString());

describe("a cron expression", () => {
  it.each([
    ["cron(30 3 * * ? *)", "Asia/Shanghai", "2026-11-20T10:00:00Z", "2026-11-19T19:30:00.000Z"],
    ["cron(30 3 * * ? *)", "UTC", "2026-11-20T03:30:00Z", "2026-11-20T03:30:00.000Z"],
    ["cron(30 3 * * ? *)", "UTC", "2026-11-20T03:29:59Z", "2026-11-19T03:30:00.000Z"],
    ["cron(0/15 8-10 ? * MON-FRI *)", "UTC", "2026-11-22T12:00:00Z", "2026-11-20T10:45:00.000Z"],
    ["cron(0 12 1 JAN ? *)", "UTC", "2026-11-20T00:00:00Z", "2026-01-01T12:00:00.000Z"],
    ["cron(0 0 L * ? *)", "UTC", "2026-03-15T00:00:00Z", "2026-02-28T00:00:00.000Z"],
    ["cron(0 0 L-2 * ? *)", "UTC", "2026-03-15T00:00:00Z", "2026-02-26T00:00:00.000Z"],
    ["cron(0 0 15W * ? *)", "UTC", "2026-11-20T00:00:00Z", "2026-11-16T00:00:00.000Z"],
    ["cron(0 0 ? * 6#3 *)", "UTC", "2026-11-25T00:00:00Z", "2026-11-20T00:00:00.000Z"],
    ["cron(0 0 ? * 2L *)", "UTC", "2026-11-25T00:00:00Z", "2026-10-26T00:00:00.000Z"],
    ["cron(0 0 1 1 ? 2024)", "UTC", "2026-11-25T00:00:00Z", "2024-01-01T00:00:00.000Z"],
    // An hour that the clock skips is not due, one that comes twice is due the first time.
    ["cron(30 2 29 3 ? 2026)", "Europe/Berlin", "2026-11-20T00:00:00Z", undefined],
    ["cron(30 2 25 10 ? 2026)", "Europe/Berlin", "2026-11-20T00:00:00Z", "2026-10-25T00:30:00.000Z"],
    ["at(2026-11-20T12:00:00)", "Asia/Shanghai", "2026-11-20T10:00:00Z", "2026-11-20T04:00:00.000Z"],
    ["at(2026-11-20T20:00:00)", "Asia/Shanghai", "2026-11-20T10:00:00Z", undefined],
  ])("%s in %s at %s was due at %s", (expression, zone, now, expected) => {
    expect(text(lastDue(expression, zone, at(now)))).toBe(expected);
  });

  it("was due when the scheduler would have fired it, and not since", () => {
    const list = (least: number, most: number) =>
      fc.oneof(
        fc.constant("*"),
        fc
          .uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 3 })
          .map((values) => values.join(",")),
        fc
          .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: 1, max: 20 }))
          .map(([from, step]) => `${from}/${step}`),
        fc
          .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
          .map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`),
      );
    const days = fc.oneof(
      list(1, 28).map((day) => [day, "?"]),
      fc.constantFrom(["L", "?"], ["15W", "?"], ["?", "MON-FRI"], ["?", "1"], ["?", "3#2"], ["?", "6L"]),
    );
    const zones = ["UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Asia/Kolkata"];
    void fc.assert(
      fc.property(
        fc.tuple(list(0, 59), list(0, 23), days, list(1, 12)),
        fc.constantFrom(...zones),
        fc.integer({ min: at("2025-01-01T00:00:00Z"), max: at("2027-12-31T00:00:00Z") }),
        ([minutes, hours, [dayOfMonth, dayOfWeek], month], zone, now) => {
          const expression = `${minutes} ${hours} ${dayOfMonth} ${month} ${dayOfWeek} *`;
          const due = lastDue(`cron(${expression})`, zone, now);
          const next = compileCron(expression, zone);
          if (due === undefined) return;
          expect(next(due - 1), expression).toBe(due);
          const following = next(due);
          if (following !== undefined) expect(following, expression).toBeGreaterThan(now);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("that is none is named", () => {
    expect(() => lastDue("every day", "UTC", 0)).toThrow(RangeError);
    expect(() => lastDue("cron(a b c d e f)", "UTC", 0)).toThrow(RangeError);
  });
});

it("a rate has a period", () => {
  expect(["rate(1 minute)", "rate(6 hours)", "rate(2 days)", "cron(0 0 * * ? *)"].map(ratePeriod)).toEqual([
    60_000,
    21_600_000,
    172_800_000,
    undefined,
  ]);
});
