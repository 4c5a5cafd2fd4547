// A client key as the API shows it: never its text, never a hash.
import type { KeyMeta, KeyView as StoredKey } from "../ledger/kept-key.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import { type LimitState, limitsOf } from "../ledger/limits.ts";
import type { KeyView, LimitFigure, ListedKey, OwnKeyView } from "./key-answers.ts";

export function listedKeyOf(meta: KeyMeta): ListedKey {
  const { keyId, name, owner, tags, enabled, createdAt } = meta;
  return {
    keyId,
    maskedKey: meta.masked,
    name,
    owner,
    tags: [...tags],
    enabled,
    createdAt,
    deletedAt: meta.deletedAt ?? null,
  };
}

export function keyViewOf({ meta, key }: StoredKey, now: number): KeyView {
  return {
    ...listedKeyOf(meta),
    state: stateOf({ meta, key }, now),
    changedAt: meta.changedAt,
    version: key.version,
    expiry: expiryOf(key),
    expiresAt: timeOrNull(key.expiresAt),
    policy: key.policy,
    balanceNanoUsd: key.balanceNanoUsd ?? null,
    streams: key.leaseCount,
    limits: limitsOf(key, now).map(limitFigureOf),
    secrets: Object.values(key.secrets)
      .filter((end) => end === null || end > now)
      .map((end) => ({ endsAt: end === null ? null : timeOf(end) })),
  };
}

/** What its holder may know of it. */
export function ownKeyViewOf({ meta, key }: StoredKey, now: number): OwnKeyView {
  const { timeZone, platforms, models } = key.policy;
  return {
    keyId: meta.keyId,
    maskedKey: meta.masked,
    name: meta.name,
    expiresAt: timeOrNull(key.expiresAt),
    daysFromFirstUse: key.expiresAt === undefined ? (key.daysFromFirstUse ?? null) : null,
    timeZone,
    platforms,
    models,
    balanceNanoUsd: key.balanceNanoUsd ?? null,
    streams: key.leaseCount,
    limits: limitsOf(key, now).map(limitFigureOf),
  };
}

/** As somebody gave it; what a PUT may give back unchanged. */
export function expiryOf({ expiresAt, daysFromFirstUse }: LedgerKey): KeyView["expiry"] {
  if (daysFromFirstUse !== undefined) return { kind: "after-first-use", days: daysFromFirstUse };
  return expiresAt === undefined ? null : { kind: "at", at: timeOf(expiresAt) };
}

function stateOf({ meta, key }: StoredKey, now: number): KeyView["state"] {
  if (key.isDeleted) return "deleted";
  if (!meta.enabled) return "disabled";
  return key.expiresAt !== undefined && key.expiresAt <= now ? "expired" : "active";
}

function limitFigureOf({ resetAt, ...limit }: LimitState): LimitFigure {
  return { ...limit, resetAt: timeOrNull(resetAt ?? undefined) };
}

function timeOrNull(milliseconds: number | undefined): string | null {
  return milliseconds === undefined ? null : timeOf(milliseconds);
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
