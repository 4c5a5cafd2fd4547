// Which snapshots RDS exports, with the reason for each one that it does not.
import { describe, expect, it } from "vitest";
import type { Snapshot } from "../../../../lambdas/replication/exports/snapshot.ts";
import { reasonOfAge, validateSnapshot } from "../../../../lambdas/replication/exports/validate-snapshot.ts";
import { hoursAgo, rules, snapshot } from "./snapshot-facts.ts";

const judge = (changes: Partial<Snapshot>) => validateSnapshot(snapshot(changes), rules);

describe("a snapshot", () => {
  it.each<[string, Partial<Snapshot>]>([
    ["an automated one", {}],
    ["a manual one", { type: "manual" }],
    ["one of AWS Backup", { type: "awsbackup" }],
    ["one that is not encrypted", { isEncrypted: false, kmsKeyId: null, encryptionType: "none" }],
    ["one encrypted by RDS's own key", { kmsKeyId: null, encryptionType: "sse-rds" }],
    ["one encrypted by a key that is named by its id", { kmsKeyId: "0a1b" }],
    ["one of unknown size", { sizeBytes: null }],
    ["MySQL 5.7.24", { engineVersion: "5.7.24" }],
    ["MySQL of a later branch", { engineVersion: "8.4.3" }],
    ["MariaDB 11.4", { engine: "mariadb", engineVersion: "11.4.3" }],
    ["PostgreSQL 10.7", { engine: "postgres", engineVersion: "10.7" }],
    ["PostgreSQL 17", { engine: "postgres", engineVersion: "17.2" }],
    ["Aurora MySQL 2", { engine: "aurora-mysql", engineVersion: "5.7.mysql_aurora.2.11.2" }],
    ["Aurora MySQL 3", { engine: "aurora-mysql", engineVersion: "8.0.mysql_aurora.3.08.0" }],
    ["Aurora PostgreSQL", { engine: "aurora-postgresql", engineVersion: "16.4", isCluster: true }],
  ])("can be exported: %s", (_what, changes) => {
    expect(judge(changes)).toEqual({ isExportable: true });
  });

  it.each<[Partial<Snapshot>, RegExp]>([
    [{ status: "failed" }, /^unusable: its status is failed/],
    [{ status: "" }, /^unusable: its status is \(none\)/],
    [{ engine: "oracle-ee", engineVersion: "19" }, /^engine: RDS exports no snapshots of oracle-ee, only of mysql, /],
    [{ engine: "custom-sqlserver-ee" }, /^engine: /],
    [{ engine: "" }, /an unknown engine/],
    [{ engine: "aurora", engineMode: "serverless", isCluster: true }, /^engine mode: /],
    [{ engineVersion: "5.6.39" }, /^version: RDS exports mysql from 5.6.40 on, and this is 5.6.39/],
    [{ engineVersion: "8.0.11" }, /from 8.0.13 on/],
    [{ engineVersion: "5.5.61" }, /^version: /],
    [{ engineVersion: "unknown" }, /is not known$/],
    [{ engine: "mariadb", engineVersion: "10.2.11" }, /from 10.2.12 on/],
    [{ engine: "postgres", engineVersion: "11.1" }, /from 11.2 on/],
    [{ engine: "aurora-mysql", engineVersion: "5.7.mysql_aurora.2.04.3" }, /from 2.4.4 on/],
    [{ storageType: "standard" }, /magnetic/],
    [{ kmsKeyId: null }, /^encrypted: RDS names no key/],
    [{ kmsKeyId: "arn:aws:kms:us-east-1:111111111111:key/k" }, /^encrypted: its key is in us-east-1/],
    [{ sizeBytes: 17 * 1024 ** 4 }, /^too large: 18691697672192 bytes/],
    [{ takenAt: null }, /^no time: /],
    [{ arn: "arn:aws:rds:us-east-1:111111111111:snapshot:s" }, /^other region: it is in us-east-1/],
  ])("is refused as a problem: %j", (changes, reason) => {
    expect(judge(changes)).toEqual({ isExportable: false, isProblem: true, reason: expect.stringMatching(reason) });
  });

  it.each<[Partial<Snapshot>, RegExp]>([
    [
      { type: "shared", arn: "arn:aws:rds:eu-central-1:999900001111:snapshot:s" },
      /^shared: it belongs to the account 999900001111/,
    ],
    [{ type: "public", arn: "arn:aws:rds:eu-central-1:999900001111:snapshot:s" }, /^public: /],
    [{ type: "manual", arn: "arn:aws:rds:eu-central-1:999900001111:snapshot:s" }, /copy it into this account/],
    [{ status: "creating" }, /^not yet: its status is creating/],
    [{ status: "copying" }, /^not yet/],
    [{ status: "deleting" }, /^going/],
  ])("is passed over without a complaint: %j", (changes, reason) => {
    expect(judge(changes)).toEqual({ isExportable: false, isProblem: false, reason: expect.stringMatching(reason) });
  });

  it("keeps the recovery point objective by what it holds, not by when it was copied", () => {
    expect(reasonOfAge(snapshot({ takenAt: hoursAgo(26), createdAt: hoursAgo(1) }), rules)).toBeUndefined();
    expect(reasonOfAge(snapshot({ takenAt: hoursAgo(27.5), createdAt: hoursAgo(1) }), rules)).toMatch(/27 hours ago/);
  });
});
