// A batch in trouble: what is tried again and how often, what ends the call, and that the ledger never says too much.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type BatchPorts, copyBatch } from "../../../lambdas/replication/copy-batch.ts";
import { CausewayError, type ErrorName } from "../../../lambdas/shared/errors.ts";
import { address, type BatchStage, batchStage, expectHonest, partBytes, partCount, whole } from "./batch-stage.ts";
import { copyId, key, mark, planFor, someBytes } from "./copy-facts.ts";
import { silence, streamOf } from "./memory-source.ts";
import { rejection } from "./outcomes.ts";

describe("trouble that passes", () => {
  it.each<ErrorName>(["SourceUnavailable", "SourceThrottled", "SourceIgnoresRanges"])(
    "at the source is survived: %s",
    async (name) => {
      const here = await batchStage();
      here.source.beforeOpen = (_range, call) => {
        if (call === 2 || call === 6) throw new CausewayError(name, "for a moment");
      };
      expect(await here.run()).toMatchObject({ state: "done", copiedParts: partCount });
      expectHonest(here);
    },
  );

  it.each([false, true])("at the target is survived (after its work: %s)", async (afterWork) => {
    const here = await batchStage();
    here.target.fail("putPart", new CausewayError("TargetUnavailable", "500"), { times: 4, afterWork });
    expect(await here.run()).toMatchObject({ state: "done", copiedParts: partCount });
    expectHonest(here);
  });

  it("in the ledger is survived: the part is sent again, for nobody knows of it", async () => {
    const here = await batchStage();
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
    const here = await batchStage();
    let left = 2;
    here.source.onBytes = (bytes) => {
      left -= 1;
      return left >= 0 ? damaged(bytes) : streamOf(bytes);
    };
    expect(await here.run()).toMatchObject({ state: "done", copiedParts: partCount });
    expectHonest(here);
  });

  it("is a bit that flips on the way: the target's own checksum tells", async () => {
    const here = await batchStage();
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
    const here = await batchStage();
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
    const here = await batchStage();
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
    const here = await batchStage();
    here.target.fail("putPart", new CausewayError(name, "for ever"), { times: 1000 });
    await expect(here.run()).rejects.toMatchObject({ name });
    expect(here.ledger.size).toBe(0);
  });

  it("in the ledger ends the call when trying again would not help", async () => {
    const here = await batchStage();
    const keepPart = () => Promise.reject(new CausewayError("AwsRefused", "AccessDenied"));
    const ports = { ...here.ports, keepPart };
    await expect(copyBatch(here.plan, address, whole, ports)).rejects.toMatchObject({ name: "AwsRefused" });
  });

  it("of a kind that nobody named ends the call as it is", async () => {
    const here = await batchStage();
    const defect = new TypeError("x is not a function");
    here.source.beforeOpen = () => {
      throw defect;
    };
    await expect(here.run()).rejects.toBe(defect);
    expect(here.source.opened).toEqual([]);
  });

  it("ends every other part that is under way, and says the reason, not what it did to the others", async () => {
    const here = await batchStage();
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
    const here = await batchStage();
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
  const expiring = (here: BatchStage, fromCall: number) => {
    here.source.beforeOpen = (_range, call) => {
      if (call >= fromCall) throw new CausewayError("LinkExpired", "Request has expired.");
    };
  };

  it("ends the call with what is left, and is not tried again", async () => {
    const here = await batchStage();
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
    const here = await batchStage();
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
    const here = await batchStage();
    expiring(here, 4);
    here.target.before = async (operation) => {
      if (operation !== "putPart") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new CausewayError("TargetRefused", "AccessDenied");
    };
    await expect(here.run()).rejects.toMatchObject({ name: "TargetRefused" });
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
        const here = await batchStage();
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
