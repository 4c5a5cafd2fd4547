// What the answers of replication's HTTP API hold, as schemas: backups and snapshots as they are now, copies, exports.
import * as z from "zod";
import { restorabilities } from "../backup.ts";
import { copyStates, proofClasses } from "../copy.ts";
import { exportStates } from "../exports/export-item.ts";

/** A month is some five questions to Aliyun; an HTTP answer has 28 seconds. */
export const longestWindowDays = 31;

const time = z.string().describe("RFC 3339, UTC");
const timeOrNull = time.nullable();
const failure = z.object({ name: z.string(), cause: z.string(), at: time });

export const instanceShape = z.object({
  source: z.string(),
  instanceId: z.string(),
  description: z.string().nullable(),
  engine: z.string().describe("Lower case: mysql, mariadb, postgresql, sqlserver … or unknown"),
  engineVersion: z.string().nullable(),
  status: z.string().nullable().describe("The vendor's own word"),
  isScheduled: z.boolean().describe("The schedule copies its backups"),
});

/** No link is in it: a link is as good as a key. */
export const backupShape = z.object({
  copyId: z.string().describe("What its copy is, or would be, called"),
  source: z.string(),
  instanceId: z.string(),
  backupId: z.string(),
  engine: z.string(),
  fileName: z.string().nullable(),
  sizeBytes: z.number().nullable().describe("Null where the vendor reports no usable size"),
  method: z.string(),
  type: z.string(),
  status: z.string(),
  startedAt: timeOrNull,
  endedAt: timeOrNull,
  expiresAt: timeOrNull.describe("When the vendor deletes it"),
  crc64: z.string().nullable().describe("CRC-64/XZ as the vendor states it, unsigned decimal"),
  restorability: z.enum(restorabilities),
  instanceDeleted: z.boolean(),
  verdict: z
    .enum(["copyable", "refused", "copied"])
    .describe("Whether a run would copy it; copied: it is in S3 already, and only force copies it again"),
  reason: z.string().nullable().describe("Why it is refused"),
  copyState: z.enum(copyStates).nullable().describe("Of the copy, if there ever was one"),
});

export const windowShape = z.object({ start: time, end: time });

/** Two answers of one route: a page of instances, or one instance's backups. */
export const browsedBackups = z.discriminatedUnion("list", [
  z.object({ list: z.literal("instances"), items: z.array(instanceShape), cursor: z.string().nullable() }),
  z.object({
    list: z.literal("backups"),
    instanceId: z.string(),
    window: windowShape,
    /** The newest first, the whole window: `cursor` is null. */
    items: z.array(backupShape),
    cursor: z.null(),
  }),
]);

export const snapshotVerdicts = ["export", "refused", "set-aside", "superseded", "already-exported"] as const;

export const snapshotShape = z.object({
  exportId: z.string().describe("What its export is, or would be, called"),
  arn: z.string(),
  snapshotId: z.string(),
  databaseId: z.string(),
  isCluster: z.boolean(),
  engine: z.string(),
  engineVersion: z.string(),
  type: z.string(),
  status: z.string(),
  takenAt: timeOrNull.describe("The recovery point: the last transaction, as far as RDS states it"),
  createdAt: timeOrNull,
  sizeBytes: z.number().nullable(),
  isEncrypted: z.boolean(),
  verdict: z
    .enum(snapshotVerdicts)
    .describe(
      "What the next run does with it: export; refused: something is wrong with it; set-aside: not our business, or not yet; " +
        "superseded: a newer one takes its place; already-exported",
    ),
  reason: z.string().nullable(),
  exportState: z.enum(exportStates).nullable().describe("Of the export, if there ever was one"),
});

const result = z.object({
  bucket: z.string(),
  key: z.string(),
  versionId: z.string().nullable(),
  bytes: z.number(),
  proof: z.enum(proofClasses).describe("length-and-etag is a warning: it is not verified"),
  crc64: z.string(),
  completedAt: time,
  receiptKey: z.string(),
  jobId: z.string().describe("The run that made it"),
});

export const copyShape = z.object({
  copyId: z.string(),
  state: z.enum(copyStates),
  instanceId: z.string(),
  backupId: z.string(),
  engine: z.string(),
  fileName: z.string(),
  sizeBytes: z.number(),
  startedAt: time.describe("When the backup was begun"),
  restorability: z.enum(restorabilities),
  changedAt: timeOrNull,
  key: z.string().describe("Where the object is, or is to be"),
  error: failure.nullable().describe("Of the last attempt, if it failed"),
  result: result.nullable().describe("Of the last good copy"),
});

const receipt = z.object({
  key: z.string(),
  sha256: z.string().describe("Of the file as it was written"),
  document: z
    .looseObject({})
    .describe("The signed receipt, unchanged: `receipt` and `signature`; npx causeway verify checks it"),
});

export const copyWithReceipts = copyShape.extend({
  receipts: z.object({
    copy: receipt.nullable().describe("copy.json: Aliyun RDS = S3"),
    mirror: receipt.nullable().describe("mirror-oss.json: S3 = OSS, and the receipt of the copy that it goes on from"),
  }),
});

export const exportShape = z.object({
  exportId: z.string(),
  state: z.enum(exportStates),
  snapshotArn: z.string(),
  snapshotId: z.string(),
  databaseId: z.string(),
  isCluster: z.boolean(),
  engine: z.string(),
  takenAt: timeOrNull,
  sizeBytes: z.number().nullable(),
  changedAt: time,
  attempts: z.int(),
  taskId: z.string().nullable().describe("RDS's export task of the last attempt"),
  error: failure.nullable().describe("Of the last attempt, if it failed"),
  result: z
    .object({
      bucket: z.string(),
      prefix: z.string(),
      taskId: z.string(),
      tables: z.int(),
      files: z.int(),
      bytes: z.number(),
      missing: z.array(z.string()).describe("What a partial export lacks; the first hundred"),
      missingCount: z.int(),
      schema: z.enum(["kept", "not-kept", "none"]),
      completedAt: time,
      receiptKey: z.string(),
      jobId: z.string(),
    })
    .nullable()
    .describe("Of the last export that came to its end. Parquet: for analysis, no server restores from it"),
});

export const exportWithReceipt = exportShape.extend({ receipt: receipt.nullable().describe("export.json") });

/** What is answered to whoever starts something. */
export const startedWork = z.object({
  jobId: z.string().describe("GET /api/jobs/{jobId} follows it"),
  workflow: z.enum(["replicate-backups", "export-rds-snapshot", "reconcile-mirror"]),
});
