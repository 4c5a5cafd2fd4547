// Entry: plans the copy of one backup.
import { randomUUID } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import { SFNClient } from "@aws-sdk/client-sfn";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { listedBackupSchema } from "./backup.ts";
import { planCopyEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { ExecutionsStore } from "./executions.store.ts";
import { inventories } from "./inventories/index.ts";
import { planAndReport } from "./plan-copy.ts";
import { sources } from "./sources/index.ts";
import { targets } from "./targets/index.ts";
import { WorkStore } from "./work.store.ts";

export const handler = makeHandler({
  input: z.object({ runId: z.string(), executionArn: z.string(), backup: listedBackupSchema }),
  build: () => {
    const environment = readEnvironment(planCopyEnvironment);
    const documents = documentClient();
    const jobs = new JobsStore(documents, environment.JOBS_TABLE);
    const work = new WorkStore(new S3Client(smallCalls), environment.WORK_BUCKET);
    const executions = new ExecutionsStore(new SFNClient(smallCalls));
    const ports = {
      inventory: inventories["aliyun-rds"](environment),
      source: sources["aliyun-rds"](),
      target: targets.s3.open(environment.BACKUPS_BUCKET, environment.SMALLEST_PART_BYTES),
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      isExecutionClosed: (executionArn: string) => executions.isClosed(executionArn),
      putLines: (key: string, lines: readonly object[]) => work.putLines(key, lines),
      newUploadMark: randomUUID,
      now: Date.now,
    };
    const settings = {
      bucket: environment.BACKUPS_BUCKET,
      keyPrefix: environment.KEY_PREFIX,
      monthlyEgressLimitBytes: environment.MONTHLY_EGRESS_LIMIT_BYTES,
      concurrentBatches: environment.CONCURRENT_BATCHES,
    };
    return { settings, ports, jobs };
  },
  run: (input, { settings, ports, jobs }) =>
    planAndReport(input, settings, ports, (changes) => jobs.updateUnit(input.runId, input.backup.copyId, changes)),
});
