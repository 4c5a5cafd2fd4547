// Entry: changes of groups, prices and settings, and what has usage summed anew. It has no way to a credential or a key.
import { LambdaClient } from "@aws-sdk/client-lambda";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOf } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { IdempotencyStore } from "../shared/idempotency.store.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import type { Job } from "../shared/jobs.ts";
import { AccountsStore } from "./accounts.store.ts";
import { changeRelayHandlers } from "./admin/change-relay.ts";
import { changeRelayEnvironment } from "./config.ts";
import { routes } from "./routes.ts";
import { SettingsStore } from "./settings.store.ts";
import { WorkCallsStore } from "./work-calls.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "change-relay",
  build: () => {
    const environment = readEnvironment(changeRelayEnvironment);
    const documents = documentClient();
    const accounts = new AccountsStore(documents, environment.RELAY_ACCOUNTS_TABLE);
    const jobs = new JobsStore(documents, environment.JOBS_TABLE);
    const work = new WorkCallsStore(new LambdaClient(smallCalls));
    return {
      ...{ now: Date.now, tagOf },
      snapshot: () => accounts.readSnapshot(Date.now(), { consistent: true }),
      store: new SettingsStore(documents, environment.RELAY_ACCOUNTS_TABLE),
      rebuild: (range: object) => work.begin(environment.ROLL_UP_FUNCTION_NAME, { rebuild: range }),
      putJob: (job: Job) => jobs.putJob(job),
      beginExport: (wanted: object) => work.begin(environment.EXPORT_FUNCTION_NAME, { export: wanted }),
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      idempotency: new IdempotencyStore(documents, environment.IDEMPOTENCY_TABLE),
    };
  },
  handlers: changeRelayHandlers,
});
