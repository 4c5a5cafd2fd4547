// Follows a job over the API until it has ended: progress on standard error, so that standard output holds the result alone.
import { setTimeout as pause } from "node:timers/promises";
import { isFinished, type JobState, type JobView } from "../../lambdas/shared/jobs.ts";
import { LiveScreen } from "../live-screen.ts";
import type { ApiClient } from "./api-client.ts";
import type { AnswerOf } from "./operations.ts";
import { jobLine, jobLines } from "./render-job.ts";

export type ShownJob = AnswerOf<"getJob">;

const readMilliseconds = 1_000;
const lineMilliseconds = 5_000;
/** Of the job's units, those that the screen and the table have room for. */
const unitsRead = 500;

/** Throws what the client throws; `signal` ends the waiting, not the job: then undefined. */
export async function followJob(client: ApiClient, jobId: string, signal: AbortSignal): Promise<ShownJob | undefined> {
  const screen = new LiveScreen(process.stderr);
  let saidAt = 0;
  try {
    while (!signal.aborted) {
      const job = await readJob(client, jobId);
      if (isFinished(job.state)) return job;
      const view = viewOf(job);
      if (screen.isTerminal) screen.draw(jobLines(view, { columns: screen.columns, rows: screen.blockRows }));
      else if (Date.now() - saidAt >= lineMilliseconds) {
        saidAt = Date.now();
        screen.say(jobLine(view));
      }
      await pause(readMilliseconds, undefined, { signal }).catch(() => undefined);
    }
    return undefined;
  } finally {
    screen.clear();
  }
}

export function readJob(client: ApiClient, jobId: string): Promise<ShownJob> {
  return client.get("getJob", `/api/jobs/${encodeURIComponent(jobId)}`, { limit: unitsRead });
}

/** As it is drawn. JSON has no undefined. */
export function viewOf(job: ShownJob): JobView {
  const { units, unitsTotal: _total, cursor: _cursor, ...rest } = job;
  return { ...rest, units, secondsLeft: job.secondsLeft } as JobView;
}

/** 0: it did what it was for; 1: it did not. */
export function exitCodeOf(state: JobState): 0 | 1 {
  return state === "succeeded" || state === "succeeded-with-warnings" ? 0 : 1;
}
