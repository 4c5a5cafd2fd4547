// Redriving a job: its execution goes on from the states that failed. What Step Functions says decides, not the job's item.
import { CausewayError } from "../shared/errors.ts";
import type { Job, JobState } from "../shared/jobs.ts";
import { findJob } from "./cancel-job.ts";
import type { ExecutionStanding } from "./executions.store.ts";

export interface RedrivePorts {
  find(jobId: string): Promise<Job | undefined>;
  standing(executionArn: string): Promise<ExecutionStanding | undefined>;
  /** Sets the job running again, with its audit item; throws `Conflict` where it changed since `seen`. */
  reopen(jobId: string, seen: JobState): Promise<void>;
  redrive(executionArn: string): Promise<void>;
}

/**
 * Throws `NotFound`, or `Conflict` where it cannot be redriven. A crash between the two writes is made good by a second
 * call: the execution is still redrivable then, whatever the job says.
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
  await ports.reopen(jobId, job.state);
  await ports.redrive(job.executionArn);
}
