// Entry: writes usage records into files of S3, every day those of the day before, or a range that an operator asked for.
import { S3Client } from "@aws-sdk/client-s3";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { exportUsageEnvironment } from "./config.ts";
import { exportInput, exportUsage } from "./counting/export-usage.ts";
import { UsageStore } from "./usage.store.ts";
import { UsageFilesStore } from "./usage-files.store.ts";

/** Enough to finish the files, or to say that they cannot be. */
const timeToFinishMilliseconds = 90_000;

export const handler = makeHandler({
  input: exportInput,
  build: () => {
    const environment = readEnvironment(exportUsageEnvironment);
    const documents = documentClient();
    return {
      usage: new UsageStore(documents, environment.RELAY_USAGE_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      files: new UsageFilesStore(new S3Client(smallCalls), environment.EXPORTS_BUCKET),
    };
  },
  run: async (input, { usage, jobs, files }, invocation) => {
    const report = await exportUsage(input, {
      records: (lane) => usage.lane(lane),
      open: (key, contentType) => files.open(key, contentType),
      putJob: (job) => jobs.putJob(job),
      finishJob: (jobId, end) => jobs.finishJob(jobId, "relay-usage-export", end),
      failJob: (jobId, changes) => jobs.updateJob(jobId, changes),
      beat: (jobId, heartbeatAt) => jobs.updateJob(jobId, { heartbeatAt }),
      hasTime: () => invocation.remainingMilliseconds() > timeToFinishMilliseconds,
      now: Date.now,
    });
    log.info("exported usage", { ...report });
    return report;
  },
});
