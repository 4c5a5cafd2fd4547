// Errors inside a workflow: their names are what Retry and Catch match, and what DescribeExecution shows.

/** An error of the Amazon States Language. `errorName` is missing only for a Fail state without Error. */
export class WorkflowError extends Error {
  readonly errorName: string | undefined;
  readonly causeText: string | undefined;
  /** Which field's expression failed; only with States.QueryEvaluationError. */
  readonly location: string | undefined;

  constructor(errorName: string | undefined, causeText?: string, location?: string) {
    super(`${errorName ?? "(no error name)"}: ${causeText ?? ""}`);
    this.name = "WorkflowError";
    this.errorName = errorName;
    this.causeText = causeText;
    this.location = location;
  }

  /** `$states.errorOutput`, and a catcher's output where it has none of its own. */
  get errorOutput(): { Error: string; Cause: string } {
    return { Error: this.errorName ?? "", Cause: this.causeText ?? "" };
  }

  /** Members of a failure event. */
  get details(): { error?: string; cause?: string } {
    return {
      ...(this.errorName === undefined ? {} : { error: this.errorName }),
      ...(this.causeText === undefined ? {} : { cause: this.causeText }),
    };
  }
}

/** Unwinds a scope that was aborted or whose service is closing: nothing more may be written for it. */
export class Cancelled extends Error {
  constructor() {
    super("cancelled");
    this.name = "Cancelled";
  }
}

/** A defect of the local cloud becomes States.Runtime, with its stack in the cause so that it is found. */
export function asWorkflowError(error: unknown): WorkflowError {
  if (error instanceof WorkflowError) return error;
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new WorkflowError("States.Runtime", `The local cloud has a defect: ${text}`);
}
