// A shard in rounds: every key is compared once, whatever ends a round: time, an outage, an error of one key, a page.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ShardRound, slowBytes, startOfShard } from "../../../../lambdas/replication/reconcile/reconcile-shard.ts";
import { CausewayError, type ErrorName } from "../../../../lambdas/shared/errors.ts";
import { listedKey, pagesOf } from "./listed-keys.ts";
import { now, ShardStage } from "./shard-stage.ts";

const fail = (name: ErrorName) => Promise.reject(new CausewayError(name, "no"));

function keyOf(number: number, isDoubtful: boolean): string {
  return `${String(number).padStart(4, "0")}${isDoubtful ? "?" : ""}`;
}

function keysOf(count: number, isDoubtful: (number: number) => boolean): string[] {
  return Array.from({ length: count }, (_, number) => keyOf(number, isDoubtful(number)));
}

describe("a shard", () => {
  it("counts every key once and in the end all, wherever its rounds end", async () => {
    const doubts = fc.array(fc.boolean(), { maxLength: 60 });
    const looks = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(doubts, looks, async (doubtful, times) => {
        const keys = doubtful.map((isDoubtful, number) => keyOf(number, isDoubtful));
        const stage = new ShardStage(keys);
        const rounds = await stage.walk((round) => {
          let left = 1 + (times[round % times.length] ?? 0);
          return { mayGoOn: () => left-- > 0 };
        });
        const asked = keys.filter((key) => key.includes("?"));
        expect(stage.compared.toSorted()).toEqual(asked);
        const { counts = {} } = rounds.at(-1)?.progress ?? {};
        expect(counts.compared ?? 0).toBe(keys.length);
        expect(counts.equal ?? 0).toBe(keys.length - asked.length);
        expect(counts.mirrored ?? 0).toBe(asked.length);
        expect(counts["bytes-read"] ?? 0).toBe(10 * asked.length);
      }),
      { numRuns: 60 },
    );
  });

  it("of 5,000 keys in pages of 3 is walked with a few questions at once, and its progress stays small", async () => {
    const stage = new ShardStage(
      keysOf(5000, (number) => number % 10 === 0),
      3,
    );
    const rounds = await stage.walk(() => {
      let left = 8;
      return { mayGoOn: () => left-- > 0 };
    });
    expect(rounds.length).toBeGreaterThan(2);
    expect(rounds.at(-1)?.progress.counts).toMatchObject({ compared: 5000, equal: 4500, mirrored: 500 });
    expect(stage.mostAtOnce).toBe(16);
    for (const { progress } of rounds) expect(JSON.stringify(progress).length).toBeLessThan(2000);
  });

  it("asks one key after the other where each may be read for long, and keeps what was half read", async () => {
    const stage = new ShardStage(["a?", "b?"]);
    stage.facts = { sizeBytes: slowBytes };
    const sum = { bytes: 40, crc64: "1", crc64Nvme: "x" };
    const reading = { sourceKey: "a?", versionId: "v", s3Etag: "e", ossEtag: "e", s3: sum, oss: { ...sum, bytes: 0 } };
    stage.answer = () => ({ outcome: "unfinished", reading, bytesRead: 40 });
    const round = await stage.round(startOfShard);
    expect(round).toMatchObject({ state: "more", waitSeconds: 0, isFurther: true });
    expect(round.progress).toMatchObject({ after: null, reading, counts: { "bytes-read": 40 } });
    expect(stage.mostAtOnce).toBe(1);
    const stuck = await stage.round(round.progress);
    expect(stuck.isFurther).toBe(false);
  });

  it("writes differences into files of bounded length, and names the first few", async () => {
    const stage = new ShardStage(
      keysOf(6000, () => true),
      1000,
    );
    stage.answer = () => ({ outcome: "restored", bytesRead: 0 });
    const { progress } = await stage.round(startOfShard);
    expect(stage.files.map(({ number, lines }) => [number, lines.length < 5100])).toEqual([
      [0, true],
      [1, true],
    ]);
    expect(stage.files.flatMap(({ lines }) => lines)).toHaveLength(6000);
    expect(progress.reports).toBe(2);
    expect(progress.samples).toHaveLength(5);
  });

  it("with readData asks about every object", async () => {
    const stage = new ShardStage(["a", "b"]);
    await stage.round(startOfShard, {}, true);
    expect(stage.compared.toSorted()).toEqual(["a", "b"]);
  });

  it("asks about an object that only OSS lists where it is new, and reports it where it is not", async () => {
    const stage = new ShardStage([]);
    const objects = [listedKey("foreign?"), listedKey("new", { modifiedAt: now }), listedKey("old")];
    const readOss = async () => ({ objects, isLast: true });
    const round = await stage.round(startOfShard, { readOss });
    expect(stage.compared).toEqual(["new"]);
    expect(round.progress.counts).toMatchObject({ compared: 3, "kept-only-in-oss": 1, "only-in-oss": 1, mirrored: 1 });
    expect(round.progress.samples).toEqual(["oss/foreign? is only in OSS"]);
  });
});

describe("trouble", () => {
  it("with one key is counted as its failure, and the others go on", async () => {
    const stage = new ShardStage(["a?", "b?", "c?"]);
    stage.answer = ({ sourceKey }) => (sourceKey === "b?" ? fail("ProofFailed") : { outcome: "adopted", bytesRead: 0 });
    const [round] = await stage.walk();
    expect(round?.progress.counts).toEqual({ compared: 3, adopted: 2, failed: 1 });
    expect(stage.files[0]?.lines).toMatchObject([{ outcome: "failed", sourceKey: "b?", reason: "ProofFailed: no" }]);
  });

  it("that may pass ends the round before its key, which is the next round's first; nothing is done twice", async () => {
    const stage = new ShardStage(["a?", "b?", "c?", "d"]);
    let failures = 1;
    stage.answer = ({ sourceKey }) =>
      sourceKey === "b?" && failures-- > 0 ? fail("TargetUnavailable") : { outcome: "mirrored", bytesRead: 0 };
    const [first, second] = await stage.walk();
    expect(first).toMatchObject({ state: "more", waitSeconds: 5, isFurther: true });
    expect(first?.progress).toMatchObject({ after: "a?", done: ["c?"], tries: 1 });
    expect(second?.progress).toMatchObject({ counts: { compared: 4, mirrored: 3, equal: 1 }, tries: 0, done: [] });
    expect(stage.compared).toEqual(["a?", "c?", "b?"]);
  });

  it("that stays with one key alone soon counts as its failure", async () => {
    const stage = new ShardStage(["a?", "b?"]);
    stage.answer = ({ sourceKey }) =>
      sourceKey === "a?" ? fail("SourceUnavailable") : { outcome: "mirrored", bytesRead: 0 };
    const rounds = await stage.walk();
    expect(rounds.at(-1)?.progress.counts).toEqual({ compared: 2, mirrored: 1, failed: 1 });
    expect(rounds.length).toBeLessThan(5);
  });

  it("with all keys is waited for, then fails the shard with its reason", async () => {
    const stage = new ShardStage(keysOf(100, () => true));
    stage.answer = () => fail("TargetUnavailable");
    const rounds: ShardRound[] = [];
    const goOn = async () => {
      for (let number = 0; number < 50; number += 1) {
        rounds.push(await stage.round(rounds.at(-1)?.progress ?? startOfShard));
      }
    };
    await expect(goOn()).rejects.toMatchObject({ name: "TargetUnavailable" });
    expect(rounds.slice(0, 5).map(({ waitSeconds }) => waitSeconds)).toEqual([5, 15, 60, 240, 500]);
    expect(rounds.length).toBeLessThan(20);
  });

  it("with a list or the table is thrown where nothing is done yet, and kept for the next round where something is", async () => {
    const keys = keysOf(1500, () => false);
    const stage = new ShardStage(keys, 1000);
    await expect(stage.round(startOfShard, { known: () => fail("AwsUnavailable") })).rejects.toThrow("no");
    const pages = pagesOf(keys, 1000);
    const breaking = async (after: string | null) => (after === null ? pages(null) : fail("AwsUnavailable"));
    const round = await stage.round(startOfShard, { readS3: breaking });
    expect(round).toMatchObject({ state: "more", waitSeconds: 5, isFurther: true });
    expect(round.progress).toMatchObject({ after: keys[999], counts: { compared: 1000 } });
  });
});
