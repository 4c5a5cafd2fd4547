// Replication's part of the HTTP API: the functions that answer it, and what each may do.
import { Duration, Stack } from "aws-cdk-lib";
import { routes } from "../../lambdas/replication/routes.ts";
import type { HttpRoom } from "../constructs/http-api.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import type { Workflow } from "../constructs/workflow.ts";
import { answeringOnce, auditing, onIndex } from "./console-permissions.ts";
import { aliyunEnvironment, type ReplicationParts, secretPath } from "./replication-functions.ts";
import {
  listing,
  lookingAtSnapshots,
  onObjects,
  onTable,
  readingSecret,
  throughKey,
} from "./replication-permissions.ts";

/** What can be started over the API; undefined where the stage does not have it. */
export interface Startable {
  readonly copies: Workflow;
  readonly exports: Workflow | undefined;
  readonly reconciliation: Workflow | undefined;
}

/** API Gateway waits 29 s for an answer. */
const answerTimeout = Duration.seconds(28);
/** More than bookkeeping needs: somebody waits for the answer, and processor time comes with memory. */
const answerMebibytes = 1024;
const common = { memoryMebibytes: answerMebibytes, timeout: answerTimeout };

const receiptKeys = "receipts/*";

export function addReplicationApi(parts: ReplicationParts, startable: Startable): HttpRoom {
  return {
    routes,
    functions: {
      "browse-aliyun": addBrowseAliyun(parts),
      "browse-snapshots": addBrowseSnapshots(parts),
      "answer-replication": addAnswerReplication(parts),
      "start-replication": addStartReplication(parts, startable),
    },
  };
}

function addBrowseAliyun(parts: ReplicationParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  return room.add("browse-aliyun", {
    ...common,
    impactOfFailure: "Aliyun's backups cannot be looked at over the API; the schedule copies them all the same.",
    environment: {
      ...aliyunEnvironment(parts),
      COPIES_TABLE: data.copies.tableName,
      INSTANCE_IDS: settings.aliyun.instanceIds.join(","),
      WINDOW_HOURS: String(settings.replication.windowHours),
      MAXIMUM_AGE_HOURS: String(settings.replication.maximumAgeHours ?? 0),
      INCLUDE_DELETED_INSTANCES: settings.aliyun.includeDeletedInstances ? "true" : "false",
    },
    permissions: [
      readingSecret(scope, secretPath(settings)),
      onTable(data.copies, "BatchGetItem"),
      throughKey(data.key),
    ],
  });
}

function addBrowseSnapshots({ scope, room, settings, data }: ReplicationParts): ServiceFunction {
  const { exports } = settings.replication;
  const { account, region } = Stack.of(scope);
  const chosen = exports && {
    databaseIds: exports.databaseIds,
    recoveryPointObjectiveHours: exports.recoveryPointObjectiveHours,
    largestSnapshotBytes: exports.largestSnapshotBytes,
  };
  return room.add("browse-snapshots", {
    ...common,
    impactOfFailure: "RDS snapshots cannot be looked at over the API; the schedule exports them all the same.",
    environment: {
      EXPORTS_TABLE: data.exports.tableName,
      EXPORT_SETTINGS: chosen === undefined ? "" : JSON.stringify(chosen),
      ACCOUNT_ID: account,
      REGION: region,
    },
    permissions:
      chosen === undefined
        ? []
        : [...lookingAtSnapshots(scope), onTable(data.exports, "BatchGetItem"), throughKey(data.key)],
  });
}

function addAnswerReplication({ room, data }: ReplicationParts): ServiceFunction {
  return room.add("answer-replication", {
    ...common,
    impactOfFailure: "Copies, exports and their receipts cannot be looked at over the API.",
    environment: {
      COPIES_TABLE: data.copies.tableName,
      EXPORTS_TABLE: data.exports.tableName,
      BACKUPS_BUCKET: data.backups.bucketName,
    },
    permissions: [
      onTable(data.copies, "GetItem"),
      onIndex(data.copies, "byChange"),
      onTable(data.exports, "GetItem"),
      onIndex(data.exports, "byChange"),
      onObjects(data.backups, receiptKeys, "GetObject"),
      // A copy that is not in OSS has no receipt of the mirror.
      listing(data.backups),
      throughKey(data.key),
    ],
  });
}

function addStartReplication(
  { room, data }: ReplicationParts,
  { copies, exports, reconciliation }: Startable,
): ServiceFunction {
  const workflows = [copies, exports, reconciliation].filter((workflow) => workflow !== undefined);
  return room.add("start-replication", {
    ...common,
    impactOfFailure: "Nothing can be started over the API; schedules go on, and Step Functions' console still can.",
    environment: {
      JOBS_TABLE: data.jobs.tableName,
      AUDIT_TABLE: data.audit.tableName,
      IDEMPOTENCY_TABLE: data.idempotency.tableName,
      COPY_STATE_MACHINE_ARN: copies.arn,
      EXPORT_STATE_MACHINE_ARN: exports?.arn ?? "",
      RECONCILE_STATE_MACHINE_ARN: reconciliation?.arn ?? "",
    },
    permissions: [
      { actions: ["states:StartExecution"], resources: workflows.map(({ arn }) => arn) },
      onTable(data.jobs, "PutItem"),
      auditing(data.audit),
      answeringOnce(data.idempotency),
      throughKey(data.key),
    ],
  });
}
