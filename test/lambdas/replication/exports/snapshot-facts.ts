// A snapshot as RDS lists a good one, for tests to change; and the rules that it is judged by.
import type { ChoiceRules } from "../../../../lambdas/replication/exports/choose-snapshots.ts";
import type { Snapshot } from "../../../../lambdas/replication/exports/snapshot.ts";

export const accountId = "111111111111";
export const region = "eu-central-1";
export const now = Date.parse("2026-11-20T12:00:00.000Z");

export function hoursAgo(hours: number): string {
  return new Date(now - hours * 3_600_000).toISOString();
}

export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  const { snapshotId = "orders-1", databaseId = "orders", isCluster = false } = changes;
  return {
    arn: `arn:aws:rds:${region}:${accountId}:${isCluster ? "cluster-snapshot" : "snapshot"}:${snapshotId}`,
    snapshotId,
    databaseId,
    isCluster,
    engine: "mysql",
    engineVersion: "8.0.39",
    engineMode: null,
    type: "automated",
    status: "available",
    takenAt: hoursAgo(2),
    createdAt: hoursAgo(2),
    sizeBytes: 20 * 1024 ** 3,
    storageType: "gp3",
    isEncrypted: true,
    encryptionType: "sse-kms",
    kmsKeyId: `arn:aws:kms:${region}:${accountId}:key/k`,
    ...changes,
  };
}

export const rules: ChoiceRules = {
  nowMilliseconds: now,
  recoveryPointObjectiveHours: 26,
  largestSnapshotBytes: 16 * 1024 ** 4,
  accountId,
  region,
  force: false,
  liveDatabases: new Set(["instance:orders", "cluster:ledger"]),
};
