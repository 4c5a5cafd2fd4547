// What the ledger promises, and the shapes it takes: charged + reserved ≤ limit at every instant, settled exactly once.
import type { UsageRecord } from "../counting/usage-record.ts";
import type { Platform } from "../platform.ts";
import type { KeyPolicy } from "./key-policy.ts";

/** A key as the ledger's item holds it, at one version. */
export interface LedgerKey {
  readonly keyId: string;
  readonly version: number;
  /** False for a deleted key, too. */
  readonly isEnabled: boolean;
  readonly isDeleted: boolean;
  readonly policy: KeyPolicy;
  /** Milliseconds since 1970; undefined: never. From first use: set by the first reservation. */
  readonly expiresAt: number | undefined;
  /** Set where expiry counts from first use: days. `expiresAt` is set as soon as the key was used. */
  readonly daysFromFirstUse: number | undefined;
  /** Hashes of the secrets that are valid, each with its end (rotation), or null. */
  readonly secrets: Readonly<Record<string, number | null>>;
  /** Spent and reserved by window name. */
  readonly used: Readonly<Record<string, number>>;
  /** Reservations are taken off; undefined: never was prepaid. */
  readonly balanceNanoUsd: number | undefined;
  /** Requests that run, as of the last whole read of the item; of a lease's key: beside it. */
  readonly leaseCount: number;
}

/** What a request may cost at most, by one policy. */
export interface Worst {
  /** Charged cost (multiplier applied). */
  readonly nanoUsd: number;
  readonly tokens: number;
}

/** What a swept record says of its request; a `Call` is one. */
export interface ReservedCall {
  readonly platform: Platform;
  readonly operation: string;
  readonly model: string;
  readonly answers: "json" | "sse" | "json-array";
}

export interface ReserveRequest extends Worst {
  readonly requestId: string;
  readonly key: LedgerKey;
  readonly call: ReservedCall;
  /** Whom the request will most likely be sent to: what is known of it if nobody settles it. */
  readonly accountId: string | undefined;
  /** Family of the model asked, where prices know one. */
  readonly family: string | undefined;
  readonly now: number;
  /** Whether the lease's key is to say how many requests run now; else it says what the given one did. */
  readonly asksForCount: boolean;
  /** When the lease ends unless it is extended: beyond what the invocation may live. */
  readonly leaseUntil: number;
  /**
   * The key was changed since it was read: everything of it has to be asked again (secret, platform, model, address), and
   * priced again. Throws the `Refusal` where the newer key does not allow the request.
   */
  readonly renewed: (newer: LedgerKey) => Worst | Promise<Worst>;
}

export interface Lease {
  readonly requestId: string;
  readonly keyId: string;
  readonly family: string | undefined;
  /** Window names it was reserved in. */
  readonly windows: readonly string[];
  readonly prepaid: boolean;
  /** Grows with extensions. */
  readonly nanoUsd: number;
  readonly tokens: number;
  readonly sequence: number;
  readonly admittedAt: number;
  /** The minute in which its tokens were counted; undefined where the key has no limit on them. */
  readonly minute: number | undefined;
  /** The key as the reservation left it: for headers that tell what is left. */
  readonly key: LedgerKey;
}

/** What a running request wants in addition. */
export interface More {
  readonly nanoUsd: number;
  readonly tokens: number;
  readonly now: number;
  readonly leaseUntil: number;
  /** Who serves it by now. */
  readonly accountId: string;
  /** The key was changed: throws the `Refusal` where what runs is not allowed any more. Its price stays that of the lease. */
  readonly renewed: (newer: LedgerKey) => void;
}

export interface Ledger {
  /** As it is now; undefined: there is none. Throws `AwsUnavailable`. */
  readKey(keyId: string): Promise<LedgerKey | undefined>;
  /**
   * Throws `Refusal` (KeyInvalid, KeyDisabled, KeyExpired, RequestsPerMinute, TokensPerMinute, ConcurrencyReached, BudgetReached,
   * BalanceSpent, or what `renewed` threw), or `AwsUnavailable`: then it may have happened all the same. A record of the refused
   * request (`settle` without a lease) makes sure that such a lease costs nothing. Waits where the policy has a line.
   */
  reserve(request: ReserveRequest): Promise<Lease>;
  /**
   * Gives the lease to go on with; what it holds is what the ledger holds. Throws `Refusal` when the limit does not allow it,
   * the key was switched off, or the lease was swept; `AwsUnavailable`: it may have happened, and `settle` copes with both.
   */
  extend(lease: Lease, more: More): Promise<Lease>;
  /**
   * Once, whatever is called how often: record first, then the lease. `lease` undefined: only the record (refused or free
   * requests). What was reserved, and the overrun, are written into the record here.
   */
  settle(lease: Lease | undefined, record: UsageRecord): Promise<void>;
}
