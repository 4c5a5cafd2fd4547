// Redriving a job: its execution goes on from the states that failed. What Step Functions says decides, not the job's item.
import { CausewayError } from "../shared/errors.ts";
import { isFinished, type Job, type JobState } from "../shared/jobs.ts";
import { findJob } from "./cancel-job.ts";
import type { ExecutionStanding } from "./executions.store.ts";

export interface RedrivePorts {
  find(jobId: string): Promise<Job | undefined>;
  standing(executionArn: string): Promise<ExecutionStanding | undefined>;
  /** Sets the job running again, with its audit item; throws `Conflict` where it changed since `seen`. */
  reopen(jobId: string, seen: JobState): Promise<void>;
  redrive(executionArn: string): Promise<void>;
  /** Undoes `reopen` where nothing came of it. */
  closeAgain(job: Job): Promise<void>;
}

/** What every workflow of runs fails with after its summary. */
const errorOfRuns = "RunFailed";

/**
 * Throws `NotFound`, or `Conflict` where it cannot be redriven or where that would do nothing. A crash between the two
 * writes is made good by a second call: the execution is still redrivable then, whatever the job says.
 */
export async function redriveJob(jobId: string, ports: RedrivePorts): Promise<void> {
  const job = await findJob(jobId, ports.find);
  if (job.executionArn === undefined) throw new CausewayError("Conflict", `Job ${jobId} says no execution.`);
  const standing = await ports.standing(job.executionArn);
  if (standing === undefined) {
    throw new CausewayError("Conflict", "Step Functions no longer knows the job's execution; start a new run instead.");
  }
  if (!standing.isRedrivable) {
    const reason = standing.reason === undefined ? "" : ` Step Functions says: ${standing.reason}`;
    throw new CausewayError(
      "Conflict",
      `Job ${jobId} cannot be redriven: its execution is ${standing.status}.${reason}`,
    );
  }
  if (cameToItsEnd(job, standing)) {
    throw new CausewayError(
      "Conflict",
      `Job ${jobId} came to its own end, and said what failed: a redrive would only repeat that end. Start the work anew; what has arrived stays, and what failed is taken up.`,
    );
  }
  await ports.reopen(jobId, job.state);
  try {
    await ports.redrive(job.executionArn);
  } catch (error) {
    // What was refused is said in any case; should this fail as well, a second call makes it good.
    await closeUnlessGoingOn(job, job.executionArn, ports).catch(() => undefined);
    throw error;
  }
}

/**
 * Its workflow stands in the Fail state behind its summary, and would enter that again. Source: "Redrive behavior of
 * individual states" in the Step Functions developer guide.
 */
function cameToItsEnd({ kind, state, counts }: Job, { status, error }: ExecutionStanding): boolean {
  if (status !== "FAILED") return false;
  return kind === "mirror-object" ? isFinished(state) && counts?.failed !== undefined : error === errorOfRuns;
}

/** Nobody else would ever close it: no execution ends that has not begun. Another's redrive may run, though. */
async function closeUnlessGoingOn(job: Job, executionArn: string, ports: RedrivePorts): Promise<void> {
  if (!isFinished(job.state)) return;
  const standing = await ports.standing(executionArn);
  const isGoingOn = standing?.status === "RUNNING" || standing?.status === "PENDING_REDRIVE";
  if (!isGoingOn) await ports.closeAgain(job);
}
