// A fleet of upstream accounts and several Lambdas that choose among them, in simulated time: hours pass in a moment.

import type { AccountChange } from "../../../../lambdas/relay/providers/provider.ts";
import type { Account, AccountCondition } from "../../../../lambdas/relay/scheduling/account.ts";
import { dayOf, minuteOf } from "../../../../lambdas/relay/scheduling/account-load.ts";
import { chooseAccount } from "../../../../lambdas/relay/scheduling/choose-account.ts";
import { AccountConditions, type ConditionStore } from "../../../../lambdas/relay/scheduling/conditions.ts";
import { Fleet } from "../../../../lambdas/relay/scheduling/fleet.ts";
import { recoverAccounts } from "../../../../lambdas/relay/scheduling/recover-accounts.ts";
import type { Slot, SlotFigures } from "../../../../lambdas/relay/scheduling/slot.ts";
import { SlotBook, type SlotStore } from "../../../../lambdas/relay/scheduling/slot-book.ts";
import { type MinuteFigures, noTraffic, type Snapshot } from "../../../../lambdas/relay/scheduling/snapshot.ts";
import type { RelaySettings } from "../../../../lambdas/relay/settings.ts";
import { randomFrom, snapshotOf, start } from "./sample-accounts.ts";

/** How an upstream behaves at a moment. */
export interface Upstream {
  /** To the first byte, and as long again for the rest. */
  readonly milliseconds: number;
  readonly says?: (now: number) => AccountChange | undefined;
}

export interface FleetPlan {
  readonly accounts: readonly Account[];
  readonly upstreams: Readonly<Record<string, Upstream>>;
  readonly algorithm: RelaySettings["algorithm"];
  readonly lambdas: number;
  readonly requestsPerSecond: number;
  readonly seconds: number;
  readonly seed: number;
  /** Of each request's session; undefined: it has none. */
  readonly sessionOf?: (request: number) => string | undefined;
  /** Whose request it is; undefined: all are one key's. */
  readonly keyOf?: (request: number) => string;
}

export interface Served {
  readonly at: number;
  readonly session: string | undefined;
  /** Accounts tried, the last one served it, unless `isRefused`. */
  readonly accounts: readonly string[];
  readonly isRefused: boolean;
  readonly leftWhy: string | undefined;
}

export interface FleetRun {
  readonly served: readonly Served[];
  /** Of what was served: share by account. */
  readonly shares: Readonly<Record<string, number>>;
  /** Most requests at once, by account. */
  readonly peaks: Readonly<Record<string, number>>;
  readonly conditions: Readonly<Record<string, AccountCondition>>;
  readonly openSlots: number;
}

interface Timer {
  readonly at: number;
  readonly run: () => Promise<void>;
}

/** What DynamoDB would hold, with the same promises. */
class SimulatedTable implements SlotStore, ConditionStore {
  readonly accounts: Map<string, Account>;
  readonly leases = new Map<string, Map<string, number>>();
  readonly #sums = new Map<string, Map<number, MinuteFigures>>();
  readonly #lastAt = new Map<string, number>();

  constructor(accounts: readonly Account[]) {
    this.accounts = new Map(accounts.map((account) => [account.accountId, account]));
  }

  async take({ accountId, shard }: Slot, capacity: number, requestId: string, until: number, now: number) {
    const leases = this.#leasesOf(`${accountId}#${shard}`);
    if (leases.size >= capacity) return false;
    leases.set(requestId, until);
    this.#lastAt.set(`${accountId}#${shard}`, now);
    return true;
  }

  async release(
    { accountId, shard }: Slot,
    requestId: string,
    figures: SlotFigures | undefined,
    _: unknown,
    now: number,
  ) {
    const place = `${accountId}#${shard}`;
    if (!this.#leasesOf(place).delete(requestId) || figures === undefined) return;
    const minute = minuteOf(now);
    const sums = this.#sums.get(place) ?? new Map<number, MinuteFigures>();
    this.#sums.set(place, sums);
    const before = sums.get(minute) ?? { minute, answers: 0, errors: 0, firstByteMilliseconds: 0 };
    sums.set(minute, {
      minute,
      answers: before.answers + 1,
      errors: before.errors + (figures.failed ? 1 : 0),
      firstByteMilliseconds: before.firstByteMilliseconds + (figures.firstByteMilliseconds ?? 0),
    });
  }

  async account(accountId: string) {
    return this.accounts.get(accountId);
  }

  async replaceCondition(
    accountId: string,
    _family: string | undefined,
    seen: AccountCondition | undefined,
    next: AccountCondition,
  ) {
    const present = this.accounts.get(accountId);
    if (present === undefined || present.condition.since !== seen?.since || present.condition.state !== seen.state) {
      return false;
    }
    this.accounts.set(accountId, { ...present, condition: next });
    return true;
  }

  snapshot(now: number, algorithm: RelaySettings["algorithm"]): Snapshot {
    const views = [...this.accounts.values()].map((account) => {
      const places = [...this.leases.keys()].filter((place) => place.startsWith(`${account.accountId}#`));
      const shards = places.map((place) => ({
        shard: Number(place.split("#")[1]),
        taken: this.#leasesOf(place).size,
        lastAssignedAt: this.#lastAt.get(place) ?? 0,
        figures: [...(this.#sums.get(place)?.values() ?? [])].filter(({ minute }) => minute > minuteOf(now) - 7),
        spentByDay: { [dayOf(now)]: 0 },
      }));
      return { account, shards, own: noTraffic() };
    });
    const empty = snapshotOf(views, { readAt: now });
    return { ...empty, settings: { ...empty.settings, algorithm } };
  }

  #leasesOf(place: string): Map<string, number> {
    const known = this.leases.get(place) ?? new Map<string, number>();
    this.leases.set(place, known);
    return known;
  }
}

const leaseMilliseconds = 20 * 60_000;
const mostTried = 3;

export async function runFleet(plan: FleetPlan): Promise<FleetRun> {
  const random = randomFrom(plan.seed);
  const table = new SimulatedTable(plan.accounts);
  const timers: Timer[] = [];
  const served: Served[] = [];
  const sessions = new Map<string, string>();
  const open = new Map<string, number>();
  const peaks: Record<string, number> = {};
  let now = start;
  const lambdas = Array.from({ length: plan.lambdas }, () => {
    const fleet = new Fleet({
      read: async () => table.snapshot(now, plan.algorithm),
      now: () => now,
      onStale: (error) => {
        throw error;
      },
    });
    const conditions = new AccountConditions({
      store: table,
      history: { noteError: async () => undefined },
      fleet,
      now: () => now,
      onChange: () => undefined,
      onFailure: (error) => {
        throw error;
      },
    });
    return { fleet, conditions, slots: new SlotBook(table, fleet) };
  });

  const serve = async (request: number) => {
    const lambda = lambdas[Math.floor(random() * lambdas.length)] ?? lambdas[0];
    if (lambda === undefined) throw new RangeError("a fleet needs a Lambda");
    const requestId = `r${request}`;
    const session = plan.sessionOf?.(request);
    const keyId = plan.keyOf?.(request) ?? "key";
    const tried = new Set<string>();
    let leftWhy: string | undefined;
    const attempt = async (): Promise<void> => {
      const choice = chooseAccount({
        snapshot: await lambda.fleet.snapshot(),
        platform: "anthropic",
        model: "claude-opus-5-5",
        family: undefined,
        keyId,
        boundTo: null,
        tried,
        session: session === undefined ? undefined : sessions.get(session),
        owner: undefined,
        now,
        random,
      });
      if (choice.kind === "accounts") leftWhy ??= choice.left?.why;
      for (const { view } of choice.kind === "accounts" ? choice.accounts : []) {
        const { accountId } = view.account;
        const slot = await lambda.slots.take(view, requestId, now + leaseMilliseconds, now);
        if (slot === undefined) continue;
        const { milliseconds, says } = plan.upstreams[accountId] ?? { milliseconds: 100 };
        const sentAt = now;
        open.set(accountId, (open.get(accountId) ?? 0) + 1);
        peaks[accountId] = Math.max(peaks[accountId] ?? 0, open.get(accountId) ?? 0);
        tried.add(accountId);
        const change = says?.(now);
        const lasts = change === undefined ? 2 * milliseconds : 20;
        timers.push({
          at: now + lasts,
          run: async () => {
            open.set(accountId, (open.get(accountId) ?? 0) - 1);
            const failed = change !== undefined;
            const firstByteMilliseconds = failed ? undefined : milliseconds;
            const isNews = !failed || (await lambda.conditions.changed(view.account, change, sentAt, keyId));
            const figures = { failed, firstByteMilliseconds, realNanoUsd: 0 };
            await lambda.slots.release(slot, requestId, isNews ? figures : undefined, now);
            if (change === undefined) {
              await lambda.conditions.works(view.account, undefined, sentAt);
              if (session !== undefined) sessions.set(session, accountId);
              served.push({ at: sentAt, session, accounts: [...tried], isRefused: false, leftWhy });
              return;
            }
            if (tried.size < mostTried) await attempt();
            else served.push({ at: sentAt, session, accounts: [...tried], isRefused: true, leftWhy });
          },
        });
        return;
      }
      served.push({ at: now, session, accounts: [...tried], isRefused: true, leftWhy });
    };
    await attempt();
  };

  const everyMinute = async (): Promise<void> => {
    await recoverAccounts({
      read: async () => table.snapshot(now, plan.algorithm),
      replaceCondition: (...change) => table.replaceCondition(...change),
      dropFamily: async () => true,
      lastSaid: async () => "",
      announce: async () => undefined,
      keepTold: async () => undefined,
      now: () => now,
    });
    timers.push({ at: now + 60_000, run: everyMinute });
  };
  timers.push({ at: start + 60_000, run: everyMinute });

  let request = 0;
  let nextArrival = start;
  const end = start + plan.seconds * 1000;
  for (;;) {
    timers.sort((left, right) => left.at - right.at);
    const timer = timers[0];
    if (nextArrival < end && (timer === undefined || nextArrival <= timer.at)) {
      now = nextArrival;
      await serve(request);
      request += 1;
      // Poisson arrivals.
      nextArrival += (-Math.log(1 - random()) * 1000) / plan.requestsPerSecond;
      continue;
    }
    if (
      timer === undefined ||
      (nextArrival >= end && timer.run === everyMinute && open.values().every((n) => n === 0))
    ) {
      break;
    }
    timers.shift();
    now = Math.max(now, timer.at);
    await timer.run();
  }

  const good = served.filter(({ isRefused }) => !isRefused);
  const counts = Map.groupBy(good, ({ accounts }) => accounts.at(-1) ?? "");
  return {
    served,
    shares: Object.fromEntries([...counts].map(([accountId, its]) => [accountId, its.length / good.length])),
    peaks,
    conditions: Object.fromEntries([...table.accounts.values()].map((each) => [each.accountId, each.condition])),
    openSlots: [...table.leases.values()].reduce((sum, leases) => sum + leases.size, 0),
  };
}
