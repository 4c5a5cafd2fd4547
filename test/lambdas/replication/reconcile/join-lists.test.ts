// The order of keys, and the walk through both sides' lists, against models that hold everything in memory.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type JoinedKey,
  joinLists,
  type ListedObject,
  type ReadPage,
} from "../../../../lambdas/replication/reconcile/join-lists.ts";
import { compareKeys } from "../../../../lambdas/replication/reconcile/key-order.ts";
import { pagesOf } from "./listed-keys.ts";

/** Letters of one to four bytes in UTF-8; the last two stand the other way round in UTF-16. */
const letters = ["\u0001", " ", "+", "/", "a", "é", "备", "\ud7ff", "\ue000", "\uff5e", "\u{10000}", "\u{1f40b}"];
const key = fc.array(fc.constantFrom(...letters), { minLength: 1, maxLength: 4 }).map((units) => units.join(""));
const keys = fc.uniqueArray(key, { maxLength: 40 });

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

describe("the order of keys", () => {
  it("is that of their bytes in UTF-8, whatever the letters", () => {
    const text = fc.string({ unit: "binary", maxLength: 6 });
    fc.assert(
      fc.property(fc.oneof(key, text), fc.oneof(key, text), (left, right) => {
        return Math.sign(compareKeys(left, right)) === Math.sign(byBytes(left, right));
      }),
      { numRuns: 1000 },
    );
  });

  it("is not JavaScript's own", () => {
    expect("\u{1f40b}" < "\uff5e").toBe(true);
    expect(compareKeys("\u{1f40b}", "\uff5e")).toBeGreaterThan(0);
  });
});

async function joined(range: { after: string | null; upTo: string | null }, s3: ReadPage, oss: ReadPage, most = 3) {
  const found: JoinedKey[] = [];
  for await (const chunk of joinLists(range, s3, oss, most)) {
    expect(chunk.length).toBeGreaterThan(0);
    expect(chunk.length).toBeLessThanOrEqual(most);
    found.push(...chunk);
  }
  return found;
}

describe("the joined lists", () => {
  it("say of every key of the range once, in order, which side has it", async () => {
    const bound = fc.option(key);
    const sizes = fc.integer({ min: 1, max: 5 });
    await fc.assert(
      fc.asyncProperty(keys, keys, bound, bound, sizes, sizes, async (inS3, inOss, after, upTo, pageS3, pageOss) => {
        const expected = [...new Set([...inS3, ...inOss])]
          .filter((name) => (after === null || byBytes(name, after) > 0) && (upTo === null || byBytes(name, upTo) <= 0))
          .sort(byBytes)
          .map((name) => [name, inS3.includes(name), inOss.includes(name)]);
        const found = await joined({ after, upTo }, pagesOf(inS3, pageS3), pagesOf(inOss, pageOss));
        expect(found.map(({ sourceKey, s3, oss }) => [sourceKey, s3 !== null, oss !== null])).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it("of millions are never held: no more than two pages of each side are asked for ahead", async () => {
    const pages = { s3: 0, oss: 0 };
    const endless =
      (side: "s3" | "oss"): ReadPage =>
      async (after) => {
        pages[side] += 1;
        const first = after === null ? 0 : Number(after) + 1;
        const objects = Array.from({ length: 10 }, (_, index) => listed(String(first + index).padStart(9, "0")));
        return { objects, isLast: false };
      };
    let seen = 0;
    for await (const chunk of joinLists({ after: null, upTo: null }, endless("s3"), endless("oss"), 10)) {
      seen += chunk.length;
      expect(Math.max(pages.s3, pages.oss)).toBeLessThanOrEqual(seen / 10 + 1);
      if (seen >= 5000) break;
    }
    expect(seen).toBe(5000);
  });

  it("stop when a list is not in order, instead of taking objects for lost", async () => {
    const unsorted: ReadPage = async () => ({ objects: [listed("b"), listed("a")], isLast: true });
    await expect(joined({ after: null, upTo: null }, unsorted, pagesOf(["a", "b"], 10))).rejects.toMatchObject({
      name: "UnexpectedFailure",
      message: "S3 lists a behind b.",
    });
  });

  it("fail with what the list failed with, and wait for no page that nobody needs", async () => {
    const broken: ReadPage = async () => Promise.reject(new Error("no list"));
    await expect(joined({ after: null, upTo: null }, pagesOf(["a"], 1), broken)).rejects.toThrow("no list");
  });
});

function listed(name: string): ListedObject {
  return { key: name, etag: '"e"', sizeBytes: 1, modifiedAt: 0 };
}
