// Account items: how the snapshot's part of `RelayAccounts` is laid out, and how its items are read. One partition, `relay`.
//
// | Item                                   | Holds                                                                       |
// |----------------------------------------|-----------------------------------------------------------------------------|
// | `a#<accountId>`                        | `account` (settings, versions), `condition`, `familyConditions`, `lastProbe`, `told` |
// | `s#<accountId>#<shard>`                | `leases` {requestId: until}, `lastAt`, `expiresAt`, sums `a<minute>` answers, `e<minute>` errors, `f<minute>` first byte, `c<day>` cost |
// | `g#<group>`                            | `value` (the group), `version`                                              |
// | `p#<platform>#<model>#<effectiveFrom>` | `value` (the price)                                                         |
// | `settings`                             | `value`, `version`                                                          |
import * as z from "zod";
import { type Price, priceSchema } from "../counting/price.ts";
import { type RelaySettings, relaySettingsSchema } from "../settings.ts";
import { type Account, accountConditionSchema, accountSchema, probeResultSchema } from "./account.ts";
import { type Group, groupSchema } from "./group.ts";
import { type AccountView, type MinuteFigures, noTraffic, type SlotShard, type Snapshot } from "./snapshot.ts";

export const snapshotPartition = "relay";
export const settingsItem = "settings";

export const accountItem = (accountId: string) => `a#${accountId}`;
export const slotsPrefix = "s#";
export const slotItem = (accountId: string, shard: number) => `${slotsPrefix}${accountId}#${shard}`;

export function slotOfItem(item: string): { readonly accountId: string; readonly shard: number } {
  const [, accountId = "", shard] = item.split("#");
  return { accountId, shard: Number(shard) };
}

export const groupItem = (group: string) => `g#${group}`;
export const priceItem = ({ platform, model, effectiveFrom }: Pick<Price, "platform" | "model" | "effectiveFrom">) =>
  `p#${platform}#${model}#${effectiveFrom}`;

type Item = Readonly<Record<string, unknown>>;

const kept = z.object({
  account: accountSchema.omit({ condition: true, familyConditions: true, lastProbe: true, told: true }),
  condition: accountConditionSchema,
  familyConditions: z.record(z.string(), accountConditionSchema),
  lastProbe: probeResultSchema.optional(),
  told: z.record(z.string(), z.string()).optional(),
});

/** Throws ZodError where the item is not what it must be. */
export function readAccount(item: Item): Account {
  const { account, ...rest } = kept.parse(item);
  return { ...account, ...rest };
}

/** The attributes of an account's item, without its key. */
export function accountAttributes({ condition, familyConditions, lastProbe, told, ...account }: Account): Item {
  return { account, condition, familyConditions, lastProbe, told };
}

interface SnapshotRead {
  readonly snapshot: Snapshot;
  /** Items that are not what they must be; they are left out, the others serve. */
  readonly problems: readonly string[];
}

/** `readAt`: when the query began, milliseconds since 1970. */
export function readSnapshot(items: readonly Item[], readAt: number): SnapshotRead {
  const problems: string[] = [];
  const attempt = <Value>(item: Item, read: (item: Item) => Value): Value[] => {
    try {
      return [read(item)];
    } catch (error) {
      problems.push(`${String(item.item)}: ${error instanceof Error ? error.message : String(error)}`.slice(0, 500));
      return [];
    }
  };
  const byKind = Map.groupBy(items, ({ item }) => String(item).split("#", 1)[0] ?? "");
  const shards = Map.groupBy(byKind.get("s") ?? [], ({ item }) => String(item).split("#")[1] ?? "");
  const accounts = (byKind.get("a") ?? []).flatMap((item) =>
    attempt(item, (each): AccountView => {
      const account = readAccount(each);
      const own = shards.get(account.accountId) ?? [];
      return { account, shards: own.map((shard) => readShard(shard, readAt)), own: noTraffic() };
    }),
  );
  const groups = (byKind.get("g") ?? []).flatMap((item) => attempt(item, readGroup));
  const priceOverrides = (byKind.get("p") ?? []).flatMap((item) => attempt(item, readPrice));
  const [settings = relaySettingsSchema.parse({})] = (byKind.get(settingsItem) ?? []).flatMap((item) =>
    attempt(item, readSettings),
  );
  return { snapshot: { readAt, accounts, groups, priceOverrides, settings }, problems };
}

export const readGroup = (item: Item): Group => groupSchema.parse(item.value);
export const readPrice = (item: Item): Price => priceSchema.parse(item.value);
export const readSettings = (item: Item): RelaySettings => relaySettingsSchema.parse(item.value);

/** Not by a schema: it is the one item whose attributes are named by time, and it is read for every account every 2 s. */
function readShard(item: Item, readAt: number): SlotShard {
  const leases = Object.values((item.leases ?? {}) as Readonly<Record<string, number>>);
  const minutes = new Map<number, { answers: number; errors: number; firstByteMilliseconds: number }>();
  const spentByDay: Record<string, number> = {};
  for (const [name, value] of Object.entries(item)) {
    const sum = /^([aef])(\d+)$/.exec(name);
    const day = /^c(\d{8})$/.exec(name)?.[1];
    if (day !== undefined) spentByDay[day] = Number(value);
    if (sum === null) continue;
    const minute = Number(sum[2]);
    const figures = minutes.get(minute) ?? { answers: 0, errors: 0, firstByteMilliseconds: 0 };
    minutes.set(minute, figures);
    figures[sumNames[sum[1] as keyof typeof sumNames]] = Number(value);
  }
  return {
    shard: Number(String(item.item).split("#")[2]),
    taken: leases.filter((until) => until > readAt).length,
    lastAssignedAt: Number(item.lastAt ?? 0),
    figures: [...minutes].map(([minute, figures]): MinuteFigures => ({ minute, ...figures })),
    spentByDay,
  };
}

const sumNames = { a: "answers", e: "errors", f: "firstByteMilliseconds" } as const;
