// Lists of accounts and groups from one look at all of them: there are a few hundred at the most.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import { CausewayError } from "../../shared/errors.ts";
import type { Account } from "../scheduling/account.ts";
import type { Group } from "../scheduling/group.ts";
import { noTraffic, type Snapshot } from "../scheduling/snapshot.ts";
import type { AccountView } from "./account-answers.ts";
import { accountViewOf } from "./view-account.ts";

interface AccountFilter {
  readonly platform?: string | undefined;
  readonly provider?: string | undefined;
  readonly group?: string | undefined;
  readonly state?: string | undefined;
}

interface Paging {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

const position = z.tuple([z.string(), z.string()]);

/** By name, then by id: a page goes on behind the last one of the page before, whatever came or went meanwhile. */
export function listAccounts(
  { cursor, limit, ...filter }: AccountFilter & Paging,
  { accounts }: Pick<Snapshot, "accounts">,
  now: number,
): { readonly items: AccountView[]; readonly cursor: string | null } {
  const { platform, provider, group, state } = filter;
  const scope = ["listRelayAccounts", filter];
  const after = readCursor(scope, cursor, position);
  const behind = accounts
    .map((inFleet) => accountViewOf(inFleet, now))
    .filter((view) => platform === undefined || view.platform === platform)
    .filter((view) => provider === undefined || view.provider === provider)
    .filter((view) => group === undefined || view.groups.includes(group))
    .filter((view) => state === undefined || view.condition.state === state)
    .sort((left, right) => compare(placeOf(left), placeOf(right)))
    .filter((view) => after === undefined || compare(placeOf(view), after) > 0);
  const items = behind.slice(0, limit);
  const last = items.at(-1);
  const hasMore = behind.length > items.length && last !== undefined;
  return { items, cursor: hasMore ? writeCursor(scope, placeOf(last)) : null };
}

/** Throws `NotFound`. */
export function viewAccount(accountId: string, { accounts }: Pick<Snapshot, "accounts">, now: number): AccountView {
  const found = accounts.find(({ account }) => account.accountId === accountId);
  if (found === undefined) throw new CausewayError("NotFound", `There is no account ${accountId}.`);
  return accountViewOf(found, now);
}

/** An account just changed, with what the fleet knows of its load. */
export function accountViewIn({ accounts }: Pick<Snapshot, "accounts">, account: Account, now: number): AccountView {
  const found = accounts.find((each) => each.account.accountId === account.accountId);
  return accountViewOf({ shards: [], own: noTraffic(), ...found, account }, now);
}

export interface ShownGroup extends Group {
  readonly accounts: readonly { readonly accountId: string; readonly name: string }[];
}

/** Groups that were set up, and those that accounts are in without: they have no algorithm of their own. */
export function listGroups({ groups, accounts }: Pick<Snapshot, "groups" | "accounts">): ShownGroup[] {
  const known = new Map(groups.map((group) => [group.group, group]));
  const names = new Set([...known.keys(), ...accounts.flatMap(({ account }) => account.groups)]);
  return [...names].sort().map((group) => ({
    ...(known.get(group) ?? { group, description: "", algorithm: null }),
    accounts: accounts
      .filter(({ account }) => account.groups.includes(group))
      .map(({ account: { accountId, name } }) => ({ accountId, name })),
  }));
}

/** Throws `Conflict` while accounts are in it: they would be in it still. */
export function demandEmptyGroup(group: string, snapshot: Pick<Snapshot, "groups" | "accounts">): void {
  const shown = listGroups(snapshot).find((each) => each.group === group);
  if (shown === undefined) throw new CausewayError("NotFound", `There is no group ${group}.`);
  const [first, ...others] = shown.accounts;
  if (first === undefined) return;
  const more = others.length === 0 ? "is" : `and ${others.length} more are`;
  throw new CausewayError("Conflict", `${first.name} ${more} in the group ${group}. Take accounts out of it first.`);
}

const placeOf = ({ name, accountId }: AccountView): readonly [string, string] => [name, accountId];

function compare(
  [leftName, leftId]: readonly [string, string],
  [rightName, rightId]: readonly [string, string],
): number {
  const [left, right] = leftName === rightName ? [leftId, rightId] : [leftName, rightName];
  return left === right ? 0 : left < right ? -1 : 1;
}
