// The functions of alerts: what each is given, what it may do, and what breaks when it fails.
import { Duration } from "aws-cdk-lib";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { IQueue, Queue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import type { Permission } from "../constructs/permissions.ts";
import { namedArn, type Room, type ServiceFunction } from "../constructs/service-function.ts";
import type { DataStack } from "./data-stack.ts";
import { announcing, readingSecret, throughKey } from "./replication-permissions.ts";

type Config = typeof import("../../lambdas/alerts/config.ts");

/** What is looked at for silence: found in the app, not listed by hand. */
export interface Watched {
  /** Names of schedules whose functions tell of each run. */
  readonly schedules: readonly string[];
  /** Queues that should be empty. */
  readonly queues: readonly { readonly queue: IQueue; readonly holds: string }[];
}

/** What the functions are built from. */
export interface AlertsParts {
  readonly scope: Construct;
  readonly room: Room<Config>;
  readonly settings: StageSettings;
  readonly data: DataStack;
  /** Where people reach the API; a parameter of the stack. */
  readonly publicUrl: string;
  readonly wakeQueue: Queue;
  readonly undelivered: Queue;
  readonly failedCalls: Queue;
}

const memoryMebibytes = 512;

/** A queue's messages come again: some failures pass. */
const failuresBeyondRetry = 5;

/** API Gateway waits 29 s. */
const httpTimeout = Duration.seconds(28);

export const evaluateTimeout = Duration.minutes(1);
export const deliverTimeout = Duration.minutes(2);

export function addEvaluateEvents({ room, settings, data, wakeQueue }: AlertsParts): ServiceFunction {
  return room.add("evaluate-events", {
    impactOfFailure: "Nobody is told of what goes wrong: events wait in their queue, then go to the unread events.",
    environment: {
      ALERTS_TABLE: data.alerts.tableName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      CHANNELS: JSON.stringify(settings.alerts.channels),
      RULE_DEFAULTS: JSON.stringify(settings.alerts.rules),
      TIME_ZONE: settings.alerts.timeZone,
      WAKE_QUEUE_URL: wakeQueue.queueUrl,
    },
    permissions: [
      onAlerts(data.alerts, "GetItem", "PutItem", "UpdateItem"),
      sendingTo(wakeQueue),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: evaluateTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addDeliverAlerts(parts: AlertsParts): ServiceFunction {
  const { room, data, wakeQueue, undelivered, failedCalls } = parts;
  return room.add("deliver-alerts", {
    impactOfFailure: "Alerts are kept, but reach nobody until this works again.",
    environment: {
      ...messageEnvironment(parts),
      ALERTS_TABLE: data.alerts.tableName,
      UNDELIVERED_QUEUE_URL: undelivered.queueUrl,
    },
    permissions: [
      reading(wakeQueue),
      onAlerts(data.alerts, "GetItem", "BatchGetItem", "Query", "UpdateItem", "BatchWriteItem"),
      sendingTo(undelivered),
      ...sendingMessages(parts),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: deliverTimeout,
    failuresPerPeriod: failuresBeyondRetry,
    failedCalls,
  });
}

export function addCheckSilence(parts: AlertsParts, watched: Watched): ServiceFunction {
  const { scope, room, settings, data, failedCalls } = parts;
  const queues = watched.queues.map(({ queue, holds }) => ({ url: queue.queueUrl, holds }));
  return room.add("check-silence", {
    impactOfFailure: "Nobody notices when backups stop coming, schedules are missed, or dead letters wait.",
    environment: {
      ALERTS_TABLE: data.alerts.tableName,
      EVENT_BUS_NAME: data.bus.eventBusName,
      NOTHING_NEW_HOURS: String(settings.alerts.nothingNewHours),
      SCHEDULES: JSON.stringify(watched.schedules),
      QUEUES: data.toJsonString(queues),
    },
    permissions: [
      onAlerts(data.alerts, "Query", "UpdateItem"),
      announcing(data.bus),
      { actions: ["sqs:GetQueueAttributes"], resources: watched.queues.map(({ queue }) => queue.queueArn) },
      {
        actions: ["scheduler:GetSchedule"],
        resources: watched.schedules.map((name) => namedArn(scope, "scheduler", `schedule/default/${name}`)),
      },
      throughKey(data.key),
    ].filter(({ resources }) => resources.length > 0),
    memoryMebibytes,
    timeout: Duration.minutes(5),
    failedCalls,
  });
}

export function addServeAlertsApi({ room, settings, data }: AlertsParts): ServiceFunction {
  return room.add("serve-alerts-api", {
    impactOfFailure: "Rules of alerts can be neither read nor changed, and deliveries not looked at; alerts go on.",
    environment: {
      ALERTS_TABLE: data.alerts.tableName,
      AUDIT_TABLE: data.audit.tableName,
      CHANNELS: JSON.stringify(settings.alerts.channels),
      RULE_DEFAULTS: JSON.stringify(settings.alerts.rules),
    },
    permissions: [
      onAlerts(data.alerts, "GetItem", "Query", "PutItem"),
      onAlerts(data.audit, "PutItem"),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: httpTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

export function addSendTestAlert(parts: AlertsParts): ServiceFunction {
  const { room, data } = parts;
  return room.add("send-test-alert", {
    impactOfFailure: "Channels cannot be tried over the API; alerts go on.",
    environment: {
      ...messageEnvironment(parts),
      ALERTS_TABLE: data.alerts.tableName,
      AUDIT_TABLE: data.audit.tableName,
      IDEMPOTENCY_TABLE: data.idempotency.tableName,
    },
    permissions: [
      onAlerts(data.alerts, "PutItem", "UpdateItem"),
      onAlerts(data.audit, "PutItem", "UpdateItem"),
      onAlerts(data.idempotency, "GetItem", "PutItem", "UpdateItem"),
      ...sendingMessages(parts),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: httpTimeout,
    failuresPerPeriod: failuresBeyondRetry,
  });
}

function messageEnvironment({ settings, publicUrl }: AlertsParts) {
  const { alerts, stage } = settings;
  return {
    STAGE: stage,
    LANGUAGE: alerts.language,
    TIME_ZONE: alerts.timeZone,
    PUBLIC_URL: publicUrl,
    RUNBOOK_URL: alerts.runbookUrl,
    CHANNELS: JSON.stringify(alerts.channels),
    SECRETS_PREFIX: `/${stage}/alerts/`,
    ALLOW_LOOPBACK: alerts.allowLoopback ? "true" : "false",
  } as const;
}

/** What the stage's channels need: their secrets, each by its path, and SES for the senders of e-mail. */
function sendingMessages({ scope, settings }: AlertsParts): Permission[] {
  const { channels } = settings.alerts;
  const withSecrets = channels.filter(({ type }) => type === "wecom" || type === "webhook");
  const senders = channels.flatMap((channel) => (channel.type === "email" ? [channel.from] : []));
  const secrets = withSecrets.map(({ name }) => readingSecret(scope, `/${settings.stage}/alerts/${name}`));
  if (senders.length === 0) return secrets;
  const identities = new Set(senders.flatMap(identitiesOf));
  return [
    ...secrets,
    {
      actions: ["ses:SendEmail"],
      resources: [...identities].map((identity) => namedArn(scope, "ses", `identity/${identity}`)),
    },
    {
      // An identity may have a default configuration set, as SES's console makes one: SES then asks for the right on both.
      actions: ["ses:SendEmail"],
      resources: [namedArn(scope, "ses", "configuration-set/*")],
      wildcardReason:
        "Which configuration set an identity has is SES's setting; who may be the sender is not widened by it.",
    },
  ];
}

/** SES knows a sender by its address, its domain, or a domain above that: whichever was verified. */
export function identitiesOf(address: string): string[] {
  const labels = address.slice(address.lastIndexOf("@") + 1).split(".");
  return [address, ...labels.slice(0, -1).map((_, index) => labels.slice(index).join("."))];
}

type TableAction = "GetItem" | "BatchGetItem" | "Query" | "PutItem" | "UpdateItem" | "BatchWriteItem";

function onAlerts(table: Table, ...actions: readonly TableAction[]): Permission {
  return { actions: actions.map((action) => `dynamodb:${action}`), resources: [table.tableArn] };
}

function sendingTo(queue: Queue): Permission {
  return { actions: ["sqs:SendMessage"], resources: [queue.queueArn] };
}

/** What Lambda asks of a role whose function is called by a queue. */
function reading(queue: Queue): Permission {
  return {
    actions: ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    resources: [queue.queueArn],
  };
}
