// Entry: adopts or starts the export of one snapshot, or says how long to wait for a place.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { RDSClient } from "@aws-sdk/client-rds";
import { SFNClient } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { startExportEnvironment } from "./config.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { ExportTasksStore } from "./export-tasks.store.ts";
import { cancelExport } from "./exports/cancel-export.ts";
import { exportLineSchema } from "./exports/snapshot.ts";
import { startAndReport, type UnitChanges } from "./exports/start-export.ts";
import { ExportsStore } from "./exports.store.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    executionArn: z.string(),
    line: exportLineSchema,
    waits: z.number(),
    waitUntil: z.string(),
  }),
  build: () => {
    const environment = readEnvironment(startExportEnvironment);
    const documents = documentClient();
    const place = {
      bucket: environment.BACKUPS_BUCKET,
      roleArn: environment.EXPORT_ROLE_ARN,
      kmsKeyArn: environment.EXPORT_KEY_ARN,
    };
    return {
      settings: {
        bucket: place.bucket,
        keyPrefix: environment.KEY_PREFIX,
        mostConcurrentTasks: environment.MOST_CONCURRENT_TASKS,
      },
      tasks: new ExportTasksStore(new RDSClient(smallCalls), place),
      exports: new ExportsStore(documents, environment.EXPORTS_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      executions: new ExecutionsStore(new SFNClient(smallCalls)),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async (input, { settings, tasks, exports, jobs, executions, events }) => {
    const updateUnit = (changes: UnitChanges) => jobs.updateUnit(input.runId, input.line.exportId, changes);
    const ports = {
      exports,
      tasks,
      isExecutionClosed: (executionArn: string) => executions.isClosed(executionArn),
      isCancelRequested: async () => (await jobs.find(input.runId))?.cancelRequestedAt !== undefined,
      now: Date.now,
    };
    const started = await startAndReport(input, settings, ports, updateUnit);
    if (started.outcome === "cancelled") await cancelExport(input, { updateUnit, events, exports, now: Date.now });
    log.info("export looked at", { exportId: input.line.exportId, ...started });
    return started;
  },
});
