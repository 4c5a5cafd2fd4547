// What RelayAccounts holds its writers to, on a real DynamoDB: slots, conditions, bindings, history, settings, and the snapshot.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { GetCommand, PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { AccountErrorsStore } from "../../../../lambdas/relay/account-errors.store.ts";
import { AccountsStore } from "../../../../lambdas/relay/accounts.store.ts";
import { BindingsStore } from "../../../../lambdas/relay/bindings.store.ts";
import { priceSchema } from "../../../../lambdas/relay/counting/price.ts";
import { accountSettingsSchema } from "../../../../lambdas/relay/scheduling/account.ts";
import { loadOf } from "../../../../lambdas/relay/scheduling/account-load.ts";
import { groupSchema } from "../../../../lambdas/relay/scheduling/group.ts";
import { healthy } from "../../../../lambdas/relay/scheduling/next-condition.ts";
import type { Slot } from "../../../../lambdas/relay/scheduling/slot.ts";
import { SettingsStore } from "../../../../lambdas/relay/settings.store.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";
import { SlotsStore } from "../../../../lambdas/relay/slots.store.ts";
import { smallCalls } from "../../../../lambdas/shared/aws-clients.ts";
import { captureOutput } from "../../shared/captured-output.ts";
import { type HttpTables, startHttpTables } from "../../shared/http-tables.ts";
import { accountOf, start } from "./sample-accounts.ts";

const table = "RelayAccounts";
const minute = 60_000;
const nothingStale = { minutes: [], days: [] };

let tables: HttpTables;
let accounts: AccountsStore;
let slots: SlotsStore;

beforeAll(async () => {
  tables = await startHttpTables({ [table]: { partition: "partition", sort: "item" } });
  accounts = new AccountsStore(tables.documents, table);
  slots = new SlotsStore(new DynamoDBClient(smallCalls), table);
});

afterAll(async () => {
  await tables?.[Symbol.asyncDispose]();
});

let accountId = "";
let tests = 0;

beforeEach(async () => {
  tests += 1;
  accountId = `account-${tests}`;
  await accounts.create(accountOf(accountId));
});

const slotOf = (shard = 0): Slot => ({ accountId, shard, shown: undefined });

async function viewNow(now = start) {
  const snapshot = await accounts.readSnapshot(now);
  const view = snapshot.accounts.find(({ account }) => account.accountId === accountId);
  if (view === undefined) throw new Error("the account is not in the snapshot");
  return view;
}

/** The next call of this kind does its work, and its answer is lost. */
function loseAnswer(operation: string): void {
  tables.faults.add({ service: "dynamodb", operation, effect: { kind: "fail-after-work" } });
}

describe("slots", () => {
  it("of a shard are taken as many as it has, at once from everywhere, and each is given back once", async () => {
    const ids = Array.from({ length: 12 }, (_, at) => `r${at}`);
    const takes = await Promise.all(ids.map((id) => slots.take(slotOf(), 5, id, start + minute, start)));
    expect(takes.filter(Boolean)).toHaveLength(5);
    const taken = ids.filter((_, at) => takes[at]);
    const view = await viewNow();
    expect(loadOf(view, start)).toMatchObject({ open: 5, lastAssignedAt: start });
    const figures = { failed: false, firstByteMilliseconds: 200, realNanoUsd: 1_000_000 };
    for (const id of [...taken, ...taken]) await slots.release(slotOf(), id, figures, nothingStale, start);
    expect(loadOf(await viewNow(), start)).toMatchObject({
      open: 0,
      answers: 5,
      errors: 0,
      meanFirstByteMilliseconds: 200,
      spentTodayNanoUsd: 5_000_000,
    });
  });

  it("are taken and given back once, whichever answers are lost", async () => {
    await slots.take(slotOf(), 5, "first", start + minute, start);
    loseAnswer("UpdateItem");
    expect(await slots.take(slotOf(), 2, "second", start + minute, start)).toBe(true);
    expect(await slots.take(slotOf(), 2, "third", start + minute, start)).toBe(false);
    loseAnswer("UpdateItem");
    const figures = { failed: true, firstByteMilliseconds: undefined, realNanoUsd: 7 };
    await slots.release(slotOf(), "second", figures, nothingStale, start);
    expect(loadOf(await viewNow(), start)).toMatchObject({ open: 1, answers: 1, errors: 1, spentTodayNanoUsd: 7 });
  });

  it("whose time is over free themselves: they count no more, and give way when the shard is full", async () => {
    for (const id of ["a", "b", "c"]) await slots.take(slotOf(), 3, id, start + minute, start);
    expect((await viewNow(start + minute)).shards[0]?.taken).toBe(0);
    const later = start + minute;
    const takes = await Promise.all(
      ["d", "e", "f", "g"].map((id) => slots.take(slotOf(), 3, id, later + minute, later)),
    );
    expect(takes.filter(Boolean)).toHaveLength(3);
    expect((await viewNow(later)).shards[0]?.taken).toBe(3);
    // Who comes back too late gives nothing back, and adds nothing.
    const figures = { failed: false, firstByteMilliseconds: 1, realNanoUsd: 1 };
    await slots.release(slotOf(), "a", figures, nothingStale, later);
    expect(loadOf(await viewNow(later), later)).toMatchObject({ open: 3, answers: 0 });
  });

  it("stay within a concurrency that was lowered", async () => {
    for (const id of ["a", "b", "c"]) await slots.take(slotOf(), 3, id, start + minute, start);
    await slots.release(slotOf(), "a", undefined, nothingStale, start);
    expect(await slots.take(slotOf(), 2, "d", start + minute, start)).toBe(false);
    // One expired lease is not enough room for another where two are too many.
    expect(await slots.take(slotOf(), 1, "e", start + 2 * minute, start + minute - 1)).toBe(false);
  });

  it("whose answer showed nothing of the account add its cost alone", async () => {
    await slots.take(slotOf(), 5, "r", start + minute, start);
    const figures = { failed: true, firstByteMilliseconds: 9, realNanoUsd: 3, isCostAlone: true };
    await slots.release(slotOf(), "r", figures, nothingStale, start);
    expect(loadOf(await viewNow(), start)).toMatchObject({ open: 0, answers: 0, errors: 0, spentTodayNanoUsd: 3 });
  });

  it("drop the sums that are too old, and keep those of other days", async () => {
    const figures = { failed: false, firstByteMilliseconds: 10, realNanoUsd: 3 };
    await slots.take(slotOf(), 5, "old", start + minute, start);
    await slots.release(slotOf(), "old", figures, nothingStale, start);
    const later = start + 10 * minute;
    await slots.take(slotOf(), 5, "new", later + minute, later);
    await slots.release(slotOf(), "new", figures, { minutes: [start / minute], days: ["20261101"] }, later);
    const [shard] = (await viewNow(later)).shards;
    expect(shard?.figures).toEqual([{ minute: later / minute, answers: 1, errors: 0, firstByteMilliseconds: 10 }]);
    expect(shard?.spentByDay).toEqual({ "20261120": 6 });
  });
});

describe("an account", () => {
  it("is made once, changed by whoever saw it last, and gone with its slots", async () => {
    const account = accountOf(accountId, { name: "another" });
    expect((await accounts.create(account)).name).toBe(`Account ${accountId}`);
    const settings = accountSettingsSchema.parse({ name: "renamed", provider: "anthropic", priority: 3 });
    const at = new Date(start).toISOString();
    loseAnswer("UpdateItem");
    expect(await accounts.change(accountId, 1, settings, at)).toMatchObject({ name: "renamed", version: 2 });
    await expect(accounts.change(accountId, 1, settings, "later")).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    await slots.take(slotOf(), 5, "r", start + minute, start);
    await slots.take(slotOf(1), 5, "r", start + minute, start);
    await accounts.remove(accountId);
    await slots.release(slotOf(), "r", undefined, nothingStale, start);
    expect(await accounts.account(accountId)).toBeUndefined();
    await expect(viewNow()).rejects.toThrow("not in the snapshot");
    await expect(accounts.change(accountId, 2, settings, at)).rejects.toMatchObject({ name: "NotFound" });
  });

  it("keeps its condition through a change of its settings, and loses it with another credential or by a reset", async () => {
    const ill = { state: "unauthorised", since: start, until: null, failures: 1 } as const;
    expect(await accounts.replaceCondition(accountId, undefined, healthy(start - 1000), ill)).toBe(true);
    const settings = accountSettingsSchema.parse({ name: "renamed", provider: "anthropic" });
    expect((await accounts.change(accountId, 1, settings, "t")).condition).toEqual(ill);
    // It was kept for the address that the account had before this change.
    const late = accounts.noteCredential(accountId, 2, 1, start + 5);
    await expect(late).rejects.toMatchObject({ name: "PreconditionFailed" });
    const renewed = await accounts.noteCredential(accountId, 2, 2, start + 5);
    expect(renewed).toMatchObject({ credentialVersion: 2, version: 3, condition: healthy(start + 5) });
    expect(await accounts.noteCredential(accountId, 2, 2, start + 9)).toEqual(renewed);
    await accounts.replaceCondition(accountId, undefined, healthy(start + 5), ill);
    await accounts.replaceCondition(accountId, "opus", undefined, ill);
    await accounts.reset(accountId, start + 7);
    expect(await accounts.account(accountId)).toMatchObject({ condition: healthy(start + 7), familyConditions: {} });
  });

  it("takes a condition only in the place of the one that was seen", async () => {
    const limited = { state: "rate-limited", since: start, until: start + minute, failures: 1 } as const;
    expect(await accounts.replaceCondition(accountId, "opus", limited, limited)).toBe(false);
    expect(await accounts.replaceCondition(accountId, "opus", undefined, limited)).toBe(true);
    expect(await accounts.replaceCondition(accountId, "opus", undefined, limited)).toBe(false);
    expect(await accounts.dropFamily(accountId, "opus", healthy(start))).toBe(false);
    expect(await accounts.dropFamily(accountId, "opus", limited)).toBe(true);
    expect(await accounts.replaceCondition("nobody", undefined, undefined, limited)).toBe(false);
    expect(await accounts.account(accountId)).toMatchObject({ familyConditions: {} });
  });

  it("keeps who accuses it, and that goes with the next condition", async () => {
    const pause = { state: "failing", since: start, until: start + minute, failures: 1 } as const;
    const accused = { ...pause, accusedBy: "key" };
    await accounts.replaceCondition(accountId, undefined, healthy(start - 1000), accused);
    expect((await viewNow()).account.condition).toEqual(accused);
    await accounts.replaceCondition(accountId, undefined, accused, pause);
    expect((await viewNow()).account.condition).toEqual(pause);
  });

  it("keeps what a test showed and what events told, and neither makes an account that is gone", async () => {
    const probe = { at: "t", ok: true, status: 200, milliseconds: 5, said: "" };
    await accounts.keepProbe(accountId, probe);
    await accounts.keepTold(accountId, { "": "blocked" });
    expect((await viewNow()).account).toMatchObject({ lastProbe: probe, told: { "": "blocked" } });
    await accounts.keepProbe("nobody", probe);
    expect(await accounts.account("nobody")).toBeUndefined();
  });
});

it("errors of the same kind within a minute are one entry of the history, newest first, page by page", async () => {
  const errors = new AccountErrorsStore(tables.documents, table);
  const note = { accountId, family: undefined, until: undefined, said: "500" } as const;
  await errors.noteError({ ...note, at: start, state: "failing" });
  await errors.noteError({ ...note, at: start + 999, state: "failing", said: "x".repeat(600) });
  await errors.noteError({
    ...note,
    at: start + minute,
    state: "rate-limited",
    family: "opus",
    until: start + 5 * minute,
  });
  const [newest, ...others] = (await errors.history(accountId, { most: 10 })).entries;
  expect(newest).toMatchObject({ state: "rate-limited", family: "opus", count: 1, until: "2026-11-20T12:05:00.000Z" });
  expect(others).toEqual([
    {
      firstAt: "2026-11-20T12:00:00.000Z",
      lastAt: "2026-11-20T12:00:00.999Z",
      count: 2,
      state: "failing",
      family: null,
      until: null,
      said: "x".repeat(500),
    },
  ]);
  const { entries, position } = await errors.history(accountId, { most: 1 });
  expect(entries).toEqual([newest]);
  expect((await errors.history(accountId, { most: 1, after: position })).entries).toEqual(others);
  expect((await errors.history("another", { most: 1 })).entries).toEqual([]);
});

describe("a request whose end nobody saw", () => {
  const orphan = { failed: false, firstByteMilliseconds: undefined, realNanoUsd: 5, isCostAlone: true };

  it("is found at the account whose slot it holds, over time too, and its cost counts there once", async () => {
    await slots.take(slotOf(), 5, "lives", start + minute, start);
    await slots.take(slotOf(1), 5, "orphan", start + minute, start);
    expect(await slots.find("orphan")).toEqual(slotOf(1));
    expect(await slots.find("nobody")).toBeUndefined();
    const later = start + 10 * minute;
    for (let times = 0; times < 2; times += 1) await slots.release(slotOf(1), "orphan", orphan, nothingStale, later);
    expect(loadOf(await viewNow(), later)).toMatchObject({ answers: 0, errors: 0, spentTodayNanoUsd: 5 });
    expect(await slots.find("orphan")).toBeUndefined();
    expect(await slots.find("lives")).toEqual(slotOf());
  });
});

it("shards of slots go by themselves a week after their last use, those of an account that is gone as well", async () => {
  const endOf = async () => {
    const Key = { partition: "relay", item: `s#${accountId}#0` };
    return (await tables.documents.send(new GetCommand({ TableName: table, Key }))).Item?.expiresAt;
  };
  const days = (count: number) => count * 24 * 60 * minute;
  await slots.take(slotOf(), 1, "first", start + minute, start);
  expect(await endOf()).toBe((start + days(7)) / 1000);
  await slots.release(slotOf(), "first", undefined, nothingStale, start);
  await slots.take(slotOf(), 1, "second", start + days(3), start + days(2));
  expect(await endOf()).toBe((start + days(9)) / 1000);
  // Another takes the place of one that is over.
  await slots.take(slotOf(), 1, "third", start + days(5), start + days(4));
  expect(await endOf()).toBe((start + days(11)) / 1000);
  await accounts.remove(accountId);
  expect(await endOf()).toBeUndefined();
  // Whoever has chosen it before begins its shard anew.
  await slots.take(slotOf(), 1, "late", start + days(6), start + days(5));
  expect(await endOf()).toBe((start + days(12)) / 1000);
});

describe("bindings", () => {
  it("of a session last as long as they are used, and belong to their key alone", async () => {
    const bindings = new BindingsStore(tables.documents, table);
    expect(await bindings.session("key", "session", start)).toBeUndefined();
    await bindings.bindSession("key", "session", "a", 60, start);
    expect(await bindings.session("key", "session", start + 30 * minute)).toEqual({ accountId: "a", isOld: false });
    expect(await bindings.session("key", "session", start + 30 * minute + 1)).toEqual({ accountId: "a", isOld: true });
    expect(await bindings.session("key", "session", start + 60 * minute)).toBeUndefined();
    expect(await bindings.session("other key", "session", start)).toBeUndefined();
    expect(await bindings.session("key", "other session", start)).toBeUndefined();
    await bindings.bindSession("key", "session", "b", 60, start + minute);
    expect((await bindings.session("key", "session", start + 60 * minute))?.accountId).toBe("b");
  });

  it("of things are found for the key that made them, for thirty days", async () => {
    const bindings = new BindingsStore(tables.documents, table);
    await bindings.bindThings("key", ["resp_1", "file_1", "resp_1"], "a", start);
    const owners = await bindings.owners("key", ["resp_1", "resp_1", "file_1", "resp_2"], start + minute);
    expect([...owners]).toEqual(expect.arrayContaining([["resp_1", "a"]]));
    expect(owners.size).toBe(2);
    expect((await bindings.owners("other key", ["resp_1"], start)).size).toBe(0);
    expect((await bindings.owners("key", ["resp_1"], start + 30 * 24 * 60 * minute)).size).toBe(0);
    expect((await bindings.owners("key", [], start)).size).toBe(0);
    const many = Array.from({ length: 101 }, (_, at) => `resp_${at}`);
    await expect(bindings.owners("key", many, start)).rejects.toMatchObject({ name: "InputInvalid" });
  });
});

describe("the snapshot", () => {
  const rates = { input: 1, output: 2, cacheWrite5m: 3, cacheWrite1h: 4, cacheRead: 5 };
  const price = priceSchema.parse({
    platform: "anthropic",
    model: "claude-*",
    family: "opus",
    rates,
    longContext: null,
    serverTools: {},
    contextWindowTokens: 200_000,
    mostOutputTokens: 1000,
    source: "a test",
    date: "2026-11-20",
    effectiveFrom: "2026-11-20T00:00:00.000Z",
  });

  it("has settings, groups and prices as they were put, and settings are put by whoever saw them last", async () => {
    const settings = new SettingsStore(tables.documents, table);
    expect(await settings.settings()).toEqual({ settings: relaySettingsSchema.parse({}), version: 0 });
    const quick = relaySettingsSchema.parse({ stickyMinutes: 5 });
    loseAnswer("PutItem");
    expect(await settings.putSettings(quick, 0)).toBe(1);
    await expect(settings.putSettings(relaySettingsSchema.parse({}), 0)).rejects.toMatchObject({
      name: "PreconditionFailed",
    });
    expect(await settings.putSettings({ ...quick, stickyMinutes: 6 }, 1)).toBe(2);
    const blue = groupSchema.parse({ group: "blue", algorithm: "response-time" });
    await settings.putGroup(blue);
    await settings.putOverride(price);
    const snapshot = await accounts.readSnapshot(start, { consistent: true });
    expect(snapshot).toMatchObject({ readAt: start, groups: [blue], priceOverrides: [price] });
    expect(snapshot.settings.stickyMinutes).toBe(6);
    expect([await settings.groups(), await settings.overrides()]).toEqual([[blue], [price]]);
    expect([await settings.removeGroup("blue"), await settings.removeGroup("blue")]).toEqual([true, false]);
    expect(await settings.removeOverride(price)).toBe(true);
    expect([await settings.groups(), await settings.overrides()]).toEqual([[], []]);
  });

  it("leaves out an item that it cannot read, says so, and serves the others", async () => {
    const broken = { partition: "relay", item: "a#broken", account: { name: "broken" } };
    await tables.documents.send(new PutCommand({ TableName: table, Item: broken }));
    const output = captureOutput();
    const snapshot = await accounts.readSnapshot(start);
    expect(output.text()).toContain("a#broken: ");
    vi.restoreAllMocks();
    expect(snapshot.accounts.some(({ account }) => account.accountId === accountId)).toBe(true);
  });
});
