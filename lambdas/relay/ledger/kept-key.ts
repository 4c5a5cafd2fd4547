// A client key as it is kept: the ledger's item, which requests write to, and beside it what people call it by.
import {
  type Attribute,
  attributesOf,
  number,
  type StoredAttribute,
  type StoredItem,
  text,
  yes,
} from "./attributes.ts";
import type { KeyPolicy } from "./key-policy.ts";
import type { LedgerKey } from "./ledger.ts";

export type Expiry =
  | { readonly kind: "never" }
  /** Milliseconds since 1970. */
  | { readonly kind: "at"; readonly at: number }
  | { readonly kind: "after-first-use"; readonly days: number };

export interface NewKey {
  readonly keyId: string;
  /** Of its text: hex HMAC. */
  readonly hash: string;
  /** What of its text may be shown. */
  readonly masked: string;
  readonly name: string;
  readonly owner: string;
  readonly tags: readonly string[];
  readonly policy: KeyPolicy;
  readonly enabled: boolean;
  readonly expiry: Expiry;
  /** What a prepaid key begins with. */
  readonly balanceNanoUsd: number;
  /** Who made it. */
  readonly by: string;
}

/** What people call a key by. `enabled` and `deletedAt` follow the ledger's item, a moment behind. Times are RFC 3339. */
export interface KeyMeta {
  readonly keyId: string;
  readonly masked: string;
  readonly name: string;
  readonly owner: string;
  readonly tags: readonly string[];
  readonly enabled: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly changedAt: string;
  readonly changedBy: string;
  readonly deletedAt: string | undefined;
}

export interface KeyView {
  readonly meta: KeyMeta;
  /** Its `version` is that of everything: the entity tag. */
  readonly key: LedgerKey;
}

export interface KeyChange {
  readonly name?: string;
  readonly owner?: string;
  readonly tags?: readonly string[];
  readonly policy?: KeyPolicy;
  readonly enabled?: boolean;
  /** The same days after first use as before change nothing: they do not begin anew. */
  readonly expiry?: Expiry;
}

/** Attributes of the ledger's item that a change sets, and those that it takes away. */
export interface ItemChange {
  readonly set: Readonly<Record<string, Attribute>>;
  /** Set only where they are not there: others write them without a version, such as a top-up the balance. */
  readonly begin?: Readonly<Record<string, Attribute>>;
  readonly remove: readonly string[];
}

/** A former secret stays for the overlap of a rotation; more of them than this are for nobody. */
const mostSecrets = 4;

export function newLedgerItem(key: NewKey): Record<string, Attribute> {
  const { set } = expiryChange(key.expiry);
  return {
    v: number(1),
    on: { BOOL: key.enabled },
    en: { BOOL: key.enabled },
    policy: text(JSON.stringify(key.policy)),
    h: { M: { [key.hash]: number(0) } },
    ...(key.policy.prepaid || key.balanceNanoUsd !== 0 ? { bal: number(key.balanceNanoUsd) } : {}),
    u: { M: {} },
    L: { M: {} },
    q: { M: {} },
    ...set,
  };
}

/** `at`: RFC 3339. */
export function newMetaItem(key: NewKey, listing: string, at: string): Record<string, Attribute> {
  const { keyId, masked, name, owner, tags, enabled, by } = key;
  const who = { createdAt: at, createdBy: by, changedAt: at, changedBy: by };
  return attributesOf({ keyId, masked, name, owner, tags, enabled, ...who, listing });
}

export function keyMetaOf(item: StoredItem): KeyMeta {
  const textOf = (attribute: StoredAttribute | undefined) => attribute?.S ?? "";
  return {
    keyId: textOf(item.keyId),
    masked: textOf(item.masked),
    name: textOf(item.name),
    owner: textOf(item.owner),
    tags: (item.tags?.L ?? []).map(textOf),
    enabled: item.enabled?.BOOL === true,
    createdAt: textOf(item.createdAt),
    createdBy: textOf(item.createdBy),
    changedAt: textOf(item.changedAt),
    changedBy: textOf(item.changedBy),
    deletedAt: item.deletedAt?.S,
  };
}

/** Policy, switch and expiry; the rest is of the other item. */
export function ledgerChange({ policy, enabled, expiry }: KeyChange, key: LedgerKey): ItemChange {
  const set: Record<string, Attribute> = {};
  if (policy !== undefined) set.policy = text(JSON.stringify(policy));
  // Without a balance nothing could be taken from it, not even nothing.
  const begin = policy?.prepaid ? { bal: number(0) } : {};
  if (enabled !== undefined) Object.assign(set, { en: { BOOL: enabled }, on: { BOOL: enabled } });
  const isSame = expiry?.kind === "after-first-use" && expiry.days === key.daysFromFirstUse;
  if (expiry === undefined || isSame) return { set, begin, remove: [] };
  const change = expiryChange(expiry);
  return { set: { ...set, ...change.set }, begin, remove: change.remove };
}

/** Former secrets are known again by so many letters of their hashes: every reservation pays for the item's size. */
const knownLetters = 12;
const mostKnown = 10;

/** Whether it was a secret of the key's once, and was rotated away: among the last ten. */
export function wasSecret(item: StoredItem, key: LedgerKey, hash: string): boolean {
  if (Object.hasOwn(key.secrets, hash)) return key.secrets[hash] !== null;
  return knownIn(item).includes(hash.slice(0, knownLetters));
}

/** The new secret counts from now on; those before until `overlapUntil`, or until their own end. */
export function rotationChange(
  hash: string,
  item: StoredItem,
  key: LedgerKey,
  overlapUntil: number,
  now: number,
): ItemChange {
  const former = Object.entries(key.secrets)
    .map(([secret, end]) => [secret, Math.min(end ?? overlapUntil, overlapUntil)] as const)
    .filter(([, end]) => end > now)
    .toSorted(([, one], [, other]) => other - one)
    .slice(0, mostSecrets - 1);
  const secrets = Object.fromEntries(former.map(([secret, end]) => [secret, number(end)]));
  const gone = Object.keys(key.secrets).map((secret) => secret.slice(0, knownLetters));
  const known = [...new Set([...gone, ...knownIn(item)])].slice(0, mostKnown);
  return { set: { h: { M: { ...secrets, [hash]: number(0) } }, hp: { L: known.map(text) } }, remove: [] };
}

function knownIn({ hp }: StoredItem): string[] {
  return (hp?.L ?? []).flatMap(({ S }) => S ?? []);
}

export function deletionChange(now: number): ItemChange {
  return { set: { del: number(now), on: { BOOL: false } }, remove: [] };
}

/** It is on again if it was on. */
export function restorationChange(item: StoredItem): ItemChange {
  return { set: { on: item.en?.BOOL === true ? yes : { BOOL: false } }, remove: ["del"] };
}

function expiryChange(expiry: Expiry): ItemChange {
  switch (expiry.kind) {
    case "never":
      return { set: {}, remove: ["exp", "fu"] };
    case "at":
      return { set: { exp: number(expiry.at) }, remove: ["fu"] };
    case "after-first-use":
      return { set: { fu: number(expiry.days) }, remove: ["exp"] };
  }
}
