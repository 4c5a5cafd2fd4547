// Entry: changes when a schedule fires.
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOfContent } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { changeSchedule } from "./change-schedule.ts";
import { changeSchedulesEnvironment } from "./config.ts";
import { routes } from "./routes.ts";
import { SchedulerStore } from "./scheduler.store.ts";
import { SchedulesStore } from "./schedules.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "change-schedules",
  build: () => {
    const environment = readEnvironment(changeSchedulesEnvironment);
    const documents = documentClient();
    return {
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      schedules: new SchedulesStore(documents, environment.SCHEDULES_TABLE),
      scheduler: new SchedulerStore(new SchedulerClient(smallCalls)),
      known: environment.SCHEDULE_NAMES,
    };
  },
  handlers: {
    changeSchedule: async ({ path, body, ifMatch, caller, audit }, { schedules, scheduler, known }) => {
      const change = { settings: body, at: new Date().toISOString(), by: caller.name };
      const data = await changeSchedule(path.name, change, (tag) => ifMatch.demand(tag), {
        known,
        read: (name) => scheduler.read(name),
        wanted: (name) => schedules.wanted(name),
        want: (name, wanted, before) => schedules.want(name, wanted, audit.item({ before, after: body })),
        change: (running, settings) => scheduler.change(running, settings),
        tagOf: tagOfContent,
      });
      return { data, etag: data.etag };
    },
  },
});
