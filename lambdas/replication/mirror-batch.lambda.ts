// Entry: mirrors one batch of a large object's parts, as far as this invocation's time reaches.
import * as z from "zod";
import { documentClient } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import type { WorkerProgress } from "../shared/jobs.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { chooseConcurrency } from "./choose-concurrency.ts";
import { mirrorBatchEnvironment } from "./config.ts";
import { runMirrorBatch } from "./mirror/run-mirror-batch.ts";
import { MirrorStore } from "./mirror.store.ts";
import { PartLedgerStore } from "./part-ledger.store.ts";
import { sources } from "./sources/index.ts";
import { openOss } from "./targets/open-oss.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    sourceKey: z.string(),
    fence: z.number(),
    /** Rounds before this one, in a row, that copied no part. */
    idleRounds: z.number(),
    batch: z.object({ number: z.number(), firstPart: z.number(), lastPart: z.number() }),
  }),
  build: () => {
    const environment = readEnvironment(mirrorBatchEnvironment);
    const documents = documentClient();
    const ports = {
      sourceBucket: environment.BACKUPS_BUCKET,
      source: sources.s3(),
      target: openOss(environment),
      mirror: new MirrorStore(documents, environment.MIRROR_TABLE),
      ledger: new PartLedgerStore(documents, environment.PART_LEDGER_TABLE),
      onLost: (error: unknown) => log.warn("progress was not written", { error: String(error) }),
      now: Date.now,
      random: Math.random,
    };
    return { ports, jobs: new JobsStore(documents, environment.JOBS_TABLE), most: environment.MOST_PARTS_AT_ONCE };
  },
  run: (input, { ports, jobs, most }, { remainingMilliseconds }) =>
    runMirrorBatch(input, {
      ...ports,
      putProgress: (item: WorkerProgress) => jobs.putProgress(input.runId, item),
      remainingMilliseconds,
      // After a round that brought nothing, one part has the whole line to itself.
      concurrency: chooseConcurrency({ most: input.idleRounds > 0 ? 1 : most }),
    }),
});
