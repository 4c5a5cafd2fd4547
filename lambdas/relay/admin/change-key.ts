// Change key: everything that a person says of it at once, and its pages of keys and of balances.
import { isDeepStrictEqual } from "node:util";
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import type { KeyListsStore } from "../key-lists.store.ts";
import type { KeysStore } from "../keys.store.ts";
import type { KeyView as StoredKey } from "../ledger/kept-key.ts";
import { checkPolicy, type PolicySurroundings } from "./check-policy.ts";
import type { ChangedKey, ListedKey } from "./key-answers.ts";
import { demandFuture, existingKey, keptExpiry } from "./make-keys.ts";
import { expiryOf, listedKeyOf } from "./view-key.ts";

export interface ChangingPorts {
  now(): number;
  readonly keys: Pick<KeysStore, "read" | "change">;
  readonly surroundings: PolicySurroundings;
}

/** Throws `NotFound`, `PreconditionFailed` or `InputInvalid`. */
export async function changeKey(
  keyId: string,
  { name, owner, tags, policy, expiry }: ChangedKey,
  { demand, by }: { readonly demand: (version: number) => void; readonly by: string },
  { now, keys, surroundings }: ChangingPorts,
): Promise<StoredKey> {
  const before = await existingKey(keyId, keys);
  demand(before.key.version);
  await checkPolicy(policy, surroundings);
  // Days from the first use go on where they are the same: given back with the rest, they do not begin anew.
  const isSame = isDeepStrictEqual(expiry, expiryOf(before.key));
  const kept = keptExpiry(expiry);
  if (!isSame) demandFuture(kept, now());
  const change = { name, owner, tags, policy, ...(!isSame && { expiry: kept }) };
  return keys.change(keyId, before.key.version, change, by);
}

export interface KeyFilter {
  readonly owner?: string | undefined;
  readonly tag?: string | undefined;
  readonly enabled?: boolean | undefined;
  readonly deleted: boolean;
}

interface Paging {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

export async function listKeys(
  { cursor, limit, ...filter }: KeyFilter & Paging,
  lists: Pick<KeyListsStore, "list">,
): Promise<{ readonly items: readonly ListedKey[]; readonly cursor: string | null }> {
  const scope = ["listRelayKeys", filter];
  const after = readCursor(scope, cursor, z.string());
  const { metas, position } = await lists.list({ most: limit, after, ...filter });
  return { items: metas.map(listedKeyOf), cursor: position === undefined ? null : writeCursor(scope, position) };
}

/** Throws `NotFound`. */
export async function listBalance(
  keyId: string,
  { cursor, limit }: Paging,
  { keys, lists }: { readonly keys: Pick<KeysStore, "read">; readonly lists: Pick<KeyListsStore, "listBalance"> },
) {
  const { key } = await existingKey(keyId, keys);
  const scope = ["listRelayBalance", keyId];
  const after = readCursor(scope, cursor, z.string());
  const { entries, position } = await lists.listBalance(keyId, { most: limit, after });
  return {
    balanceNanoUsd: key.balanceNanoUsd ?? null,
    items: [...entries],
    cursor: position === undefined ? null : writeCursor(scope, position),
  };
}
