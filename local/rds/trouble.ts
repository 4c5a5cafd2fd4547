// Trouble that an export can be given, for tests of whoever starts exports.

export type Trouble = { /** Id or ARN; absent: whichever export starts next. */ readonly snapshotId?: string } & (
  | {
      /** COMPLETE, with these tables left out and named in WarningMessage. */
      readonly outcome: "skip-tables";
      /** `database.schema.table`; default: the last one. */
      readonly tables?: readonly string[];
    }
  /** COMPLETE, everything written, with a reason in WarningMessage's `general`. */
  | { readonly outcome: "general-warning"; readonly reason?: string }
  /** COMPLETE, everything written, with an entry in WarningMessage's `skippedObjectives`. */
  | { readonly outcome: "skipped-objectives"; readonly reason?: string }
  /** COMPLETE without any warning, but one table's status in export_tables_info is FAILED. Default: the last table. */
  | { readonly outcome: "failed-table"; readonly table?: string }
  /** COMPLETE, and nothing is missing: export_tables_info merely has an entry with a warning for the database `postgres`. */
  | { readonly outcome: "database-warning" }
  /** FAILED after so many tables (default 1); what was written by then stays. */
  | { readonly outcome: "fail"; readonly cause?: string; readonly afterTables?: number }
  /** The snapshot goes as soon as the task is IN_PROGRESS; the task goes on, as it does in AWS. */
  | { readonly outcome: "snapshot-deleted" }
  /** Each table takes so long in cloud time. Default an hour. */
  | { readonly outcome: "slow"; readonly secondsPerTable?: number }
);

/** Arrangements that no export has used up. */
const mostArranged = 1_000;

export class Troubles {
  readonly #waiting: Trouble[] = [];

  add(trouble: Trouble): void {
    if (this.#waiting.length >= mostArranged)
      throw new Error(`More than ${mostArranged} arrangements wait for an export.`);
    this.#waiting.push(trouble);
  }

  /** The oldest one that is meant for this snapshot; it is used up by that. */
  take(snapshot: { readonly snapshotId: string; readonly arn: string }): Trouble | undefined {
    const index = this.#waiting.findIndex(
      ({ snapshotId }) => snapshotId === undefined || snapshotId === snapshot.snapshotId || snapshotId === snapshot.arn,
    );
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0];
  }
}
