// One item of the Exports table: what is known of the export of one snapshot, who holds it, and what came of it.
import type { Claim } from "../copy.ts";
import type { ExportableSnapshot } from "./snapshot.ts";

export const exportStates = ["waiting", "running", "complete", "partial", "failed", "cancelled", "refused"] as const;
export type ExportState = (typeof exportStates)[number];

export interface ExportFailure {
  readonly executionArn: string;
  readonly error: string;
  readonly cause: string;
  readonly at: string;
}

export interface ExportResult {
  readonly bucket: string;
  /** `<key prefix><engine>/rds-exports/<database id>`; the files lie below `<prefix>/<task id>/`. */
  readonly prefix: string;
  readonly taskId: string;
  readonly tables: number;
  readonly files: number;
  readonly bytes: number;
  /** What a partial export lacks, the first hundred; empty for a complete one. */
  readonly missing: readonly string[];
  readonly missingCount: number;
  readonly schema: "kept" | "not-kept" | "none";
  readonly receiptKey: string;
  readonly receiptSha256: string;
  readonly completedAt: string;
  /** Which execution recorded it: its own repeated call is answered, not refused. */
  readonly executionArn: string;
  readonly runId: string;
}

export interface ExportItem {
  readonly exportId: string;
  readonly snapshot: ExportableSnapshot;
  readonly state: ExportState;
  /** RFC 3339; with `listing` it is the item's place in the index byChange. */
  readonly changedAt: string;
  readonly listing: "export";
  readonly queuedAt?: string;
  /** Asked for by its ARN: it keeps its place although a newer snapshot has come. */
  readonly requested?: boolean;
  readonly force?: boolean;
  readonly claim?: Claim;
  /** Number of the last attempt, and the execution that chose it. */
  readonly attempt?: number;
  readonly attemptBy?: string;
  readonly taskId?: string;
  /** When Causeway saw the task running first. */
  readonly startedAt?: string;
  readonly lastError?: ExportFailure;
  /** The execution that ended its work on the item last. */
  readonly endedBy?: string;
  readonly result?: ExportResult;
}

/** After so many attempts at the same snapshot a person should look; `force` tries all the same. */
export const mostAttempts = 5;
