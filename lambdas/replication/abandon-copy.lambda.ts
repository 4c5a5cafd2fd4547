// Entry: cleans up after a copy that failed, keeps the reason, and raises the event.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { abandonCopy } from "./abandon-copy.ts";
import { announceFailure } from "./announce-failure.ts";
import { abandonCopyEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { targets } from "./targets/index.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    copyId: z.string(),
    executionArn: z.string(),
    failure: z.object({ Error: z.string().optional(), Cause: z.string().optional() }),
  }),
  build: () => {
    const environment = readEnvironment(abandonCopyEnvironment);
    const documents = documentClient();
    return {
      limitBytes: environment.MONTHLY_EGRESS_LIMIT_BYTES,
      target: targets.s3.open(environment.BACKUPS_BUCKET),
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async ({ runId, ...input }, { limitBytes, target, copies, jobs, events }) => {
    const reason = await abandonCopy(input, {
      target,
      read: (copyId) => copies.read(copyId),
      fail: (copyId, failure, state, keepPlan) => copies.fail(copyId, failure, state, keepPlan),
      now: () => Date.now(),
    });
    if (reason.isCopied) return reason;
    const finishedAt = new Date().toISOString();
    const sentence = `${reason.error}: ${reason.cause}`;
    await jobs.updateUnit(runId, input.copyId, { phase: "failed", outcome: "failed", reason: sentence, finishedAt });
    await announceFailure({ runId, copyId: input.copyId, ...reason }, limitBytes, {
      events,
      egressBytes: (month) => copies.egressBytes(month),
      now: () => Date.now(),
    });
    return reason;
  },
});
