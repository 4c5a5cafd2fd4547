// Entry: what can be looked at: jobs, schedules, settings, audit.
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOfContent } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { AssetsStore } from "./assets.store.ts";
import { viewSchedule, viewSchedules } from "./change-schedule.ts";
import { answerRequestsEnvironment } from "./config.ts";
import { listConfig, stageConfigSchema } from "./list-config.ts";
import { listAudit, listJobs, numberedPage, showJob } from "./lists.ts";
import { routes } from "./routes.ts";
import { SchedulerStore } from "./scheduler.store.ts";
import { SchedulesStore } from "./schedules.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "answer-requests",
  build: () => {
    const environment = readEnvironment(answerRequestsEnvironment);
    const documents = documentClient();
    const scheduler = new SchedulerStore(new SchedulerClient(smallCalls));
    const wanted = new SchedulesStore(documents, environment.SCHEDULES_TABLE);
    return {
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      auditTrail: new AuditStore(documents, environment.AUDIT_TABLE),
      schedules: {
        known: environment.SCHEDULE_NAMES,
        read: (name: string) => scheduler.read(name),
        wanted: (name: string) => wanted.wanted(name),
        tagOf: tagOfContent,
      },
      assets: new AssetsStore(import.meta.dirname),
      parameters: environment.PARAMETER_VALUES,
    };
  },
  handlers: {
    listJobs: async ({ query }, { jobs }) => ({ data: await listJobs(query, (question) => jobs.list(question)) }),
    getJob: async ({ path, query }, { jobs }) => ({
      data: await showJob(path.jobId, query, (jobId) => jobs.view(jobId, Date.now())),
    }),
    listSchedules: async ({ query }, { schedules }) => ({ data: numberedPage(await viewSchedules(schedules), query) }),
    getSchedule: async ({ path }, { schedules }) => {
      const data = await viewSchedule(path.name, schedules);
      return { data, etag: data.etag };
    },
    getConfig: async (_request, { assets, parameters, schedules }) => {
      const { stage, values } = stageConfigSchema.parse(JSON.parse(assets.read("stage-config.json")));
      return { data: { stage, items: listConfig(values, parameters, await viewSchedules(schedules)) } };
    },
    listAudit: async ({ query }, { auditTrail }) => ({
      data: await listAudit(query, new Date(), (month, most, after) => auditTrail.page(month, most, after)),
    }),
  },
});
