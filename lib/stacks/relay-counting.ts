// Counting of the relay: the stream of records that is summed, the daily export, and the watch that tells people.
import { Duration } from "aws-cdk-lib";
import { Metric } from "aws-cdk-lib/aws-cloudwatch";
import { EventSourceMapping, FilterCriteria, FilterRule, StartingPosition } from "aws-cdk-lib/aws-lambda";
import { SqsDlq } from "aws-cdk-lib/aws-lambda-event-sources";
import { DeadLetterQueue } from "../constructs/dead-letter-queue.ts";
import { FailureAlarm, failurePeriod } from "../constructs/failure-alarm.ts";
import type { Permission } from "../constructs/permissions.ts";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { onItems, type RelayParts } from "./relay-functions.ts";
import { announcing, onObjects, throughKey } from "./replication-permissions.ts";

export interface CountingFunctions {
  /** Called with `{rebuild}` by whoever may have figures counted anew. */
  readonly rollUpUsage: ServiceFunction;
  /** Called with `{export}` by whoever may have records exported. */
  readonly exportUsage: ServiceFunction;
}

/** Shorter than a claim on a unit lasts: `claimMilliseconds` in lambdas/relay/counting/roll-up.ts. */
const rollUpTimeout = Duration.minutes(5);
/** The shortest interval that the settings of the running relay allow; a longer one is kept by the function itself. */
const batchWindow = Duration.seconds(10);
const recordsPerBatch = 1000;
/** The stream keeps records for a day; what failed for so long is made up for by the hourly look back. */
const longestRetry = Duration.hours(23);

export function addCounting(parts: RelayParts): CountingFunctions {
  const rollUpUsage = addRollUpUsage(parts);
  const exportUsage = addExportUsage(parts);
  const watch = addWatchRelay(parts);
  countStream(parts, rollUpUsage);
  const { scope, settings, failedCalls: missedCalls } = parts;
  const input = { scheduledTime: "<aws.scheduler.scheduled-time>" };
  const common = { enabled: true, timeZone: "UTC", input, missedCalls };
  new ScheduledCall(scope, "RollUpSchedule", {
    ...common,
    name: `causeway-${settings.stage}-roll-up-usage`,
    description: "Counts what the stream left, and looks back once an hour",
    expression: "rate(1 minute)",
    calls: rollUpUsage,
  });
  new ScheduledCall(scope, "ExportUsageSchedule", {
    ...common,
    name: `causeway-${settings.stage}-export-usage`,
    description: "Writes the records of the day before into files",
    // Behind midnight by more than the longest request and its settlement take.
    expression: "cron(0 2 * * ? *)",
    calls: exportUsage,
  });
  new ScheduledCall(scope, "WatchRelaySchedule", {
    ...common,
    name: `causeway-${settings.stage}-watch-relay`,
    description: "Looks at what people should be told of the relay",
    expression: "rate(5 minutes)",
    calls: watch,
  });
  return { rollUpUsage, exportUsage };
}

function addRollUpUsage({ room, data, failedCalls }: RelayParts): ServiceFunction {
  return room.add("roll-up-usage", {
    impactOfFailure: "Figures of usage stand still: records are kept, and counted when this works again.",
    environment: {
      RELAY_USAGE_TABLE: data.relayUsage.tableName,
      RELAY_TOTALS_TABLE: data.relayTotals.tableName,
      RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
    },
    permissions: [
      onItems(data.relayUsage, ["Query"]),
      onItems(data.relayTotals, ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"]),
      // The settings of the running relay.
      onItems(data.relayAccounts, ["GetItem"], ["relay"]),
      ...readingStream(data.relayUsage.tableStreamArn ?? ""),
      throughKey(data.key),
    ],
    memoryMebibytes: 1024,
    timeout: rollUpTimeout,
    // Lambda and the schedule try it again.
    failuresPerPeriod: 5,
    failedCalls,
  });
}

/** What Lambda asks of a role whose function is called by a table's stream. */
function readingStream(streamArn: string): Permission[] {
  return [
    {
      actions: ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
      resources: [streamArn],
    },
    {
      actions: ["dynamodb:ListStreams"],
      resources: ["*"],
      wildcardReason: "Lambda lists streams to find the one it reads; ListStreams knows no resources.",
    },
  ];
}

function countStream({ scope, data }: RelayParts, rollUp: ServiceFunction): void {
  const { queue: uncounted } = new DeadLetterQueue(scope, "UncountedUsage", {
    holds: "batches of usage records that could not be marked for counting",
  });
  const mapping = new EventSourceMapping(rollUp.function, "UsageStream", {
    target: rollUp.function,
    eventSourceArn: data.relayUsage.tableStreamArn ?? "",
    startingPosition: StartingPosition.TRIM_HORIZON,
    batchSize: recordsPerBatch,
    maxBatchingWindow: batchWindow,
    // Marks of a lane come in their order.
    parallelizationFactor: 1,
    bisectBatchOnError: true,
    maxRecordAge: longestRetry,
    retryAttempts: 10_000,
    onFailure: new SqsDlq(uncounted),
    // What DynamoDB drops because its time is over has been used all the same.
    filters: [FilterCriteria.filter({ eventName: FilterRule.or("INSERT", "MODIFY") })],
  });
  // Lambda looks at the role's rights when the mapping is made.
  mapping.node.addDependency(rollUp.role);
  const { alarmTopic: topic } = data;
  new FailureAlarm(scope, "UncountedUsageAlarm", {
    metric: uncounted.metricApproximateNumberOfMessagesVisible({ period: failurePeriod, statistic: "Maximum" }),
    title: "Uncounted usage",
    impactOfFailure: "Records were not marked for counting; the look back counts them a day later.",
    topic,
  });
  new FailureAlarm(scope, "RollUpLagAlarm", {
    metric: rollUp.function.metric("IteratorAge", { period: failurePeriod, statistic: "Maximum" }),
    failuresPerPeriod: Duration.hours(1).toMilliseconds(),
    title: "Usage roll-ups lag",
    impactOfFailure: "Figures of usage are more than an hour behind.",
    topic,
  });
  new FailureAlarm(scope, "RollUpGapAlarm", {
    // Not the iterator's age: what is older than `longestRetry` is never given to the function, so that it stays below a day.
    metric: countedBy("RelayRollUpGapHours"),
    title: "Usage roll-ups have a gap",
    impactOfFailure:
      "Counting stood still for longer than the stream keeps: hours are counted anew from their records, and figures are late.",
    topic,
  });
  new FailureAlarm(scope, "TotalsCorrectedAlarm", {
    metric: countedBy("RelayTotalsCorrected"),
    title: "Usage totals were wrong",
    impactOfFailure:
      "Figures of a day ago were not what the records say; they are right now, but something was missed.",
    topic,
  });
}

/** What the roll-up itself counts, in its log. */
function countedBy(metricName: string): Metric {
  const dimensionsMap = { service: "roll-up-usage" };
  return new Metric({ namespace: "Causeway", metricName, dimensionsMap, statistic: "Sum", period: failurePeriod });
}

function addExportUsage({ room, data, failedCalls }: RelayParts): ServiceFunction {
  return room.add("export-usage", {
    impactOfFailure: "Usage records are not written into files; they can be exported by hand as long as they are kept.",
    environment: {
      RELAY_USAGE_TABLE: data.relayUsage.tableName,
      JOBS_TABLE: data.jobs.tableName,
      EXPORTS_BUCKET: data.backups.bucketName,
    },
    permissions: [
      onItems(data.relayUsage, ["Query"]),
      onItems(data.jobs, ["PutItem", "UpdateItem"]),
      onObjects(data.backups, "relay-usage/*", "PutObject", "AbortMultipartUpload"),
      throughKey(data.key),
    ],
    memoryMebibytes: 1769,
    timeout: Duration.minutes(15),
    failedCalls,
  });
}

function addWatchRelay({ room, data, failedCalls }: RelayParts): ServiceFunction {
  return room.add("watch-relay", {
    impactOfFailure: "Nobody is told of keys near their limits, failing accounts, unusual usage or new networks.",
    environment: {
      RELAY_KEYS_TABLE: data.relayKeys.tableName,
      RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
      RELAY_USAGE_TABLE: data.relayUsage.tableName,
      RELAY_TOTALS_TABLE: data.relayTotals.tableName,
      EVENT_BUS_NAME: data.bus.eventBusName,
    },
    permissions: [
      onItems(data.relayKeys, ["Scan"]),
      onItems(data.relayUsage, ["Query"]),
      onItems(data.relayTotals, ["GetItem", "Query", "PutItem"]),
      onItems(data.relayAccounts, ["Query", "PutItem"], ["networks#*"]),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: 1024,
    timeout: Duration.minutes(4),
    failuresPerPeriod: 2,
    failedCalls,
  });
}
