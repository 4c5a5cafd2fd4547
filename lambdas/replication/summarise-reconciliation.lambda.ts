// Entry: closes the job of a reconciliation with what its shards counted.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { publishCounts } from "../shared/metrics.ts";
import { summariseReconciliationEnvironment } from "./config.ts";
import { summariseReconciliation } from "./reconcile/summarise-reconciliation.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    failure: z.object({ Error: z.string().optional(), Cause: z.string().optional() }).nullable(),
  }),
  build: () => {
    const environment = readEnvironment(summariseReconciliationEnvironment);
    return {
      jobs: new JobsStore(documentClient(), environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async ({ runId, failure }, { jobs, events }) => {
    const summary = summariseReconciliation(runId, await jobs.units(runId), failure);
    const { state, sentence, counts } = summary;
    await jobs.finishJob(runId, "mirror-reconciliation", {
      state,
      sentence,
      counts,
      finishedAt: new Date().toISOString(),
    });
    await events.send("MirrorReconciled", [{ runId, state, sentence, counts }]);
    publishCounts({
      MirrorObjectsCompared: counts.compared ?? 0,
      MirrorObjectsAdopted: counts.adopted ?? 0,
      MirrorObjectsCaughtUp: (counts.mirrored ?? 0) + (counts.started ?? 0),
      MirrorObjectsRestored: counts.restored ?? 0,
      MirrorObjectsOnlyInOss: counts["only-in-oss"] ?? 0,
      MirrorComparisonsFailed: counts.failed ?? 0,
    });
    log.info("reconciliation finished", { ...summary });
    return summary;
  },
});
