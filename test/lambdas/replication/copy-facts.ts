// Facts for tests of the rules: one backup, its plan, its item in the Copies table, each with what a test wants otherwise.
import type { ListedBackup, SourceBackup } from "../../../lambdas/replication/backup.ts";
import { crc64Nvme, crc64Xz } from "../../../lambdas/replication/checksums/crc64.ts";
import type { Copy, CopyPlan } from "../../../lambdas/replication/copy.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { lengthOfRange, rangeOfPart } from "../../../lambdas/replication/plan-parts.ts";
import type { StoredPart } from "../../../lambdas/replication/targets/target.ts";
import { seededContent } from "../../../local/aliyun-rds/seeded-content.ts";

export const at = "2026-11-20T12:00:00.000Z";
export const now = Date.parse(at);
export const copyId = "aliyun-rds:rm-1:77";
export const key = "mysql/rm-1/2026/11/19/77/hins1_data.xb";
export const mark = "upload-mark-1";
export const runId = "run-1";
export const me = "arn:aws:states:eu-central-1:1:execution:replicate:me";
export const somebody = "arn:aws:states:eu-central-1:1:execution:replicate:somebody";

export function someBytes(length: number, seed = 1): Buffer {
  return seededContent(seed)(0, length);
}

export function crc64Of(bytes: Buffer): string {
  const running = crc64Xz.start();
  running.update(bytes);
  return crc64Xz.format(running.digest());
}

export function nvmeOf(bytes: Buffer): string {
  const running = crc64Nvme.start();
  running.update(bytes);
  return crc64Nvme.format(running.digest());
}

export const listedBackup: ListedBackup = {
  copyId,
  source: "aliyun-rds",
  instanceId: "rm-1",
  engine: "mysql",
  backupId: "77",
  fileName: "hins1_data.xb",
  sizeBytes: 10_000,
  startedAt: "2026-11-19T18:02:00.000Z",
  crc64: null,
  restorability: "physical",
  instanceDeleted: false,
  force: false,
};

export const sourceBackup: SourceBackup = {
  source: "aliyun-rds",
  instanceId: "rm-1",
  engine: "mysql",
  backupId: "77",
  fileName: "hins1_data.xb",
  sizeBytes: 10_000,
  method: "Physical",
  type: "FullBackup",
  status: "Success",
  startedAt: "2026-11-19T18:02:00.000Z",
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

/** A plan for these bytes, in parts of this size; the source states no checksum unless told. */
export function planFor(bytes: Buffer, partBytes: number, more: Partial<CopyPlan> = {}): CopyPlan {
  return {
    sizeBytes: bytes.length,
    partBytes,
    partCount: Math.ceil(bytes.length / partBytes),
    rangesPerPart: 1,
    bucket: "backups",
    key,
    uploadId: "upload-1",
    uploadMark: mark,
    sourceFacts: { sizeBytes: bytes.length, etag: '"memory-1"', crc64: null },
    inventoryCrc64: null,
    replacesEtag: null,
    plannedAt: at,
    ...more,
  };
}

/** The ledger as it is when every part was acknowledged. */
export function ledgerFor(bytes: Buffer, plan: Pick<CopyPlan, "sizeBytes" | "partBytes" | "partCount">): LedgerPart[] {
  return Array.from({ length: plan.partCount }, (_, index) => {
    const range = rangeOfPart(plan, index + 1);
    const part = bytes.subarray(range.first, range.last + 1);
    return {
      partNumber: index + 1,
      offset: range.first,
      bytes: lengthOfRange(range),
      etag: `"etag-${index + 1}"`,
      crc64: crc64Of(part),
      checksum: nvmeOf(part),
    };
  });
}

export function storedAs(row: LedgerPart): StoredPart {
  return { partNumber: row.partNumber, bytes: row.bytes, etag: row.etag, checksum: row.checksum };
}

export function copyOf(more: Partial<Copy> = {}): Copy {
  return {
    copyId,
    backup: listedBackup,
    restorability: "physical",
    state: "copying",
    key,
    claim: { executionArn: me, expiresAt: new Date(now + 1_200_000).toISOString() },
    ...more,
  };
}
