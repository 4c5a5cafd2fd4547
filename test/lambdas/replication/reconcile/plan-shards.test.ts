// How what is to be compared is cut: every key there can be lies in exactly one shard, and large folders in several.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SideLists } from "../../../../lambdas/replication/reconcile/contents.ts";
import type { ListPage } from "../../../../lambdas/replication/reconcile/join-lists.ts";
import { compareKeys } from "../../../../lambdas/replication/reconcile/key-order.ts";
import { bothSides, planShards, type Shard, scopesOf } from "../../../../lambdas/replication/reconcile/plan-shards.ts";
import { listedKey, sortedByBytes } from "./listed-keys.ts";

const mappings = [
  { from: "mysql/", to: "iotdb-backup/mysql/" },
  { from: "postgresql/", to: "pg/" },
];

/** A bucket in memory with small pages, so that few keys are many. */
function bucketOf(keys: readonly string[], pageSize: number): SideLists & { calls: number } {
  const lists = {
    calls: 0,
    async page(prefix: string): Promise<ListPage> {
      lists.calls += 1;
      const below = keys.filter((key) => key.startsWith(prefix));
      return {
        objects: sortedByBytes(below)
          .slice(0, pageSize)
          .map((key) => listedKey(key)),
        isLast: below.length <= pageSize,
      };
    },
    async folders(prefix: string, mostPages: number): Promise<string[]> {
      lists.calls += 1;
      const below = keys.filter((key) => key.startsWith(prefix) && key.slice(prefix.length).includes("/"));
      const names = below.map((key) => key.slice(0, key.indexOf("/", prefix.length) + 1));
      return [...new Set(names)].slice(0, mostPages * pageSize);
    },
  };
  return lists;
}

function holds({ s3Prefix, after, upTo }: Shard, key: string): boolean {
  if (!key.startsWith(s3Prefix)) return false;
  return (after === null || compareKeys(key, after) > 0) && (upTo === null || compareKeys(key, upTo) <= 0);
}

describe("the scopes of a request", () => {
  it("are all mappings without a prefix, and those that a prefix touches", () => {
    expect(scopesOf(mappings, undefined)).toHaveLength(2);
    expect(scopesOf(mappings, "my")).toEqual([{ s3Prefix: "mysql/", ossPrefix: "iotdb-backup/mysql/" }]);
    expect(scopesOf(mappings, "mysql/rm-1")).toEqual([
      { s3Prefix: "mysql/rm-1", ossPrefix: "iotdb-backup/mysql/rm-1" },
    ]);
  });

  it("are refused where nothing is mirrored", () => {
    expect(() => scopesOf(mappings, "receipts/")).toThrow(/nothing below "receipts\/" is mirrored/);
  });
});

describe("the shards", () => {
  it("hold every key there can be exactly once, also those that nobody has seen yet", async () => {
    const name = fc
      .array(fc.constantFrom("a", "b", "备", "\u{1f40b}", "/"), { maxLength: 6 })
      .map((units) => units.join(""));
    const names = fc.array(name, { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(names, names, names, fc.integer({ min: 1, max: 6 }), async (inS3, inOss, later, pageSize) => {
        const s3 = bucketOf(
          inS3.map((key) => `mysql/${key}`),
          pageSize,
        );
        const oss = bucketOf(
          inOss.map((key) => `iotdb-backup/mysql/${key}`),
          pageSize,
        );
        const shards = await planShards(scopesOf(mappings, undefined), bothSides(s3, oss));
        expect(shards.map(({ number }) => number)).toEqual(shards.map((_, index) => index));
        for (const key of [...inS3, ...inOss, ...later].map((each) => `mysql/${each}`)) {
          expect(
            shards.filter((shard) => holds(shard, key)),
            key,
          ).toHaveLength(1);
        }
      }),
    );
  });

  it("are one where everything fits into a page, and are cut at the folders of either side where not", async () => {
    const days = (prefix: string) => Array.from({ length: 30 }, (_, day) => `${prefix}rm-${day % 3}/${day}/backup`);
    const [s3, oss] = [bucketOf(days("mysql/"), 10), bucketOf(["iotdb-backup/mysql/only-here/x"], 10)];
    const few = await planShards(scopesOf(mappings, "mysql/rm-1/1/"), bothSides(s3, oss));
    expect(few).toMatchObject([{ number: 0, s3Prefix: "mysql/rm-1/1/", after: null, upTo: null }]);
    const many = await planShards(
      scopesOf([{ from: "mysql/", to: "iotdb-backup/mysql/" }], undefined),
      bothSides(s3, oss),
    );
    expect(many.map(({ after }) => after)).toEqual([
      null,
      "mysql/only-here/",
      "mysql/rm-0/",
      "mysql/rm-1/",
      "mysql/rm-2/",
    ]);
  });

  it("are no more than a thousand, and are planned with a bounded number of lists", async () => {
    const keys = Array.from({ length: 4000 }, (_, number) => [`mysql/f${number}/1`, `mysql/f${number}/2`]).flat();
    const [s3, oss] = [bucketOf(keys, 1000), bucketOf([], 1000)];
    const shards = await planShards(scopesOf(mappings, "mysql/"), bothSides(s3, oss));
    expect(shards.length).toBeGreaterThan(500);
    expect(shards.length).toBeLessThanOrEqual(1000);
    expect(s3.calls + oss.calls).toBeLessThan(1000);
  });
});
