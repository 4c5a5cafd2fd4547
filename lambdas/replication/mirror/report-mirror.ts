// What an operator sees of a large object on its way: a job of one unit, opened by the plan, closed by completion or failure.
import { isErrorNamed } from "../../shared/errors.ts";
import type { JobsStore } from "../../shared/jobs.store.ts";
import type { Job } from "../../shared/jobs.ts";
import type { AbandonedMirror } from "./abandon-mirror.ts";
import type { CompletedMirror } from "./complete-mirror.ts";
import { type PlanMirrorPorts, type PlanMirrorSettings, type PlannedMirror, planMirror } from "./plan-mirror.ts";

export interface PlanAndReportPorts extends PlanMirrorPorts {
  readonly jobs: Pick<JobsStore, "putJob" | "putUnits" | "updateJob">;
}

interface MirrorRunInput {
  readonly sourceKey: string;
  readonly runId: string;
  readonly executionArn: string;
  readonly startedAt: string;
}

export async function planAndReportMirror(
  input: MirrorRunInput & { readonly again: boolean },
  settings: PlanMirrorSettings,
  ports: PlanAndReportPorts,
): Promise<PlannedMirror> {
  const { runId, startedAt, sourceKey } = input;
  const at = () => new Date(ports.now()).toISOString();
  await ports.jobs.putJob({
    ...jobOf(input),
    jobId: runId,
    state: "running",
    phase: "planning",
    heartbeatAt: at(),
    sentence: `Mirrors ${sourceKey} to OSS.`,
  });
  try {
    const planned = await planMirror(input, settings, ports);
    const { outcome, targetKey, sizeBytes, partCount } = planned;
    if (outcome === "copy") {
      const partsTotal = partCount === undefined ? {} : { partsTotal: partCount };
      const unit = { unitId: sourceKey, title: targetKey, phase: "copying", startedAt, bytesTotal: sizeBytes ?? 0 };
      await ports.jobs.putUnits(runId, [{ ...unit, ...partsTotal }]);
    }
    await ports.jobs.updateJob(runId, { phase: outcome === "copy" ? "copying" : "completing", heartbeatAt: at() });
    return planned;
  } catch (error) {
    // It is tried again for a while; if it stays so, this is how it ends.
    if (isErrorNamed(error, "MirrorLeaseHeld")) {
      const sentence = "Left to whoever mirrors this key now: they look for the newest version before they let go.";
      const counts = { "left-to-holder": 1 };
      const ended = { heartbeatAt: at(), finishedAt: at() };
      await ports.jobs.updateJob(runId, { state: "succeeded", phase: "finished", sentence, counts, ...ended });
    }
    throw error;
  }
}

function jobOf({ executionArn, startedAt }: Omit<MirrorRunInput, "sourceKey">) {
  return { kind: "mirror-object", startedAt, executionArn } as const;
}

const sentences: Readonly<Record<CompletedMirror["outcome"], string>> = {
  mirrored: "The object is in OSS, and equal to the one in S3.",
  "already-mirrored": "The current version was in OSS already.",
  "kept-deleted": "S3 holds no such object any more; OSS keeps what it has.",
  "handed-over": "A newer version came meanwhile; the mirror's queue has it.",
};

export function jobOfCompletion(completed: CompletedMirror, at: string): Partial<Omit<Job, "jobId">> {
  const { outcome } = completed;
  return {
    state: "succeeded",
    phase: "finished",
    sentence: sentences[outcome],
    counts: { [outcome]: 1 },
    heartbeatAt: at,
    finishedAt: at,
  };
}

/** Whole: the plan may have failed before it could open the job. */
export function jobOfFailure(
  input: Omit<MirrorRunInput, "sourceKey">,
  { error, cause }: AbandonedMirror,
  at: string,
): Job {
  return {
    ...jobOf(input),
    jobId: input.runId,
    state: "failed",
    phase: "finished",
    sentence: `${error}: ${cause}`,
    error: { name: error, cause, action: "Mend the cause; the key goes on waiting and is tried again by itself." },
    counts: { failed: 1 },
    heartbeatAt: at,
    finishedAt: at,
  };
}
