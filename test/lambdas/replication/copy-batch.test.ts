// A batch between a source and a target in memory: what is copied, what is tried again, and when the call ends with what.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { CopyPlan } from "../../../lambdas/replication/copy.ts";
import { agrees, type BatchPorts, type BatchResult, copyBatch } from "../../../lambdas/replication/copy-batch.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { CausewayError, type ErrorName } from "../../../lambdas/shared/errors.ts";
import { copyId, crc64Of, key, ledgerFor, mark, nvmeOf, planFor, someBytes, storedAs } from "./copy-facts.ts";
import { MemorySource, silence, streamOf } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";
import { rejection } from "./outcomes.ts";

const address = "https://source/a.xb?Signature=s";
const partBytes = 4000;
const content = someBytes(41_234);
const partCount = 11;
const whole = { number: 1, firstPart: 1, lastPart: partCount };

interface Stage {
  readonly plan: CopyPlan;
  readonly source: MemorySource;
  readonly target: MemoryTarget;
  readonly ledger: Map<number, LedgerPart>;
  readonly progress: { bytes: number; parts: number }[];
  readonly ports: BatchPorts;
  throttled: number;
  limit: number;
  remainingMilliseconds: () => number;
  run(batch?: typeof whole): Promise<BatchResult>;
}

async function stage(): Promise<Stage> {
  const source = new MemorySource(content);
  const target = new MemoryTarget();
  const { uploadId } = await target.begin(key, copyId, mark);
  const plan = planFor(content, partBytes, { uploadId, sourceFacts: source.facts });
  const ledger = new Map<number, LedgerPart>();
  const progress: Stage["progress"] = [];
  const here: Stage = {
    plan,
    source,
    target,
    ledger,
    progress,
    throttled: 0,
    limit: 4,
    remainingMilliseconds: () => 900_000,
    ports: {
      source,
      target,
      keepPart: async (part) => void ledger.set(part.partNumber, part),
      readLedger: async (first, last) =>
        [...ledger.values()].filter(({ partNumber }) => partNumber >= first && partNumber <= last),
      onProgress: (done) => void progress.push(done),
      remainingMilliseconds: () => here.remainingMilliseconds(),
      now: () => performance.now(),
      random: () => 0,
      concurrency: {
        limit: () => here.limit,
        observe: () => undefined,
        throttled: () => {
          here.throttled += 1;
        },
      },
    },
    run: (batch = whole) => copyBatch(plan, address, batch, here.ports),
  };
  return here;
}

/** Every part that the ledger calls done is in the target, byte for byte, and every byte of it was summed rightly. */
function expectHonest({ plan, target, ledger }: Stage): void {
  const upload = target.uploads.get(plan.uploadId);
  for (const row of ledger.values()) {
    const bytes = content.subarray(row.offset, row.offset + row.bytes);
    expect(row.offset).toBe((row.partNumber - 1) * partBytes);
    expect(upload?.parts.get(row.partNumber)?.bytes.equals(bytes), `part ${row.partNumber}`).toBe(true);
    expect(row).toMatchObject({ crc64: crc64Of(bytes), checksum: nvmeOf(bytes) });
  }
}

describe("a batch", () => {
  it("is copied whole, each part once, from the address that was given", async () => {
    const here = await stage();
    expect(await here.run()).toEqual({ state: "done", copiedParts: partCount, remainingParts: 0 });
    expect(here.ledger.size).toBe(partCount);
    expect(here.source.opened).toHaveLength(partCount);
    expect(new Set(here.source.opened.map((opened) => opened.address))).toEqual(new Set([address]));
    expectHonest(here);
  });

  it("is its own parts and no others", async () => {
    const here = await stage();
    expect(await here.run({ number: 2, firstPart: 4, lastPart: 6 })).toMatchObject({ state: "done", copiedParts: 3 });
    expect([...here.ledger.keys()].sort()).toEqual([4, 5, 6]);
  });

  it("that is there already is not copied again", async () => {
    const here = await stage();
    await here.run();
    const before = here.source.opened.length;
    expect(await here.run()).toEqual({ state: "done", copiedParts: 0, remainingParts: 0 });
    expect(here.source.opened).toHaveLength(before);
    expect(here.progress.at(-1)).toEqual({ bytes: content.length, parts: partCount });
  });

  it("goes on where ledger and target agree, and sends the rest again", async () => {
    const here = await stage();
    await here.run();
    here.ledger.delete(2);
    const row = here.ledger.get(5);
    if (row) here.ledger.set(5, { ...row, etag: '"another"' });
    here.target.uploads.get(here.plan.uploadId)?.parts.delete(9);
    expect(await here.run()).toMatchObject({ state: "done", copiedParts: 3 });
    const again = here.source.opened.slice(partCount).map(({ range }) => range.first / partBytes + 1);
    expect(again.sort()).toEqual([2, 5, 9]);
    expectHonest(here);
  });

  it("keeps to the number of parts that may be in flight, and follows it when it changes", async () => {
    const here = await stage();
    here.limit = 3;
    await here.run();
    expect(here.target.mostPartsAtOnce).toBe(3);
    const wider = await stage();
    wider.target.before = (_operation, count) => {
      if (count > 2) wider.limit = 6;
    };
    wider.limit = 1;
    await wider.run();
    expect(wider.target.mostPartsAtOnce).toBeGreaterThan(1);
    expect(wider.target.mostPartsAtOnce).toBeLessThanOrEqual(6);
  });

  it("tells absolute numbers, which never fall and end at all of it, whatever was tried again", async () => {
    const here = await stage();
    here.ledger.set(1, { ...(ledgerFor(content, here.plan)[0] as LedgerPart) });
    here.target.fail("putPart", new CausewayError("TargetUnavailable", "500"), { times: 5, afterWork: true });
    await here.run();
    expect(here.progress[0]).toEqual({ bytes: 0, parts: 0 });
    for (const [index, done] of here.progress.slice(1).entries()) {
      expect(done.bytes).toBeGreaterThan(here.progress[index]?.bytes ?? 0);
      expect(done.parts).toBe((here.progress[index]?.parts ?? 0) + 1);
    }
    expect(here.progress.at(-1)).toEqual({ bytes: content.length, parts: partCount });
  });
});

describe("agreement of ledger and target", () => {
  const [row] = ledgerFor(content, planFor(content, partBytes));
  if (row === undefined) throw new Error("there is a first part");
  const stored = storedAs(row);

  it("needs both, the same length, the same ETag, and the same checksum where the target states one", () => {
    expect(agrees(row, stored)).toBe(true);
    expect(agrees(row, { ...stored, checksum: null })).toBe(true);
    expect(agrees(undefined, stored)).toBe(false);
    expect(agrees(row, undefined)).toBe(false);
    expect(agrees(row, { ...stored, bytes: stored.bytes - 1 })).toBe(false);
    expect(agrees(row, { ...stored, etag: '"x"' })).toBe(false);
    expect(agrees(row, { ...stored, checksum: nvmeOf(Buffer.from("x")) })).toBe(false);
  });
});

describe("trouble that passes", () => {
  it.each<ErrorName>(["SourceUnavailable", "SourceThrottled", "SourceIgnoresRanges"])(
    "at the source is survived: %s",
    async (name) => {
      const here = await stage();
      here.source.beforeOpen = (_range, call) => {
        if (call === 2 || call === 6) throw new CausewayError(name, "for a moment");
      };
      expect(await here.run()).toMatchObject({ state: "done", copiedParts: partCount });
      expectHonest(here);
    },
  );

  it.each([false, true])("at the target is survived (after its work: %s)", async (afterWork) => {
    const here = await stage();
    here.target.fail("putPart", new CausewayError("TargetUnavailable", "500"), { times: 4, afterWork });
    expect(await here.run()).toMatchObject({ state: "done", copiedParts: partCount });
    expectHonest(here);
  });

  it("in the ledger is survived: the part is sent again, for nobody knows of it", async () => {
    const here = await stage();
    let lost = 2;
    const keepPart: BatchPorts["keepPart"] = async (part) => {
      lost -= 1;
      if (lost >= 0) throw new CausewayError("AwsUnavailable", "throttled");
      here.ledger.set(part.partNumber, part);
    };
    expect(await copyBatch(here.plan, address, whole, { ...here.ports, keepPart })).toMatchObject({ state: "done" });
    expect(here.source.opened).toHaveLength(partCount + 2);
    expectHonest(here);
  });

  it.each([
    ["cut off", (bytes: Buffer) => streamOf(bytes.subarray(0, bytes.length - 1))],
    [
      "broken off by an error",
      (bytes: Buffer) => {
        const stream = streamOf(bytes);
        stream.once("data", () => stream.destroy(new Error("ECONNRESET")));
        return stream.pause();
      },
    ],
  ])("is a body %s", async (_, damaged) => {
    const here = await stage();
    let left = 2;
    here.source.onBytes = (bytes) => {
      left -= 1;
      return left >= 0 ? damaged(bytes) : streamOf(bytes);
    };
    expect(await here.run()).toMatchObject({ state: "done", copiedParts: partCount });
    expectHonest(here);
  });

  it("is a bit that flips on the way: the target's own checksum tells", async () => {
    const here = await stage();
    let left = 1;
    here.target.onTheWay = (bytes, partNumber) => {
      if (partNumber !== 3 || left === 0) return bytes;
      left -= 1;
      const flipped = Buffer.from(bytes);
      flipped[100] = (flipped[100] ?? 0) ^ 1;
      return flipped;
    };
    expect(await here.run()).toMatchObject({ state: "done" });
    expect(here.source.opened).toHaveLength(partCount + 1);
    expectHonest(here);
  });

  it("slows the copy down where a side asks for it", async () => {
    const here = await stage();
    here.source.beforeOpen = (_range, call) => {
      if (call <= 2) throw new CausewayError("SourceThrottled", "slow down");
    };
    here.target.fail("putPart", new CausewayError("TargetUnavailable", "SlowDown"), { times: 3 });
    await here.run();
    expect(here.throttled).toBe(5);
  });
});

describe("trouble that stays", () => {
  it.each<[ErrorName, number]>([
    ["SourceChanged", 1],
    ["SourceRefused", 1],
    ["SourceIgnoresRanges", 3],
    ["SourceUnavailable", 6],
    ["SourceThrottled", 6],
  ])("at the source ends the call: %s after %i attempts of a part", async (name, attempts) => {
    const here = await stage();
    here.limit = 1;
    here.source.beforeOpen = (range) => {
      if (range.first === 4 * partBytes) throw new CausewayError(name, "for ever");
    };
    const openings = vi.spyOn(here.source, "beforeOpen");
    await expect(here.run()).rejects.toMatchObject({ name });
    expect(openings).toHaveBeenCalledTimes(4 + attempts);
    // What was copied stays copied.
    expect([...here.ledger.keys()].sort()).toEqual([1, 2, 3, 4]);
    expectHonest(here);
  });

  it.each<ErrorName>(["TargetRefused", "UploadLost"])("at the target ends the call: %s", async (name) => {
    const here = await stage();
    here.target.fail("putPart", new CausewayError(name, "for ever"), { times: 1000 });
    await expect(here.run()).rejects.toMatchObject({ name });
    expect(here.ledger.size).toBe(0);
  });

  it("in the ledger ends the call when trying again would not help", async () => {
    const here = await stage();
    const keepPart = () => Promise.reject(new CausewayError("AwsRefused", "AccessDenied"));
    const ports = { ...here.ports, keepPart };
    await expect(copyBatch(here.plan, address, whole, ports)).rejects.toMatchObject({ name: "AwsRefused" });
  });

  it("of a kind that nobody named ends the call as it is", async () => {
    const here = await stage();
    const defect = new TypeError("x is not a function");
    here.source.beforeOpen = () => {
      throw defect;
    };
    await expect(here.run()).rejects.toBe(defect);
    expect(here.source.opened).toEqual([]);
  });

  it("ends every other part that is under way, and says the reason, not what it did to the others", async () => {
    const here = await stage();
    here.source.onBytes = silence;
    here.source.beforeOpen = async (_range, call) => {
      if (call < 4) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
      throw new CausewayError("SourceChanged", "replaced");
    };
    const error = await rejection(here.run());
    expect(error).toMatchObject({ name: "SourceChanged" });
    expect(here.source.openNow).toBe(0);
    expect(here.ledger.size).toBe(0);
  });

  it("is given up after so many failures in all, though each part might still hope", async () => {
    const here = await stage();
    const many = someBytes(200 * 10);
    here.source.content = many;
    const { uploadId } = await here.target.begin(key, copyId, mark);
    const plan = planFor(many, 10, { uploadId, sourceFacts: here.source.facts });
    let attempts = 0;
    here.source.beforeOpen = () => {
      attempts += 1;
      // Every part fails four times: none of them reaches its own limit of six.
      if (attempts % 5 !== 0) throw new CausewayError("SourceUnavailable", "now and then");
    };
    here.limit = 1;
    const batch = { number: 1, firstPart: 1, lastPart: 200 };
    await expect(copyBatch(plan, address, batch, here.ports)).rejects.toMatchObject({ name: "SourceUnavailable" });
    expect(attempts).toBeLessThan(200);
  });
});

describe("an expired link", () => {
  const expiring = (here: Stage, fromCall: number) => {
    here.source.beforeOpen = (_range, call) => {
      if (call >= fromCall) throw new CausewayError("LinkExpired", "Request has expired.");
    };
  };

  it("ends the call with what is left, and is not tried again", async () => {
    const here = await stage();
    here.limit = 1;
    expiring(here, 6);
    const openings = vi.spyOn(here.source, "beforeOpen");
    expect(await here.run()).toEqual({ state: "link-expired", copiedParts: 5, remainingParts: 6 });
    expect(openings).toHaveBeenCalledTimes(6);
    here.source.beforeOpen = () => undefined;
    expect(await here.run()).toEqual({ state: "done", copiedParts: 6, remainingParts: 0 });
    expectHonest(here);
  });

  it("lets what is flowing end well", async () => {
    const here = await stage();
    expiring(here, 4);
    let flowing = 0;
    here.target.before = async (operation) => {
      if (operation !== "putPart") return;
      flowing += 1;
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    expect(await here.run()).toEqual({ state: "link-expired", copiedParts: 3, remainingParts: partCount - 3 });
    expect(flowing).toBe(3);
    expectHonest(here);
  });

  it("gives way to an error that ends the copy", async () => {
    const here = await stage();
    expiring(here, 4);
    here.target.before = async (operation) => {
      if (operation !== "putPart") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new CausewayError("TargetRefused", "AccessDenied");
    };
    await expect(here.run()).rejects.toMatchObject({ name: "TargetRefused" });
  });
});

describe("the deadline", () => {
  it("gives up what is under way in time to answer, and keeps what is done", async () => {
    const here = await stage();
    here.remainingMilliseconds = () => 10_000 + 250;
    here.limit = 2;
    here.source.onBytes = (bytes, range) => (range.first >= 3 * partBytes ? silence() : streamOf(bytes));
    const result = await here.run();
    expect(result).toEqual({ state: "more", copiedParts: 3, remainingParts: partCount - 3 });
    expect(here.source.openNow).toBe(0);
    expectHonest(here);
  });

  it("stops beginning parts that could not end in time", async () => {
    const here = await stage();
    let now = 0;
    here.remainingMilliseconds = () => 30_000 - now;
    here.limit = 1;
    const ports = { ...here.ports, now: () => now };
    // Every part takes five seconds: with ten to close and twice five for one more, there is time for two or three.
    here.target.before = (operation) => {
      if (operation === "putPart") now += 5000;
    };
    const result = await copyBatch(here.plan, address, whole, ports);
    expect(result.state).toBe("more");
    expect(result.copiedParts).toBe(2);
    expect(here.source.opened).toHaveLength(2);
  });

  it("keeps a slow line for so few parts that all of them end: with more, none would", async () => {
    const here = await stage();
    let now = 0;
    here.limit = 1;
    here.remainingMilliseconds = () => 10_000 + 60_000 - now;
    // The first part of 4,000 bytes takes eight seconds; in the 52 that are left, six more can pass.
    here.target.after = (operation, count) => {
      if (operation !== "putPart" || count > 1) return;
      now = 8000;
      here.limit = 8;
    };
    let inFlight = 0;
    here.target.before = async (operation, count) => {
      if (operation !== "putPart" || count === 1) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
      inFlight ||= here.target.mostPartsAtOnce;
    };
    await copyBatch(here.plan, address, whole, { ...here.ports, now: () => now });
    expect(inFlight).toBe(6);
    expectHonest(here);
  });

  it("that is there at once ends with nothing copied and nothing lost", async () => {
    const here = await stage();
    here.remainingMilliseconds = () => 5000;
    here.source.onBytes = silence;
    expect(await here.run()).toEqual({ state: "more", copiedParts: 0, remainingParts: partCount });
    expect(here.source.openNow).toBe(0);
  });

  it("does not wait for a retry that is pausing", async () => {
    const here = await stage();
    here.remainingMilliseconds = () => 10_000 + 20;
    let attempts = 0;
    here.source.beforeOpen = () => {
      attempts += 1;
      throw new CausewayError("SourceUnavailable", "for ever");
    };
    // The longest draw: the first pause of a part is 200 ms.
    const result = await copyBatch(here.plan, address, whole, { ...here.ports, random: () => 1 });
    expect(result).toEqual({ state: "more", copiedParts: 0, remainingParts: partCount });
    expect(attempts).toBe(here.limit);
  });
});

describe("under any mixture of passing trouble", () => {
  it("a few calls copy everything, and the ledger never says more than the target holds", async () => {
    const trouble = fc.record({
      source: fc.array(fc.constantFrom<ErrorName | "ok">("ok", "SourceUnavailable", "LinkExpired", "SourceThrottled"), {
        maxLength: 30,
      }),
      target: fc.array(fc.constantFrom("ok", "before", "after", "flip"), { maxLength: 30 }),
      limit: fc.integer({ min: 1, max: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(trouble, async ({ source, target, limit }) => {
        const here = await stage();
        here.limit = limit;
        here.source.beforeOpen = (_range, call) => {
          const what = source[call - 1] ?? "ok";
          if (what !== "ok") throw new CausewayError(what, "by chance");
        };
        here.target.before = (operation, count) => {
          if (operation === "putPart" && target[count - 1] === "before")
            throw new CausewayError("TargetUnavailable", "");
        };
        let arrived = 0;
        here.target.onTheWay = (bytes) => {
          arrived += 1;
          return target[arrived] === "flip" ? Buffer.from(bytes).fill(7, 0, 1) : bytes;
        };
        here.target.after = (operation, count) => {
          if (operation === "putPart" && target[count - 1] === "after")
            throw new CausewayError("TargetUnavailable", "");
        };
        let state: string | undefined;
        for (let round = 0; round < 40 && state !== "done"; round += 1) {
          // A part may use up its attempts; the workflow then calls again, as it does with a link made fresh.
          const result = await here.run().catch((error: CausewayError) => void expect(error.retryable).toBe(true));
          state = result?.state;
          expectHonest(here);
        }
        expect(state).toBe("done");
        expect(here.ledger.size).toBe(partCount);
        expectHonest(here);
      }),
      { numRuns: 60 },
    );
  });
});
