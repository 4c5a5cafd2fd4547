// Entry: plans the mirroring of one large object, and opens the execution's job.
import { randomUUID } from "node:crypto";
import { S3Client } from "@aws-sdk/client-s3";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { planMirrorEnvironment } from "./config.ts";
import { planAndReportMirror } from "./mirror/report-mirror.ts";
import { MirrorStore } from "./mirror.store.ts";
import { SourceObjectsStore } from "./source-objects.store.ts";
import { openOss } from "./targets/open-oss.ts";
import { WorkStore } from "./work.store.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    executionArn: z.string(),
    startedAt: z.string(),
    sourceKey: z.string().min(1),
    again: z.boolean(),
  }),
  build: () => {
    const environment = readEnvironment(planMirrorEnvironment);
    const documents = documentClient();
    const s3 = new S3Client(smallCalls);
    const objects = new SourceObjectsStore(s3, environment.BACKUPS_BUCKET);
    const work = new WorkStore(s3, environment.WORK_BUCKET);
    const ports = {
      target: openOss(environment, environment.SMALLEST_PART_BYTES),
      mirror: new MirrorStore(documents, environment.MIRROR_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      current: (sourceKey: string) => objects.current(sourceKey),
      putLines: (key: string, lines: readonly object[]) => work.putLines(key, lines),
      newUploadMark: randomUUID,
      now: Date.now,
    };
    const settings = {
      mappings: environment.MIRROR_MAPPINGS,
      largeObjectBytes: environment.LARGE_OBJECT_BYTES,
      concurrentBatches: environment.CONCURRENT_BATCHES,
    };
    return { settings, ports };
  },
  run: (input, { settings, ports }) => planAndReportMirror(input, settings, ports),
});
