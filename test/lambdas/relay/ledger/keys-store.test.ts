// Client keys as they are kept, on a real DynamoDB: changes count at once and never wait for streams, nothing is done twice.
import { randomBytes } from "node:crypto";
import {
  type DynamoDBClient,
  type GetItemCommand,
  type TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { KeysStore } from "../../../../lambdas/relay/keys.store.ts";
import { holdsSecret } from "../../../../lambdas/relay/ledger/client-key.ts";
import type { NewKey } from "../../../../lambdas/relay/ledger/kept-key.ts";
import { limitsOf } from "../../../../lambdas/relay/ledger/limits.ts";
import { LedgerTables, nanoDollar, policyOf, recordOf, type Spoil, spoilOnce } from "./ledger-tables.ts";

let tables: LedgerTables;

const noon = Date.parse("2026-11-20T12:00:00.000Z");
const hour = 3_600_000;

beforeAll(async () => {
  tables = await LedgerTables.start();
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

function newKey(more: Partial<NewKey> = {}): NewKey {
  const text = randomBytes(32).toString("hex");
  return {
    ...{
      keyId: `n${text.slice(0, 11)}`,
      hash: text,
      masked: `cwk_n…${text.slice(-4)}`,
      name: "one",
      owner: "",
      tags: [],
    },
    ...{ policy: policyOf({}), enabled: true, expiry: { kind: "never" }, balanceNanoUsd: 0, by: "ann" },
    ...more,
  };
}

function storeWith(spoil: Spoil): KeysStore {
  return new KeysStore({
    client: tables.newClient(spoil),
    keysTable: "RelayKeys",
    now: () => tables.time,
    random: Math.random,
  });
}

describe("new keys", () => {
  it("of which one cannot be made leave nothing on its way, and the others of one that is there are made", async () => {
    tables.time = noon;
    const keys = Array.from({ length: 30 }, () => newKey());
    let running = 0;
    const client = tables.newClient();
    const send = async (command: TransactWriteItemsCommand) => {
      const [first] = command.input.TransactItems ?? [];
      if (first?.Put?.Item?.pk?.S?.includes(keys[3]?.keyId ?? "none")) throw new Error("it is refused");
      running += 1;
      try {
        return await client.send(command);
      } finally {
        running -= 1;
      }
    };
    const options = { keysTable: "RelayKeys", now: () => tables.time, random: Math.random };
    const store = new KeysStore({ ...options, client: { send: send as DynamoDBClient["send"] } });
    await expect(store.create(keys)).rejects.toThrow("it is refused");
    expect(running).toBe(0);
    const taken = newKey();
    await tables.keys.create([taken]);
    const others = Array.from({ length: 10 }, () => newKey());
    const conflicting = { ...taken, hash: "b".repeat(64) };
    await expect(tables.keys.create([conflicting, ...others])).rejects.toMatchObject({ name: "Conflict" });
    for (const { keyId } of others) expect(await tables.keys.read(keyId)).toBeDefined();
  });

  it("are kept as they were given, a hundred at once, and a repetition makes none", async () => {
    tables.time = noon;
    const keys = Array.from({ length: 100 }, (_, index) =>
      newKey({ name: `bulk ${index}`, tags: ["bulk", "x"], owner: "team" }),
    );
    await storeWith(spoilOnce("TransactWriteItemsCommand", "lost-after", 5)).create(keys);
    await tables.keys.create(keys);
    const [key] = keys;
    if (key === undefined) throw new Error("there is no key");
    expect(await tables.keys.read(key.keyId)).toMatchObject({
      meta: {
        keyId: key.keyId,
        masked: key.masked,
        name: "bulk 0",
        owner: "team",
        tags: ["bulk", "x"],
        enabled: true,
        createdBy: "ann",
      },
      key: {
        version: 1,
        isEnabled: true,
        secrets: { [key.hash]: null },
        used: {},
        leaseCount: 0,
        balanceNanoUsd: undefined,
      },
    });
    expect(await tables.keys.read("nobody")).toBeUndefined();
    await expect(tables.keys.create([{ ...key, hash: "other" }])).rejects.toMatchObject({ name: "Conflict" });
  });

  it("are listed newest first, page by page, by owner, tag, switch and deletion", async () => {
    const made: string[] = [];
    for (let nth = 0; nth < 7; nth += 1) {
      tables.time = noon + hour + nth;
      const key = newKey({ owner: "lister", tags: nth % 2 === 0 ? ["even"] : ["odd"], enabled: nth !== 2 });
      await tables.keys.create([key]);
      made.unshift(key.keyId);
    }
    const [newest = ""] = made;
    await tables.keys.markDeleted(newest, "ann");
    const pages: string[][] = [];
    let after: string | undefined;
    do {
      const page = await tables.lists.list({ most: 2, after, owner: "lister" });
      pages.push(page.metas.map(({ keyId }) => keyId));
      after = page.position;
    } while (after !== undefined && pages.length < 20);
    expect(pages.flat()).toEqual(made.slice(1));
    const idsOf = async (filter: object) =>
      (await tables.lists.list({ most: 100, owner: "lister", ...filter })).metas.map(({ keyId }) => keyId);
    expect(await idsOf({ tag: "odd" })).toEqual([made[1], made[3], made[5]]);
    expect(await idsOf({ enabled: false })).toEqual([made[4]]);
    expect(await idsOf({ deleted: true })).toEqual([newest]);
  });
});

describe("a change", () => {
  it("counts once, under the version that was seen, though its answer is lost", async () => {
    tables.time = noon;
    const { keyId } = await tables.addKey();
    const store = storeWith(spoilOnce("UpdateItemCommand", "lost-after"));
    const policy = policyOf({ models: ["claude-*"], prepaid: true });
    const changed = await store.change(keyId, 1, { name: "renamed", tags: ["new"], policy }, "bea");
    expect(changed).toMatchObject({
      meta: { name: "renamed", tags: ["new"], changedBy: "bea" },
      key: { version: 2, policy: { models: ["claude-*"] }, balanceNanoUsd: 0 },
    });
    await expect(tables.keys.change(keyId, 1, { name: "late" }, "cay")).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    await expect(tables.keys.change("nobody", 1, {}, "cay")).rejects.toMatchObject({ name: "NotFound" });
    expect((await tables.keys.read(keyId))?.meta.name).toBe("renamed");
  });

  it("of two at the same moment happens once, and the other is told", async () => {
    tables.time = noon;
    const { keyId } = await tables.addKey();
    const names = ["a", "b", "c", "d"];
    const outcomes = await Promise.allSettled(names.map((name) => tables.keys.change(keyId, 1, { name }, "x")));
    const happened = names.filter((_, at) => outcomes[at]?.status === "fulfilled");
    expect(happened).toHaveLength(1);
    expect(await tables.keys.read(keyId)).toMatchObject({ meta: { name: happened[0] }, key: { version: 2 } });
  });

  it("works while a hundred streams run on the key, and nothing of what they hold is lost", async () => {
    tables.time = noon;
    const key = await tables.addKey({ concurrency: 100, prepaid: true }, { balanceNanoUsd: 200 * nanoDollar });
    const ledger = tables.newLedger();
    const start = () => ledger.reserve(tables.request(key, { renewed: () => ({ nanoUsd: nanoDollar, tokens: 1 }) }));
    const leases = await Promise.all(Array.from({ length: 100 }, start));
    const streams = leases.map(async (lease, nth) => {
      const extended = await ledger.extend(lease, tables.more(nanoDollar / 10)).catch(() => lease);
      await ledger.settle(extended, recordOf(extended, nth));
    });
    const manage = async () => {
      await tables.keys.change(key.keyId, undefined, { policy: policyOf({ concurrency: 50, prepaid: true }) }, "x");
      await tables.keys.addToBalance({
        keyId: key.keyId,
        entryId: "busy",
        kind: "top-up",
        nanoUsd: 5,
        note: "",
        by: "x",
      });
      await tables.keys.change(key.keyId, undefined, { enabled: false }, "x");
      await tables.keys.rotate(key.keyId, { hash: "next", masked: "cwk_…", overlapUntil: noon + hour }, "x");
      await tables.keys.change(key.keyId, undefined, { enabled: true }, "x");
    };
    await Promise.all([...streams, manage()]);
    const after = await tables.readKey(key.keyId);
    const charged = (99 * 100) / 2;
    expect(after).toMatchObject({ version: 5, isEnabled: true, leaseCount: 0, used: { total: charged } });
    expect(after.balanceNanoUsd).toBe(200 * nanoDollar + 5 - charged);
  });

  it("of the expiry begins anew only where it says something else", async () => {
    tables.time = noon;
    const key = await tables.addKey({}, { expiry: { kind: "after-first-use", days: 2 } });
    await tables.newLedger().reserve(tables.request(key));
    const end = noon + 48 * hour;
    const change = async (expiry: NewKey["expiry"]) => {
      const { expiresAt, daysFromFirstUse } = (await tables.keys.change(key.keyId, undefined, { expiry }, "x")).key;
      return [expiresAt, daysFromFirstUse];
    };
    expect(await change({ kind: "after-first-use", days: 2 })).toEqual([end, 2]);
    expect(await change({ kind: "after-first-use", days: 3 })).toEqual([undefined, 3]);
    expect(await change({ kind: "at", at: 5 })).toEqual([5, undefined]);
    expect(await change({ kind: "never" })).toEqual([undefined, undefined]);
  });

  it("to deleted is at once, keeps what was used, and can be taken back, on or off as it was", async () => {
    tables.time = noon;
    for (const enabled of [true, false]) {
      const key = await tables.addKey({}, { balanceNanoUsd: 7 });
      if (!enabled) await tables.keys.change(key.keyId, undefined, { enabled }, "x");
      const deleted = await tables.keys.markDeleted(key.keyId, "x");
      expect(deleted).toMatchObject({
        meta: { deletedAt: "2026-11-20T12:00:00.000Z" },
        key: { isDeleted: true, isEnabled: false },
      });
      expect((await tables.keys.markDeleted(key.keyId, "x")).key.version).toBe(deleted.key.version);
      await expect(tables.keys.change(key.keyId, undefined, { enabled: true }, "x")).rejects.toMatchObject({
        name: "Conflict",
      });
      const rotation = { hash: "h", masked: "m", overlapUntil: noon };
      await expect(tables.keys.rotate(key.keyId, rotation, "x")).rejects.toMatchObject({ name: "Conflict" });
      const restored = await tables.keys.restore(key.keyId, "x");
      expect(restored.key).toMatchObject({ isDeleted: false, isEnabled: enabled, balanceNanoUsd: 7 });
      expect(restored.meta.deletedAt).toBeUndefined();
      expect((await tables.keys.restore(key.keyId, "x")).key.version).toBe(restored.key.version);
    }
    await expect(tables.keys.markDeleted("nobody", "x")).rejects.toMatchObject({ name: "NotFound" });
  });

  it("of its secret lets both count until the overlap is over, and happens once", async () => {
    tables.time = noon;
    const key = await tables.addKey();
    const [first = ""] = Object.keys(key.secrets);
    const rotation = { hash: "second", masked: "cwk_second…", overlapUntil: noon + hour };
    const store = storeWith(spoilOnce("UpdateItemCommand", "lost-after"));
    const rotated = await store.rotate(key.keyId, rotation, "x");
    expect(rotated.meta.masked).toBe("cwk_second…");
    expect(rotated.key.secrets).toEqual({ [first]: noon + hour, second: null });
    const again = await tables.keys.rotate(key.keyId, { ...rotation, overlapUntil: noon + 9 * hour }, "x");
    expect(again.key).toEqual(rotated.key);
    expect(holdsSecret(again.key, first, noon + hour - 1)).toBe(true);
    expect(holdsSecret(again.key, first, noon + hour)).toBe(false);
    // A second rotation without overlap: nothing from before counts any more.
    const { key: last } = await tables.keys.rotate(key.keyId, { hash: "third", masked: "m", overlapUntil: noon }, "x");
    expect(last.secrets).toEqual({ third: null });
  });

  it("of its secret never brings one back: a request that is repeated late finds that its text is gone", async () => {
    tables.time = noon;
    const { keyId } = await tables.addKey();
    const rotate = (hash: string, overlapUntil: number) =>
      tables.keys.rotate(keyId, { hash, masked: `cwk_${hash}…`, overlapUntil }, "x");
    await rotate("leaked", noon + hour);
    await rotate("second", noon + hour);
    // While it overlaps it counts, but it is not the newest: nobody is to be given it as such.
    await expect(rotate("leaked", noon + hour)).rejects.toMatchObject({ name: "Conflict" });
    await rotate("third", noon);
    for (const former of ["leaked", "second"]) {
      await expect(rotate(former, noon + hour)).rejects.toMatchObject({ name: "Conflict" });
    }
    const kept = await tables.keys.read(keyId);
    expect(kept?.key.secrets).toEqual({ third: null });
    expect(kept?.meta.masked).toBe("cwk_third…");
  });
});

describe("a balance", () => {
  it("is changed once for each entry, listed newest first, and never beyond what sums exactly", async () => {
    tables.time = noon - 1;
    const { keyId } = await tables.addKey({ prepaid: true }, { balanceNanoUsd: 10 });
    tables.time = noon;
    const add = (entryId: string, nanoUsd: number, store = tables.keys) =>
      store.addToBalance({
        keyId,
        entryId,
        kind: nanoUsd > 0 ? "top-up" : "adjustment",
        nanoUsd,
        note: "why",
        by: "ann",
      });
    const lossy = storeWith(spoilOnce("TransactWriteItemsCommand", "lost-after", 3));
    const entry = await add("one", 100, lossy);
    expect(entry).toEqual({
      entryId: "one",
      at: "2026-11-20T12:00:00.000Z",
      kind: "top-up",
      nanoUsd: 100,
      note: "why",
      by: "ann",
    });
    tables.time += 1;
    expect(await add("one", 100)).toEqual(entry);
    await expect(add("one", 101)).rejects.toMatchObject({ name: "IdempotencyKeyReused" });
    await add("two", -120, storeWith(spoilOnce("TransactWriteItemsCommand", "conflict", 3)));
    expect((await tables.readKey(keyId)).balanceNanoUsd).toBe(-10);
    tables.time += 1;
    await add("three", 1);
    const first = await tables.lists.listBalance(keyId, { most: 2 });
    const rest = await tables.lists.listBalance(keyId, { most: 2, after: first.position });
    expect([...first.entries, ...rest.entries].map(({ entryId }) => entryId)).toEqual(["three", "two", "one", "first"]);
    await expect(add("four", 5_000_000 * nanoDollar)).rejects.toMatchObject({ name: "Conflict" });
    await expect(
      tables.keys.addToBalance({ keyId: "nobody", entryId: "x", kind: "top-up", nanoUsd: 1, note: "", by: "x" }),
    ).rejects.toMatchObject({ name: "NotFound" });
  });

  it("begins with an entry of what its key was made with, once, however often that is written", async () => {
    const keyId = "kbeginswith1";
    const more = { keyId, hash: "a".repeat(64), balanceNanoUsd: 700, by: "ann" };
    const policy = policyOf({ prepaid: true });
    const named = {
      masked: "cwk_…",
      name: "test",
      owner: "",
      tags: [],
      enabled: true,
      expiry: { kind: "never" },
    } as const;
    for (const _ of [1, 2]) await tables.keys.create([{ ...named, ...more, policy }]);
    const { entries } = await tables.lists.listBalance(keyId, { most: 10 });
    expect(entries).toMatchObject([{ kind: "top-up", nanoUsd: 700, by: "ann" }]);
    expect((await tables.readKey(keyId)).balanceNanoUsd).toBe(700);
    const { keyId: without } = await tables.addKey({ prepaid: true });
    expect((await tables.lists.listBalance(without, { most: 10 })).entries).toEqual([]);
  });

  it("that is topped up in the moment in which its key becomes prepaid is not begun anew", async () => {
    tables.time = noon;
    const { keyId } = await tables.addKey({});
    const topUp = { keyId, entryId: "early", kind: "top-up" as const, nanoUsd: 500, note: "", by: "ann" };
    // Between what the change has read and what it writes.
    const send = async (command: UpdateItemCommand | GetItemCommand) => {
      if (command instanceof UpdateItemCommand) await tables.keys.addToBalance(topUp);
      return tables.client.send(command as UpdateItemCommand);
    };
    const hurried = new KeysStore({
      client: { send: send as DynamoDBClient["send"] },
      keysTable: "RelayKeys",
      now: () => tables.time,
      random: Math.random,
    });
    const { key } = await hurried.change(keyId, undefined, { policy: policyOf({ prepaid: true }) }, "bob");
    expect(key.balanceNanoUsd).toBe(500);
  });
});

describe("figures", () => {
  it("tell of each key what it used and what of that is only reserved, and of each limit what is left", async () => {
    tables.time = noon;
    const policy = {
      spend: { day: 5 * nanoDollar, total: 9 * nanoDollar },
      familySpend: { opus: { week: 2 * nanoDollar } },
    };
    const key = await tables.addKey({
      ...policy,
      requestsPerMinute: 3,
      tokensPerMinute: 9000,
      timeZone: "Asia/Shanghai",
    });
    const ledger = tables.newLedger();
    const done = await ledger.reserve(tables.request(key, { family: "opus" }));
    await ledger.settle(done, recordOf(done, 300));
    await ledger.reserve(tables.request(key, { family: "opus" }));
    const found = [];
    let after: string | undefined;
    do {
      const page = await tables.lists.figures(after);
      found.push(...page.keys.filter((figures) => figures.key.keyId === key.keyId));
      after = page.position;
    } while (after !== undefined);
    expect(found).toHaveLength(1);
    expect(found[0]?.reserved).toMatchObject({ d20261120: nanoDollar, "w202647:opus": nanoDollar });
    const limits = limitsOf(await tables.readKey(key.keyId), noon).map(
      ({ limit, window, family, used, left, resetAt }) =>
        [limit, window, family, used, left, resetAt && new Date(resetAt).toISOString()].join(" "),
    );
    const used = nanoDollar + 300;
    expect(limits).toEqual([
      `spend total  ${used} ${9 * nanoDollar - used} `,
      `spend day  ${used} ${5 * nanoDollar - used} 2026-11-20T16:00:00.000Z`,
      `spend week opus ${used} ${2 * nanoDollar - used} 2026-11-22T16:00:00.000Z`,
      "requests-per-minute minute  2 1 2026-11-20T12:01:00.000Z",
      "tokens-per-minute minute  1000 8000 2026-11-20T12:01:00.000Z",
      "concurrency   1 19 ",
    ]);
  });
});
