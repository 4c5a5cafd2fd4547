// CloudWatch of the local cloud: metrics and logs, over HTTP and from the Lambda host inside the process.
import type { DatabaseSync } from "node:sqlite";
import { openDurableState } from "../gateway/durable-state.ts";
import { type LocalService, type ServiceContext, ServiceError } from "../gateway/service.ts";
import { readEmbeddedMetrics } from "./embedded-metrics.ts";
import { type LogEvent, LogFile, LogStore } from "./log-store.ts";
import { logsService, nameOfGroup } from "./logs-service.ts";
import { type MetricData, MetricStore } from "./metric-store.ts";
import { metricsService } from "./metrics-service.ts";

export interface CloudWatchOptions {
  /** Told of every datum, as it comes in. */
  readonly onMetric?: (data: MetricData) => void;
  /** Told of every log line, as it comes in. */
  readonly onLogLine?: (groupName: string, line: string) => void;
  /** Where every log line is appended too. Absent: the lines are kept in the state directory's database only. */
  readonly logFile?: string;
}

export interface CloudWatchService {
  /** For the gateway: `monitoring`. */
  readonly metrics: LocalService;
  /** For the gateway: `logs`. Closing it closes both. */
  readonly logs: LocalService;
  createLogGroup(name: string): void;
  /**
   * A line that a function wrote; metrics embedded in it are counted. Default group `/aws/lambda/<functionName>`.
   * No permission is asked: in AWS it is Lambda itself that writes.
   */
  ingestLogLine(functionName: string, line: string, groupName?: string): void;
  /** An event that a rule sends to a log group. Throws ServiceError ResourceNotFoundException. */
  putEvent(logGroupArn: string, text: string): void;
}

const eventsStream = "events";

export function createCloudWatchService(context: ServiceContext, options: CloudWatchOptions = {}): CloudWatchService {
  const database = openDurableState(context.stateDirectory, "cloudwatch");
  const inOneWrite = transactions(database);
  const metricStore = new MetricStore(database);
  const logStore = new LogStore(database);
  let closed = false;
  const file = options.logFile === undefined ? undefined : new LogFile(options.logFile);

  function takeMetric(data: MetricData): void {
    metricStore.put(data, context.clock.now());
    options.onMetric?.(data);
  }

  function takeLogEvent(groupName: string, event: Omit<LogEvent, "eventId">): void {
    const metrics = readEmbeddedMetrics(event.message);
    inOneWrite(() => {
      logStore.put(groupName, event);
      for (const data of metrics) metricStore.put(data, context.clock.now());
    });
    file?.append(`${new Date(event.timestampMilliseconds).toISOString()} ${groupName} ${event.message.trimEnd()}`);
    for (const data of metrics) options.onMetric?.(data);
    options.onLogLine?.(groupName, event.message);
  }

  function takeLine(groupName: string, streamName: string, message: string): void {
    // A function that is being stopped may still print.
    if (closed) return;
    logStore.createGroup(groupName);
    const now = context.clock.now();
    logStore.createStream(groupName, streamName);
    takeLogEvent(groupName, { streamName, timestampMilliseconds: now, ingestedAtMilliseconds: now, message });
  }

  return {
    metrics: metricsService(context, metricStore, takeMetric),
    logs: {
      ...logsService(context, logStore, takeLogEvent),
      async close() {
        closed = true;
        database.close();
        file?.close();
      },
    },
    createLogGroup: (name) => logStore.createGroup(name),
    ingestLogLine(functionName, line, groupName = `/aws/lambda/${functionName}`) {
      const day = new Date(context.clock.now()).toISOString().slice(0, 10).replaceAll("-", "/");
      takeLine(groupName, `${day}/${functionName}`, line);
    },
    putEvent(logGroupArn, text) {
      const groupName = nameOfGroup(logGroupArn);
      if (!logStore.hasGroup(groupName)) {
        throw new ServiceError(400, "ResourceNotFoundException", `There is no log group ${groupName}.`);
      }
      takeLine(groupName, eventsStream, text);
    },
  };
}

/** A line and its metrics are one write: alone, each would be a transaction of its own, which costs more than it writes. */
function transactions(database: DatabaseSync): (write: () => void) => void {
  const begin = database.prepare("BEGIN");
  const commit = database.prepare("COMMIT");
  const rollback = database.prepare("ROLLBACK");
  return (write) => {
    begin.run();
    try {
      write();
    } catch (error) {
      rollback.run();
      throw error;
    }
    commit.run();
  };
}
