// The fault rig: which calls are hit, repeatably.
import { describe, expect, test } from "vitest";
import { Faults, seededRandom } from "../../../local/rig/faults.ts";

const call = (operation: string, resource = "bucket/key") => ({ service: "s3", operation, resource });
const throttle = { kind: "throttle" } as const;
const reset = { kind: "reset" } as const;

/** 1 where the call was hit. */
function hits(faults: Faults, count: number, operation = "PutObject"): string {
  return Array.from({ length: count }, () => (faults.next(call(operation)) ? "1" : "0")).join("");
}

describe("a rule", () => {
  test("hits the first matching call, or as many as it says from where it says", () => {
    const once = new Faults();
    once.add({ service: "s3", effect: throttle });
    expect(hits(once, 4)).toBe("1000");
    const some = new Faults();
    some.add({ service: "s3", fromCall: 2, times: 2, effect: throttle });
    expect(hits(some, 5)).toBe("01100");
  });

  test("matches by service, by the operation's ending and by part of the resource", () => {
    const faults = new Faults();
    faults.add({ service: "s3", operation: "Part", resourceIncludes: "mysql/", times: 9, effect: throttle });
    expect(faults.next(call("PutObject", "b/mysql/1"))).toBeUndefined();
    expect(faults.next(call("UploadPart", "b/other"))).toBeUndefined();
    expect(faults.next({ ...call("UploadPart", "b/mysql/1"), service: "oss" })).toBeUndefined();
    expect(faults.next(call("UploadPart", "b/mysql/1"))).toEqual(throttle);
  });

  test("gives way to one that stands before it, but counts the call all the same", () => {
    const faults = new Faults();
    faults.add({ service: "s3", effect: throttle }, { service: "s3", fromCall: 2, effect: reset });
    expect([1, 2, 3].map(() => faults.next(call("PutObject")))).toEqual([throttle, reset, undefined]);
  });

  test("with a probability hits the same calls for the same seed, and others for another", () => {
    const run = (seed: number) => {
      const faults = new Faults(seed);
      faults.add({ service: "s3", probability: 0.5, times: 100, effect: throttle });
      return hits(faults, 100);
    };
    expect(run(7)).toBe(run(7));
    expect(run(7)).not.toBe(run(8));
    expect(run(7).replaceAll("0", "").length).toBeGreaterThan(25);
    expect(run(7).replaceAll("0", "").length).toBeLessThan(75);
  });

  test("is forgotten by clear, and what fired is there to read", () => {
    const faults = new Faults();
    faults.add({ service: "s3", times: 2, effect: throttle });
    faults.next(call("PutObject"));
    faults.clear();
    expect(faults.next(call("PutObject"))).toBeUndefined();
    expect(faults.fired).toEqual([{ ...call("PutObject"), effect: throttle }]);
  });
});

test("the generator's draws are spread over [0, 1)", () => {
  const draw = seededRandom(42);
  const buckets = new Array<number>(10).fill(0);
  for (let count = 0; count < 10_000; count += 1) {
    const value = draw();
    expect(value).toBeGreaterThanOrEqual(0);
    expect(value).toBeLessThan(1);
    buckets[Math.floor(value * 10)] = (buckets[Math.floor(value * 10)] ?? 0) + 1;
  }
  for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
});
