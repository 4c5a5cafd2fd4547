// The port for where backups are listed and their download addresses are handed out.
import type { SourceBackup } from "../backup.ts";

export interface InventoryWindow {
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
}

export interface InventoryFilter {
  /** Empty: every instance of the account in the region. */
  readonly instanceIds: readonly string[];
  readonly window: InventoryWindow;
  /** FullBackup, IncrementalBackup; empty: all. */
  readonly types: readonly string[];
  /** Logical, Physical, Snapshot; empty: all. */
  readonly methods: readonly string[];
  readonly includeDeletedInstances: boolean;
}

export interface InstanceProblem {
  readonly instanceId: string;
  /** A sentence for the operator. */
  readonly reason: string;
  /** The vendor says that there is no such instance. */
  readonly isUnknown?: boolean;
}

/** An instance as the vendor lists it; null where it says nothing. */
export interface SourceInstance {
  readonly source: string;
  readonly instanceId: string;
  readonly description: string | null;
  /** Lower case, as of a backup. */
  readonly engine: string;
  readonly engineVersion: string | null;
  /** The vendor's own word. */
  readonly status: string | null;
}

export interface InstancePage {
  readonly instances: readonly SourceInstance[];
  readonly hasMore: boolean;
}

export interface BackupRef {
  readonly instanceId: string;
  readonly backupId: string;
  readonly instanceDeleted: boolean;
  /** RFC 3339; narrows the search. */
  readonly startedAt: string;
}

export interface LocatedBackup {
  readonly backup: SourceBackup;
  /** Where to read it; a secret until it expires. */
  readonly address: string;
  /** RFC 3339, read from the address itself; null where it does not say. */
  readonly addressExpiresAt: string | null;
}

/** Errors (CausewayError): `SourceUnavailable`, `SourceThrottled`, `SourceRefused`, `SecretMissing`, `BackupNotFound`. */
export interface BackupInventory {
  /**
   * All pages. An instance that cannot be listed is told to `onProblem` and left out: it must not keep the others from
   * being copied. What concerns all of them (the key pair, the whole service) is thrown.
   */
  list(filter: InventoryFilter, onProblem: (problem: InstanceProblem) => void): AsyncIterable<SourceBackup>;
  /** A fresh address of one backup. */
  locate(ref: BackupRef): Promise<LocatedBackup>;
}

export interface InstancePageQuery {
  readonly number: number;
  readonly size: number;
  /** Only this one, if it is there. */
  readonly instanceId?: string;
}

/** Which instances there are. Errors as those of the inventory. */
export interface InstanceDirectory {
  /** One page, `number` from 1, of at most `size` instances (1 to 100). Deleted ones are not among them. */
  instances(page: InstancePageQuery): Promise<InstancePage>;
}
