// Announce failure: one event for a copy that failed, by what it failed of.
import type { EventSender } from "../shared/events.ts";

export interface FailedCopy {
  readonly runId: string;
  /** `<source>:<instance>:<backup>` */
  readonly copyId: string;
  readonly error: string;
  readonly cause: string;
}

export interface AnnounceFailurePorts {
  readonly events: Pick<EventSender, "send">;
  /** What was counted against a month, `2026-11`. */
  egressBytes(month: string): Promise<number>;
  now(): number;
}

/** Sends exactly one of BackupProofFailed, EgressLimitReached and BackupCopyFailed: each has an alert of its own. */
export async function announceFailure(
  failed: FailedCopy,
  limitBytes: number,
  ports: AnnounceFailurePorts,
): Promise<void> {
  const { runId, copyId, error, cause } = failed;
  const [, instanceId = "", backupId = ""] = copyId.split(":");
  const facts = { runId, copyId, instanceId, backupId };
  if (error === "EgressLimitReached") {
    const month = new Date(ports.now()).toISOString().slice(0, "2026-11".length);
    const usedBytes = await ports.egressBytes(month);
    await ports.events.send("EgressLimitReached", [{ ...facts, limitBytes, usedBytes }]);
    return;
  }
  const name = error === "ProofFailed" ? "BackupProofFailed" : "BackupCopyFailed";
  await ports.events.send(name, [{ ...facts, error, cause }]);
}
