// Windows against a model that counts through the calendar hour by hour: their names, where they end, and when they are forgotten.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keyPolicySchema } from "../../../../lambdas/relay/ledger/key-policy.ts";
import {
  currentWindows,
  isForgettable,
  minuteEnd,
  minuteOf,
  readWindow,
  requestsWindow,
  tokensWindow,
} from "../../../../lambdas/relay/ledger/windows.ts";
import { isTimeZone } from "../../../../lambdas/relay/ledger/zone-dates.ts";

const hour = 3_600_000;
const day = 24 * hour;

/** Zones whose clocks turn at odd hours, by half an hour, at midnight, or lie farthest from UTC. */
const zones = [
  "UTC",
  "Asia/Shanghai",
  "Europe/Berlin",
  "America/New_York",
  "Australia/Lord_Howe",
  "Asia/Kathmandu",
  "Africa/Cairo",
  "America/Havana",
  "Asia/Beirut",
  "Pacific/Apia",
  "Pacific/Kiritimati",
  "Pacific/Pago_Pago",
  "America/St_Johns",
  "+05:45",
];

const instant = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2036, 0, 1) });
const place = fc.tuple(fc.constantFrom(...zones), instant);

/** What a wall clock and a wall calendar there show, by another way than the code's. */
function wall(zone: string, at: number): { date: string; weekday: string; time: string } {
  const [date = "", time = ""] = new Date(at).toLocaleString("sv-SE", { timeZone: zone }).split(" ");
  const weekday = new Date(at).toLocaleDateString("en-GB", { timeZone: zone, weekday: "short" });
  return { date: date.replaceAll("-", ""), weekday, time };
}

/** The week of ISO 8601, by counting: week 1 has the year's first Thursday. */
function isoWeek(date: string): string {
  const noon = Date.UTC(Number(date.slice(0, 4)), Number(date.slice(4, 6)) - 1, Number(date.slice(6, 8)), 12);
  let thursday = noon;
  while (new Date(thursday).getUTCDay() !== 4) {
    const isBefore = (new Date(noon).getUTCDay() + 6) % 7 < 3;
    thursday += isBefore ? day : -day;
  }
  const year = new Date(thursday).getUTCFullYear();
  let week = 0;
  for (let at = Date.UTC(year, 0, 1, 12); at <= thursday; at += day) if (new Date(at).getUTCDay() === 4) week += 1;
  return `${year}${String(week).padStart(2, "0")}`;
}

describe("windows", () => {
  it("have the names that a calendar in the zone gives them", () => {
    fc.assert(
      fc.property(place, ([zone, at]) => {
        const { date } = wall(zone, at);
        expect(currentWindows(zone, at).names).toEqual({
          day: `d${date}`,
          week: `w${isoWeek(date)}`,
          month: `m${date.slice(0, 6)}`,
          total: "total",
        });
      }),
      { numRuns: 400 },
    );
  });

  it("end in the very millisecond in which their name ends, not before and not after", () => {
    fc.assert(
      fc.property(place, ([zone, at]) => {
        const { names, ends } = currentWindows(zone, at);
        for (const kind of ["day", "week", "month"] as const) {
          expect(ends[kind]).toBeGreaterThan(at);
          expect(currentWindows(zone, ends[kind] - 1).names[kind]).toBe(names[kind]);
          expect(currentWindows(zone, ends[kind]).names[kind]).not.toBe(names[kind]);
        }
        expect(wall(zone, ends.week).weekday).toBe("Mon");
        expect(wall(zone, ends.month).date).toMatch(/01$/);
      }),
      { numRuns: 300 },
    );
  });

  it("are the same in whatever order they are asked for", () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.array(instant, { minLength: 2, maxLength: 6 }), (zone, instants) => {
        const forwards = instants.map((at) => currentWindows(zone, at));
        const backwards = instants.toReversed().map((at) => currentWindows(zone, at));
        expect(backwards.toReversed()).toEqual(forwards);
      }),
      { numRuns: 100 },
    );
  });

  it("of days on which clocks turn are 23 or 25 hours long", () => {
    const lengthOfDay = (zone: string, noon: string) => {
      const { ends } = currentWindows(zone, Date.parse(noon));
      return (ends.day - currentWindows(zone, Date.parse(noon) - day).ends.day) / hour;
    };
    expect(lengthOfDay("Europe/Berlin", "2026-03-29T12:00:00Z")).toBe(23);
    expect(lengthOfDay("Europe/Berlin", "2026-10-25T12:00:00Z")).toBe(25);
    expect(lengthOfDay("Australia/Lord_Howe", "2026-04-05T02:00:00Z")).toBe(24.5);
    // Clocks turn at midnight: the day begins at one o'clock.
    const { ends } = currentWindows("Africa/Cairo", Date.parse("2026-04-23T12:00:00Z"));
    expect(wall("Africa/Cairo", ends.day)).toEqual({ date: "20260424", weekday: "Fri", time: "01:00:00" });
  });

  it("begin a week on Monday, and a year's first week with its first Thursday", () => {
    const weekOf = (date: string) => currentWindows("UTC", Date.parse(date)).names.week;
    expect(weekOf("2026-11-22")).toBe("w202647");
    expect(weekOf("2026-11-23")).toBe("w202648");
    expect(weekOf("2027-01-03")).toBe("w202653");
    expect(weekOf("2027-01-04")).toBe("w202701");
    expect(weekOf("2024-12-30")).toBe("w202501");
  });

  it("are never forgotten while anybody, in any zone, may still count in them, and are a week later", () => {
    fc.assert(
      fc.property(place, fc.nat({ max: 40 * day }), ([zone, at], later) => {
        const { names, ends } = currentWindows(zone, at);
        for (const kind of ["day", "week", "month"] as const) {
          const isOpen = at + later < ends[kind] + day;
          if (isOpen) expect(isForgettable(names[kind], at + later)).toBe(false);
          expect(isForgettable(`${names[kind]}:opus`, ends[kind] + 7 * day)).toBe(true);
        }
        expect(isForgettable(names.total, at + 10_000 * day)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it("of minutes are the same in all zones, and are forgotten some minutes later", () => {
    fc.assert(
      fc.property(instant, (at) => {
        const minute = minuteOf(at);
        expect(minuteEnd(at)).toBeGreaterThan(at);
        expect(minuteOf(minuteEnd(at) - 1)).toBe(minute);
        for (const name of [requestsWindow(minute), tokensWindow(minute)]) {
          expect(isForgettable(name, at + 2 * 60_000)).toBe(false);
          expect(isForgettable(name, at + 5 * 60_000)).toBe(true);
        }
      }),
    );
  });

  it("are told from names that mean nothing, which stay", () => {
    expect(readWindow("d20261120")).toEqual({ kind: "day", family: undefined });
    expect(readWindow("w202647:opus")).toEqual({ kind: "week", family: "opus" });
    expect(readWindow("m202611:gpt-5.1")).toEqual({ kind: "month", family: "gpt-5.1" });
    expect(readWindow("total:opus")).toEqual({ kind: "total", family: "opus" });
    for (const name of ["", "r29920319", "k1", "d2026", "total2", "x20261120", "d20261120:"]) {
      expect(readWindow(name)).toBeUndefined();
    }
    for (const name of ["", "x20261120", "day", "later"]) expect(isForgettable(name, Date.UTC(2200, 0, 1))).toBe(false);
  });

  it("are of a zone that there is: a policy with another one is refused, and so is one that is too large", () => {
    expect(isTimeZone("Asia/Shanghai")).toBe(true);
    expect(isTimeZone("Mars/Olympus")).toBe(false);
    expect(isTimeZone("")).toBe(false);
    const parsed = keyPolicySchema.safeParse({ timeZone: "Shanghai" });
    expect(parsed.error?.issues.map(({ path }) => path.join("."))).toEqual(["timeZone"]);
    const models = Array.from({ length: 200 }, (_, nth) => `a-model-with-a-long-name-${nth}`);
    expect(keyPolicySchema.safeParse({ models }).error?.issues[0]?.message).toContain("at most 6000 bytes");
  });
});
