// The exports of RDS snapshots: the workflow, its functions, the role that RDS writes with, and the schedule.
import { CfnOutput, Duration, Stack } from "aws-cdk-lib";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import type { RetentionDays } from "aws-cdk-lib/aws-logs";
import type { ITopic } from "aws-cdk-lib/aws-sns";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { StageSettings } from "../config.ts";
import { type Permission, permit } from "../constructs/permissions.ts";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import { namedArn, type ServiceFunction } from "../constructs/service-function.ts";
import { executionArns, Workflow } from "../constructs/workflow.ts";
import type { ReplicationParts } from "./replication-functions.ts";
import {
  announcing,
  listing,
  lookingAtSnapshots,
  onObjects,
  onTable,
  readingSecret,
  signing,
  throughKey,
} from "./replication-permissions.ts";

type ExportSettings = NonNullable<StageSettings["replication"]["exports"]>;

export interface ExportParts extends ReplicationParts {
  readonly exports: ExportSettings;
}

/** An export that has not ended by then is left to a later run, which adopts it. */
const runTimeout = Duration.days(7);
const longestTimeout = Duration.minutes(15);
const shortTimeout = Duration.minutes(5);
const bookkeepingMebibytes = 512;
/** Holds the names and numbers of every table of an export. */
const readingMebibytes = 1024;

/** What fails in passing is retried: so many failures in five minutes are no longer passing. */
const failuresBeyondRetry = 10;
/** These are called once in a run: their retries alone never come to more. */
const failuresOfOneRun = 3;

const receiptKeys = "receipts/*";

/** The folders of engines below which RDS writes: what `exportPrefixOf` of lambdas/replication/exports/snapshot.ts gives. */
export const exportFolders = ["mysql", "mariadb", "postgresql"] as const;

export function exportWorkflowName({ stage }: Pick<StageSettings, "stage">): string {
  return `causeway-${stage}-export-rds-snapshot`;
}

/** The workflow with its functions; undefined where the stage exports nothing. */
export function addExports(
  parts: ReplicationParts,
  common: { readonly logRetention: RetentionDays; readonly alarmTopic: ITopic },
): Workflow | undefined {
  const { scope, settings, data } = parts;
  const { exports } = settings.replication;
  if (exports === undefined) return undefined;
  const exportParts: ExportParts = { ...parts, exports };
  const role = addExportRole(exportParts);
  const workflow = new Workflow(scope, "ExportRdsSnapshot", {
    ...common,
    name: exportWorkflowName(settings),
    definition: "replication/export-rds-snapshot.asl.json",
    functions: {
      ListSnapshots: addListSnapshots(exportParts),
      StartExport: addStartExport(exportParts, role),
      FollowExport: addFollowExport(exportParts, role),
      RecordExport: addRecordExport(exportParts, role),
      AbandonExport: addAbandonExport(exportParts),
      SummariseExports: addSummariseExports(exportParts),
      KeepSchema: addKeepSchema(exportParts),
    },
    documents: { SchemaConnections: schemaConnections(exports) },
    buckets: { WorkBucket: { bucket: data.work, keys: "runs/*" } },
    timeout: runTimeout,
    impactOfFailure: "Some or all RDS snapshots of this run are not in S3; the next run takes up what was left.",
  });
  new CfnOutput(scope, "ExportRdsSnapshotArn", { value: workflow.arn });
  new CfnOutput(scope, "ExportRoleArn", { value: role.roleArn });
  return workflow;
}

export function scheduleExports(
  { scope, settings }: ReplicationParts,
  workflow: Workflow,
  startRun: ServiceFunction,
  missedRuns: Queue,
): void {
  const { exports } = settings.replication;
  if (exports === undefined) return;
  const name = exportWorkflowName(settings);
  new ScheduledCall(scope, "ExportSchedule", {
    name,
    description: "Starts a run of RDS snapshot exports, named by the scheduled time: a second call changes nothing.",
    ...exports.schedule,
    calls: startRun,
    input: {
      schedule: name,
      stateMachineArn: workflow.arn,
      runsAs: "exports",
      scheduledTime: "<aws.scheduler.scheduled-time>",
    },
    missedCalls: missedRuns,
  });
}

/**
 * What RDS's export service acts as. It is the one role that may delete, and only below its own prefixes: RDS takes
 * away again what it tried out or could not finish.
 */
function addExportRole({ scope, settings, data }: ExportParts): Role {
  const role = new Role(scope, "ExportRole", {
    assumedBy: new ServicePrincipal("export.rds.amazonaws.com", {
      // Or RDS could be made to write here for the snapshots of others.
      conditions: {
        StringEquals: { "aws:SourceAccount": Stack.of(scope).account },
        ArnLike: { "aws:SourceArn": namedArn(scope, "rds", "*") },
      },
    }),
    description: "Only for RDS, to write snapshot exports",
  });
  permit(role, [
    { actions: ["s3:ListBucket", "s3:GetBucketLocation"], resources: [data.backups.bucketArn] },
    {
      actions: ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"],
      resources: exportKeys(settings).map((keys) => data.backups.arnForObjects(keys)),
      wildcardReason: "RDS makes the keys below its own prefixes.",
      actionWildcardReason: "RDS checks the role for just these actions before it starts an export.",
    },
    throughKey(data.key),
  ]);
  return role;
}

function addListSnapshots({ scope, room, data, exports }: ExportParts): ServiceFunction {
  const { account, region } = Stack.of(scope);
  return room.add("list-snapshots", {
    impactOfFailure: "No RDS snapshot is found, so none is exported until the next run.",
    environment: {
      EXPORTS_TABLE: data.exports.tableName,
      JOBS_TABLE: data.jobs.tableName,
      WORK_BUCKET: data.work.bucketName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      DATABASE_IDS: exports.databaseIds.join(","),
      RECOVERY_POINT_OBJECTIVE_HOURS: String(exports.recoveryPointObjectiveHours),
      LARGEST_SNAPSHOT_BYTES: String(exports.largestSnapshotBytes),
      MOST_CONCURRENT_TASKS: String(exports.mostConcurrentTasks),
      ACCOUNT_ID: account,
      REGION: region,
    },
    permissions: [
      ...lookingAtSnapshots(scope),
      onTable(data.exports, "BatchGetItem", "UpdateItem"),
      { actions: ["dynamodb:Query"], resources: [`${data.exports.tableArn}/index/byChange`] },
      onTable(data.jobs, "PutItem", "UpdateItem", "BatchWriteItem"),
      onObjects(data.work, "runs/*", "PutObject"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
  });
}

function addStartExport(parts: ExportParts, role: Role): ServiceFunction {
  const { scope, room, settings, data, exports } = parts;
  return room.add("start-export", {
    impactOfFailure: "Snapshots that were found are not exported; they stay in the queue for the next run.",
    environment: {
      ...exportEnvironment(parts, role),
      KEY_PREFIX: settings.replication.keyPrefix,
      MOST_CONCURRENT_TASKS: String(exports.mostConcurrentTasks),
    },
    permissions: [
      onTasks("StartExportTask", "DescribeExportTasks"),
      {
        actions: ["iam:PassRole"],
        resources: [role.roleArn],
        conditions: { StringEquals: { "iam:PassedToService": "export.rds.amazonaws.com" } },
      },
      {
        // RDS writes with the key as long as the export runs, by a grant that it makes in the caller's name.
        actions: ["kms:CreateGrant"],
        resources: [data.key.keyArn],
        conditions: {
          Bool: { "kms:GrantIsForAWSResource": "true" },
          StringEquals: { "kms:ViaService": `rds.${Stack.of(scope).region}.amazonaws.com` },
        },
      },
      onTable(data.exports, "GetItem", "UpdateItem"),
      onTable(data.jobs, "GetItem", "UpdateItem"),
      {
        // A claim whose lease is over is taken only from an execution that has ended.
        actions: ["states:DescribeExecution"],
        resources: executionArns(scope, exportWorkflowName(settings)),
        wildcardReason: "A claim may be held by any execution of the workflow, and by any child of its map.",
      },
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addFollowExport(parts: ExportParts, role: Role): ServiceFunction {
  const { room, data } = parts;
  return room.add("follow-export", {
    impactOfFailure:
      "Exports that run in RDS are not followed: they end without a receipt until the next run adopts them.",
    environment: exportEnvironment(parts, role),
    permissions: [
      onTasks("DescribeExportTasks", "CancelExportTask"),
      onTable(data.exports, "GetItem", "UpdateItem"),
      onTable(data.jobs, "GetItem", "PutItem", "UpdateItem"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addRecordExport(parts: ExportParts, role: Role): ServiceFunction {
  const { room, settings, data } = parts;
  return room.add("record-export", {
    impactOfFailure: "Exports lie in S3 without anybody having looked whether they are whole, and without a receipt.",
    environment: { ...exportEnvironment(parts, role), SIGNING_KEY_ID: data.receiptSigningKey.keyArn },
    permissions: [
      onTasks("DescribeExportTasks"),
      ...exportKeys(settings).map((keys) => onObjects(data.backups, keys, "GetObject")),
      listing(data.backups),
      onObjects(data.backups, receiptKeys, "GetObject", "PutObject"),
      signing(data.receiptSigningKey),
      onTable(data.exports, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: readingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addAbandonExport({ room, data }: ExportParts): ServiceFunction {
  return room.add("abandon-export", {
    impactOfFailure: "Nobody is told of a failed export, and its snapshot stays claimed until the claim expires.",
    environment: {
      EXPORTS_TABLE: data.exports.tableName,
      JOBS_TABLE: data.jobs.tableName,
      EVENT_BUS_NAME: data.bus.eventBusName,
    },
    permissions: [
      onTable(data.exports, "GetItem", "UpdateItem"),
      onTable(data.jobs, "UpdateItem"),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: shortTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function addSummariseExports({ room, data }: ExportParts): ServiceFunction {
  return room.add("summarise-exports", {
    impactOfFailure: "Runs of exports end without a summary: what became of each must be read from the Exports table.",
    environment: { JOBS_TABLE: data.jobs.tableName, EVENT_BUS_NAME: data.bus.eventBusName },
    permissions: [onTable(data.jobs, "Query", "UpdateItem"), announcing(data.bus), throughKey(data.key)],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
  });
}

/** Undefined where the stage keeps no schemas. */
function addKeepSchema({ scope, room, settings, data, exports }: ExportParts): ServiceFunction | undefined {
  const { schemas } = exports;
  if (schemas === undefined) return undefined;
  const secrets = `/${settings.stage}/replication/database/`;
  return room.add("keep-schema", {
    impactOfFailure: "The schemas of databases are not kept beside their exports; the exports themselves are.",
    environment: { BACKUPS_BUCKET: data.backups.bucketName, DATABASE_SECRETS_PATH: secrets },
    permissions: [
      ...schemas.connections.map(({ databaseId }) => readingSecret(scope, `${secrets}${databaseId}`)),
      ...schemaKeys(settings).map((keys) => onObjects(data.backups, keys, "PutObject", "AbortMultipartUpload")),
      throughKey(data.key),
    ],
    memoryMebibytes: bookkeepingMebibytes,
    timeout: longestTimeout,
    failuresPerPeriod: failuresOfOneRun,
    network: schemas,
  });
}

/** By database, as the workflow hands them to keep-schema. */
function schemaConnections({ schemas }: ExportSettings) {
  return Object.fromEntries(
    (schemas?.connections ?? []).map(({ databaseId, engine, host, port, databases }) => [
      databaseId,
      { engine, host, ...(port !== undefined && { port }), databases },
    ]),
  );
}

function exportEnvironment({ data }: ExportParts, role: Role) {
  return {
    EXPORTS_TABLE: data.exports.tableName,
    JOBS_TABLE: data.jobs.tableName,
    EVENT_BUS_NAME: data.bus.eventBusName,
    BACKUPS_BUCKET: data.backups.bucketName,
    EXPORT_ROLE_ARN: role.roleArn,
    // The bucket's own key: whoever reads and mirrors what lies in it may already use it.
    EXPORT_KEY_ARN: data.key.keyArn,
  };
}

/** IAM knows no resources for export tasks. */
function onTasks(...actions: readonly ("StartExportTask" | "DescribeExportTasks" | "CancelExportTask")[]): Permission {
  return { actions: actions.map((action) => `rds:${action}`), resources: ["*"] };
}

function exportKeys({ replication }: StageSettings): string[] {
  return exportFolders.map((folder) => `${replication.keyPrefix}${folder}/rds-exports/*`);
}

function schemaKeys({ replication }: StageSettings): string[] {
  return exportFolders.map((folder) => `${replication.keyPrefix}${folder}/rds-exports/*/schema/*`);
}
