// Entry: closes a run's job with its counts.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { publishCounts } from "../shared/metrics.ts";
import { summariseRunEnvironment } from "./config.ts";
import { summariseRun } from "./summarise-run.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    failure: z.object({ Error: z.string().optional(), Cause: z.string().optional() }).nullable(),
  }),
  build: () => {
    const environment = readEnvironment(summariseRunEnvironment);
    return {
      jobs: new JobsStore(documentClient(), environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async ({ runId, failure }, { jobs, events }) => {
    const summary = summariseRun(runId, await jobs.units(runId), failure);
    const { state, sentence, counts } = summary;
    await jobs.finishJob(runId, "replication-run", { state, sentence, counts, finishedAt: new Date().toISOString() });
    await events.send("ReplicationRunFinished", [{ runId, state, sentence, counts }]);
    publishCounts({
      BackupsVerified: counts.verified ?? 0,
      BackupsUnverified: counts["copied-unverified"] ?? 0,
      BackupsRefused: counts.refused ?? 0,
      CopiesFailed: counts.failed ?? 0,
      BytesCopied: summary.bytes,
    });
    log.info("run finished", { runId, state, sentence });
    return summary;
  },
});
