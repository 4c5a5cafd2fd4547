// Cancelling a job: the wish is written down first, then what runs is stopped, or left to end by itself.
import { CausewayError } from "../shared/errors.ts";
import { isFinished, type Job, type JobKind } from "../shared/jobs.ts";

/** Their workflows look at `cancelRequestedAt` and clean up: stopped, they would leave an export task running in RDS. */
const kindsThatEndThemselves: readonly JobKind[] = ["snapshot-export"];

export interface CancelPorts {
  find(jobId: string): Promise<Job | undefined>;
  /** Writes the wish, with its audit item; throws `Conflict` where the job ended meanwhile. */
  requestCancel(jobId: string, at: string): Promise<void>;
  stop(executionArn: string): Promise<void>;
}

export interface Cancelled {
  readonly jobId: string;
  readonly cancelRequestedAt: string;
  /** `asked`: the workflow ends by itself, soon. */
  readonly how: "stopped" | "asked";
}

/** Throws `NotFound`, or `Conflict` where there is nothing to stop. A second call does what a first one left undone. */
export async function cancelJob(jobId: string, at: string, ports: CancelPorts): Promise<Cancelled> {
  const job = await findJob(jobId, ports.find);
  if (isFinished(job.state)) {
    throw new CausewayError(
      "Conflict",
      `Job ${jobId} has ended already (${job.state}); there is nothing left to cancel.`,
    );
  }
  const how = kindsThatEndThemselves.includes(job.kind) ? "asked" : "stopped";
  if (how === "stopped" && job.executionArn === undefined) {
    throw new CausewayError("Conflict", `Job ${jobId} says no execution that could be stopped.`);
  }
  await ports.requestCancel(jobId, at);
  if (how === "stopped" && job.executionArn !== undefined) await ports.stop(job.executionArn);
  return { jobId, cancelRequestedAt: job.cancelRequestedAt ?? at, how };
}

export async function findJob(jobId: string, find: (jobId: string) => Promise<Job | undefined>): Promise<Job> {
  const job = await find(jobId);
  if (job === undefined) throw new CausewayError("NotFound", `There is no job ${jobId}.`);
  return job;
}
