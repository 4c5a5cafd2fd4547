// The verdict on each kind of backup, and its reason in words.
// Which backups are copied, and the reason for each that is not.
import { describe, expect, it } from "vitest";
import type { SourceBackup } from "../../../lambdas/replication/backup.ts";
import { validateBackup } from "../../../lambdas/replication/validate-backup.ts";

const now = Date.parse("2026-11-20T12:00:00Z");
const rules = { nowMilliseconds: now, maximumAgeHours: 72, largestObjectBytes: 1000 };

const good: SourceBackup = {
  source: "aliyun-rds",
  instanceId: "rm-1",
  engine: "mysql",
  backupId: "1",
  fileName: "a.xb",
  sizeBytes: 1000,
  method: "Physical",
  type: "FullBackup",
  status: "Success",
  startedAt: "2026-11-20T00:00:00.000Z",
  endedAt: null,
  expiresAt: null,
  crc64: null,
  isAvailable: true,
  metaStatus: "OK",
  isEncrypted: false,
  isArchived: false,
  hasLink: true,
  instanceDeleted: false,
  hostInstanceId: null,
};

describe("a backup", () => {
  it("is copied when nothing speaks against it, physical or logical", () => {
    expect(validateBackup(good, rules)).toEqual({ copyable: true, restorability: "physical" });
    expect(validateBackup({ ...good, method: "Logical" }, rules)).toEqual({ copyable: true, restorability: "logical" });
  });

  it.each<[string, Partial<SourceBackup>, RegExp]>([
    ["failed", { status: "Failed" }, /^failed: .*Failed/],
    ["a snapshot", { method: "Snapshot", hasLink: false, fileName: null }, /^snapshot-only/],
    ["left over from a failed task", { metaStatus: "EMPTY" }, /^empty: MetaStatus/],
    ["of no bytes", { sizeBytes: 0 }, /^empty: .*0 bytes/],
    ["encrypted by the vendor", { isEncrypted: true }, /^encrypted/],
    ["not available", { isAvailable: false }, /^unavailable/],
    ["archived", { isArchived: true }, /^archived/],
    ["of unknown size", { sizeBytes: Number.NaN }, /^size unknown/],
    ["larger than an object can be", { sizeBytes: 1001 }, /^too large: 1001 bytes.*1000/],
    ["of unknown start", { startedAt: null }, /^start time unknown/],
    ["too old", { startedAt: "2026-11-17T11:00:00.000Z" }, /^too old: 73 hours.*72/],
    ["past the vendor's deletion", { expiresAt: "2026-11-20T11:59:59Z" }, /^expired/],
    ["without a link", { hasLink: false }, /^no link/],
  ])("%s is refused with the reason", (_, change, reason) => {
    const verdict = validateBackup({ ...good, ...change }, rules);
    expect(verdict.copyable).toBe(false);
    expect(verdict).toHaveProperty("reason", expect.stringMatching(reason));
  });

  it("of any age is copied where no age is set", () => {
    const old = { ...good, startedAt: "2016-11-20T00:00:00.000Z" };
    expect(validateBackup(old, { ...rules, maximumAgeHours: 0 })).toHaveProperty("copyable", true);
  });
});
