// rate, cron and at: when they are due, in every time zone.
import { describe, expect, test, vi } from "vitest";
import { parseScheduleExpression, runOnSchedule } from "../../../local/eventbridge/schedule-expression.ts";
import { Clock } from "../../../local/rig/clock.ts";

function upcoming(text: string, timeZone: string, from: string, count = 4): string[] {
  const schedule = parseScheduleExpression(text, timeZone);
  const anchor = Date.parse(from);
  const moments: string[] = [];
  let after = anchor;
  while (moments.length < count) {
    const due = schedule.next(after, anchor);
    if (due === undefined) break;
    moments.push(new Date(due).toISOString().replace(":00.000Z", "Z"));
    after = due;
  }
  return moments;
}

describe("cron", () => {
  test.each<[string, string, string, string[]]>([
    ["cron(0/20 9-10 ? * MON-FRI 2026)", "UTC", "2026-11-20T09:30:00Z", ["2026-11-20T09:40Z", "2026-11-20T10:00Z"]],
    ["cron(0 12 ? * 1 *)", "UTC", "2026-11-20T00:00:00Z", ["2026-11-22T12:00Z", "2026-11-29T12:00Z"]],
    ["cron(0 12 ? * 7 *)", "UTC", "2026-11-20T00:00:00Z", ["2026-11-21T12:00Z", "2026-11-28T12:00Z"]],
    ["cron(0 12 ? * L *)", "UTC", "2026-11-20T00:00:00Z", ["2026-11-21T12:00Z", "2026-11-28T12:00Z"]],
    ["cron(0 12 ? * 6L *)", "UTC", "2026-11-20T00:00:00Z", ["2026-11-27T12:00Z", "2026-12-25T12:00Z"]],
    ["cron(0 12 ? * FRIL *)", "UTC", "2026-11-20T00:00:00Z", ["2026-11-27T12:00Z", "2026-12-25T12:00Z"]],
    ["cron(0 12 ? * 2#1 *)", "UTC", "2026-11-20T00:00:00Z", ["2026-12-07T12:00Z", "2027-01-04T12:00Z"]],
    ["cron(0 12 L * ? *)", "UTC", "2027-02-20T00:00:00Z", ["2027-02-28T12:00Z", "2027-03-31T12:00Z"]],
    ["cron(0 12 LW * ? *)", "UTC", "2027-02-20T00:00:00Z", ["2027-02-26T12:00Z", "2027-03-31T12:00Z"]],
    ["cron(0 12 15W * ? *)", "UTC", "2026-11-01T00:00:00Z", ["2026-11-16T12:00Z", "2026-12-15T12:00Z"]],
    ["cron(0 0 1 1/6 ? *)", "UTC", "2026-11-01T00:00:00Z", ["2027-01-01T00:00Z", "2027-07-01T00:00Z"]],
    ["cron(0 0 29 FEB ? 2025-2032)", "UTC", "2026-11-01T00:00:00Z", ["2028-02-29T00:00Z", "2032-02-29T00:00Z"]],
    ["cron(30 18 * * ? *)", "Asia/Shanghai", "2026-11-20T11:00:00Z", ["2026-11-21T10:30Z", "2026-11-22T10:30Z"]],
  ])("%s in %s after %s", (text, timeZone, from, expected) => {
    expect(upcoming(text, timeZone, from, 2)).toEqual(expected);
  });

  test("a day on which clocks skip the hour has no run, and the next day has", () => {
    const days = upcoming("cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T00:00:00Z", 3);
    expect(days).toEqual(["2026-03-28T01:30Z", "2026-03-30T00:30Z", "2026-03-31T00:30Z"]);
  });

  test("an hour that clocks repeat is run the first time only", () => {
    const days = upcoming("cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
    expect(days).toEqual(["2026-10-25T00:30Z", "2026-10-26T01:30Z"]);
    const hours = upcoming("cron(0 * * * ? *)", "Europe/Berlin", "2026-10-24T23:30:00Z", 3);
    expect(hours).toEqual(["2026-10-25T00:00Z", "2026-10-25T02:00Z", "2026-10-25T03:00Z"]);
  });

  test("a clock change of half an hour is understood too", () => {
    // Lord Howe Island goes back from 02:00 to 01:30 on 5 April 2026.
    const minutes = upcoming("cron(0/15 * * * ? *)", "Australia/Lord_Howe", "2026-04-04T14:20:00Z", 4);
    expect(minutes).toEqual(["2026-04-04T14:30Z", "2026-04-04T14:45Z", "2026-04-04T15:30Z", "2026-04-04T15:45Z"]);
  });

  test("a day that never comes is never due", () => {
    expect(upcoming("cron(0 0 31 2 ? *)", "UTC", "2026-01-01T00:00:00Z")).toEqual([]);
    expect(upcoming("cron(0 0 1 1 ? 2020)", "UTC", "2026-01-01T00:00:00Z")).toEqual([]);
  });

  test.each([
    ["cron(0 12 * * *)", "six fields"],
    ["cron(0 12 * * * *)", "exactly one"],
    ["cron(0 12 ? * ? *)", "exactly one"],
    ["cron(60 12 * * ? *)", '"60" in minutes'],
    ["cron(0 12 ? * 0 *)", '"0" in day-of-week'],
    ["cron(0 12 L-3 * ? *)", "day-of-month"],
    ["cron(0 12 ? * FRI-MON *)", '"FRI-MON" in day-of-week'],
    ["cron(0 12 ? * 2#6 *)", "day-of-week"],
    ["cron(0/0 12 ? * MON *)", '"0/0" in minutes'],
    ["cron(0 12 1 13 ? *)", '"13" in month'],
  ])("%s is refused", (text, sentence) => {
    expect(() => parseScheduleExpression(text)).toThrow(sentence);
  });
});

describe("rate and at", () => {
  test("a rate counts from its anchor, whatever the clock change", () => {
    expect(upcoming("rate(1 hour)", "Europe/Berlin", "2026-10-24T23:10:00Z", 3)).toEqual([
      "2026-10-25T00:10Z",
      "2026-10-25T01:10Z",
      "2026-10-25T02:10Z",
    ]);
    expect(upcoming("rate(2 days)", "UTC", "2026-01-01T00:00:00Z", 1)).toEqual(["2026-01-03T00:00Z"]);
  });

  test("at is due once, in its own zone", () => {
    expect(upcoming("at(2026-11-20T08:00:00)", "America/New_York", "2026-01-01T00:00:00Z")).toEqual([
      "2026-11-20T13:00Z",
    ]);
    expect(upcoming("at(2026-11-20T08:00:00)", "UTC", "2026-11-20T08:00:00Z")).toEqual([]);
  });

  test.each([
    "rate(0 minutes)",
    "rate(1 minutes)",
    "rate(2 hour)",
    "rate(1 week)",
    "at(2026-02-30T00:00:00)",
    "at(x)",
    "daily",
  ])("%s is refused", (text) => {
    expect(() => parseScheduleExpression(text)).toThrow(RangeError);
  });

  test("a zone that does not exist is refused", () => {
    expect(() => parseScheduleExpression("cron(0 12 * * ? *)", "Mars/Olympus")).toThrow("Mars/Olympus");
  });
});

describe("waiting for the moments", () => {
  async function watch(clock: Clock, text: string, use: (dues: number[]) => Promise<void>): Promise<void> {
    const schedule = parseScheduleExpression(text);
    const startMilliseconds = clock.now();
    const dues: number[] = [];
    const stop = new AbortController();
    const watching = runOnSchedule({
      clock,
      startMilliseconds,
      next: (after) => schedule.next(after, startMilliseconds),
      onDue: (due) => dues.push(due),
      signal: stop.signal,
    });
    await use(dues);
    stop.abort();
    await watching;
    clock.close();
  }

  test("a clock that runs faster than timers can fire leaves no moment out", async () => {
    // A day passes in less than a millisecond.
    await watch(new Clock({ speed: 1e8 }), "cron(0 12 * * ? *)", async (dues) => {
      await expect.poll(() => dues.length).toBeGreaterThan(150);
      const gaps = dues.slice(1).map((due, index) => due - (dues[index] ?? 0));
      expect(new Set(gaps)).toEqual(new Set([86_400_000]));
    });
  });

  test("after a long sleep of the machine, a hundred moments are made up for and the others are not", async () => {
    const clock = new Clock();
    const sleeps = vi.spyOn(clock, "sleep");
    await watch(clock, "rate(1 minute)", async (dues) => {
      clock.advance(365 * 86_400_000);
      // Until it waits for what is to come.
      await expect.poll(() => [dues.length, (sleeps.mock.lastCall?.[0] ?? 0) > 0]).toEqual([100, true]);
      clock.advance(60_000);
      await expect.poll(() => dues.length).toBe(101);
      expect(clock.now() - (dues.at(-1) ?? 0)).toBeLessThan(60_000);
    });
  });
});
