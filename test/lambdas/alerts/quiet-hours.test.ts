// Quiet hours: until when a message waits, in any zone and on the nights when clocks change.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sendableFrom } from "../../../lambdas/alerts/quiet-hours.ts";

const night = { from: "22:00", to: "07:00", timeZone: null, criticalPasses: true };

function until(at: string, zone: string, quiet = night, severity: "warning" | "critical" = "warning"): string {
  return new Date(sendableFrom(Date.parse(at), severity, quiet, zone)).toISOString();
}

describe("a message that may wait", () => {
  it.each([
    ["outside of them it goes at once", "2026-11-20T12:00:00.000Z", "UTC", "2026-11-20T12:00:00.000Z"],
    ["from their first minute on it waits", "2026-11-20T22:00:00.000Z", "UTC", "2026-11-21T07:00:00.000Z"],
    ["after midnight it waits for the same morning", "2026-11-20T03:30:00.000Z", "UTC", "2026-11-20T07:00:00.000Z"],
    ["at their end it goes", "2026-11-20T07:00:00.000Z", "UTC", "2026-11-20T07:00:00.000Z"],
    ["they are of the zone's clock", "2026-11-20T14:00:00.000Z", "Asia/Shanghai", "2026-11-20T23:00:00.000Z"],
    ["a half-hour zone", "2026-11-20T18:00:00.000Z", "Asia/Kolkata", "2026-11-21T01:30:00.000Z"],
    ["the clock is put forward in that night", "2026-03-28T22:30:00.000Z", "Europe/Berlin", "2026-03-29T05:00:00.000Z"],
    ["the clock is put back in that night", "2026-10-24T21:30:00.000Z", "Europe/Berlin", "2026-10-25T06:00:00.000Z"],
  ])("%s", (_why, at, zone, expected) => {
    expect(until(at, zone)).toBe(expected);
  });

  it("waits within a day, too", () => {
    const noon = { ...night, from: "12:00", to: "14:00" };
    expect(until("2026-11-20T12:30:10.000Z", "UTC", noon)).toBe("2026-11-20T14:00:00.000Z");
    expect(until("2026-11-20T14:30:00.000Z", "UTC", noon)).toBe("2026-11-20T14:30:00.000Z");
  });

  it("waits by the rule's own zone where it has one", () => {
    expect(until("2026-11-20T14:00:00.000Z", "UTC", { ...night, timeZone: "Asia/Shanghai" } as never)).toBe(
      "2026-11-20T23:00:00.000Z",
    );
  });

  it("goes at once when it is critical and critical passes, or when there are no quiet hours", () => {
    const at = "2026-11-20T23:00:00.000Z";
    expect(until(at, "UTC", night, "critical")).toBe(at);
    expect(until(at, "UTC", { ...night, criticalPasses: false }, "critical")).toBe("2026-11-21T07:00:00.000Z");
    expect(until(at, "UTC", { ...night, to: "22:00" })).toBe(at);
    expect(sendableFrom(5, "warning", null, "UTC")).toBe(5);
  });

  it("never goes within quiet hours, never before its time, and never waits longer than they last", () => {
    const zones = [
      "UTC",
      "Asia/Shanghai",
      "America/New_York",
      "Europe/Berlin",
      "Australia/Lord_Howe",
      "Asia/Kathmandu",
    ];
    const time = fc
      .tuple(fc.nat(23), fc.nat(59))
      .map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`);
    void fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2028, 0, 1) }),
        fc.constantFrom(...zones),
        time,
        time,
        (at, zone, from, to) => {
          const quiet = { ...night, from, to };
          const sendable = sendableFrom(at, "warning", quiet, zone);
          const local = new Intl.DateTimeFormat("en-GB", {
            timeZone: zone,
            hour: "2-digit",
            minute: "2-digit",
            hourCycle: "h23",
          }).format(sendable);
          const isQuiet = from < to ? local >= from && local < to : from > to && (local >= from || local < to);
          return sendable >= at && sendable - at <= 25.5 * 3_600_000 && !isQuiet;
        },
      ),
      { numRuns: 300 },
    );
  });
});
