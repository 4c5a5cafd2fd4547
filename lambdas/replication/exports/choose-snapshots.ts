// Which of all snapshots are to be exported: of each database the newest that is usable and not exported yet.
import type { ExportItem } from "./export-item.ts";
import { mostAttempts } from "./export-item.ts";
import { exportIdOf, type Snapshot } from "./snapshot.ts";
import { reasonOfAge, type SnapshotRules, validateSnapshot } from "./validate-snapshot.ts";

export type Verdict =
  | "export"
  /** Something is wrong with it, and it is reported. */
  | "refused"
  /** Not usable, and nothing to worry about: another account's, not made yet, older than a usable one. */
  | "set-aside"
  /** A newer one of the same database takes its place. */
  | "superseded"
  | "already-exported";

export interface Choice {
  readonly exportId: string;
  readonly snapshot: Snapshot;
  readonly verdict: Verdict;
  /** A sentence; null for what is to be exported. */
  readonly reason: string | null;
  /** Somebody should be told: the reason is a problem. */
  readonly isReported: boolean;
}

export interface ChoiceRules extends SnapshotRules {
  readonly force: boolean;
  /** `databaseKeyOf` of the databases that exist now: the others owe no recovery point any more. */
  readonly liveDatabases: ReadonlySet<string>;
}

type Known = ReadonlyMap<string, Pick<ExportItem, "state" | "requested" | "attempt">>;

/** Instances and clusters have names of their own: the same identifier may be in both. */
export function databaseKeyOf(database: { isCluster: boolean; databaseId: string }): string {
  return `${database.isCluster ? "cluster" : "instance"}:${database.databaseId}`;
}

/** Judges every snapshot. `known` is what the Exports table has of them, by export id. */
export function chooseSnapshots(snapshots: readonly Snapshot[], known: Known, rules: ChoiceRules): Choice[] {
  const groups = new Map<string, Snapshot[]>();
  for (const snapshot of snapshots) {
    const key = databaseKeyOf(snapshot);
    groups.set(key, [...(groups.get(key) ?? []), snapshot]);
  }
  return [...groups.values()].flatMap((group) => chooseOfDatabase(group, known, rules));
}

/** Judges snapshots that somebody asked for: neither age nor a newer one speaks against them. */
export function chooseRequested(snapshots: readonly Snapshot[], known: Known, rules: ChoiceRules): Choice[] {
  return snapshots.map((snapshot) => {
    const item = known.get(exportIdOf(snapshot.arn));
    const verdict = validateSnapshot(snapshot, rules);
    if (item?.state === "running") return chosen(snapshot);
    if (!verdict.isExportable) return choice(snapshot, "refused", verdict.reason, true);
    if (isExported(item) && !rules.force) return exportedAlready(snapshot, item);
    return chosen(snapshot);
  });
}

function chooseOfDatabase(group: readonly Snapshot[], known: Known, rules: ChoiceRules): Choice[] {
  // The newest first; without a time, last.
  const ordered = [...group].sort((left, right) => (right.takenAt ?? "").localeCompare(left.takenAt ?? ""));
  let newestUsable: Snapshot | undefined;
  let isProblemReported = false;
  return ordered.map((snapshot) => {
    const item = known.get(exportIdOf(snapshot.arn));
    // What an earlier run began or was asked for keeps its place, whatever has come since.
    const isTakenUp = item?.state === "running" || (item?.state === "waiting" && item.requested === true);
    const verdict = validateSnapshot(snapshot, rules);
    if (!verdict.isExportable) {
      if (item?.state === "running") return chosen(snapshot);
      const isReported = verdict.isProblem && newestUsable === undefined && !isProblemReported;
      isProblemReported ||= isReported;
      return choice(snapshot, isReported ? "refused" : "set-aside", verdict.reason, isReported);
    }
    if (newestUsable !== undefined) {
      if (isTakenUp) return chosen(snapshot);
      const reason = `superseded: ${newestUsable.snapshotId} of the same database is newer`;
      return isExported(item) ? exportedAlready(snapshot, item) : choice(snapshot, "superseded", reason, false);
    }
    newestUsable = snapshot;
    return isTakenUp ? chosen(snapshot) : judgeNewest(snapshot, item, rules);
  });
}

function judgeNewest(
  snapshot: Snapshot,
  item: Pick<ExportItem, "state" | "attempt"> | undefined,
  rules: ChoiceRules,
): Choice {
  const age = reasonOfAge(snapshot, rules);
  if (isExported(item) && !rules.force) {
    // It was exported in time, but nothing newer has come: that is told, too.
    const isMissed = age !== undefined && rules.liveDatabases.has(databaseKeyOf(snapshot));
    return isMissed
      ? choice(snapshot, "already-exported", age, true)
      : choice(snapshot, "already-exported", exportedAlready(snapshot, item).reason, false);
  }
  if (age !== undefined) {
    if (rules.liveDatabases.has(databaseKeyOf(snapshot))) return choice(snapshot, "refused", age, true);
    const reason = `${age}; the database itself is gone: start a run with this snapshot's ARN to export it all the same`;
    return choice(snapshot, "set-aside", reason, false);
  }
  if (item?.state === "failed" && (item.attempt ?? 0) >= mostAttempts && !rules.force) {
    const reason = `given up: ${mostAttempts} attempts failed; see why, then start a run with its ARN and force`;
    return choice(snapshot, "refused", reason, true);
  }
  return chosen(snapshot);
}

function isExported(item: Pick<ExportItem, "state"> | undefined): boolean {
  return item?.state === "complete" || item?.state === "partial";
}

function exportedAlready(snapshot: Snapshot, item: Pick<ExportItem, "state"> | undefined): Choice {
  const reason = item?.state === "partial" ? "already exported, partially" : "already exported";
  return choice(snapshot, "already-exported", reason, false);
}

function chosen(snapshot: Snapshot): Choice {
  return choice(snapshot, "export", null, false);
}

function choice(snapshot: Snapshot, verdict: Verdict, reason: string | null, isReported: boolean): Choice {
  return { exportId: exportIdOf(snapshot.arn), snapshot, verdict, reason, isReported };
}
