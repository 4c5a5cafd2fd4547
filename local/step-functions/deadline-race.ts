// Work with a timeout in cloud time that is never jumped to, and that stops with its scope.
import { setMaxListeners } from "node:events";
import type { Scope } from "./scope.ts";
import { WorkflowError } from "./workflow-error.ts";

/**
 * Runs `work` with a signal that aborts when the scope does or after `timeoutSeconds`; the promise settles at that
 * moment, even if the work is slow to notice. Throws States.Timeout.
 */
export async function raceDeadline<Result>(
  scope: Scope,
  timeoutSeconds: number | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { clock } = scope.execution.runtime.context;
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  const stop = () => controller.abort(scope.signal.reason);
  scope.throwIfClosed();
  scope.signal.addEventListener("abort", stop, { once: true });
  const aborted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
  });
  const cancelDeadline =
    timeoutSeconds === undefined
      ? undefined
      : scope.execution.runtime.deadlines.add(clock.now() + timeoutSeconds * 1000, () =>
          controller.abort(new WorkflowError("States.Timeout")),
        );
  try {
    return await Promise.race([work(controller.signal), aborted]);
  } finally {
    cancelDeadline?.();
    scope.signal.removeEventListener("abort", stop);
  }
}
