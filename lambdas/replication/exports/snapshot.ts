// An RDS snapshot as the replication room knows it, and the names that follow from it: export id, task id, place in S3.
import { createHash } from "node:crypto";
import * as z from "zod";
import { CausewayError } from "../../shared/errors.ts";

/** As RDS lists it. Times are RFC 3339 UTC; null where RDS says nothing. */
export interface Snapshot {
  readonly arn: string;
  readonly snapshotId: string;
  /** Identifier of the DB instance or cluster. */
  readonly databaseId: string;
  readonly isCluster: boolean;
  /** RDS's own name: mysql, postgres, aurora-mysql, oracle-ee … */
  readonly engine: string;
  readonly engineVersion: string;
  /** Of clusters: provisioned, serverless (version 1) … */
  readonly engineMode: string | null;
  /** automated, manual, awsbackup, shared, public. */
  readonly type: string;
  readonly status: string;
  /** The recovery point: the last transaction where RDS states it, else when the snapshot was first made. */
  readonly takenAt: string | null;
  readonly createdAt: string | null;
  readonly sizeBytes: number | null;
  readonly storageType: string | null;
  readonly isEncrypted: boolean;
  /** `none`, `sse-kms`, `sse-rds`; null where RDS does not say. */
  readonly encryptionType: string | null;
  readonly kmsKeyId: string | null;
}

/** A line of the list that the state machine's map reads, and what the Exports table keeps of a snapshot. */
export const exportableSnapshotSchema = z.object({
  arn: z.string(),
  snapshotId: z.string(),
  databaseId: z.string(),
  isCluster: z.boolean(),
  engine: z.string(),
  engineVersion: z.string(),
  type: z.string(),
  takenAt: z.string().nullable(),
  createdAt: z.string().nullable(),
  sizeBytes: z.number().nullable(),
  isEncrypted: z.boolean(),
});

export type ExportableSnapshot = z.infer<typeof exportableSnapshotSchema>;

export const exportLineSchema = z.object({
  exportId: z.string(),
  snapshot: exportableSnapshotSchema,
  force: z.boolean(),
});

export type ExportLine = z.infer<typeof exportLineSchema>;

/** What of a listed snapshot goes on: not what was only needed to judge it. */
export function exportableOf(snapshot: Snapshot): ExportableSnapshot {
  return exportableSnapshotSchema.parse(snapshot);
}

/** The folder of each engine that can be exported; Aurora lies beside what it is compatible with, and is mirrored with it. */
const engineFolders: Readonly<Record<string, string>> = {
  mysql: "mysql",
  mariadb: "mariadb",
  postgres: "postgresql",
  aurora: "mysql",
  "aurora-mysql": "mysql",
  "aurora-postgresql": "postgresql",
};

export const exportEngines: readonly string[] = Object.keys(engineFolders);

/** `<prefix><engine>/rds-exports/<database id>`, without a slash at its end: what StartExportTask takes as S3Prefix. */
export function exportPrefixOf(keyPrefix: string, snapshot: Pick<Snapshot, "engine" | "databaseId">): string {
  const folder = engineFolders[snapshot.engine];
  if (folder === undefined) {
    throw new CausewayError("SnapshotNotExportable", `Snapshots of ${snapshot.engine} cannot be exported.`);
  }
  return `${keyPrefix}${folder}/rds-exports/${snapshot.databaseId}`;
}

const hashLetters = 40;
/** The id stays below RDS's 60 characters for any of them. */
export const highestAttempt = 999;

/** `e` and 40 hex digits: one snapshot has one, whoever exports it and how often. */
export function exportIdOf(snapshotArn: string): string {
  return `e${createHash("sha256").update(snapshotArn).digest("hex").slice(0, hashLetters)}`;
}

/** RDS keeps the ids of tasks for ever: each attempt has its own. */
export function taskIdOf(exportId: string, attempt: number): string {
  return `${exportId}-a${attempt}`;
}

/** The attempt that a task of this export is; undefined for a task of anybody else's. */
export function attemptOf(exportId: string, taskId: string): number | undefined {
  const [, attempt] = new RegExp(`^${exportId}-a(\\d{1,4})$`).exec(taskId) ?? [];
  return attempt === undefined ? undefined : Number(attempt);
}

/** True for ids as `taskIdOf` makes them, of any snapshot. */
export function isTaskId(taskId: string): boolean {
  return /^e[0-9a-f]{40}-a\d{1,4}$/.test(taskId);
}
