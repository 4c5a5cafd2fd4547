// Run batch: one invocation's share of a copy, under the claim: renew it, copy, report progress, keep the reason of a failure.
import { CausewayError } from "../shared/errors.ts";
import type { WorkerProgress } from "../shared/jobs.ts";
import type { CopiesStore } from "./copies.store.ts";
import { failureOf, newClaim } from "./copy.ts";
import type { BatchPorts, BatchResult } from "./copy-batch.ts";
import { copyBatch } from "./copy-batch.ts";
import type { PartLedgerStore } from "./part-ledger.store.ts";
import type { Batch } from "./plan-parts.ts";
import { reportProgress } from "./report-progress.ts";

export interface RunBatchPorts extends Omit<BatchPorts, "keepPart" | "readLedger" | "onProgress"> {
  readonly copies: Pick<CopiesStore, "renewClaim" | "read" | "noteError">;
  readonly ledger: Pick<PartLedgerStore, "put" | "read">;
  putProgress(item: WorkerProgress): Promise<void>;
  /** A progress report was lost; the copy goes on. */
  onLost(error: unknown): void;
}

/** A source whose links expire before a part is through would otherwise be asked for ever. */
const mostIdleRounds = 2;

/** Throws `NoProgress` after two rounds without a part; else what `copyBatch` throws. `linkVersion` tells which link was used, so that an expired one is refreshed once for all workers. */
export async function runBatch(
  input: { copyId: string; executionArn: string; batch: Batch; idleRounds: number },
  ports: RunBatchPorts,
): Promise<BatchResult & { linkVersion: number }> {
  const { copyId, executionArn, batch } = input;
  const { copies, ledger, now } = ports;
  await copies.renewClaim(copyId, newClaim(executionArn, now()));
  const { plan, link } = (await copies.read(copyId)) ?? {};
  if (plan === undefined || link === undefined) {
    throw new CausewayError("ClaimLost", `${copyId} has no plan any more.`);
  }
  const worker = { unitId: copyId, worker: String(batch.number) };
  const progress = reportProgress(worker, {
    put: ports.putProgress,
    now,
    random: ports.random,
    onLost: ports.onLost,
  });
  try {
    if (input.idleRounds >= mostIdleRounds) {
      throw new CausewayError("NoProgress", `Batch ${batch.number} copied no part in ${input.idleRounds} rounds.`);
    }
    const result = await copyBatch(plan, link.address, batch, {
      ...ports,
      keepPart: (part) => ledger.put(plan.uploadMark, part, now()),
      readLedger: (first, last) => ledger.read(plan.uploadMark, first, last),
      onProgress: progress.update,
    });
    return { ...result, linkVersion: link.version };
  } catch (error) {
    if (error instanceof Error) await copies.noteError(copyId, failureOf(error, executionArn, now()));
    throw error;
  } finally {
    await progress.end();
  }
}
