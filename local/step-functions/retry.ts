// Which errors a Retry or Catch entry matches, and how long a retry waits. Pure.
import type { Retrier } from "./definition.ts";

/** Errors the wildcards do not match (Step Functions developer guide, "Handling errors"). */
const terminalErrors = new Set(["States.DataLimitExceeded", "States.Runtime"]);

/** States.Runtime is matched by nothing at all: it always fails the execution. */
export function matchesError(errorEquals: readonly string[], errorName: string | undefined): boolean {
  if (errorName === "States.Runtime") return false;
  const terminal = terminalErrors.has(errorName ?? "");
  return errorEquals.some((wanted) => {
    if (wanted === "States.ALL") return !terminal;
    if (wanted === "States.TaskFailed") return !terminal && errorName !== "States.Timeout";
    return wanted === errorName;
  });
}

export const retrierDefaults = { intervalSeconds: 1, backoffRate: 2, maxAttempts: 3 } as const;

/**
 * Milliseconds before the attempt after `failures` earlier retries by the same retrier (0 for its first).
 * FULL jitter draws evenly between nothing and the computed delay; `random` is in [0, 1).
 */
export function retryDelayMilliseconds(retrier: Retrier, failures: number, random: () => number): number {
  const interval = retrier.IntervalSeconds ?? retrierDefaults.intervalSeconds;
  const grown = interval * (retrier.BackoffRate ?? retrierDefaults.backoffRate) ** failures;
  const seconds = Math.min(grown, retrier.MaxDelaySeconds ?? Number.POSITIVE_INFINITY);
  return Math.round(1000 * (retrier.JitterStrategy === "FULL" ? seconds * random() : seconds));
}
