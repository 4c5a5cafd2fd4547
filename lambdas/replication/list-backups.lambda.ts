// Entry: lists and judges the backups of a run.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { listBackupsEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { inventories } from "./inventories/index.ts";
import { listBackups } from "./list-backups.ts";
import { runRequestSchema } from "./run-request.ts";
import { targets } from "./targets/index.ts";
import { WorkStore } from "./work.store.ts";

export const handler = makeHandler({
  input: z.object({ runId: z.string(), executionArn: z.string(), request: runRequestSchema }),
  build: () => {
    const environment = readEnvironment(listBackupsEnvironment);
    const documents = documentClient();
    return {
      environment,
      inventory: inventories["aliyun-rds"](environment),
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      work: new WorkStore(new S3Client(smallCalls), environment.WORK_BUCKET),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.replication"),
    };
  },
  run: async (input, { environment, inventory, copies, jobs, work, events }) => {
    const listed = await listBackups(
      input,
      {
        instanceIds: environment.INSTANCE_IDS.split(",").filter((id) => id !== ""),
        windowHours: environment.WINDOW_HOURS,
        maximumAgeHours: environment.MAXIMUM_AGE_HOURS,
        includeDeletedInstances: environment.INCLUDE_DELETED_INSTANCES,
        concurrentBackups: environment.CONCURRENT_BACKUPS,
        largestObjectBytes: targets.s3.limits.largestObjectBytes,
      },
      {
        inventory,
        statesOf: (copyIds) => copies.statesOf(copyIds),
        putLines: (key, lines) => work.putLines(key, lines),
        putJob: (job) => jobs.putJob(job),
        putUnits: (jobId, units) => jobs.putUnits(jobId, units),
        reportInvalid: (backups) => events.send("BackupInvalid", backups),
        now: Date.now,
      },
    );
    log.info("backups listed", { ...listed });
    return listed;
  },
});
