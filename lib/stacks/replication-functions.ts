// Replication's functions: what each is given, what it may do, and what breaks when it fails.
import { Duration } from "aws-cdk-lib";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import type { Room, ServiceFunction } from "../constructs/service-function.ts";
import { executionArns } from "../constructs/workflow.ts";
import type { DataStack } from "./data-stack.ts";
import {
  announcing,
  listing,
  listingUploads,
  notOnReceipts,
  onObjects,
  onTable,
  readingSecret,
  signing,
  throughKey,
} from "./replication-permissions.ts";

type Config = typeof import("../../lambdas/replication/config.ts");

/** What the functions are built from. */
export interface ReplicationParts {
  readonly scope: Construct;
  readonly room: Room<Config>;
  readonly settings: StageSettings;
  readonly data: DataStack;
  readonly workflowName: string;
  /** Host of Aliyun's RDS interface; a parameter of the stack. */
  readonly aliyunEndpoint: string;
  readonly aliyunProtocol: "http" | "https";
  /** Text of a whole number; a parameter of the stack. */
  readonly smallestPartBytes: string;
}

/** The longest that Lambda lets a function run. */
const longestTimeout = Duration.minutes(15);
const shortTimeout = Duration.minutes(5);

/** Enough for the bookkeeping functions; Aliyun's SDK alone takes a third of it. */
const bookkeepingMebibytes = 512;

/** At this size Lambda gives one whole processor: checksums and TLS of a copy use all of it. */
const oneProcessorMebibytes = 1769;

/** A copy retries what fails in passing: so many failures in five minutes are no longer passing. */
const failuresBeyondRetry = 10;

/** These are called once in a run: their retries alone never come to more. */
const failuresOfOneRun = 3;

/** Receipts stand outside the prefixes that are mirrored to other clouds. */
const receiptKeys = "receipts/*";

export function addListBackups(parts: ReplicationParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  return room.add("list-backups", {
    impactOfFailure: "No new backup is found, so none is copied until the next run.",
    environment: {
      ...aliyunEnvironment(parts),
      COPIES_TABLE: data.copies.tableName,
      JOBS_TABLE: data.jobs.tableName,
      WORK_BUCKET: data.work.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      INSTANCE_IDS: settings.aliyun.instanceIds.join(","),
      WINDOW_HOURS: String(settings.replication.windowHours),
      MAXIMUM_AGE_HOURS: String(settings.replication.maximumAgeHours ?? 0),
      INCLUDE_DELETED_INSTANCES: settings.aliyun.includeDeletedInstances ? "true" : "false",
      CONCURRENT_BACKUPS: String(settings.replication.concurrency.backups),
    },
    permissions: [
      readingSecret(scope, secretPath(settings)),
      onTable(data.copies, "BatchGetItem"),
      onTable(data.jobs, "PutItem", "BatchWriteItem"),
      onObjects(data.work, "runs/*", "PutObject"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
  });
}

export function addPlanCopy(parts: ReplicationParts): ServiceFunction {
  const { scope, room, settings, data, workflowName } = parts;
  return room.add("plan-copy", {
    impactOfFailure: "Backups that were found are not begun; they are tried again by the next run.",
    environment: {
      ...aliyunEnvironment(parts),
      COPIES_TABLE: data.copies.tableName,
      JOBS_TABLE: data.jobs.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      WORK_BUCKET: data.work.bucketName,
      KEY_PREFIX: settings.replication.keyPrefix,
      MONTHLY_EGRESS_LIMIT_BYTES: String(settings.replication.monthlyEgressLimitBytes),
      CONCURRENT_BATCHES: String(settings.replication.concurrency.batchesPerBackup),
      SMALLEST_PART_BYTES: parts.smallestPartBytes,
    },
    permissions: [
      readingSecret(scope, secretPath(settings)),
      onTable(data.copies, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      onObjects(
        data.backups,
        copyKeys(settings),
        "GetObject",
        "PutObject",
        "ListMultipartUploadParts",
        "AbortMultipartUpload",
      ),
      listing(data.backups),
      listingUploads(data.backups),
      onObjects(data.work, "runs/*", "PutObject"),
      {
        // A claim whose lease is over is taken only from an execution that has ended.
        actions: ["states:DescribeExecution"],
        resources: executionArns(scope, workflowName),
        wildcardReason: "A claim may be held by any execution of the workflow, and by any child of its maps.",
      },
      notOnReceipts(data.backups, receiptKeys),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addRefreshLink(parts: ReplicationParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  return room.add("refresh-link", {
    impactOfFailure: "Copies whose download link expired stop where they are, and are abandoned.",
    environment: { ...aliyunEnvironment(parts), COPIES_TABLE: data.copies.tableName },
    permissions: [
      readingSecret(scope, secretPath(settings)),
      onTable(data.copies, "GetItem", "UpdateItem"),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addCopyBatch({ room, settings, data }: ReplicationParts): ServiceFunction {
  return room.add("copy-batch", {
    impactOfFailure: "The bytes of the backups in work do not arrive in S3; what has arrived is kept for the next try.",
    environment: {
      COPIES_TABLE: data.copies.tableName,
      JOBS_TABLE: data.jobs.tableName,
      PART_LEDGER_TABLE: data.partLedger.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      MOST_PARTS_AT_ONCE: String(settings.replication.concurrency.partsPerBatch),
    },
    permissions: [
      onTable(data.partLedger, "Query", "PutItem"),
      onTable(data.copies, "GetItem", "UpdateItem"),
      onTable(data.jobs, "PutItem"),
      onObjects(data.backups, copyKeys(settings), "PutObject", "ListMultipartUploadParts"),
      notOnReceipts(data.backups, receiptKeys),
      throughKey(data.key),
    ],
    // Streams leave many small dead objects: a small young generation keeps them from piling up to 48 MiB.
    nodeOptions: ["--max-semi-space-size=1"],
    memoryMebibytes: oneProcessorMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addCompleteCopy({ room, settings, data }: ReplicationParts): ServiceFunction {
  return room.add("complete-copy", {
    impactOfFailure: "Backups whose every part has arrived do not become objects, and are abandoned.",
    environment: {
      COPIES_TABLE: data.copies.tableName,
      JOBS_TABLE: data.jobs.tableName,
      PART_LEDGER_TABLE: data.partLedger.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
    },
    permissions: [
      onObjects(data.backups, copyKeys(settings), "GetObject", "PutObject", "ListMultipartUploadParts"),
      listing(data.backups),
      onTable(data.partLedger, "Query"),
      onTable(data.copies, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      notOnReceipts(data.backups, receiptKeys),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addRecordReceipt({ room, data }: ReplicationParts): ServiceFunction {
  return room.add("record-receipt", {
    impactOfFailure: "Copies exist without the signed receipt that proves them, and do not count as verified.",
    environment: {
      COPIES_TABLE: data.copies.tableName,
      JOBS_TABLE: data.jobs.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      SIGNING_KEY_ID: data.receiptSigningKey.keyArn,
    },
    permissions: [
      onObjects(data.backups, receiptKeys, "GetObject", "PutObject"),
      signing(data.receiptSigningKey),
      onTable(data.copies, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addAbandonCopy({ room, settings, data }: ReplicationParts): ServiceFunction {
  return room.add("abandon-copy", {
    impactOfFailure:
      "Unfinished uploads stay and are paid for until the bucket's lifecycle ends them, and nobody is told of the failed copy.",
    environment: {
      COPIES_TABLE: data.copies.tableName,
      JOBS_TABLE: data.jobs.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      MONTHLY_EGRESS_LIMIT_BYTES: String(settings.replication.monthlyEgressLimitBytes),
    },
    permissions: [
      onObjects(data.backups, copyKeys(settings), "GetObject", "AbortMultipartUpload"),
      listing(data.backups),
      listingUploads(data.backups),
      onTable(data.copies, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addSummariseRun({ room, data }: ReplicationParts): ServiceFunction {
  return room.add("summarise-run", {
    impactOfFailure: "Runs end without a summary: what was copied and what was not must be read from the Copies table.",
    environment: {
      JOBS_TABLE: data.jobs.tableName,
      EVENT_BUS_NAME: data.bus.eventBusName,
    },
    permissions: [onTable(data.jobs, "Query", "UpdateItem"), announcing(data.bus), throughKey(data.key)],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
  });
}

/** Where `npx causeway secrets set aliyun` puts the key pair. */
export function secretPath({ stage }: StageSettings): string {
  return `/${stage}/replication/aliyun`;
}

function copyKeys({ replication }: StageSettings): string {
  return `${replication.keyPrefix}*`;
}

export function aliyunEnvironment({ settings, aliyunEndpoint, aliyunProtocol }: ReplicationParts) {
  return {
    ALIYUN_SECRET_ID: secretPath(settings),
    ALIYUN_RDS_ENDPOINT: aliyunEndpoint,
    ALIYUN_PROTOCOL: aliyunProtocol,
    ALIYUN_REGION: settings.aliyun.region,
  };
}
