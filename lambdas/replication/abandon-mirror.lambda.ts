// Entry: cleans up after a large object that could not be mirrored, keeps the reason, and raises the event.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { type EventDetail, eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { abandonMirrorEnvironment } from "./config.ts";
import { abandonMirror } from "./mirror/abandon-mirror.ts";
import { jobOfFailure } from "./mirror/report-mirror.ts";
import { MirrorStore } from "./mirror.store.ts";
import { openOss } from "./targets/open-oss.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    sourceKey: z.string(),
    executionArn: z.string(),
    startedAt: z.string(),
    failure: z.object({ Error: z.string().optional(), Cause: z.string().optional() }),
  }),
  build: () => {
    const environment = readEnvironment(abandonMirrorEnvironment);
    const documents = documentClient();
    const events = eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication");
    const ports = {
      target: openOss(environment),
      mirror: new MirrorStore(documents, environment.MIRROR_TABLE),
      events: { failed: (detail: EventDetail<"MirrorFailed">) => events.send("MirrorFailed", [detail]) },
      now: Date.now,
    };
    return { ports, jobs: new JobsStore(documents, environment.JOBS_TABLE) };
  },
  run: async (input, { ports, jobs }) => {
    const reason = await abandonMirror(input, ports);
    const finishedAt = new Date().toISOString();
    if (reason.isPlanned) {
      const sentence = `${reason.error}: ${reason.cause}`;
      const unit = { phase: "failed", outcome: "failed", reason: sentence, finishedAt };
      await jobs.updateUnit(input.runId, input.sourceKey, unit);
    }
    await jobs.putJob(jobOfFailure(input, reason, finishedAt));
    return reason;
  },
});
