// The mirror to Aliyun OSS: events of the backups bucket to a queue, the function that works it off, and what keeps watch.
// The workflow for large objects and its functions are in replication-mirror-workflow.ts.
import { CfnOutput, CfnParameter, Duration } from "aws-cdk-lib";
import { EventBus } from "aws-cdk-lib/aws-events";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { EventQueue } from "../constructs/event-queue.ts";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { executionArns, type Workflow } from "../constructs/workflow.ts";
import type { DataStack } from "./data-stack.ts";
import type { ReplicationParts } from "./replication-functions.ts";
import {
  deletesSecretPath,
  type MirrorParts,
  type MirrorSettings,
  mappingEnvironment,
  onMirrored,
  ossEnvironment,
  ossSecretPath,
  receiptKeys,
} from "./replication-mirror-parts.ts";
import { addMirrorWorkflow } from "./replication-mirror-workflow.ts";
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

/** Longer than a small object needs on a bad line; what does not fit in comes again. */
const objectsTimeout = Duration.minutes(5);
/** With the waits of handle-messages.ts, some 25 minutes: an outage that passes leaves no dead letters. */
const mostReceives = 8;
const messagesPerBatch = 10;
/** Keys of one batch at the same time: mirroring waits for the far side most of the time. */
const keysAtOnce = 5;
const checkInterval = Duration.minutes(10);
/** At this size Lambda gives one whole processor: TLS and checksums on both sides use all of it. */
const oneProcessorMebibytes = 1769;

/** What the mirror offers to the rest of the stack. */
export interface Mirror {
  readonly queue: Queue;
  readonly workflow: Workflow;
  readonly parts: MirrorParts;
}

/** Undefined where the stage mirrors nothing: then nothing of it is in the template. `missedCalls`: of schedules. */
export function addMirror(parts: ReplicationParts, missedCalls: Queue): Mirror | undefined {
  const { scope, settings, data } = parts;
  const { mirror } = settings.replication;
  if (mirror === undefined) return undefined;
  const own = new Construct(scope, "Mirror");
  const objects = new EventQueue(own, "Objects", {
    ...queueOf(data),
    name: `causeway-${settings.stage}-mirror`,
    holds: "events of objects that could not be mirrored to OSS",
    title: "Mirror dead letters",
    impactOfFailure: "Objects that are in S3 are not in OSS, and are no longer tried by the queue.",
  });
  const mirrorParts: MirrorParts = { ...parts, ...ossParameters(parts, mirror), mirror, mirrorQueue: objects.queue };
  const workflow = addMirrorWorkflow(mirrorParts);
  objects.workedOffBy(addMirrorObjects(mirrorParts, workflow), workOf(mirror));

  const below = mirror.mappings.map(({ from }) => ({ prefix: from }));
  objects.takes("ObjectsCreated", {
    enabled: mirror.enabled,
    description: "Objects below the mirrored prefixes were created",
    eventPattern: {
      source: ["aws.s3"],
      detailType: ["Object Created"],
      detail: { bucket: { name: [data.backups.bucketName] }, object: { key: below } },
    },
  });
  objects.takes("CopiesReceipted", {
    enabled: mirror.enabled,
    description: "Copies of backups have their receipts, to which those of the mirror point",
    eventBus: EventBus.fromEventBusName(own, "Bus", data.bus.eventBusName),
    eventPattern: {
      source: ["causeway.replication"],
      detailType: ["BackupReplicated"],
      detail: { bucket: [data.backups.bucketName], key: below },
    },
  });
  new ScheduledCall(own, "LagSchedule", {
    name: `causeway-${settings.stage}-check-mirror-lag`,
    description: "Looks for objects that wait for too long to be mirrored",
    enabled: mirror.enabled,
    expression: `rate(${checkInterval.toMinutes()} minutes)`,
    timeZone: "UTC",
    calls: addCheckMirrorLag(mirrorParts, missedCalls),
    input: { scheduledTime: "<aws.scheduler.scheduled-time>" },
    missedCalls,
  });
  if (mirror.mirrorDeletes) addDeletes(own, mirrorParts);

  new CfnOutput(scope, "MirrorObjectArn", { value: workflow.arn });
  new CfnOutput(scope, "MirrorQueueUrl", { value: objects.queue.queueUrl });
  new CfnOutput(scope, "MirrorDeadLetterQueueUrl", { value: objects.deadLetters.queueUrl });
  return { queue: objects.queue, workflow, parts: mirrorParts };
}

function queueOf({ alarmTopic }: DataStack) {
  return { alarmTopic, workTimeout: objectsTimeout, mostReceives };
}

function workOf({ enabled, concurrentObjects }: MirrorSettings) {
  return { enabled, batchSize: messagesPerBatch, concurrency: concurrentObjects };
}

/** What may differ between two deployments of the same template. */
function ossParameters({ scope }: ReplicationParts, mirror: MirrorSettings) {
  const endpoint = new CfnParameter(scope, "AliyunOssEndpoint", {
    default: mirror.endpoint,
    description: "Host of Aliyun OSS, with a port where it is not the protocol's own",
  });
  const pathStyle = new CfnParameter(scope, "AliyunOssPathStyle", {
    default: "false",
    allowedValues: ["true", "false"],
    description: "Whether the bucket stands in the path instead of the host's name: only a stand-in takes that",
  });
  const largeObject = new CfnParameter(scope, "MirrorLargeObjectBytes", {
    default: String(mirror.largeObjectBytes),
    allowedPattern: "[1-9][0-9]*",
    description: "Objects from this size on are mirrored in parts, by the workflow",
  });
  return {
    ossEndpoint: endpoint.valueAsString,
    // CloudFormation holds the value to `allowedValues`.
    ossPathStyle: pathStyle.valueAsString as "true" | "false",
    largeObjectBytes: largeObject.valueAsString,
  };
}

function addMirrorObjects(parts: MirrorParts, workflow: Workflow): ServiceFunction {
  const { scope, room, data, mirrorQueue } = parts;
  return room.add("mirror-objects", {
    impactOfFailure:
      "What arrives in S3 is not mirrored to OSS; the queue keeps it, and the check for lag tells when it is late.",
    environment: {
      ...ossEnvironment(parts),
      ...mappingEnvironment(parts),
      BACKUPS_BUCKET: data.backups.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      SIGNING_KEY_ID: data.receiptSigningKey.keyArn,
      MIRROR_QUEUE_URL: mirrorQueue.queueUrl,
      MIRROR_STATE_MACHINE_ARN: workflow.arn,
      LARGE_OBJECT_BYTES: parts.largeObjectBytes,
      MOST_RECEIVES: String(mostReceives),
      KEYS_AT_ONCE: String(keysAtOnce),
    },
    permissions: [
      readingSecret(scope, ossSecretPath(parts)),
      onTable(data.mirror, "GetItem", "UpdateItem"),
      ...onMirrored(parts, "GetObject", "GetObjectVersion"),
      onObjects(data.backups, receiptKeys, "GetObject", "PutObject"),
      listing(data.backups),
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
    timeout: objectsTimeout,
    failuresPerPeriod: 3,
    readsQueue: true,
  });
}

function addCheckMirrorLag({ room, data, mirror, mirrorQueue }: MirrorParts, failedCalls: Queue): ServiceFunction {
  return room.add("check-mirror-lag", {
    impactOfFailure:
      "Nobody is told of objects that wait for too long, and keys whose worker died are not taken up again.",
    environment: {
      MIRROR_TABLE: data.mirror.tableName,
      MIRROR_QUEUE_URL: mirrorQueue.queueUrl,
      EVENT_BUS_NAME: data.bus.eventBusName,
      LAG_MINUTES: String(mirror.lagMinutes),
    },
    permissions: [
      { actions: ["dynamodb:Query"], resources: [`${data.mirror.tableArn}/index/byWaiting`] },
      sendingTo(mirrorQueue),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: 512,
    timeout: Duration.minutes(2),
    failedCalls,
  });
}

/** Only for a stage with mirrorDeletes: its own queue, function, role and key pair of Aliyun's. */
function addDeletes(own: Construct, parts: MirrorParts): void {
  const { scope, room, data, mirror, mirrorQueue } = parts;
  const deletes = new EventQueue(own, "Deletes", {
    ...queueOf(data),
    name: `causeway-${parts.settings.stage}-mirror-deletes`,
    holds: "events of objects whose deletion could not be mirrored to OSS",
    title: "Mirror delete dead letters",
    impactOfFailure: "Objects that were deleted in S3 are still in OSS.",
  });
  const mirrorDeletes = room.add("mirror-deletes", {
    impactOfFailure: "What is deleted in S3 stays in OSS.",
    environment: {
      ...ossEnvironment(parts),
      ...mappingEnvironment(parts),
      OSS_SECRET_ID: deletesSecretPath(parts),
      BACKUPS_BUCKET: data.backups.bucketName,
      MIRROR_QUEUE_URL: mirrorQueue.queueUrl,
      DELETES_QUEUE_URL: deletes.queue.queueUrl,
      MOST_RECEIVES: String(mostReceives),
    },
    permissions: [
      readingSecret(scope, deletesSecretPath(parts)),
      onTable(data.mirror, "GetItem", "UpdateItem"),
      ...onMirrored(parts, "GetObject"),
      listing(data.backups),
      sendingTo(mirrorQueue),
      throughKey(data.key),
    ],
    memoryMebibytes: 512,
    timeout: objectsTimeout,
    failuresPerPeriod: 3,
    readsQueue: true,
  });
  deletes.workedOffBy(mirrorDeletes, workOf(mirror));
  deletes.takes("ObjectsDeleted", {
    enabled: mirror.enabled,
    description: "Objects below the mirrored prefixes were deleted",
    eventPattern: {
      source: ["aws.s3"],
      detailType: ["Object Deleted"],
      detail: {
        bucket: { name: [data.backups.bucketName] },
        object: { key: mirror.mappings.map(({ from }) => ({ prefix: from })) },
      },
    },
  });
  new CfnOutput(scope, "MirrorDeletesDeadLetterQueueUrl", { value: deletes.deadLetters.queueUrl });
}
