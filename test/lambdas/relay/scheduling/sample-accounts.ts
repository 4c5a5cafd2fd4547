// Accounts and snapshots for tests of scheduling.
import { type Account, accountSettingsSchema } from "../../../../lambdas/relay/scheduling/account.ts";
import { minuteOf } from "../../../../lambdas/relay/scheduling/account-load.ts";
import type { Asked } from "../../../../lambdas/relay/scheduling/choose-account.ts";
import { healthy } from "../../../../lambdas/relay/scheduling/next-condition.ts";
import {
  type AccountView,
  noTraffic,
  type SlotShard,
  type Snapshot,
} from "../../../../lambdas/relay/scheduling/snapshot.ts";
import { relaySettingsSchema } from "../../../../lambdas/relay/settings.ts";

export const start = Date.parse("2026-11-20T12:00:00.000Z");

export function accountOf(accountId: string, facts: Partial<Account> = {}): Account {
  return {
    ...accountSettingsSchema.parse({ name: `Account ${accountId}`, provider: "anthropic" }),
    accountId,
    platform: "anthropic",
    version: 1,
    credentialVersion: 1,
    createdAt: new Date(start).toISOString(),
    changedAt: new Date(start).toISOString(),
    condition: healthy(start - 1000),
    familyConditions: {},
    ...facts,
  };
}

export interface Doing {
  readonly taken?: number;
  readonly answers?: number;
  readonly errors?: number;
  readonly meanFirstByteMilliseconds?: number;
  readonly lastAssignedAt?: number;
  readonly spentByDay?: Readonly<Record<string, number>>;
}

export function viewOf(account: Account, doing: Doing = {}): AccountView {
  const { taken = 0, answers = 0, errors = 0, meanFirstByteMilliseconds = 0, lastAssignedAt = 0 } = doing;
  const firstByteMilliseconds = meanFirstByteMilliseconds * (answers - errors);
  const shard: SlotShard = {
    shard: 0,
    taken,
    lastAssignedAt,
    figures: [{ minute: minuteOf(start), answers, errors, firstByteMilliseconds }],
    spentByDay: doing.spentByDay ?? {},
  };
  return { account, shards: [shard], own: noTraffic() };
}

export function snapshotOf(accounts: readonly AccountView[], facts: Partial<Snapshot> = {}): Snapshot {
  return {
    readAt: start,
    accounts,
    groups: [],
    priceOverrides: [],
    settings: relaySettingsSchema.parse({}),
    ...facts,
  };
}

export function askedOf(snapshot: Snapshot, facts: Partial<Asked> = {}): Asked {
  return {
    snapshot,
    platform: "anthropic",
    model: "claude-opus-5-5",
    family: "opus",
    keyId: "key",
    boundTo: null,
    tried: new Set(),
    session: undefined,
    owner: undefined,
    now: start,
    random: () => 0.5,
    ...facts,
  };
}

/** Mulberry32: the same numbers from the same seed. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
