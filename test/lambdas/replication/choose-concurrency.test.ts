// How many parts are in flight: the climb on paths of several shapes, and the step back when a side asks for it.
// How many parts are in flight, on paths of every shape.
import { describe, expect, it } from "vitest";
import { chooseConcurrency } from "../../../lambdas/replication/choose-concurrency.ts";

/** Runs the chooser against a path whose rate at n connections is given, for so many seconds. */
function settle(most: number, rateAt: (connections: number) => number, seconds = 8): number {
  const chooser = chooseConcurrency({ most });
  let bytes = 0;
  for (let now = 0; now < seconds * 1000; now += 10) {
    bytes += rateAt(chooser.limit()) / 100;
    chooser.observe(bytes, now);
  }
  return chooser.limit();
}

describe("the number of parts in flight", () => {
  it("grows to the most allowed where every connection brings its own rate", () => {
    expect(settle(64, (connections) => connections * 20e6)).toBe(64);
  });

  it("stays where it began when more connections bring nothing", () => {
    expect(settle(64, () => 500e6)).toBe(16);
  });

  it("stops at the doubling that no longer pays", () => {
    expect(settle(64, (connections) => Math.min(connections, 32) * 20e6)).toBe(32);
  });

  it("never passes the most allowed", () => {
    expect(settle(3, (connections) => connections * 1e6)).toBe(3);
  });

  it("is halved when the other side asks to slow down, and not below one", () => {
    const chooser = chooseConcurrency({ most: 64 });
    chooser.throttled(0);
    expect(chooser.limit()).toBe(8);
    for (let times = 1; times < 10; times += 1) chooser.throttled(times * 1000);
    expect(chooser.limit()).toBe(1);
  });

  it("is halved once by a burst that hits every part in flight", () => {
    const chooser = chooseConcurrency({ most: 64 });
    for (let part = 0; part < 16; part += 1) chooser.throttled(100 + part);
    expect(chooser.limit()).toBe(8);
  });
});
