// Console's functions: what each is given, what it may do, and what breaks when it fails.
import { Duration } from "aws-cdk-lib";
import type { Role } from "aws-cdk-lib/aws-iam";
import type { Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import { namedArn, type Room, type ServiceFunction } from "../constructs/service-function.ts";
import { listSettings } from "../setting-sources.ts";
import {
  answeringOnce,
  auditingInTransactions,
  onExecutions,
  onIndex,
  onSchedules,
  onSecrets,
  onTable,
  passingOn,
} from "./console-permissions.ts";
import type { DataStack } from "./data-stack.ts";
import { throughKey } from "./replication-permissions.ts";

type Config = typeof import("../../lambdas/console/config.ts");

/** What the functions are built from. */
export interface ConsoleParts {
  readonly scope: Construct;
  readonly room: Room<Config>;
  readonly settings: StageSettings;
  readonly data: DataStack;
  readonly version: string;
  readonly issuer: string;
  readonly signInUrl: string;
  readonly peopleClientId: string;
  readonly machineClientId: string;
  /** Of every schedule of the app, with the roles that Scheduler assumes for them. */
  readonly scheduleNames: readonly string[];
  readonly scheduleRoles: readonly Role[];
  readonly workflowNames: readonly string[];
  readonly deadLetters: readonly Queue[];
  /** Settings that are parameters of a deployment, by their path. */
  readonly parameterValues: Readonly<Record<string, string>>;
}

/** API Gateway waits 29 s for an answer. */
const answerTimeout = Duration.seconds(28);

const smallMebibytes = 512;
/** Twice the processor of the smallest: an answer is waited for. */
const answerMebibytes = 1024;

export function addAuthorizeRequest(parts: ConsoleParts): ServiceFunction {
  return parts.room.add("authorize-request", {
    impactOfFailure: "Nobody can use the API, whoever they are; its documents and health still answer.",
    environment: {
      ISSUER: parts.issuer,
      PEOPLE_CLIENT_IDS: parts.peopleClientId,
      MACHINE_CLIENT_IDS: parts.machineClientId,
    },
    permissions: [],
    memoryMebibytes: smallMebibytes,
    timeout: Duration.seconds(15),
  });
}

export function addAnswerRequests(parts: ConsoleParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  const stageConfig = { stage: settings.stage, values: listSettings(settings) };
  return room.add("answer-requests", {
    impactOfFailure: "Jobs, schedules, settings and the audit cannot be looked at over the API.",
    environment: {
      JOBS_TABLE: data.jobs.tableName,
      SCHEDULES_TABLE: data.schedules.tableName,
      SCHEDULE_NAMES: parts.scheduleNames.join(","),
      AUDIT_TABLE: data.audit.tableName,
      PARAMETER_VALUES: JSON.stringify(parts.parameterValues),
    },
    permissions: [
      onTable(data.jobs, "Query"),
      onIndex(data.jobs, "byStart"),
      onTable(data.schedules, "GetItem"),
      onTable(data.audit, "Query"),
      onSchedules(scope, parts.scheduleNames, "GetSchedule"),
      throughKey(data.key),
    ],
    assets: { "stage-config.json": { text: JSON.stringify(stageConfig) } },
    memoryMebibytes: answerMebibytes,
    timeout: answerTimeout,
  });
}

export function addChangeJobs({ scope, room, data, workflowNames }: ConsoleParts): ServiceFunction {
  return room.add("change-jobs", {
    impactOfFailure: "Jobs cannot be cancelled or redriven over the API; Step Functions' own console still can.",
    environment: {
      JOBS_TABLE: data.jobs.tableName,
      AUDIT_TABLE: data.audit.tableName,
      IDEMPOTENCY_TABLE: data.idempotency.tableName,
    },
    permissions: [
      onTable(data.jobs, "GetItem", "UpdateItem"),
      auditingInTransactions(data.audit),
      answeringOnce(data.idempotency),
      onExecutions(scope, workflowNames, "DescribeExecution", "StopExecution", "RedriveExecution"),
      throughKey(data.key),
    ],
    memoryMebibytes: answerMebibytes,
    timeout: answerTimeout,
  });
}

export function addChangeSchedules(parts: ConsoleParts): ServiceFunction {
  const { scope, room, data, scheduleNames, scheduleRoles } = parts;
  return room.add("change-schedules", {
    impactOfFailure: "Schedules cannot be changed over the API; they fire as they are.",
    environment: {
      SCHEDULES_TABLE: data.schedules.tableName,
      SCHEDULE_NAMES: scheduleNames.join(","),
      AUDIT_TABLE: data.audit.tableName,
    },
    permissions: [
      onTable(data.schedules, "GetItem", "PutItem"),
      auditingInTransactions(data.audit),
      onSchedules(scope, scheduleNames, "GetSchedule", "UpdateSchedule"),
      passingOn(scheduleRoles),
      throughKey(data.key),
    ],
    memoryMebibytes: answerMebibytes,
    timeout: answerTimeout,
  });
}

export function addCheckReadiness(parts: ConsoleParts): ServiceFunction {
  const { scope, room, settings, data, deadLetters, workflowNames } = parts;
  const { jobs, copies, partLedger, exports: exported, mirror, alerts, schedules, audit, idempotency } = data;
  const tables = [jobs, copies, partLedger, exported, mirror, alerts, schedules, audit, idempotency];
  const buckets = [data.backups, data.work];
  const workflows = workflowNames.map((name) => namedArn(scope, "states", `stateMachine:${name}`));
  const required = [`/${settings.stage}/replication/aliyun`];
  // Without these the API answers; what they are for does not work.
  const channels = settings.alerts.channels.filter(({ type }) => type === "wecom" || type === "webhook");
  const optional = [
    metricsTokenPath(settings),
    ...(settings.replication.mirror?.enabled ? [`/${settings.stage}/replication/aliyun-oss`] : []),
    ...channels.map(({ name }) => `/${settings.stage}/alerts/${name}`),
  ];
  return room.add("check-readiness", {
    impactOfFailure: "Nobody is told over the API whether everything that it needs is there.",
    environment: {
      TABLE_NAMES: tables.map(({ tableName }) => tableName).join(","),
      BUCKET_NAMES: buckets.map(({ bucketName }) => bucketName).join(","),
      EVENT_BUS_NAME: data.bus.eventBusName,
      QUEUE_URLS: deadLetters.map(({ queueUrl }) => queueUrl).join(","),
      STATE_MACHINE_ARNS: workflows.join(","),
      SECRET_IDS: required.join(","),
      OPTIONAL_SECRET_IDS: optional.join(","),
      ISSUER: parts.issuer,
      ALIYUN_URL: `${parts.parameterValues["aliyun.protocol"]}://${parts.parameterValues["aliyun.endpoint"]}`,
    },
    permissions: [
      ...tables.map((table) => onTable(table, "DescribeTable")),
      { actions: ["s3:ListBucket"], resources: buckets.map(({ bucketArn }) => bucketArn) },
      { actions: ["events:DescribeEventBus"], resources: [data.bus.eventBusArn] },
      ...(deadLetters.length === 0
        ? []
        : [{ actions: ["sqs:GetQueueAttributes"], resources: deadLetters.map(({ queueArn }) => queueArn) }]),
      { actions: ["states:DescribeStateMachine"], resources: workflows },
      onSecrets(scope, [...required, ...optional], "DescribeSecret"),
    ],
    memoryMebibytes: answerMebibytes,
    timeout: answerTimeout,
  });
}

export function addShowMetrics({ scope, room, settings, data }: ConsoleParts): ServiceFunction {
  return room.add("show-metrics", {
    impactOfFailure: "Monitoring systems get no metrics; alarms and alerts go on by themselves.",
    environment: {
      JOBS_TABLE: data.jobs.tableName,
      COPIES_TABLE: data.copies.tableName,
      EXPORTS_TABLE: data.exports.tableName,
      MIRROR_TABLE: data.mirror.tableName,
      RELAY_TOTALS_TABLE: data.relayTotals.tableName,
      METRICS_TOKEN_SECRET_ID: metricsTokenPath(settings),
    },
    permissions: [
      onIndex(data.jobs, "byStart"),
      onIndex(data.copies, "byChange"),
      onIndex(data.exports, "byChange"),
      onIndex(data.mirror, "byWaiting"),
      onTable(data.relayTotals, "Query"),
      onSecrets(scope, [metricsTokenPath(settings)], "GetSecretValue"),
      throughKey(data.key),
    ],
    memoryMebibytes: answerMebibytes,
    timeout: answerTimeout,
  });
}

export function addShowDocs(parts: ConsoleParts): ServiceFunction {
  const swagger = (name: string) => ({ file: `node_modules/swagger-ui-dist/${name}` });
  return parts.room.add("show-docs", {
    impactOfFailure: "The API's documents and its health do not answer; everything else of it does.",
    environment: { SIGN_IN_URL: parts.signInUrl, CLIENT_ID: parts.peopleClientId, VERSION: parts.version },
    permissions: [],
    assets: {
      "openapi.json": { file: "docs/openapi.json" },
      "swagger-ui.css": swagger("swagger-ui.css"),
      "swagger-ui-bundle.js": swagger("swagger-ui-bundle.js"),
      "oauth2-redirect.html": swagger("oauth2-redirect.html"),
      "oauth2-redirect.js": swagger("oauth2-redirect.js"),
      "swagger-ui-LICENSE": swagger("LICENSE"),
      "swagger-ui-NOTICE": swagger("NOTICE"),
    },
    memoryMebibytes: smallMebibytes,
    timeout: answerTimeout,
  });
}

export function addCloseJob({ scope, room, data, workflowNames }: ConsoleParts, failedCalls: Queue): ServiceFunction {
  return room.add("close-job", {
    impactOfFailure: "Jobs whose run was stopped or ran out of time are shown as running for ever.",
    environment: { JOBS_TABLE: data.jobs.tableName },
    permissions: [
      onTable(data.jobs, "UpdateItem"),
      onExecutions(scope, workflowNames, "DescribeExecution"),
      throughKey(data.key),
    ],
    memoryMebibytes: smallMebibytes,
    timeout: Duration.minutes(1),
    failedCalls,
  });
}

/** Where an operator puts the token that reads the metrics, as plain text. */
function metricsTokenPath({ stage }: StageSettings): string {
  return `/${stage}/console/metrics-token`;
}
