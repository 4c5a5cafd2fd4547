// The snapshot: everything of `RelayAccounts` that a request needs to choose, at most two seconds old, read by one query.
import type { Price } from "../counting/price.ts";
import type { RelaySettings } from "../settings.ts";
import type { Account } from "./account.ts";
import type { Group } from "./group.ts";

/** Sums of one minute; answers of all Lambdas. */
export interface MinuteFigures {
  readonly minute: number;
  readonly answers: number;
  readonly errors: number;
  /** Sum of milliseconds to the first byte. */
  readonly firstByteMilliseconds: number;
}

/** One shard of an account's slots, at most 50 leases. */
export interface SlotShard {
  readonly shard: number;
  /** Leases that are not over. */
  readonly taken: number;
  /** When it was last assigned, milliseconds since 1970; 0: never. */
  readonly lastAssignedAt: number;
  /** The last few minutes. */
  readonly figures: readonly MinuteFigures[];
}

export interface AccountView {
  readonly account: Account;
  readonly shards: readonly SlotShard[];
}

export interface Snapshot {
  readonly readAt: number;
  readonly accounts: readonly AccountView[];
  readonly groups: readonly Group[];
  /** Price overrides; the reviewed table of the repository comes after them. */
  readonly priceOverrides: readonly Price[];
  readonly settings: RelaySettings;
}
