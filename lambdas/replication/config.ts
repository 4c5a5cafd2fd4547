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

export const startRunEnvironment = z.object({ STATE_MACHINE_ARN: name });

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

export const abandonCopyEnvironment = z.object({ ...copies, ...jobs, ...backups, ...bus });

export const summariseRunEnvironment = z.object({ ...jobs, ...bus });
