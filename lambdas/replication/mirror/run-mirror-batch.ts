// Run mirror batch: one invocation's share of a large object, under the key's lease: renew it, copy, report progress.
import { CausewayError } from "../../shared/errors.ts";
import type { WorkerProgress } from "../../shared/jobs.ts";
import type { BatchPorts, BatchResult } from "../copy-batch.ts";
import { copyBatch } from "../copy-batch.ts";
import type { MirrorStore } from "../mirror.store.ts";
import type { PartLedgerStore } from "../part-ledger.store.ts";
import type { Batch } from "../plan-parts.ts";
import { reportProgress } from "../report-progress.ts";
import { s3AddressOf } from "../s3-address.ts";
import { type HeldKey, mirrorFailureOf } from "./mirror-item.ts";
import { workflowLeaseUntil } from "./plan-mirror.ts";

export interface RunMirrorBatchPorts extends Omit<BatchPorts, "keepPart" | "readLedger" | "onProgress"> {
  readonly sourceBucket: string;
  readonly mirror: Pick<MirrorStore, "renew" | "noteError">;
  readonly ledger: Pick<PartLedgerStore, "put" | "read">;
  putProgress(item: WorkerProgress): Promise<void>;
  /** A progress report was lost; the work goes on. */
  onLost(error: unknown): void;
}

/** A line too slow for a single part would otherwise be tried for ever. */
const mostIdleRounds = 2;

/** Throws `NoProgress` after two rounds without a part, `MirrorLeaseLost`; else what `copyBatch` throws. */
export async function runMirrorBatch(
  input: HeldKey & { batch: Batch; idleRounds: number },
  ports: RunMirrorBatchPorts,
): Promise<BatchResult> {
  const { sourceKey, batch, idleRounds } = input;
  const { ledger, now } = ports;
  const { upload, lease } = await ports.mirror.renew(input, workflowLeaseUntil(now()));
  if (upload === undefined) throw new CausewayError("UploadLost", `${sourceKey} has no upload any more.`);
  const worker = { unitId: sourceKey, worker: String(batch.number) };
  const { putProgress: put, random, onLost } = ports;
  const progress = reportProgress(worker, { put, now, random, onLost });
  const address = s3AddressOf({ bucket: ports.sourceBucket, key: sourceKey, versionId: upload.versionId });
  try {
    if (idleRounds >= mostIdleRounds) {
      throw new CausewayError("NoProgress", `Batch ${batch.number} copied no part in ${idleRounds} rounds.`);
    }
    return await copyBatch(upload, address, batch, {
      ...ports,
      keepPart: (part) => ledger.put(upload.uploadMark, part, now()),
      readLedger: (first, last) => ledger.read(upload.uploadMark, first, last),
      onProgress: progress.update,
    });
  } catch (error) {
    if (error instanceof Error && lease !== undefined) {
      await ports.mirror.noteError(input, { ...mirrorFailureOf(error, now(), false), holder: lease.holder });
    }
    throw error;
  } finally {
    await progress.end();
  }
}
