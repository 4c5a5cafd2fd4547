// Entry: keeps why an export failed, gives its claim back, and raises the event.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { abandonExportEnvironment } from "./config.ts";
import { abandonExport } from "./exports/abandon-export.ts";
import { exportLineSchema } from "./exports/snapshot.ts";
import { ExportsStore } from "./exports.store.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    executionArn: z.string(),
    line: exportLineSchema,
    failure: z.object({ Error: z.string().optional(), Cause: z.string().optional() }),
  }),
  build: () => {
    const environment = readEnvironment(abandonExportEnvironment);
    const documents = documentClient();
    return {
      exports: new ExportsStore(documents, environment.EXPORTS_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async ({ runId, executionArn, line, failure }, { exports, jobs, events }) => {
    const { exportId, snapshot } = line;
    const reason = await abandonExport({ exportId, executionArn, failure }, { exports, now: Date.now });
    if (reason.isExported) return reason;
    const { error, cause } = reason;
    const finishedAt = new Date().toISOString();
    const changes = { phase: "failed", outcome: "failed", reason: `${error}: ${cause}`, finishedAt };
    await jobs.updateUnit(runId, exportId, changes);
    const { databaseId, arn: snapshotArn } = snapshot;
    await events.send("SnapshotExportFailed", [{ runId, exportId, databaseId, snapshotArn, error, cause }]);
    return reason;
  },
});
