// Entry: starts copies, exports and reconciliations for whoever asks.
import { SFNClient } from "@aws-sdk/client-sfn";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { IdempotencyStore } from "../shared/idempotency.store.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import type { AuditTicket } from "../shared/route-types.ts";
import { startWork, type Work } from "./api/start-work.ts";
import { startReplicationEnvironment } from "./config.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { routes } from "./routes.ts";

export const handler = defineRoutes({
  routes,
  entry: "start-replication",
  build: () => {
    const environment = readEnvironment(startReplicationEnvironment);
    const documents = documentClient();
    const executions = new ExecutionsStore(new SFNClient(smallCalls));
    const jobs = new JobsStore(documents, environment.JOBS_TABLE);
    const ports = {
      begin: executions.begin.bind(executions),
      enterJob: jobs.enterJob.bind(jobs),
      now: Date.now,
    };
    const workflows = {
      "replicate-backups": environment.COPY_STATE_MACHINE_ARN,
      "export-rds-snapshot": environment.EXPORT_STATE_MACHINE_ARN,
      "reconcile-mirror": environment.RECONCILE_STATE_MACHINE_ARN,
    };
    return {
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      idempotency: new IdempotencyStore(documents, environment.IDEMPOTENCY_TABLE),
      start: (workflow: Work["workflow"], input: object, workId: string, audit: AuditTicket) =>
        startWork(
          { workflow, stateMachineArn: workflows[workflow], workId, input },
          { ...ports, note: (details) => audit.note(details) },
        ),
    };
  },
  handlers: {
    startCopies: ({ body: { instanceId, ...request }, workId, audit }, { start }) =>
      start("replicate-backups", { ...request, instanceIds: [instanceId] }, workId, audit),
    startExports: ({ body, workId, audit }, { start }) => start("export-rds-snapshot", body, workId, audit),
    startReconciliation: ({ body, workId, audit }, { start }) => start("reconcile-mirror", body, workId, audit),
  },
});
