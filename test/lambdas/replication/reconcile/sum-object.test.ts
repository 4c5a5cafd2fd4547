// Summing an object in ranges: the same sums as in one go, whatever is interrupted, repeated or gone on with.
import fc from "fast-check";
import { expect, it } from "vitest";
import { crc64Nvme, crc64Xz } from "../../../../lambdas/replication/checksums/crc64.ts";
import { createPartChecksums } from "../../../../lambdas/replication/checksums/part-checksums.ts";
import { emptySum, type SumPorts, sumObject } from "../../../../lambdas/replication/reconcile/sum-object.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";

function sumsOf(bytes: Uint8Array) {
  const sums = createPartChecksums();
  sums.update(bytes);
  return sums.digest();
}

function portsFor(bytes: Uint8Array, changes: Partial<SumPorts> = {}): SumPorts {
  return {
    readRange: async ({ first, last }) => sumsOf(bytes.subarray(first, last + 1)),
    segmentBytes: 10,
    segmentsAtOnce: 3,
    mayGoOn: () => true,
    signal: new AbortController().signal,
    random: () => 0,
    ...changes,
  };
}

it("an object's sums are those of all its bytes, in however many rounds they are read", async () => {
  const rounds = fc.integer({ min: 1, max: 4 });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), rounds, async (bytes, wavesPerRound) => {
      let sum = emptySum;
      for (let round = 0; round === 0 || sum.bytes < bytes.length; round += 1) {
        let waves = 0;
        sum = await sumObject(bytes.length, sum, portsFor(bytes, { mayGoOn: () => waves++ < wavesPerRound }));
        expect(round).toBeLessThan(20);
      }
      const whole = sumsOf(bytes);
      expect(sum).toEqual({
        bytes: bytes.length,
        crc64: crc64Xz.format(whole.crc64Xz),
        crc64Nvme: crc64Nvme.format(whole.crc64Nvme),
      });
    }),
  );
});

it("a range that fails in passing is read again, no more than so many at once", async () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, index) => index);
  let [failures, now, most] = [0, 0, 0];
  const readRange: SumPorts["readRange"] = async ({ first, last }) => {
    now += 1;
    most = Math.max(most, now);
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    if (first === 20 && failures++ < 2) throw new CausewayError("SourceUnavailable", "cut");
    return sumsOf(bytes.subarray(first, last + 1));
  };
  const sum = await sumObject(100, emptySum, portsFor(bytes, { readRange }));
  expect(sum.crc64).toBe(crc64Xz.format(sumsOf(bytes).crc64Xz));
  expect(failures).toBe(3);
  expect(most).toBe(3);
});

it("an error that stays ends it", async () => {
  const readRange = () => Promise.reject(new CausewayError("SourceChanged", "another one"));
  await expect(sumObject(5, emptySum, portsFor(new Uint8Array(5), { readRange }))).rejects.toThrow("another one");
});
