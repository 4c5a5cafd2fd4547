// Entry: one look at a running export task.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { RDSClient } from "@aws-sdk/client-rds";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { followExportEnvironment } from "./config.ts";
import { ExportTasksStore } from "./export-tasks.store.ts";
import { cancelExport } from "./exports/cancel-export.ts";
import { followExport, type Progress, progressOf } from "./exports/follow-export.ts";
import { exportLineSchema } from "./exports/snapshot.ts";
import type { UnitChanges } from "./exports/start-export.ts";
import { ExportsStore } from "./exports.store.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    executionArn: z.string(),
    line: exportLineSchema,
    taskId: z.string(),
    /** Looks before this one. */
    looks: z.number(),
  }),
  build: () => {
    const environment = readEnvironment(followExportEnvironment);
    const documents = documentClient();
    const place = {
      bucket: environment.BACKUPS_BUCKET,
      roleArn: environment.EXPORT_ROLE_ARN,
      kmsKeyArn: environment.EXPORT_KEY_ARN,
    };
    return {
      tasks: new ExportTasksStore(new RDSClient(smallCalls), place),
      exports: new ExportsStore(documents, environment.EXPORTS_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async (input, { tasks, exports, jobs, events }) => {
    const { runId, line } = input;
    const updateUnit = (changes: UnitChanges) => jobs.updateUnit(runId, line.exportId, changes);
    const followed = await followExport(input, {
      exports,
      tasks,
      isCancelRequested: async () => (await jobs.find(runId))?.cancelRequestedAt !== undefined,
      report: async (progress: Progress) => {
        await updateUnit({ phase: progress.phase });
        await jobs.putProgress(runId, progressOf(line, progress, Date.now()));
      },
      now: Date.now,
    });
    if (followed.state === "cancelled") await cancelExport(input, { updateUnit, events, exports, now: Date.now });
    return followed;
  },
});
