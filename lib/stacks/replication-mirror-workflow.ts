// The workflow that mirrors one large object in parts: its functions, and what each may do.
import { Duration } from "aws-cdk-lib";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { Workflow } from "../constructs/workflow.ts";
import {
  type MirrorParts,
  mappingEnvironment,
  onMirrored,
  ossEnvironment,
  ossSecretPath,
  receiptKeys,
} from "./replication-mirror-parts.ts";
import {
  announcing,
  listing,
  onObjects,
  onTable,
  readingSecret,
  sendingTo,
  signing,
  throughKey,
} from "./replication-permissions.ts";

/** The longest that Lambda lets a function run. */
const longestTimeout = Duration.minutes(15);
const shortTimeout = Duration.minutes(5);
/** An object that is not in OSS by then is given up, and tried again from where it stood. */
const runTimeout = Duration.days(7);
const bookkeepingMebibytes = 512;
/** At this size Lambda gives one whole processor: checksums and TLS of a copy use all of it. */
const oneProcessorMebibytes = 1769;
/** What fails in passing is retried: so many failures in five minutes are no longer passing. */
const failuresBeyondRetry = 10;

export function addMirrorWorkflow(parts: MirrorParts): Workflow {
  const { scope, settings, data } = parts;
  return new Workflow(scope, "MirrorObject", {
    logRetention: settings.retention.logDays,
    alarmTopic: data.alarmTopic,
    name: `causeway-${settings.stage}-mirror-object`,
    definition: "replication/mirror-object.asl.json",
    functions: {
      PlanMirror: addPlanMirror(parts),
      MirrorBatch: addMirrorBatch(parts),
      CompleteMirror: addCompleteMirror(parts),
      AbandonMirror: addAbandonMirror(parts),
    },
    buckets: { WorkBucket: { bucket: data.work, keys: "runs/*" } },
    timeout: runTimeout,
    impactOfFailure: "A large object is in S3 and not in OSS; it is tried again at growing intervals.",
  });
}

function addPlanMirror(parts: MirrorParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  return room.add("plan-mirror", {
    impactOfFailure: "Large objects are not begun to be mirrored to OSS.",
    environment: {
      ...ossEnvironment(parts),
      ...mappingEnvironment(parts),
      JOBS_TABLE: data.jobs.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      WORK_BUCKET: data.work.bucketName,
      CONCURRENT_BATCHES: String(settings.replication.concurrency.batchesPerBackup),
      SMALLEST_PART_BYTES: parts.smallestPartBytes,
      LARGE_OBJECT_BYTES: parts.largeObjectBytes,
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      onTable(data.mirror, "UpdateItem"),
      onTable(data.jobs, "PutItem", "UpdateItem", "BatchWriteItem"),
      ...onMirrored(parts, "GetObject"),
      listing(data.backups),
      onObjects(data.work, "runs/*", "PutObject"),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addMirrorBatch(parts: MirrorParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  return room.add("mirror-batch", {
    impactOfFailure: "The bytes of large objects do not arrive in OSS; what has arrived is kept for the next try.",
    environment: {
      ...ossEnvironment(parts),
      JOBS_TABLE: data.jobs.tableName,
      PART_LEDGER_TABLE: data.partLedger.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      MOST_PARTS_AT_ONCE: String(settings.replication.concurrency.partsPerBatch),
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      onTable(data.partLedger, "Query", "PutItem"),
      onTable(data.mirror, "UpdateItem"),
      onTable(data.jobs, "PutItem"),
      ...onMirrored(parts, "GetObjectVersion"),
      throughKey(data.key),
    ],
    // Streams leave many small dead objects: a small young generation keeps them from piling up to 48 MiB.
    nodeOptions: ["--max-semi-space-size=1"],
    memoryMebibytes: oneProcessorMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addCompleteMirror(parts: MirrorParts): ServiceFunction {
  const { scope, room, data, mirrorQueue } = parts;
  return room.add("complete-mirror", {
    impactOfFailure: "Large objects whose every part has arrived do not become objects of OSS.",
    environment: {
      ...ossEnvironment(parts),
      MIRROR_QUEUE_URL: mirrorQueue.queueUrl,
      JOBS_TABLE: data.jobs.tableName,
      PART_LEDGER_TABLE: data.partLedger.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      SIGNING_KEY_ID: data.receiptSigningKey.keyArn,
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      onTable(data.partLedger, "Query"),
      onTable(data.mirror, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      ...onMirrored(parts, "GetObject"),
      onObjects(data.backups, receiptKeys, "GetObject", "PutObject"),
      listing(data.backups),
      signing(data.receiptSigningKey),
      announcing(data.bus),
      sendingTo(mirrorQueue),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addAbandonMirror(parts: MirrorParts): ServiceFunction {
  const { scope, room, data } = parts;
  return room.add("abandon-mirror", {
    impactOfFailure: "Unfinished uploads stay in OSS and are paid for, and nobody is told of the failure.",
    environment: {
      ...ossEnvironment(parts),
      JOBS_TABLE: data.jobs.tableName,
      EVENT_BUS_NAME: data.bus.eventBusName,
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      onTable(data.mirror, "GetItem", "UpdateItem"),
      onTable(data.jobs, "PutItem", "UpdateItem"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}
