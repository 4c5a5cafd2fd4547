// Entry: completes the upload of a copy whose parts are all there.
import * as z from "zod";
import { documentClient } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { CausewayError } from "../shared/errors.ts";
import { JobsStore } from "../shared/jobs.store.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { completeCopy } from "./complete-copy.ts";
import { completeCopyEnvironment } from "./config.ts";
import { CopiesStore } from "./copies.store.ts";
import { newClaim } from "./copy.ts";
import { PartLedgerStore } from "./part-ledger.store.ts";
import { targets } from "./targets/index.ts";

export const handler = makeHandler({
  input: z.object({ runId: z.string(), copyId: z.string(), executionArn: z.string() }),
  build: () => {
    const environment = readEnvironment(completeCopyEnvironment);
    const documents = documentClient();
    return {
      target: targets.s3.open(environment.BACKUPS_BUCKET),
      copies: new CopiesStore(documents, environment.COPIES_TABLE),
      jobs: new JobsStore(documents, environment.JOBS_TABLE),
      ledger: new PartLedgerStore(documents, environment.PART_LEDGER_TABLE),
    };
  },
  run: async ({ runId, copyId, executionArn }, { target, copies, jobs, ledger }) => {
    await copies.renewClaim(copyId, newClaim(executionArn, Date.now()));
    const copy = await copies.read(copyId);
    if (copy?.plan === undefined) throw new CausewayError("ClaimLost", `${copyId} has no plan any more.`);
    await jobs.updateUnit(runId, copyId, { phase: "completing" });
    return completeCopy(copy, copy.plan, {
      target,
      readLedger: (mark, first, last) => ledger.read(mark, first, last),
      keepCompleted: (completed) => copies.keepCompleted(copyId, executionArn, completed),
      now: () => Date.now(),
    });
  },
});
