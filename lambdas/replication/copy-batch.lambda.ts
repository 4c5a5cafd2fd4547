// Entry: copies one batch of parts, as far as this invocation's time reaches.
import * as z from "zod";
import { documentClient } from "../shared/aws-clients.ts";
import { namedError } from "../shared/aws-errors.ts";
import { readEnvironment } from "../shared/environment.ts";
import { CausewayError } from "../shared/errors.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import type { WorkerProgress } from "../shared/jobs.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { chooseConcurrency } from "./choose-concurrency.ts";
import { copyBatchEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { failureOf, newClaim } from "./copy.ts";
import { copyBatch } from "./copy-batch.ts";
import { PartLedgerStore } from "./part-ledger.store.ts";
import { reportProgress } from "./report-progress.ts";
import { sources } from "./sources/index.ts";
import { targets } from "./targets/index.ts";

export const handler = makeHandler({
  input: z.object({
    runId: z.string(),
    copyId: z.string(),
    executionArn: z.string(),
    batch: z.object({ number: z.number(), firstPart: z.number(), lastPart: z.number() }),
  }),
  build: () => {
    const environment = readEnvironment(copyBatchEnvironment);
    const documents = documentClient();
    return {
      mostPartsAtOnce: environment.MOST_PARTS_AT_ONCE,
      source: sources["aliyun-rds"](),
      target: targets.s3.open(environment.BACKUPS_BUCKET),
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      ledger: new PartLedgerStore(documents, environment.PART_LEDGER_TABLE),
    };
  },
  run: async (input, { mostPartsAtOnce, source, target, copies, jobs, ledger }, invocation) => {
    const { copyId, executionArn, batch } = input;
    await copies.renewClaim(copyId, newClaim(executionArn, Date.now()));
    const { plan, link } = (await copies.read(copyId)) ?? {};
    if (plan === undefined || link === undefined)
      throw new CausewayError("ClaimLost", `${copyId} has no plan any more.`);
    const put = (item: WorkerProgress) => jobs.putProgress(input.runId, item);
    const progress = reportProgress({ unitId: copyId, worker: String(batch.number) }, { put, now: Date.now, onLost });
    try {
      const result = await copyBatch(plan, link.address, batch, {
        source,
        target,
        keepPart: (part) => ledger.put(plan.uploadMark, part, Date.now()).catch(rethrowNamed),
        readLedger: (first, last) => ledger.read(plan.uploadMark, first, last),
        onProgress: progress.update,
        remainingMilliseconds: invocation.remainingMilliseconds,
        now: Date.now,
        random: Math.random,
        concurrency: chooseConcurrency({ most: mostPartsAtOnce }),
      });
      return { ...result, linkVersion: link.version };
    } catch (thrown) {
      const error = namedError(thrown);
      await copies.noteError(copyId, failureOf(error, executionArn, Date.now()));
      throw error;
    } finally {
      await progress.end();
    }
  },
});

const onLost = (error: unknown) => log.warn("progress was not written", { error: String(error) });

function rethrowNamed(error: unknown): never {
  throw namedError(error);
}
