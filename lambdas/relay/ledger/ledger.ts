// What the ledger promises, and the shapes it takes: charged + reserved ≤ limit at every instant, settled exactly once.
import type { UsageRecord } from "../counting/usage-record.ts";
import type { KeyPolicy } from "./key-policy.ts";

/** A key as the ledger's item holds it, at one version. */
export interface LedgerKey {
  readonly keyId: string;
  readonly version: number;
  readonly isEnabled: boolean;
  readonly policy: KeyPolicy;
  /** Milliseconds since 1970; undefined: never. From first use: set by the first reservation. */
  readonly expiresAt: number | undefined;
  /** Set where expiry counts from first use and the key is still unused: days. */
  readonly daysFromFirstUse: number | undefined;
  /** Hashes of the secrets that are valid, each with its end (rotation), or null. */
  readonly secrets: Readonly<Record<string, number | null>>;
  /** Spent and reserved by window name. */
  readonly used: Readonly<Record<string, number>>;
  readonly balanceNanoUsd: number | undefined;
  readonly leaseCount: number;
}

export interface ReserveRequest {
  readonly requestId: string;
  readonly key: LedgerKey;
  /** Worst case of this request so far, charged cost (multiplier applied). */
  readonly nanoUsd: number;
  readonly tokens: number;
  /** Family of the model asked, where prices know one. */
  readonly family: string | undefined;
  readonly now: number;
  /** When the lease ends unless it is extended: beyond what the invocation may live. */
  readonly leaseUntil: number;
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
  /** The key as the reservation left it: for headers that tell what is left. */
  readonly key: LedgerKey;
}

export interface Ledger {
  /** Throws `Refusal` (KeyInvalid, KeyDisabled, KeyExpired, RequestsPerMinute, TokensPerMinute, ConcurrencyReached, BudgetReached, BalanceSpent), or `AwsUnavailable`. */
  reserve(request: ReserveRequest): Promise<Lease>;
  /** Throws `Refusal` when the limit does not allow it, the key was switched off, or the lease was swept. */
  extend(
    lease: Lease,
    more: { readonly nanoUsd: number; readonly tokens: number; readonly now: number; readonly leaseUntil: number },
  ): Promise<Lease>;
  /** Once, whatever is called how often: record first, then the lease. `lease` undefined: only the record (refused or free requests). */
  settle(lease: Lease | undefined, record: UsageRecord): Promise<void>;
}
