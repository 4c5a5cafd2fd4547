// The snapshot: everything of `RelayAccounts` that a request needs to choose, at most two seconds old, read by one query.
import type { Price } from "../counting/price.ts";
import type { RelaySettings } from "../settings.ts";
import type { Account } from "./account.ts";
import type { Group } from "./group.ts";

/** Sums of one minute; answers of all Lambdas. */
export interface MinuteFigures {
  /** Whole minutes since 1970. */
  readonly minute: number;
  /** Attempts that ended, failed ones too. */
  readonly answers: number;
  readonly errors: number;
  /** Sum of milliseconds to the first byte, of the answers that were no errors. */
  readonly firstByteMilliseconds: number;
}

/** One shard of an account's slots, at most 50 leases. */
export interface SlotShard {
  readonly shard: number;
  /** Leases that are not over. */
  readonly taken: number;
  /** When it was last assigned, milliseconds since 1970; 0: never. */
  readonly lastAssignedAt: number;
  /** The last few minutes, and older ones that nobody has dropped yet. */
  readonly figures: readonly MinuteFigures[];
  /** Real cost in nano-USD by UTC day (`20261120`); days that are over too, until somebody drops them. */
  readonly spentByDay: Readonly<Record<string, number>>;
}

/** What this environment did with an account that the snapshot does not show yet. It changes while requests come and go. */
export interface OwnTraffic {
  /** Taken less released; may be below 0. */
  open: number;
  /** Milliseconds since 1970; 0: never. */
  lastAssignedAt: number;
}

export interface AccountView {
  readonly account: Account;
  readonly shards: readonly SlotShard[];
  readonly own: OwnTraffic;
}

export interface Snapshot {
  /** When its query began, milliseconds since 1970. */
  readonly readAt: number;
  readonly accounts: readonly AccountView[];
  readonly groups: readonly Group[];
  /** Price overrides; the reviewed table of the repository comes after them. */
  readonly priceOverrides: readonly Price[];
  readonly settings: RelaySettings;
}

export function noTraffic(): OwnTraffic {
  return { open: 0, lastAssignedAt: 0 };
}
