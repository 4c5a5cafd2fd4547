// What the ledger's rules need of DynamoDB and of the clock. Each call is repeated within bounds by whoever provides it.
import type { UsageRecord } from "../counting/usage-record.ts";
import type { StoredItem } from "./attributes.ts";
import type { StoredLease } from "./key-item.ts";
import type { HeldLease, Write } from "./write-expressions.ts";

/** `waited-for`: a client waits, so that it gives up earlier. */
export type Urgency = "waited-for" | "afterwards";

/** What became of a conditional write: the attributes it changed, or the item as it was when it did not meet the condition. */
export type Written =
  | { readonly isWritten: true; readonly changed: StoredItem }
  | { readonly isWritten: false; readonly item: StoredItem | undefined };

/** What an earlier settlement of the same request wrote. */
export interface EarlierRecord {
  readonly chargedNanoUsd: number;
  readonly realNanoUsd: number;
  readonly outcome: string | undefined;
}

/** What the accounts know of a request whose end nobody saw; empty where nothing is known. */
export interface Orphan {
  readonly accountId: string;
  readonly provider: string;
  /** What the account was asked for, after its mapping. */
  readonly modelServed: string;
  /** Into the account's figures of the day: once, whoever does it how often, and not where the account counted it already. */
  count(realNanoUsd: number): Promise<void>;
}

/** Never throws, nor does what it gives: no key's money stays held because an account cannot be looked at. */
export type FindOrphan = (lease: StoredLease) => Promise<Orphan>;

/** But for `findOrphan`, all of them throw `AwsUnavailable` when the bounds are reached; a write may have happened all the same. */
export interface LedgerPorts {
  /** Consistent. */
  readItem(keyId: string): Promise<StoredItem | undefined>;
  /** `answer`: what `changed` holds; `nothing` is the cheapest, `all` the whole item after the write. */
  update(keyId: string, write: Write, urgency: Urgency, answer: "nothing" | "changes" | "all"): Promise<Written>;
  /** Undefined: put. Else there is one of this request, which stays. */
  putRecord(record: UsageRecord): Promise<EarlierRecord | undefined>;
  /** In one transaction, once: puts the record in the place of one of outcome `lease-expired`, and its charge in the lease's windows. */
  correct(keyId: string, lease: HeldLease, charged: number, record: UsageRecord): Promise<void>;
  readonly findOrphan: FindOrphan;
  /** Milliseconds since 1970. */
  now(): number;
  /** 0 to 1. */
  random(): number;
}
