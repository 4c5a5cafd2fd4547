// Entry: closes the job of a run of exports with its counts.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { publishCounts } from "../shared/metrics.ts";
import { summariseExportsEnvironment } from "./config.ts";
import { summariseExports } from "./exports/summarise-exports.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    failure: z.object({ Error: z.string().optional(), Cause: z.string().optional() }).nullable(),
  }),
  build: () => {
    const environment = readEnvironment(summariseExportsEnvironment);
    return {
      jobs: new JobsStore(documentClient(), environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async ({ runId, failure }, { jobs, events }) => {
    const summary = summariseExports(runId, await jobs.units(runId), failure);
    const { state, sentence, counts } = summary;
    await jobs.finishJob(runId, "snapshot-export", { state, sentence, counts, finishedAt: new Date().toISOString() });
    await events.send("ReplicationRunFinished", [{ runId, state, sentence, counts }]);
    publishCounts({
      SnapshotsExported: counts.exported ?? 0,
      SnapshotsExportedPartially: counts.partial ?? 0,
      SnapshotsRefused: counts.refused ?? 0,
      SnapshotExportsWaiting: counts.waiting ?? 0,
      SnapshotExportsFailed: counts.failed ?? 0,
    });
    log.info("run of exports finished", { runId, state, sentence });
    return summary;
  },
});
