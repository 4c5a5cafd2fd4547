// Slots: a request's place in an account. An account's concurrency is cut into shards of at most 50 leases each.
import { createHash } from "node:crypto";
import type { SlotShard } from "./snapshot.ts";

export const mostLeasesPerShard = 50;

/** A place that a request holds. */
export interface Slot {
  readonly accountId: string;
  readonly shard: number;
  /** The shard as the snapshot showed it: of its sums, those that are too old are dropped when the slot is given back. */
  readonly shown: SlotShard | undefined;
}

/** What an attempt at an account showed. */
export interface SlotFigures {
  /** It showed nothing of the account, neither good nor bad: only its cost counts. */
  readonly isCostAlone?: boolean;
  /** The account or the way to it was at fault. */
  readonly failed: boolean;
  readonly firstByteMilliseconds: number | undefined;
  /** Cost at list price, without the key's multiplier. */
  readonly realNanoUsd: number;
}

/** Places of each shard; their sum is the concurrency. */
export function shardCapacities(concurrency: number): number[] {
  const shards = Math.ceil(concurrency / mostLeasesPerShard);
  const each = Math.floor(concurrency / shards);
  return Array.from({ length: shards }, (_, shard) => each + (shard < concurrency % shards ? 1 : 0));
}

/** Where this request looks first: requests spread evenly, and the same request always looks at the same place. */
export function firstShardOf(requestId: string, shards: number): number {
  return createHash("sha256").update(requestId).digest().readUInt32BE(0) % shards;
}
