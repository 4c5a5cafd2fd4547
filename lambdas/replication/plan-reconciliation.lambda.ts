// Entry: opens a reconciliation and cuts it into shards.
import { S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { planReconciliationEnvironment } from "./config.ts";
import { planReconciliation } from "./reconcile/plan-reconciliation.ts";
import { bothSides } from "./reconcile/plan-shards.ts";
import { reconcileRequestSchema } from "./reconcile/reconcile-request.ts";
import { SourceListsStore } from "./source-lists.store.ts";
import { openOssContents } from "./targets/oss-contents.ts";
import { WorkStore } from "./work.store.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    executionArn: z.string(),
    startedAt: z.string(),
    request: reconcileRequestSchema,
  }),
  build: () => {
    const environment = readEnvironment(planReconciliationEnvironment);
    const s3 = new S3Client(smallCalls);
    return {
      mappings: environment.MIRROR_MAPPINGS,
      lists: bothSides(new SourceListsStore(s3, environment.BACKUPS_BUCKET), openOssContents(environment)),
      jobs: new JobsStore(documentClient(), environment.JOBS_TABLE),
      work: new WorkStore(s3, environment.WORK_BUCKET),
    };
  },
  run: async ({ request, ...run }, { mappings, lists, jobs, work }) => {
    const planned = await planReconciliation(run, request, mappings, {
      ...lists,
      putJob: (job) => jobs.putJob(job),
      updateJob: (jobId, changes) => jobs.updateJob(jobId, changes),
      putUnits: (jobId, units) => jobs.putUnits(jobId, units),
      putLines: (key, lines) => work.putLines(key, lines),
      now: Date.now,
    });
    log.info("reconciliation planned", { ...planned });
    return planned;
  },
});
