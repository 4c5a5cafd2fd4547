// Entry: target of the rule on ended executions. Closes the job of one that ended without saying so.
import { SFNClient } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { endingOf } from "./close-job.ts";
import { closeJobEnvironment } from "./config.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { JobEndsStore } from "./job-ends.store.ts";

export const handler = makeHandler({
  input: z.object({
    detail: z.object({
      executionArn: z.string(),
      /** The job's id, in every room. */
      name: z.string(),
      status: z.enum(["ABORTED", "TIMED_OUT", "FAILED"]),
      error: z.string().nullish(),
      cause: z.string().nullish(),
    }),
  }),
  build: () => ({
    ends: new JobEndsStore(documentClient(), readEnvironment(closeJobEnvironment).JOBS_TABLE),
    executions: new ExecutionsStore(new SFNClient(smallCalls)),
  }),
  run: async ({ detail }, { ends, executions }) => {
    // An event may come late: after a redrive the execution runs again, and its job with it.
    const standing = await executions.standing(detail.executionArn);
    const isOver = standing === undefined || standing.status === detail.status;
    const ending = endingOf(detail, new Date().toISOString());
    const closed = isOver && (await ends.closeUnlessFinished(detail.name, detail.executionArn, ending));
    log.info(closed ? "job closed" : "nothing to close", { jobId: detail.name, status: detail.status });
    return { closed };
  },
});
