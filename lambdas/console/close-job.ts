// What a job says whose execution ended without saying so: stopped, out of time, or failed before its summary.
import type { JobEnding } from "./job-ends.store.ts";

/** The part of "Step Functions Execution Status Change" that is used; its dates are milliseconds, its cause is text. */
export interface EndedExecution {
  readonly status: "ABORTED" | "TIMED_OUT" | "FAILED";
  readonly error?: string | null | undefined;
  readonly cause?: string | null | undefined;
}

/** DynamoDB's items are small, causes may be 32 KiB. */
const longestCause = 1000;

export function endingOf({ status, error, cause }: EndedExecution, finishedAt: string): JobEnding {
  const said = cause ? cause.slice(0, longestCause) : "Step Functions gave no cause.";
  if (status === "ABORTED") {
    return { state: "cancelled", sentence: `The run was stopped: ${said}`, finishedAt };
  }
  if (status === "TIMED_OUT") {
    return {
      state: "failed",
      sentence: "The run took longer than its time limit and was ended.",
      error: { name: error || "States.Timeout", cause: said, action: "Redrive the job, or start a new run." },
      finishedAt,
    };
  }
  return {
    state: "failed",
    sentence: `The run failed before it could say how far it came: ${error || "no error was named"}.`,
    error: {
      name: error || "UnexpectedFailure",
      cause: said,
      action: "Look at the execution in Step Functions, then redrive the job or start a new run.",
    },
    finishedAt,
  };
}
