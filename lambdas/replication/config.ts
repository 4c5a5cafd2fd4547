// The environment of each entry of this room, as schemas. lib/ sees their types, so that a forgotten variable does not compile.
import * as z from "zod";

const name = z.string().min(1);
const bytes = z.string().regex(/^\d+$/).transform(Number);
const count = z
  .string()
  .regex(/^[1-9]\d*$/)
  .transform(Number);
const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** Whoever asks Aliyun for backups or links. */
const aliyun = {
  /** Name or ARN of the secret {accessKeyId, accessKeySecret, securityToken?}. */
  ALIYUN_SECRET_ID: name,
  /** Host, optionally with a port, no scheme: rds.aliyuncs.com */
  ALIYUN_RDS_ENDPOINT: name,
  ALIYUN_PROTOCOL: z.enum(["http", "https"]),
  ALIYUN_REGION: name,
};

const copies = { COPIES_TABLE: name };
const jobs = { JOBS_TABLE: name };
const ledger = { PART_LEDGER_TABLE: name };
const backups = { BACKUPS_BUCKET: name };
const work = { WORK_BUCKET: name };
const bus = { EVENT_BUS_NAME: name };

export const startRunEnvironment = z.object({ ...bus });

export const listBackupsEnvironment = z.object({
  ...aliyun,
  ...copies,
  ...jobs,
  ...work,
  ...bus,
  /** Comma-separated; empty: every instance of the account in the region. */
  INSTANCE_IDS: z.string(),
  WINDOW_HOURS: count,
  /** Backups older than this are refused as too old. 0: no limit. */
  MAXIMUM_AGE_HOURS: bytes,
  INCLUDE_DELETED_INSTANCES: flag,
  /** How many backups are copied at once. */
  CONCURRENT_BACKUPS: count,
});

export const planCopyEnvironment = z.object({
  ...aliyun,
  ...copies,
  ...jobs,
  ...backups,
  ...work,
  /** Stands before `<engine>/<instance>/…`; empty or ending in a slash. */
  KEY_PREFIX: z.string().regex(/^$|\/$/, "must be empty or end in a slash"),
  /** 0: no limit. */
  MONTHLY_EGRESS_LIMIT_BYTES: bytes,
  CONCURRENT_BATCHES: count,
  /** The target's smallest part; S3's is 5 MiB, and only a rig has another. */
  SMALLEST_PART_BYTES: count,
});

export const refreshLinkEnvironment = z.object({ ...aliyun, ...copies });

export const copyBatchEnvironment = z.object({
  ...copies,
  ...jobs,
  ...ledger,
  ...backups,
  /** Upper limit of parts in flight in one Lambda; how many there are is decided from what is measured. */
  MOST_PARTS_AT_ONCE: count,
});

export const completeCopyEnvironment = z.object({ ...copies, ...jobs, ...ledger, ...backups });

export const recordReceiptEnvironment = z.object({
  ...copies,
  ...jobs,
  ...backups,
  ...bus,
  /** Key id, ARN or alias of the asymmetric key that signs receipts. */
  SIGNING_KEY_ID: name,
});

export const abandonCopyEnvironment = z.object({
  ...copies,
  ...jobs,
  ...backups,
  ...bus,
  MONTHLY_EGRESS_LIMIT_BYTES: bytes,
});

export const summariseRunEnvironment = z.object({ ...jobs, ...bus });

/** Whoever writes to OSS, or looks at what is there. */
const oss = {
  /** Name or ARN of the secret {accessKeyId, accessKeySecret, securityToken?}. */
  OSS_SECRET_ID: name,
  /** Host, optionally with a port, no scheme: oss-cn-hangzhou.aliyuncs.com */
  OSS_ENDPOINT: name,
  OSS_PROTOCOL: z.enum(["http", "https"]),
  /** The bucket in the path instead of the host's name: only a stand-in takes that. */
  OSS_PATH_STYLE: flag,
  OSS_REGION: name,
  OSS_BUCKET: name,
  OSS_ENCRYPTION: z.enum(["AES256", "KMS"]),
};

const mirrorTable = { MIRROR_TABLE: name };
const mappings = {
  /** JSON: [{from, to}]. */
  MIRROR_MAPPINGS: z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: "custom", message: "must be JSON" });
        return z.NEVER;
      }
    })
    .pipe(z.array(z.strictObject({ from: z.string().min(1), to: z.string() })).min(1)),
};
const mirrorQueue = { MIRROR_QUEUE_URL: name };
/** Objects from this size on are left to the workflow. */
const largeObjects = { LARGE_OBJECT_BYTES: count };
const signing = { SIGNING_KEY_ID: name };

export const mirrorObjectsEnvironment = z.object({
  ...oss,
  ...mirrorTable,
  ...mappings,
  ...mirrorQueue,
  ...largeObjects,
  ...backups,
  ...bus,
  ...signing,
  MIRROR_STATE_MACHINE_ARN: name,
  /** Receives of one message until the queue gives it to the dead letters. */
  MOST_RECEIVES: count,
  /** Keys of one batch of messages in work at the same time. */
  KEYS_AT_ONCE: count,
});

export const planMirrorEnvironment = z.object({
  ...oss,
  ...mirrorTable,
  ...mappings,
  ...largeObjects,
  ...backups,
  ...jobs,
  ...work,
  CONCURRENT_BATCHES: count,
  SMALLEST_PART_BYTES: count,
});

export const mirrorBatchEnvironment = z.object({
  ...oss,
  ...mirrorTable,
  ...jobs,
  ...ledger,
  ...backups,
  MOST_PARTS_AT_ONCE: count,
});

export const completeMirrorEnvironment = z.object({
  ...oss,
  ...mirrorTable,
  ...mirrorQueue,
  ...jobs,
  ...ledger,
  ...backups,
  ...bus,
  ...signing,
});

export const abandonMirrorEnvironment = z.object({ ...oss, ...mirrorTable, ...jobs, ...bus });

export const checkMirrorLagEnvironment = z.object({
  ...mirrorTable,
  ...mirrorQueue,
  ...bus,
  LAG_MINUTES: count,
});

export const mirrorDeletesEnvironment = z.object({
  ...oss,
  ...mirrorTable,
  ...mappings,
  ...mirrorQueue,
  ...backups,
  DELETES_QUEUE_URL: name,
  MOST_RECEIVES: count,
});

export const planReconciliationEnvironment = z.object({
  ...oss,
  ...mappings,
  ...backups,
  ...jobs,
  ...work,
});

export const reconcilePartEnvironment = z.object({
  ...oss,
  ...mirrorTable,
  ...mappings,
  ...largeObjects,
  ...backups,
  ...jobs,
  ...work,
  ...bus,
  ...signing,
  MIRROR_STATE_MACHINE_ARN: name,
});

export const summariseReconciliationEnvironment = z.object({ ...jobs, ...bus });

const exportsTable = { EXPORTS_TABLE: name };
/** Where exports go, and with which of the stack's role and key. */
const exportPlace = { ...backups, EXPORT_ROLE_ARN: name, EXPORT_KEY_ARN: name };

export const listSnapshotsEnvironment = z.object({
  ...exportsTable,
  ...jobs,
  ...work,
  ...bus,
  /** Comma-separated; empty: every database of the region. */
  DATABASE_IDS: z.string(),
  RECOVERY_POINT_OBJECTIVE_HOURS: count,
  LARGEST_SNAPSHOT_BYTES: count,
  MOST_CONCURRENT_TASKS: count,
  ACCOUNT_ID: name,
  REGION: name,
});

export const startExportEnvironment = z.object({
  ...exportsTable,
  ...jobs,
  ...exportPlace,
  ...bus,
  KEY_PREFIX: z.string().regex(/^$|\/$/, "must be empty or end in a slash"),
  MOST_CONCURRENT_TASKS: count,
});

export const followExportEnvironment = z.object({ ...exportsTable, ...jobs, ...exportPlace, ...bus });

export const recordExportEnvironment = z.object({
  ...exportsTable,
  ...jobs,
  ...exportPlace,
  ...bus,
  SIGNING_KEY_ID: name,
});

export const abandonExportEnvironment = z.object({ ...exportsTable, ...jobs, ...bus });

export const summariseExportsEnvironment = z.object({ ...jobs, ...bus });

export const keepSchemaEnvironment = z.object({
  ...backups,
  /** Secrets are named `<this><database id>`; ends in a slash. */
  DATABASE_SECRETS_PATH: z.string().regex(/\/$/, "must end in a slash"),
});

export const browseAliyunEnvironment = z.object({
  ...aliyun,
  ...copies,
  /** As of list-backups: the same backups are judged by the same rules. */
  INSTANCE_IDS: z.string(),
  WINDOW_HOURS: count,
  MAXIMUM_AGE_HOURS: bytes,
  INCLUDE_DELETED_INSTANCES: flag,
});

const exportSettings = z.object({
  databaseIds: z.array(name),
  recoveryPointObjectiveHours: z.number(),
  largestSnapshotBytes: z.number(),
});

export const browseSnapshotsEnvironment = z.object({
  ...exportsTable,
  /** JSON; empty where the stage exports nothing. */
  EXPORT_SETTINGS: z.string().transform((text, context): z.infer<typeof exportSettings> | undefined => {
    if (text === "") return undefined;
    try {
      return exportSettings.parse(JSON.parse(text));
    } catch {
      context.addIssue({ code: "custom", message: "must be the settings of exports as JSON, or empty" });
      return z.NEVER;
    }
  }),
  ACCOUNT_ID: name,
  REGION: name,
});

export const answerReplicationEnvironment = z.object({ ...copies, ...exportsTable, ...backups });

export const startReplicationEnvironment = z.object({
  ...jobs,
  AUDIT_TABLE: name,
  IDEMPOTENCY_TABLE: name,
  COPY_STATE_MACHINE_ARN: name,
  /** Empty where the stage exports nothing. */
  EXPORT_STATE_MACHINE_ARN: z.string(),
  /** Empty where the stage mirrors nothing. */
  RECONCILE_STATE_MACHINE_ARN: z.string(),
});
