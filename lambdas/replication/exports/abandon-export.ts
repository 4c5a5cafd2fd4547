// Abandon export: after a failure the reason is kept where a person finds it, and the claim is given back.
// The task itself, if it still runs in RDS, is left to run: the next run adopts it.
import { isErrorNamed } from "../../shared/errors.ts";
import type { StateMachineFailure } from "../abandon-copy.ts";
import type { ExportsStore } from "../exports.store.ts";
import { readableCause } from "../readable-cause.ts";
import type { ExportFailure } from "./export-item.ts";

export interface AbandonExportPorts {
  readonly exports: Pick<ExportsStore, "read" | "end">;
  now(): number;
}

export interface AbandonedExport {
  readonly error: string;
  readonly cause: string;
  /** The export itself was recorded by then; only telling of it failed. */
  readonly isExported: boolean;
}

export async function abandonExport(
  input: { exportId: string; executionArn: string; failure: StateMachineFailure },
  ports: AbandonExportPorts,
): Promise<AbandonedExport> {
  const { exportId, executionArn } = input;
  const item = await ports.exports.read(exportId);
  const failure: ExportFailure = {
    executionArn,
    error: input.failure.Error ?? "States.Unknown",
    cause: readableCause(input.failure.Cause ?? ""),
    at: new Date(ports.now()).toISOString(),
  };
  const isExported = item?.result?.executionArn === executionArn && item.claim === undefined;
  // Without the claim, the item belongs to whoever holds it now.
  if (item?.claim?.executionArn === executionArn) {
    try {
      await ports.exports.end(exportId, "failed", failure);
    } catch (error) {
      // A write whose answer was lost is sent again by the SDK, and finds its own work done.
      const now = isErrorNamed(error, "ClaimLost") ? await ports.exports.read(exportId) : undefined;
      if (now?.endedBy !== executionArn) throw error;
    }
  }
  return { error: failure.error, cause: failure.cause, isExported };
}
