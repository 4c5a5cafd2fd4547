// Entry: lists and judges the snapshots of a run.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { RDSClient } from "@aws-sdk/client-rds";
import { S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { listSnapshotsEnvironment } from "./config.ts";
import { exportRequestSchema } from "./exports/export-request.ts";
import { listSnapshots } from "./exports/list-snapshots.ts";
import { ExportsStore } from "./exports.store.ts";
import { SnapshotsStore } from "./snapshots.store.ts";
import { WorkStore } from "./work.store.ts";

export const handler = makeHandler({
  input: z.object({ runId: z.string(), executionArn: z.string(), request: exportRequestSchema }),
  build: () => {
    const environment = readEnvironment(listSnapshotsEnvironment);
    const documents = documentClient();
    const snapshots = new SnapshotsStore(new RDSClient(smallCalls));
    const exports = new ExportsStore(documents, environment.EXPORTS_TABLE);
    const jobs = new JobsStore(documents, environment.JOBS_TABLE);
    const work = new WorkStore(new S3Client(smallCalls), environment.WORK_BUCKET);
    const events = eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication");
    const settings = {
      databaseIds: environment.DATABASE_IDS.split(",").filter((id) => id !== ""),
      recoveryPointObjectiveHours: environment.RECOVERY_POINT_OBJECTIVE_HOURS,
      largestSnapshotBytes: environment.LARGEST_SNAPSHOT_BYTES,
      mostConcurrentTasks: environment.MOST_CONCURRENT_TASKS,
      accountId: environment.ACCOUNT_ID,
      region: environment.REGION,
    };
    return { settings, snapshots, exports, jobs, work, events };
  },
  run: async (input, { settings, snapshots, exports, jobs, work, events }) => {
    const listed = await listSnapshots(input, settings, {
      snapshots,
      exports,
      putLines: (key, lines) => work.putLines(key, lines),
      putJob: (job) => jobs.putJob(job),
      updateJob: (jobId, changes) => jobs.updateJob(jobId, changes),
      putUnits: (jobId, units) => jobs.putUnits(jobId, units),
      reportInvalid: (invalid) => events.send("SnapshotInvalid", invalid),
      now: Date.now,
    });
    log.info("snapshots listed", { ...listed });
    return listed;
  },
});
