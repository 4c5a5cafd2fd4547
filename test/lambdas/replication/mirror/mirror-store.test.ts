// The Mirror table's lease and wishes: the real store on the local cloud's DynamoDB, and the one in memory that rules are tested with.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MirroredVersion, MirrorUpload } from "../../../../lambdas/replication/mirror/mirror-item.ts";
import { MemoryMirror } from "./memory-mirror.ts";
import { type MirrorTable, startMirrorTable } from "./mirror-table.ts";

let table: MirrorTable;
let keys = 0;
let sourceKey = "";

beforeAll(async () => {
  table = await startMirrorTable();
});

afterAll(async () => {
  await table?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  keys += 1;
  sourceKey = `mysql/store/${keys}`;
});

const at = (minute: number) => new Date(Date.parse("2026-11-20T12:00:00.000Z") + minute * 60_000).toISOString();
const mirrored: MirroredVersion = {
  versionId: "v1",
  s3Etag: '"e"',
  bytes: 1,
  ossEtag: '"E"',
  crc64: "1",
  at: at(0),
  receiptKey: null,
};
const memory = new MemoryMirror();

describe.each([
  ["the table", () => table.store],
  ["the one in memory", () => memory],
])("%s", (_, open) => {
  const take = (holder: string, minute: number, until = minute + 10, key = sourceKey) =>
    open().take({
      sourceKey: key,
      targetKey: `t/${key}`,
      holder,
      since: at(minute),
      now: at(minute),
      expiresAt: at(until),
    });

  it("gives the lease to one holder, and notes the wishes of all", async () => {
    const held = await take("a", 0);
    expect(held).toMatchObject({ wanted: 1, fence: 1, lease: { holder: "a", expiresAt: at(10) }, waitingSince: at(0) });
    expect(await take("b", 1)).toBeUndefined();
    expect(await open().read(sourceKey)).toMatchObject({
      wanted: 2,
      fence: 1,
      lease: { holder: "a" },
      waitingSince: at(0),
    });
  });

  it("gives it to the next one when it is over, and to the same holder again at any time", async () => {
    await take("a", 0);
    expect(await take("a", 1, 20)).toMatchObject({ wanted: 2, fence: 2, lease: { holder: "a", expiresAt: at(20) } });
    expect(await take("b", 20)).toBeUndefined();
    expect(await take("b", 21)).toMatchObject({ fence: 3, lease: { holder: "b" } });
  });

  it("settles only what its holder has seen", async () => {
    const held = await take("a", 0);
    if (held === undefined) throw new Error("the lease was free");
    await take("b", 1);
    expect(await open().settle(held, { wanted: 1, mirrored })).toMatchObject({ wanted: 2, lease: { holder: "a" } });
    expect(await open().settle(held, { wanted: 2, mirrored })).toBeUndefined();
    const settled = await open().read(sourceKey);
    expect(settled).toEqual({ sourceKey, targetKey: `t/${sourceKey}`, wanted: 2, fence: 1, settledFence: 1, mirrored });
    // Its own write, sent again because its answer was lost.
    expect(await open().settle(held, { wanted: 2, mirrored })).toBeUndefined();
  });

  it("lets nobody write whose lease was taken over", async () => {
    const held = await take("a", 0);
    if (held === undefined) throw new Error("the lease was free");
    await take("b", 11);
    const lost = { name: "MirrorLeaseLost", retryable: true };
    await expect(open().renew(held, at(30))).rejects.toMatchObject(lost);
    await expect(open().settle(held, { wanted: 2 })).rejects.toMatchObject(lost);
    await expect(open().keepUpload(held, {} as MirrorUpload)).rejects.toMatchObject(lost);
    const lastError = { error: "E", cause: "c", at: at(0), announced: false };
    await open().noteError(held, lastError);
    await open().giveBack(held, { lastError });
    expect(await open().read(sourceKey)).toMatchObject({ lease: { holder: "b", expiresAt: at(21) } });
    expect(await open().read(sourceKey)).not.toHaveProperty("lastError");
  });

  it("gives back what is not done, and the key goes on waiting since it first did", async () => {
    const held = await take("a", 0);
    if (held === undefined) throw new Error("the lease was free");
    await open().giveBack(held, { mirrored, run: { name: "r", versionId: "v2", attempt: 3 } });
    const item = await open().read(sourceKey);
    expect(item).toMatchObject({ mirrored, run: { attempt: 3 }, waitingSince: at(0), listing: "waiting" });
    expect(item).not.toHaveProperty("lease");
    expect(await take("b", 5)).toMatchObject({ waitingSince: at(0), fence: 2 });
  });

  it("forgets what was in OSS when it has been deleted there", async () => {
    const held = await take("a", 0);
    if (held === undefined) throw new Error("the lease was free");
    await open().giveBack(held, { mirrored });
    const again = await take("a", 1);
    if (again === undefined) throw new Error("the lease was free");
    await open().settle(again, { wanted: 2, deletedAt: at(2), isRemoved: true });
    const item = await open().read(sourceKey);
    expect(item).toMatchObject({ deletedAt: at(2) });
    expect(item).not.toHaveProperty("mirrored");
  });

  it("lists those that wait, the longest first, and reads many at once", async () => {
    const some = [3, 1, 2].map((minute) => `${sourceKey}/${minute}`);
    for (const [index, minute] of [3, 1, 2].entries()) await take("a", minute - 100_000, minute, some[index]);
    const found = await open().waiting({ before: at(4 - 100_000), most: 2 });
    expect(found.map(({ waitingSince }) => waitingSince)).toEqual([at(1 - 100_000), at(2 - 100_000)]);
    const many = await open().readMany([...some, "mysql/none"]);
    expect([...many.keys()].sort()).toEqual([...some].sort());
    for (const key of some) {
      const item = await open().read(key);
      if (item !== undefined) await open().settle(item, { wanted: 1 });
    }
    expect(await open().waiting({ before: at(4 - 100_000), most: 10 })).toEqual([]);
  });
});

describe("the table, when an answer is lost", () => {
  it("has taken and settled once all the same", async () => {
    const { store, faults } = table;
    const wish = { sourceKey, targetKey: "t", holder: "a", since: at(0), now: at(0), expiresAt: at(10) };
    faults.add({ service: "dynamodb", operation: "UpdateItem", effect: { kind: "reset-after-work" } });
    const held = await store.take(wish);
    expect(held).toMatchObject({ wanted: 2, fence: 2, lease: { holder: "a" } });
    if (held === undefined) throw new Error("the lease was free");
    faults.add({ service: "dynamodb", operation: "UpdateItem", effect: { kind: "reset-after-work" } });
    expect(await store.settle(held, { wanted: 2, mirrored })).toBeUndefined();
    expect(await store.read(sourceKey)).toMatchObject({ settledFence: 2, mirrored });
  });

  it("reads more keys at once than DynamoDB gives in one answer", async () => {
    const wanted = Array.from({ length: 130 }, (_, index) => `${sourceKey}/${index}`);
    for (const key of wanted.slice(0, 3)) {
      await table.store.take({
        sourceKey: key,
        targetKey: "t",
        holder: "a",
        since: at(0),
        now: at(0),
        expiresAt: at(1),
      });
    }
    expect((await table.store.readMany(wanted)).size).toBe(3);
  });
});
