// A shard in rounds: every key is compared once, whatever ends a round: time, an outage, an error of one key, a page.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { MirrorItem } from "../../../../lambdas/replication/mirror/mirror-item.ts";
import type { Compared } from "../../../../lambdas/replication/reconcile/compare-object.ts";
import type { JoinedKey, ListedObject } from "../../../../lambdas/replication/reconcile/join-lists.ts";
import {
  type ReconcileShardPorts,
  reconcileShard,
  type ShardProgress,
  type ShardRound,
  slowBytes,
  startOfShard,
} from "../../../../lambdas/replication/reconcile/reconcile-shard.ts";
import type { ReportLine } from "../../../../lambdas/replication/reconcile/report-differences.ts";
import { CausewayError, type ErrorName } from "../../../../lambdas/shared/errors.ts";
import { listedKey, pagesOf } from "./listed-keys.ts";

const now = Date.parse("2026-11-20T12:00:00.000Z");
const shard = { number: 3, s3Prefix: "", ossPrefix: "", after: null, upTo: null };

/** Keys that are to be asked about begin with "?": the table knows nothing of them. */
class Stage {
  readonly compared: string[] = [];
  readonly files: { number: number; lines: readonly ReportLine[] }[] = [];
  answer: (key: JoinedKey) => Promise<Compared> | Compared = () => ({ outcome: "mirrored", bytesRead: 10 });
  facts: Partial<ListedObject> = {};
  comparisonsAtOnce = 0;
  readonly #keys: readonly string[];
  readonly #pageSize: number;
  #now = 0;

  constructor(keys: readonly string[], pageSize = 7) {
    this.#keys = keys;
    this.#pageSize = pageSize;
  }

  round(progress: ShardProgress, changes: Partial<ReconcileShardPorts> = {}, readData = false): Promise<ShardRound> {
    const pages = pagesOf(this.#keys, this.#pageSize);
    const read: typeof pages = async (after) => {
      const page = await pages(after);
      return { ...page, objects: page.objects.map((object) => ({ ...object, ...this.facts })) };
    };
    return reconcileShard(
      shard,
      { readData, progress },
      {
        readS3: read,
        readOss: read,
        known: async (keys) => new Map(keys.filter((key) => !key.startsWith("?")).map((key) => [key, itemOf(key)])),
        compare: async (key) => {
          this.#now += 1;
          this.comparisonsAtOnce = Math.max(this.comparisonsAtOnce, this.#now);
          await new Promise((resolve) => setImmediate(resolve));
          this.#now -= 1;
          const compared = await this.answer(key);
          this.compared.push(key.sourceKey);
          return compared;
        },
        targetKeyOf: (key) => `oss/${key}`,
        report: async (number, lines) => void this.files.push({ number, lines }),
        tell: () => undefined,
        mayGoOn: () => true,
        nameError: (error) =>
          error instanceof CausewayError ? error : new CausewayError("UnexpectedFailure", String(error)),
        now: () => now,
        ...changes,
      },
    );
  }

  /** Rounds until the shard is done; `changes` makes the ports of each. */
  async walk(changes: (round: number) => Partial<ReconcileShardPorts> = () => ({}), most = 200): Promise<ShardRound[]> {
    const rounds: ShardRound[] = [];
    let progress = startOfShard;
    for (let number = 0; number < most; number += 1) {
      // As the workflow hands it on.
      const round = await this.round(JSON.parse(JSON.stringify(progress)) as ShardProgress, changes(number));
      rounds.push(round);
      if (round.state === "done") return rounds;
      progress = round.progress;
    }
    throw new Error(`not done in ${most} rounds`);
  }
}

function itemOf(sourceKey: string): MirrorItem {
  const mirrored = {
    versionId: "v",
    s3Etag: `"${sourceKey}"`,
    ossEtag: `"${sourceKey}"`,
    bytes: 1,
    crc64: "0",
    at: "",
    receiptKey: null,
  };
  return { sourceKey, targetKey: `oss/${sourceKey}`, wanted: 1, fence: 1, mirrored };
}

const fail = (name: ErrorName) => Promise.reject(new CausewayError(name, "no"));
const keyOf = (number: number, isDoubtful: boolean) => `${isDoubtful ? "?" : "k"}${String(number).padStart(4, "0")}`;

describe("a shard", () => {
  it("counts every key once and in the end all, wherever its rounds end", async () => {
    const doubts = fc.array(fc.boolean(), { maxLength: 60 });
    const steps = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(doubts, steps, async (doubtful, looks) => {
        const keys = doubtful.map((isDoubtful, number) => keyOf(number, isDoubtful));
        const stage = new Stage(keys);
        const rounds = await stage.walk((round) => {
          let left = 1 + (looks[round % looks.length] ?? 0);
          return { mayGoOn: () => left-- > 0 };
        });
        const asked = keys.filter((key) => key.startsWith("?"));
        expect(stage.compared.toSorted()).toEqual(asked.toSorted());
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
    const keys = Array.from({ length: 5000 }, (_, number) => keyOf(number, number % 10 === 0));
    const stage = new Stage(keys, 3);
    let left = 0;
    const rounds = await stage.walk(() => {
      left = 20;
      return { mayGoOn: () => left-- > 0 };
    });
    expect(rounds.length).toBeGreaterThan(2);
    expect(rounds.at(-1)?.progress.counts).toMatchObject({ compared: 5000, equal: 4500, mirrored: 500 });
    expect(stage.comparisonsAtOnce).toBeLessThanOrEqual(16);
    for (const { progress } of rounds) expect(JSON.stringify(progress).length).toBeLessThan(2000);
  });

  it("asks one key after the other where each may have to be read for long, and keeps what was half read", async () => {
    const stage = new Stage(["?a", "?b"]);
    stage.facts = { sizeBytes: slowBytes };
    const sum = { bytes: 40, crc64: "1", crc64Nvme: "x" };
    const reading = { sourceKey: "?a", versionId: "v", s3Etag: "e", ossEtag: "e", s3: sum, oss: { ...sum, bytes: 0 } };
    stage.answer = () => ({ outcome: "unfinished", reading, bytesRead: 40 });
    const round = await stage.round(startOfShard);
    expect(round).toMatchObject({ state: "more", waitSeconds: 0, isFurther: true });
    expect(round.progress).toMatchObject({ after: null, reading, counts: { "bytes-read": 40 } });
    expect(stage.comparisonsAtOnce).toBe(1);
    const stuck = await stage.round(round.progress);
    expect(stuck.isFurther).toBe(false);
  });

  it("writes differences in files of bounded length, and names the first few", async () => {
    const keys = Array.from({ length: 6000 }, (_, number) => keyOf(number, true));
    const stage = new Stage(keys, 1000);
    stage.answer = () => ({ outcome: "restored", bytesRead: 0 });
    const { progress } = await stage.round(startOfShard);
    expect(stage.files.map(({ number, lines }) => [number, lines.length > 4999])).toEqual([
      [0, true],
      [1, false],
    ]);
    expect(stage.files.flatMap(({ lines }) => lines)).toHaveLength(6000);
    expect(progress.reports).toBe(2);
    expect(progress.samples).toHaveLength(5);
  });
});

describe("trouble", () => {
  it("with one key is counted as its failure, and the others go on", async () => {
    const stage = new Stage(["?a", "?b", "?c"]);
    stage.answer = ({ sourceKey }) => (sourceKey === "?b" ? fail("ProofFailed") : { outcome: "adopted", bytesRead: 0 });
    const [round] = await stage.walk();
    expect(round?.progress.counts).toEqual({ compared: 3, adopted: 2, failed: 1 });
    expect(stage.files[0]?.lines).toMatchObject([{ outcome: "failed", sourceKey: "?b", reason: "ProofFailed: no" }]);
  });

  it("that may pass ends the round before the key, which comes first in the next; what was done is not done again", async () => {
    const stage = new Stage(["?a", "?b", "?c", "k"]);
    let failures = 1;
    stage.answer = ({ sourceKey }) =>
      sourceKey === "?b" && failures-- > 0 ? fail("TargetUnavailable") : { outcome: "mirrored", bytesRead: 0 };
    const [first, second] = await stage.walk();
    expect(first).toMatchObject({ state: "more", waitSeconds: 5, isFurther: true });
    expect(first?.progress).toMatchObject({ after: "?a", done: ["?c"], tries: 1 });
    expect(second?.progress).toMatchObject({ counts: { compared: 4, mirrored: 3, equal: 1 }, tries: 0, done: [] });
    expect(stage.compared).toEqual(["?a", "?c", "?b"]);
  });

  it("that stays with one key alone soon counts as its failure", async () => {
    const stage = new Stage(["?a", "?b"]);
    stage.answer = ({ sourceKey }) =>
      sourceKey === "?a" ? fail("SourceUnavailable") : { outcome: "mirrored", bytesRead: 0 };
    const rounds = await stage.walk();
    expect(rounds.at(-1)?.progress.counts).toEqual({ compared: 2, mirrored: 1, failed: 1 });
    expect(rounds.length).toBeLessThan(5);
  });

  it("with all keys is waited for, then fails the shard with its reason", async () => {
    const stage = new Stage(Array.from({ length: 100 }, (_, number) => keyOf(number, true)));
    stage.answer = () => fail("TargetUnavailable");
    const rounds: ShardRound[] = [];
    let progress = startOfShard;
    await expect(async () => {
      for (let number = 0; number < 50; number += 1) {
        const round = await stage.round(progress);
        rounds.push(round);
        progress = round.progress;
      }
    }).rejects.toMatchObject({ name: "TargetUnavailable" });
    expect(rounds.slice(0, 5).map(({ waitSeconds }) => waitSeconds)).toEqual([5, 15, 60, 240, 500]);
    expect(rounds.length).toBeLessThan(20);
  });

  it("with a list or the table is thrown where nothing is done yet, and kept for the next round where something is", async () => {
    const stage = new Stage(
      Array.from({ length: 30 }, (_, number) => keyOf(number, false)),
      10,
    );
    await expect(stage.round(startOfShard, { known: () => fail("AwsUnavailable") })).rejects.toThrow("no");
    const pages = pagesOf(
      Array.from({ length: 30 }, (_, number) => keyOf(number, false)),
      10,
    );
    const breaking = async (after: string | null) => (after === null ? pages(null) : fail("AwsUnavailable"));
    const known = async (keys: readonly string[]) => new Map(keys.map((key) => [key, itemOf(key)]));
    const once = await stage.round(startOfShard, { readS3: breaking, readOss: breaking, known });
    expect(once).toMatchObject({ state: "more", isFurther: false });
  });
});

describe("an object that only OSS lists", () => {
  const none = async () => ({ objects: [], isLast: true });
  it("is asked about where it is new, and reported where it is not", async () => {
    const stage = new Stage([]);
    const objects = [listedKey("k-old"), listedKey("k-new", { modifiedAt: now }), listedKey("?foreign")];
    const readOss = async () => ({ objects: objects.toSorted((a, b) => (a.key < b.key ? -1 : 1)), isLast: true });
    const round = await stage.round(startOfShard, { readS3: none, readOss });
    expect(stage.compared).toEqual(["k-new"]);
    expect(round.progress.counts).toMatchObject({ compared: 3, "kept-only-in-oss": 1, "only-in-oss": 1, mirrored: 1 });
    expect(round.progress.samples).toEqual(["oss/?foreign is only in OSS"]);
  });
});

describe("with readData", () => {
  it("every object is asked about", async () => {
    const stage = new Stage(["a", "b"]);
    await stage.round(startOfShard, {}, true);
    expect(stage.compared.toSorted()).toEqual(["a", "b"]);
  });
});
