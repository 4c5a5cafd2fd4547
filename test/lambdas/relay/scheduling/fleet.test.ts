// The fleet of one environment: fresh for two seconds, read once at a time, kept while DynamoDB fails, with its own traffic.
import { expect, it } from "vitest";
import type { AccountCondition } from "../../../../lambdas/relay/scheduling/account.ts";
import { Fleet } from "../../../../lambdas/relay/scheduling/fleet.ts";
import { SlotBook, type SlotStore, type StaleSums } from "../../../../lambdas/relay/scheduling/slot-book.ts";
import type { AccountView, Snapshot } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { accountOf, snapshotOf, start, viewOf } from "./sample-accounts.ts";

function fleetOf(first: () => readonly AccountView[] = () => [viewOf(accountOf("a"))]) {
  const stage = { now: start, reads: 0, stale: 0, read: async () => snapshotOf(first(), { readAt: stage.now }) };
  const fleet = new Fleet({
    read: () => {
      stage.reads += 1;
      return stage.read();
    },
    now: () => stage.now,
    onStale: () => {
      stage.stale += 1;
    },
  });
  return { fleet, stage };
}

const openOf = (snapshot: Snapshot) => snapshot.accounts[0]?.own.open;

it("a snapshot serves for two seconds, and many that wait for the next one share its read", async () => {
  const { fleet, stage } = fleetOf();
  const first = await fleet.snapshot();
  stage.now += 1999;
  expect(await fleet.snapshot()).toBe(first);
  stage.now += 1;
  const many = await Promise.all([fleet.snapshot(), fleet.snapshot(), fleet.snapshot()]);
  expect(new Set(many).size).toBe(1);
  expect(many[0]).not.toBe(first);
  expect(stage.reads).toBe(2);
});

it("an old one serves for thirty seconds while DynamoDB fails, asked again once a second, and then no longer", async () => {
  const { fleet, stage } = fleetOf();
  const first = await fleet.snapshot();
  const read = stage.read;
  stage.read = async () => {
    throw new Error("no DynamoDB");
  };
  stage.now += 2000;
  expect(await fleet.snapshot()).toBe(first);
  stage.now += 500;
  expect(await fleet.snapshot()).toBe(first);
  expect(stage).toMatchObject({ reads: 2, stale: 1 });
  stage.now = start + 30_000;
  expect(await fleet.snapshot()).toBe(first);
  stage.now = start + 30_001;
  await expect(fleet.snapshot()).rejects.toMatchObject({ name: "RelayUnavailable" });
  stage.read = read;
  expect((await fleet.snapshot()).readAt).toBe(stage.now);
});

it("without any snapshot the relay is unavailable", async () => {
  const { fleet, stage } = fleetOf();
  stage.read = async () => {
    throw new Error("no DynamoDB");
  };
  await expect(fleet.snapshot()).rejects.toMatchObject({ name: "RelayUnavailable" });
});

it("own assignments count until a snapshot shows them, and not twice", async () => {
  const { fleet, stage } = fleetOf();
  const first = await fleet.snapshot();
  fleet.starts("a");
  expect(openOf(first)).toBe(1);
  expect(first.accounts[0]?.own.lastAssignedAt).toBe(start);
  fleet.started("a", true);
  fleet.starts("a");
  // The first is written and will be shown; the second is still under way when the query begins.
  stage.now += 2000;
  const second = await fleet.snapshot();
  expect(openOf(second)).toBe(1);
  fleet.started("a", true);
  fleet.released("a");
  fleet.starts("a");
  fleet.started("a", false);
  expect(openOf(second)).toBe(0);
  stage.now += 2000;
  expect(openOf(await fleet.snapshot())).toBe(0);
});

it("what happens while the query runs is not lost with its answer", async () => {
  const { fleet, stage } = fleetOf();
  await fleet.snapshot();
  const read = stage.read;
  stage.read = async () => {
    fleet.starts("a");
    fleet.started("a", true);
    return read();
  };
  stage.now += 2000;
  expect(openOf(await fleet.snapshot())).toBe(1);
});

it("a condition that was learned counts at once, until a snapshot shows it or a newer one", async () => {
  let shown: AccountCondition = { state: "healthy", since: start - 1000, until: null, failures: 0 };
  const { fleet, stage } = fleetOf(() => [viewOf(accountOf("a", { condition: shown }))]);
  const stateNow = async () => (await fleet.snapshot()).accounts[0]?.account.condition.state;
  await fleet.snapshot();
  fleet.learn("a", undefined, { state: "failing", since: start, until: start + 10_000, failures: 1 });
  expect(await stateNow()).toBe("failing");
  stage.now += 2000;
  // The read was a little behind the write.
  expect(await stateNow()).toBe("failing");
  shown = { state: "blocked", since: start + 1, until: null, failures: 2 };
  stage.now += 2000;
  expect(await stateNow()).toBe("blocked");
  fleet.learn("a", "opus", { state: "rate-limited", since: stage.now, until: stage.now + 1, failures: 1 });
  expect((await fleet.snapshot()).accounts[0]?.account.familyConditions.opus?.state).toBe("rate-limited");
});

it("slots are looked for at the request's own shard, then at the emptiest, four at the most", async () => {
  const account = accountOf("a", { concurrency: 300 });
  const shards = [50, 49, 48, 10, 20, 30].map((taken, shard) => {
    const [first] = viewOf(account, { taken }).shards;
    return { ...(first ?? { lastAssignedAt: 0, figures: [], spentByDay: {} }), taken, shard };
  });
  const view: AccountView = { ...viewOf(account), shards };
  const { fleet } = fleetOf(() => [view]);
  await fleet.snapshot();
  const asked: number[] = [];
  let stale: StaleSums | undefined;
  const store: SlotStore = {
    async take({ shard }, capacity) {
      expect(capacity).toBe(50);
      asked.push(shard);
      return asked.length === 4;
    },
    async release(_slot, _requestId, _figures, sums) {
      stale = sums;
    },
  };
  const book = new SlotBook(store, fleet);
  const slot = await book.take(view, "request", start + 1000, start);
  const [own, ...others] = asked;
  expect(others).toEqual([3, 4, 5, 2].filter((shard) => shard !== own).slice(0, 3));
  expect(slot?.shard).toBe(asked.at(-1));
  const [now] = (await fleet.snapshot()).accounts;
  expect(now?.own.open).toBe(1);
  if (slot === undefined) throw new Error("no slot");
  await book.release(slot, "request", undefined, start + 7 * 60_000);
  expect(now?.own.open).toBe(0);
  expect(stale).toEqual({ minutes: [Math.floor(start / 60_000)], days: [] });
  asked.length = 10;
  expect(await book.take(view, "another", start + 1000, start)).toBeUndefined();
  expect(now?.own.open).toBe(0);
});
