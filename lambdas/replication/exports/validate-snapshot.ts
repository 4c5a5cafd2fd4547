// Which snapshots RDS can export, and for each one that it cannot, the reason in a sentence.
// Source: "Exporting DB snapshot data to Amazon S3" in the user guides of RDS and Aurora.
import { exportEngines, type Snapshot } from "./snapshot.ts";

export interface SnapshotRules {
  readonly nowMilliseconds: number;
  readonly recoveryPointObjectiveHours: number;
  readonly largestSnapshotBytes: number;
  readonly accountId: string;
  readonly region: string;
}

export type SnapshotVerdict =
  | { readonly isExportable: true }
  /** `isProblem`: somebody should look at it; otherwise it is only not our business, or not yet. */
  | { readonly isExportable: false; readonly reason: string; readonly isProblem: boolean };

/** Everything but the age, which counts for the newest snapshot of a database alone. The first reason wins. */
export function validateSnapshot(snapshot: Snapshot, rules: SnapshotRules): SnapshotVerdict {
  const beside = reasonToPassOver(snapshot, rules);
  if (beside !== undefined) return { isExportable: false, reason: beside, isProblem: false };
  const reason = reasonAgainst(snapshot, rules);
  return reason === undefined ? { isExportable: true } : { isExportable: false, reason, isProblem: true };
}

const hourMilliseconds = 3_600_000;

/** Why the newest snapshot of a database does not keep the recovery point objective; undefined if it does. */
export function reasonOfAge(snapshot: Snapshot, rules: SnapshotRules): string | undefined {
  if (snapshot.takenAt === null) return "no time: RDS states neither the last transaction nor when it was made";
  const hours = (rules.nowMilliseconds - Date.parse(snapshot.takenAt)) / hourMilliseconds;
  if (hours <= rules.recoveryPointObjectiveHours) return undefined;
  return (
    `too old: the newest usable snapshot of ${snapshot.databaseId} holds what was there ${Math.floor(hours)} hours ago, ` +
    `and the recovery point objective is ${rules.recoveryPointObjectiveHours}`
  );
}

/** Statuses that end by themselves. */
const passingStatuses = ["creating", "copying", "pending", "backing-up", "modifying"];

function reasonToPassOver(snapshot: Snapshot, rules: SnapshotRules): string | undefined {
  const [, , , , account = ""] = snapshot.arn.split(":");
  if (snapshot.type === "shared" || snapshot.type === "public" || account !== rules.accountId) {
    return (
      `${snapshot.type === "public" ? "public" : "shared"}: it belongs to the account ${account}, and only an account's ` +
      "own snapshots are exported; copy it into this account, then the copy can be"
    );
  }
  if (passingStatuses.includes(snapshot.status)) return `not yet: its status is ${snapshot.status}`;
  if (snapshot.status === "deleting") return "going: it is being deleted";
  return undefined;
}

function reasonAgainst(snapshot: Snapshot, rules: SnapshotRules): string | undefined {
  const [, , , region = ""] = snapshot.arn.split(":");
  if (region !== rules.region) {
    return `other region: it is in ${region}, and RDS exports only into a bucket of the same region (${rules.region})`;
  }
  if (!exportEngines.includes(snapshot.engine)) {
    return `engine: RDS exports no snapshots of ${snapshot.engine || "an unknown engine"}, only of ${exportEngines.join(", ")}`;
  }
  if (snapshot.engineMode === "serverless") return "engine mode: RDS exports no snapshots of Aurora Serverless v1";
  const version = reasonOfVersion(snapshot);
  if (version !== undefined) return version;
  if (snapshot.storageType === "standard") return "storage: RDS exports nothing from magnetic storage";
  if (snapshot.status !== "available") return `unusable: its status is ${snapshot.status || "(none)"}, not available`;
  const encryption = reasonOfEncryption(snapshot, rules);
  if (encryption !== undefined) return encryption;
  if (snapshot.sizeBytes !== null && snapshot.sizeBytes > rules.largestSnapshotBytes) {
    return `too large: ${snapshot.sizeBytes} bytes, and replication.exports.largestSnapshotBytes is ${rules.largestSnapshotBytes}`;
  }
  if (snapshot.takenAt === null) return reasonOfAge(snapshot, rules);
  return undefined;
}

function reasonOfEncryption(snapshot: Snapshot, rules: SnapshotRules): string | undefined {
  if (!snapshot.isEncrypted || snapshot.encryptionType === "sse-rds") return undefined;
  const { kmsKeyId } = snapshot;
  if (kmsKeyId === null || kmsKeyId === "")
    return "encrypted: RDS names no key, and without its key nothing can be read";
  const [, , , keyRegion = rules.region] = kmsKeyId.startsWith("arn:") ? kmsKeyId.split(":") : [];
  if (keyRegion !== rules.region) return `encrypted: its key is in ${keyRegion}, out of reach from ${rules.region}`;
  return undefined;
}

/** By branch, the oldest version that can be exported; branches above the last one can all be. */
const oldestVersions: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  mysql: { "5.6": "5.6.40", "5.7": "5.7.24", "8.0": "8.0.13" },
  mariadb: { "10.0": "10.0.32", "10.1": "10.1.26", "10.2": "10.2.12", "10.3": "10.3" },
  postgres: { "9.4": "9.4.21", "9.5": "9.5.16", "9.6": "9.6.12", "10": "10.7", "11": "11.2" },
  // Aurora's own version follows that of MySQL: 5.7.mysql_aurora.2.11.4.
  aurora: { "1": "1.19.2" },
  "aurora-mysql": { "2": "2.4.4", "3": "3" },
  "aurora-postgresql": { "9.6": "9.6.11", "10": "10.6", "11": "11" },
};

function reasonOfVersion({ engine, engineVersion }: Snapshot): string | undefined {
  const version = /^\d+(\.\d+)*/.exec(/mysql_aurora\.(.+)$/.exec(engineVersion)?.[1] ?? engineVersion)?.[0];
  if (version === undefined) return `version: ${engineVersion || "(none)"} of ${engine} is not known`;
  const branches = Object.entries(oldestVersions[engine] ?? {});
  const own = branches.find(([branch]) => version === branch || version.startsWith(`${branch}.`));
  const [newestBranch, newestLeast] = branches.at(-1) ?? ["0", "0"];
  if (own === undefined && compare(version, newestBranch) > 0) return undefined;
  const least = own?.[1] ?? newestLeast;
  if (own !== undefined && compare(version, least) >= 0) return undefined;
  return `version: RDS exports ${engine} from ${least} on, and this is ${engineVersion}`;
}

function compare(left: string, right: string): number {
  const [leftNumbers, rightNumbers] = [left, right].map((text) => text.split(".").map(Number));
  for (let index = 0; index < Math.max(leftNumbers?.length ?? 0, rightNumbers?.length ?? 0); index += 1) {
    const difference = (leftNumbers?.[index] ?? 0) - (rightNumbers?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
