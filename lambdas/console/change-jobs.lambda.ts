// Entry: cancels and redrives jobs.
import { SFNClient } from "@aws-sdk/client-sfn";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { IdempotencyStore } from "../shared/idempotency.store.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { cancelJob } from "./cancel-job.ts";
import { changeJobsEnvironment } from "./config.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { JobEndsStore } from "./job-ends.store.ts";
import { redriveJob } from "./redrive-job.ts";
import { routes } from "./routes.ts";

const placeOf = (jobId: string) => `/api/jobs/${encodeURIComponent(jobId)}`;

export const handler = defineRoutes({
  routes,
  entry: "change-jobs",
  build: () => {
    const environment = readEnvironment(changeJobsEnvironment);
    const documents = documentClient();
    return {
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      idempotency: new IdempotencyStore(documents, environment.IDEMPOTENCY_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      ends: new JobEndsStore(documents, environment.JOBS_TABLE),
      executions: new ExecutionsStore(new SFNClient(smallCalls)),
    };
  },
  handlers: {
    cancelJob: async ({ path: { jobId }, caller, audit }, { jobs, ends, executions }) => {
      const data = await cancelJob(jobId, new Date().toISOString(), {
        find: (id) => jobs.find(id),
        requestCancel: (id, at) => ends.requestCancel(id, at, audit.item()),
        stop: (arn) => executions.stop(arn, `Cancelled over the API by ${caller.name}.`),
      });
      return { data, location: placeOf(jobId) };
    },
    redriveJob: async ({ path: { jobId }, workId, audit }, { jobs, ends, executions }) => {
      const redrivenAt = new Date().toISOString();
      await redriveJob(jobId, {
        find: (id) => jobs.find(id),
        standing: (arn) => executions.standing(arn),
        reopen: (id, seen) => ends.reopen(id, seen, redrivenAt, audit.item({ stateBefore: seen })),
        redrive: (arn) => executions.redrive(arn, workId),
        closeAgain: (job) => ends.closeAgain(job, redrivenAt),
      });
      return { data: { jobId, redrivenAt }, location: placeOf(jobId) };
    },
  },
});
