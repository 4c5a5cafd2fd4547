// Times as vendors write them.
import { describe, expect, it } from "vitest";
import {
  durationOf,
  plausible,
  retryAfterOf,
  timeOf,
  unixSecondsOf,
} from "../../../../lambdas/relay/providers/reset-times.ts";
import { now } from "./sample-calls.ts";

describe("a duration", () => {
  it.each([
    ["6m0s", 360_000],
    ["1s", 1000],
    ["20ms", 20],
    ["1h2m3.5s", 3_723_500],
    ["1d2h", 93_600_000],
    ["34.07s", 34_070],
    ["59", 59_000],
    [" 7s ", 7000],
    ["0s", 0],
    ["", undefined],
    ["soon", undefined],
    ["5 minutes", undefined],
    ["-3s", undefined],
    ["1s!", undefined],
    [undefined, undefined],
  ])("%j lasts %s ms", (text, milliseconds) => {
    expect(durationOf(text)).toBe(milliseconds);
  });
});

describe("a moment", () => {
  it("counts only when it is to come, and in sight", () => {
    expect(plausible(now, now)).toBeUndefined();
    expect(plausible(now - 1, now)).toBeUndefined();
    expect(plausible(now + 1.2, now)).toBe(now + 2);
    expect(plausible(now + 36 * 86_400_000, now)).toBeUndefined();
    expect(plausible(Number.NaN, now)).toBeUndefined();
  });

  it("is read from RFC 3339, HTTP dates, and seconds since 1970", () => {
    expect(timeOf("2026-11-20T12:00:42Z", now)).toBe(now + 42_000);
    expect(timeOf("Fri, 20 Nov 2026 12:01:00 GMT", now)).toBe(now + 60_000);
    expect(timeOf("tomorrow", now)).toBeUndefined();
    expect(unixSecondsOf(String(now / 1000 + 5), now)).toBe(now + 5000);
    expect(unixSecondsOf("NaN", now)).toBeUndefined();
  });

  it("to try again stands in two headers, the finer one first", () => {
    expect(retryAfterOf({ "retry-after": "0.5" }, now)).toBe(now + 500);
    expect(retryAfterOf({ "retry-after": "x", "retry-after-ms": "250" }, now)).toBe(now + 250);
    expect(retryAfterOf({ "retry-after": "-1" }, now)).toBeUndefined();
    expect(retryAfterOf({}, now)).toBeUndefined();
  });
});
