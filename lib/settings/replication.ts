// The settings of the room replication: the copies from Aliyun, the exports of RDS snapshots, the mirror to OSS.
import * as z from "zod";
import { byteCount, host, schedule, text, wholeNumber, yesOrNo } from "./fields.ts";

const folderPrefix = /^([A-Za-z0-9_.-]+\/){0,4}$/;
const folderCure = 'Give up to four folder names, each with "/" at its end, or "" for none.';

/** A database whose schema is kept beside its exports. Subnets and groups by id: nothing is looked up at synthesis. */
const schemaConnection = z.strictObject({
  /** The DB instance or cluster whose exports it belongs to. */
  databaseId: text(/^[a-z][a-z0-9-]{0,62}$/, 'Give the identifier of a DB instance or cluster, such as "orders".'),
  engine: z.enum(["mysql", "mariadb", "postgres"], 'Give "mysql", "mariadb" or "postgres".'),
  host: text(
    /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/,
    'Give the host alone, such as "orders.abc123.eu-central-1.rds.amazonaws.com"; the port has a field of its own.',
  ),
  port: wholeNumber(1, 65_535, "port").optional(),
  /** None: all that are not the server's own. */
  databases: z
    .array(text(/^(?!\{%)(?!.*\$\{).{1,64}$/u, "Give a database name of 1 to 64 characters."))
    .max(100, "Give at most 100 databases, or none for all of them.")
    .default([]),
});

const schemaCapture = z.strictObject({
  /** From which the databases can be reached, and Secrets Manager, KMS and S3 (by endpoints, or a way out). */
  subnetIds: z
    .array(text(/^subnet-([0-9a-f]{8}|[0-9a-f]{17})$/, 'Give a subnet id, such as "subnet-0123456789abcdef0".'))
    .min(1)
    .max(16),
  securityGroupIds: z
    .array(text(/^sg-([0-9a-f]{8}|[0-9a-f]{17})$/, 'Give a security group id, such as "sg-0123456789abcdef0".'))
    .min(1)
    .max(5),
  connections: z
    .array(schemaConnection)
    .min(1)
    .max(100)
    .refine(
      (list) => new Set(list.map(({ databaseId }) => databaseId)).size === list.length,
      "Give one connection for each databaseId.",
    ),
});

const exportsOfSnapshots = z.strictObject({
  schedule,
  /** A snapshot whose last transaction is older than this is refused; the newest one of each database is what counts. */
  recoveryPointObjectiveHours: wholeNumber(1, 24 * 366, "hours").default(26),
  /** Empty: every DB instance and cluster of the region. */
  databaseIds: z
    .array(text(/^[a-zA-Z][a-zA-Z0-9-]{0,62}$/, "Give an identifier of a DB instance or cluster."))
    .max(1000)
    .default([]),
  /** Of the account's five export tasks, those that Causeway may use; the rest is left to other tools. */
  mostConcurrentTasks: wholeNumber(1, 5, "tasks").default(3),
  /** Larger snapshots are refused: an export costs by the gigabyte. */
  largestSnapshotBytes: byteCount.default(16 * 1024 ** 4),
  /** Absent: schemas are not kept beside the exports. */
  schemas: schemaCapture.optional(),
});

/** No prefix begins with another one. */
function areApart(prefixes: readonly string[]): boolean {
  return prefixes.every((one, index) => prefixes.every((other, at) => at === index || !one.startsWith(other)));
}

const mirror = z.strictObject({
  enabled: yesOrNo(true),
  /** The OSS bucket. */
  bucket: text(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/, 'Give the name of the OSS bucket, such as "acme-iotdb".'),
  /** OSS's region, with its "oss-". */
  region: text(/^oss-[a-z]{2,3}(-[a-z0-9]+)+$/, 'Give an OSS region id, such as "oss-cn-hangzhou".'),
  endpoint: host("oss-cn-hangzhou.aliyuncs.com"),
  /** What is mirrored, and where to. Only what lies below a `from` is. */
  mappings: z
    .array(
      z.strictObject({
        from: text(
          /^([A-Za-z0-9_.-]+\/){1,6}$/,
          'Give one to six folder names, each with "/" at its end, such as "mysql/".',
        ),
        to: text(folderPrefix, folderCure),
      }),
    )
    .min(1, "Give at least one mapping.")
    .max(5, "Give at most five mappings.")
    .refine(
      (list) => !list.some(({ from }) => from.startsWith("receipts/")),
      "Receipts are not mirrored: a receipt of the mirror would be mirrored in turn, and so on. Give another `from`.",
    )
    .refine((list) => areApart(list.map(({ from }) => from)), "No `from` may lie below another one, or be the same.")
    .refine(
      (list) => areApart(list.map(({ to }) => to)),
      "No `to` may lie below another one, or be the same: two objects could get the same key in OSS.",
    )
    .default([{ from: "mysql/", to: "iotdb-backup/mysql/" }]),
  /** Server-side encryption in OSS: its own keys, or its key service. */
  encryption: z.enum(["AES256", "KMS"], 'Give "AES256" or "KMS".').default("AES256"),
  /** Objects from this size on are mirrored by a workflow, in parts; smaller ones by one function in one go. */
  largeObjectBytes: byteCount.default(64 * 1024 ** 2),
  /** Objects that one function at most mirrors at the same time. */
  concurrentObjects: wholeNumber(2, 100, "functions").default(10),
  /** What is not in OSS after this time is reported as lagging. */
  lagMinutes: wholeNumber(5, 7 * 24 * 60, "minutes").default(60),
  reconcile: schedule,
  /** What is deleted in S3 is deleted in OSS, too. Off: OSS keeps what S3 loses. */
  mirrorDeletes: yesOrNo(false),
});

export const replication = z.strictObject({
  /** Put before every key of a copy; empty, or folders with a slash at the end. */
  keyPrefix: text(folderPrefix, folderCure).default(""),
  schedule,
  concurrency: z.strictObject({
    /** Backups copied at the same time. */
    backups: wholeNumber(1, 100, "backups").default(4),
    /** Lambdas that work on one backup at the same time. */
    batchesPerBackup: wholeNumber(1, 1000, "batches").default(8),
    /** Ranges that one Lambda reads at the same time. */
    partsPerBatch: wholeNumber(1, 64, "parts").default(32),
  }),
  /** How far back from its start a run looks for backups. */
  windowHours: wholeNumber(1, 24 * 366, "hours").default(168),
  /** Older backups are refused with this as the reason. Absent: any age is copied. */
  maximumAgeHours: wholeNumber(1, 24 * 3660, "hours").optional(),
  /** What may leave Aliyun over the Internet in a calendar month; bytes, or text such as "500 GB". */
  monthlyEgressLimitBytes: byteCount,
  /** Absent: RDS snapshots are not exported by schedule. */
  exports: exportsOfSnapshots.optional(),
  /** Absent: nothing is mirrored to OSS. */
  mirror: mirror.optional(),
});
