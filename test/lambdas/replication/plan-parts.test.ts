// The cut of an object into parts and batches, at and around every limit of the target.
// The cut of an object into parts, ranges and batches, within any target's limits.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  lengthOfRange,
  mostPartsInFlight,
  planBatches,
  planParts,
  rangeOfPart,
  rangesForPart,
} from "../../../lambdas/replication/plan-parts.ts";
import { s3Limits } from "../../../lambdas/replication/targets/s3.ts";

const mebibyte = 1024 ** 2;
const largest = 10_000 * 5 * 1024 ** 3;

describe("the cut of an object into parts", () => {
  it("covers every byte once, within the target's limits, for any size", () => {
    fc.assert(
      fc.property(fc.oneof(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.maxSafeInteger()), (seed) => {
        const sizeBytes = 1 + (Math.abs(seed) % largest);
        const plan = planParts(sizeBytes, s3Limits);
        const first = rangeOfPart(plan, 1);
        const last = rangeOfPart(plan, plan.partCount);
        expect(first.first).toBe(0);
        expect(last.last).toBe(sizeBytes - 1);
        expect(lengthOfRange(last)).toBeGreaterThan(0);
        expect(plan.partCount).toBeLessThanOrEqual(s3Limits.mostParts);
        expect(plan.partBytes).toBeLessThanOrEqual(s3Limits.largestPartBytes);
        if (plan.partCount > 1) expect(plan.partBytes).toBeGreaterThanOrEqual(s3Limits.smallestPartBytes);
      }),
    );
  });

  it("needs one part for one byte, and ten thousand of five gibibytes for 48.8 TiB", () => {
    expect(planParts(1, s3Limits)).toMatchObject({ partCount: 1 });
    expect(planParts(largest, s3Limits)).toEqual({ sizeBytes: largest, partBytes: 5 * 1024 ** 3, partCount: 10_000 });
  });

  it("refuses one byte more than the target holds, by name", () => {
    expect(() => planParts(largest + 1, s3Limits)).toThrowError(expect.objectContaining({ name: "BackupTooLarge" }));
  });

  it("keeps 10,000 parts at 10,000 and grows the part for one more, at any smallest part", () => {
    const rig = { ...s3Limits, smallestPartBytes: 1024 };
    expect(planParts(10_000 * 1024, rig)).toMatchObject({ partBytes: 1024, partCount: 10_000 });
    const over = planParts(10_000 * 1024 + 1, rig);
    expect(over.partBytes).toBe(1025);
    expect(over.partCount).toBeLessThanOrEqual(10_000);
  });

  it.each([
    [5 * mebibyte - 1, 1],
    [5 * mebibyte, 1],
    [5 * mebibyte + 1, 1],
    [8 * mebibyte, 1],
    [8 * mebibyte + 1, 2],
  ])("cuts %i bytes into %i", (sizeBytes, partCount) => {
    expect(planParts(sizeBytes, s3Limits).partCount).toBe(partCount);
  });
});

describe("a slow source", () => {
  it("fills a part by one connection as long as half a Lambda's time is enough", () => {
    expect(rangesForPart(450 * mebibyte, mebibyte)).toBe(1);
    expect(rangesForPart(450 * mebibyte + 1, mebibyte)).toBe(2);
  });

  it("is refused with the arithmetic when sixteen connections are not enough", () => {
    expect(() => rangesForPart(5 * 1024 ** 3, 700_000)).toThrowError(
      /5368709120 bytes.*700000 bytes\/s.*7670 s.*479 s/,
    );
  });
});

describe("parts in flight in one Lambda", () => {
  it("are as many as one likes while parts are small", () => {
    expect(mostPartsInFlight({ partBytes: 10 * mebibyte, rangesPerPart: 1 })).toBeGreaterThan(64);
  });

  it("share a slow Lambda's rate and still end in half of its time", () => {
    for (const partBytes of [300 * mebibyte, 954 * mebibyte, 5 * 1024 ** 3]) {
      const parts = mostPartsInFlight({ partBytes, rangesPerPart: 1 });
      expect(parts === 1 || (parts * partBytes) / 20e6 <= 450).toBe(true);
    }
    expect(mostPartsInFlight({ partBytes: 954 * mebibyte, rangesPerPart: 1 })).toBe(8);
    expect(mostPartsInFlight({ partBytes: 5 * 1024 ** 3, rangesPerPart: 1 })).toBe(1);
  });

  it("are fewer when each has several connections that read ahead", () => {
    expect(mostPartsInFlight({ partBytes: 8 * mebibyte, rangesPerPart: 16 })).toBe(2);
    expect(mostPartsInFlight({ partBytes: 5 * 1024 ** 3, rangesPerPart: 16 })).toBe(1);
  });
});

describe("batches", () => {
  it("hold every part once, in order, and are no more than four for each Lambda", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 1000 }), (partCount, concurrent) => {
        const batches = planBatches(partCount, concurrent);
        expect(batches.length).toBeLessThanOrEqual(concurrent * 4);
        let next = 1;
        for (const batch of batches) {
          expect(batch.firstPart).toBe(next);
          expect(batch.lastPart).toBeGreaterThanOrEqual(batch.firstPart);
          next = batch.lastPart + 1;
        }
        expect(next).toBe(partCount + 1);
      }),
    );
  });
});
