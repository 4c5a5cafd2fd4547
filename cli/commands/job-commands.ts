// `causeway jobs …`, and what every command does that starts a job: say its id, or follow it to its end.
import type { ApiClient } from "../api/api-client.ts";
import { exitCodeOf, followJob, readJob, type ShownJob } from "../api/follow-job.ts";
import { sayFacts, sayJson, sayLine, sayMore, sayTable, shortTime } from "../api/output.ts";
import { humanBytes } from "../render-run.ts";
import { UsageProblem } from "../usage-problem.ts";

export interface OutputOptions {
  readonly json: boolean;
}

export interface WaitOptions extends OutputOptions {
  readonly wait: boolean;
}

const pathOf = (jobId: string, rest = "") => `/api/jobs/${encodeURIComponent(jobId)}${rest}`;

export async function listJobs(
  client: ApiClient,
  {
    kind,
    only,
    limit,
    json,
  }: OutputOptions & { readonly kind?: string; readonly only?: string; readonly limit: number },
): Promise<void> {
  const { items, hasMore } = await client.list("listJobs", "/api/jobs", { kind, state: only }, limit);
  if (json) return sayJson({ items, hasMore });
  sayTable(
    [
      { title: "job", text: ({ jobId }) => jobId },
      { title: "kind", text: (job) => job.kind },
      { title: "state", text: (job) => job.state },
      { title: "started", text: ({ startedAt }) => shortTime(startedAt) },
      {
        title: "what came of it",
        text: ({ sentence, error, phase }) => sentence ?? error?.cause ?? phase,
        tooLong: "wrap",
      },
    ],
    items,
    "There are no such jobs.",
  );
  sayMore(hasMore, items.length);
}

/** Returns the exit code. */
export async function showJob(client: ApiClient, jobId: string, { wait, json }: WaitOptions): Promise<number> {
  return wait ? waitForJob(client, jobId, json) : present(await readJob(client, jobId), json);
}

export async function cancelJob(client: ApiClient, jobId: string, { wait, json }: WaitOptions): Promise<number> {
  const cancelled = await client.post("cancelJob", pathOf(jobId, "/cancel"));
  if (wait) {
    const job = await followed(client, jobId);
    present(job, json);
    // What was wanted is that it ends.
    return 0;
  }
  if (json) sayJson(cancelled);
  else sayLine(cancelled.how === "stopped" ? `Job ${jobId} is being stopped.` : `Job ${jobId} was asked to end.`);
  return 0;
}

export async function redriveJob(client: ApiClient, jobId: string, { wait, json }: WaitOptions): Promise<number> {
  const redriven = await client.post("redriveJob", pathOf(jobId, "/redrive"));
  if (wait) return waitForJob(client, jobId, json);
  if (json) sayJson(redriven);
  else sayLine(`Job ${jobId} goes on. To follow it: npx causeway jobs show ${jobId} --wait`);
  return 0;
}

/** Says which job it is or, with `wait`, follows it and says how it ended. */
export async function presentStarted(
  client: ApiClient,
  started: { readonly jobId: string },
  { wait, json }: WaitOptions,
): Promise<number> {
  if (wait) return waitForJob(client, started.jobId, json);
  if (json) sayJson(started);
  else sayLine(`Job ${started.jobId} has begun. To follow it: npx causeway jobs show ${started.jobId} --wait`);
  return 0;
}

async function waitForJob(client: ApiClient, jobId: string, json: boolean): Promise<number> {
  const job = await followed(client, jobId);
  present(job, json);
  return exitCodeOf(job.state);
}

/** Ctrl-C ends the waiting, not the job. */
async function followed(client: ApiClient, jobId: string): Promise<ShownJob> {
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  try {
    const job = await followJob(client, jobId, stop.signal);
    if (job !== undefined) return job;
    throw new UsageProblem(`Not waited for any longer. The job goes on: npx causeway jobs show ${jobId} --wait`);
  } finally {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

function present(job: ShownJob, json: boolean): number {
  if (json) {
    sayJson(job);
    return 0;
  }
  const { jobId, kind, state, phase, startedAt, finishedAt, sentence, error, percent, bytesDone, bytesTotal } = job;
  sayFacts({
    job: jobId,
    kind,
    state,
    phase: finishedAt === undefined ? phase : undefined,
    started: shortTime(startedAt),
    finished: finishedAt && shortTime(finishedAt),
    progress: bytesTotal > 0 ? `${percent}%, ${humanBytes(bytesDone)} of ${humanBytes(bytesTotal)}` : undefined,
    outcome: sentence,
    error: error && `${error.name}: ${error.cause}`,
    "what to do": error?.action,
  });
  if (job.units.length === 0) return 0;
  sayLine("");
  sayTable(
    [
      { title: "what", text: ({ title }) => title, tooLong: "middle" },
      { title: "size", text: (unit) => (unit.bytesTotal > 0 ? humanBytes(unit.bytesTotal) : ""), align: "right" },
      { title: "outcome", text: (unit) => unit.outcome ?? unit.phase },
      { title: "proof, or reason", text: ({ proof, reason }) => proof ?? reason, tooLong: "wrap" },
    ],
    job.units,
    "",
  );
  if (job.cursor !== null) sayLine(`… and ${job.unitsTotal - job.units.length} more.`);
  return 0;
}
