// The comparison of S3 and OSS: the workflow with its functions, and the schedule that starts it.
import { CfnOutput, Duration } from "aws-cdk-lib";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { executionArns, Workflow } from "../constructs/workflow.ts";
import type { Mirror } from "./replication-mirror.ts";
import {
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
  signing,
  throughKey,
} from "./replication-permissions.ts";

/** What is not compared by then is stopped: later runs begin anew, and by then most of it is equal. */
const runTimeout = Duration.days(3);
/** The longest that Lambda lets a function run. */
const longestTimeout = Duration.minutes(15);
const bookkeepingMebibytes = 512;
/** At this size Lambda gives one whole processor: what is read is summed, over TLS. */
const oneProcessorMebibytes = 1769;
/** What fails in passing is retried: so many failures in five minutes are no longer passing. */
const failuresBeyondRetry = 10;
/** These are called once in a run: their retries alone never come to more. */
const failuresOfOneRun = 3;

/** The workflow with its functions; undefined where the stage mirrors nothing. */
export function addReconciliation(
  mirror: Mirror | undefined,
  common: { readonly logRetention: RetentionDays; readonly alarmTopic: ITopic },
): Workflow | undefined {
  if (mirror === undefined) return undefined;
  const { scope, settings, data } = mirror.parts;
  const workflow = new Workflow(scope, "ReconcileMirror", {
    ...common,
    name: `causeway-${settings.stage}-reconcile-mirror`,
    definition: "replication/reconcile-mirror.asl.json",
    functions: {
      PlanReconciliation: addPlanReconciliation(mirror),
      ReconcilePart: addReconcilePart(mirror),
      SummariseReconciliation: addSummariseReconciliation(mirror),
    },
    buckets: { WorkBucket: { bucket: data.work, keys: "runs/*" } },
    timeout: runTimeout,
    impactOfFailure:
      "Whether OSS holds what S3 holds is not known, or some of it could not be put right; the next run tries again.",
  });
  new CfnOutput(scope, "ReconcileMirrorArn", { value: workflow.arn });
  return workflow;
}

export function scheduleReconciliation(
  mirror: Mirror | undefined,
  workflow: Workflow | undefined,
  startRun: ServiceFunction,
  missedRuns: Queue,
): void {
  if (mirror === undefined || workflow === undefined) return;
  const { scope, mirror: settings } = mirror.parts;
  new ScheduledCall(scope, "ReconcileSchedule", {
    name: workflow.name,
    description: "Starts a comparison of S3 and OSS, named by the scheduled time: a second call changes nothing.",
    ...settings.reconcile,
    enabled: settings.enabled && settings.reconcile.enabled,
    calls: startRun,
    input: {
      schedule: workflow.name,
      stateMachineArn: workflow.arn,
      runsAs: "reconcile",
      scheduledTime: "<aws.scheduler.scheduled-time>",
    },
    missedCalls: missedRuns,
  });
}

function addPlanReconciliation({ parts }: Mirror): ServiceFunction {
  const { scope, room, data } = parts;
  return room.add("plan-reconciliation", {
    impactOfFailure: "S3 and OSS are not compared until the next run.",
    environment: {
      ...ossEnvironment(parts),
      ...mappingEnvironment(parts),
      BACKUPS_BUCKET: data.backups.bucketName,
      JOBS_TABLE: data.jobs.tableName,
      WORK_BUCKET: data.work.bucketName,
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      listing(data.backups),
      onTable(data.jobs, "PutItem", "UpdateItem", "BatchWriteItem"),
      onObjects(data.work, "runs/*", "PutObject"),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
  });
}

function addReconcilePart({ parts, workflow }: Mirror): ServiceFunction {
  const { scope, room, data } = parts;
  return room.add("reconcile-part", {
    impactOfFailure: "Objects that OSS lost, or that never came there, are not found and not put right.",
    environment: {
      ...ossEnvironment(parts),
      ...mappingEnvironment(parts),
      BACKUPS_BUCKET: data.backups.bucketName,
      JOBS_TABLE: data.jobs.tableName,
      WORK_BUCKET: data.work.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      SIGNING_KEY_ID: data.receiptSigningKey.keyArn,
      MIRROR_STATE_MACHINE_ARN: workflow.arn,
      LARGE_OBJECT_BYTES: parts.largeObjectBytes,
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      onTable(data.mirror, "GetItem", "BatchGetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      ...onMirrored(parts, "GetObject", "GetObjectVersion"),
      onObjects(data.backups, receiptKeys, "GetObject", "PutObject"),
      listing(data.backups),
      onObjects(data.work, "runs/*", "PutObject"),
      signing(data.receiptSigningKey),
      announcing(data.bus),
      { actions: ["states:StartExecution"], resources: [workflow.arn] },
      {
        actions: ["states:DescribeExecution"],
        resources: executionArns(scope, workflow.name),
        wildcardReason: "An execution's name is made of the key and version that it mirrors.",
      },
      throughKey(data.key),
    ],
    memoryMebibytes: oneProcessorMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addSummariseReconciliation({ parts }: Mirror): ServiceFunction {
  const { room, data } = parts;
  return room.add("summarise-reconciliation", {
    impactOfFailure: "Comparisons end without a summary, and nobody is told of what differs.",
    environment: { JOBS_TABLE: data.jobs.tableName, EVENT_BUS_NAME: data.bus.eventBusName },
    permissions: [onTable(data.jobs, "Query", "UpdateItem"), announcing(data.bus), throughKey(data.key)],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
  });
}
