// Redriving a job with plain values: what would do nothing is refused, and a redrive that fails leaves the job as it was.
import { describe, expect, it } from "vitest";
import type { ExecutionStanding } from "../../../lambdas/console/executions.store.ts";
import { JobEndsStore } from "../../../lambdas/console/job-ends.store.ts";
import { redriveJob } from "../../../lambdas/console/redrive-job.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { JobsStore } from "../../../lambdas/shared/jobs.store.ts";
import type { Job } from "../../../lambdas/shared/jobs.ts";
import { startHttpTables } from "../shared/http-tables.ts";

const at = "2026-11-20T12:00:00.000Z";
const ended: Job = {
  jobId: "run",
  kind: "replication-run",
  state: "cancelled",
  phase: "finished",
  startedAt: at,
  heartbeatAt: at,
  finishedAt: at,
  executionArn: "arn:run",
  sentence: "The run was stopped: by hand",
};

const stopped: ExecutionStanding = { status: "ABORTED", isRedrivable: true, reason: undefined, error: undefined };
const failed = (error: string): ExecutionStanding => ({ ...stopped, status: "FAILED", error });

function redriving(job: Job, standings: readonly ExecutionStanding[], refusal?: Error) {
  const done: string[] = [];
  let looks = 0;
  const redriven = redriveJob(job.jobId, {
    find: async () => job,
    standing: async () => standings[Math.min(looks++, standings.length - 1)],
    reopen: async (_jobId, seen) => void done.push(`reopened from ${seen}`),
    redrive: async (arn) => {
      done.push(`redrove ${arn}`);
      if (refusal !== undefined) throw refusal;
    },
    closeAgain: async ({ state }) => void done.push(`closed as ${state}`),
  });
  return { redriven, done };
}

describe("a redrive", () => {
  it.each([
    ["stopped", ended, stopped],
    ["out of time", { ...ended, state: "failed" }, { ...stopped, status: "TIMED_OUT" }],
    ["failed at a step", { ...ended, state: "failed" }, failed("Lambda.Unknown")],
    ["stopped, of a large object", { ...ended, kind: "mirror-object" }, stopped],
  ] as const)("goes on with what was %s", async (_what, job, standing) => {
    const { redriven, done } = redriving(job, [standing]);
    await redriven;
    expect(done).toEqual([`reopened from ${job.state}`, "redrove arn:run"]);
  });

  it.each([
    ["a run that came to its summary", { ...ended, state: "failed", sentence: "1 failed." }, failed("RunFailed")],
    [
      "a large object that was given up",
      { ...ended, kind: "mirror-object", state: "failed", counts: { failed: 1 } },
      failed("TargetRefused"),
    ],
  ] as const)("is refused for %s: it would only fail there again", async (_what, job, standing) => {
    const { redriven, done } = redriving(job, [standing]);
    await expect(redriven).rejects.toMatchObject({
      name: "Conflict",
      message: expect.stringContaining("Start the work anew"),
    });
    expect(done).toEqual([]);
  });

  it("that Step Functions refuses leaves the job as it was, not running for ever", async () => {
    const refusal = new CausewayError("Conflict", "not redrivable any more");
    const { redriven, done } = redriving(ended, [stopped], refusal);
    await expect(redriven).rejects.toBe(refusal);
    expect(done).toEqual(["reopened from cancelled", "redrove arn:run", "closed as cancelled"]);
  });

  it("that another was quicker with leaves that one's job running", async () => {
    const refusal = new CausewayError("Conflict", "not redrivable any more");
    const { redriven, done } = redriving(ended, [stopped, { ...stopped, status: "RUNNING" }], refusal);
    await expect(redriven).rejects.toBe(refusal);
    expect(done.at(-1)).toBe("redrove arn:run");
  });
});

describe("a reopened job in its table", () => {
  it("is put back as it had ended, unless it was changed since", async () => {
    await using tables = await startHttpTables();
    const jobs = new JobsStore(tables.documents, "Jobs");
    const ends = new JobEndsStore(tables.documents, "Jobs");
    await jobs.putJob(ended);
    const before = await jobs.find("run");
    const reopenedAt = "2026-11-20T13:00:00.000Z";
    const entry = { at: reopenedAt, subject: "s", name: "n", action: "a", operation: "o", target: "t" };
    const audit = tables.audit.transactItem({ ...entry, outcome: "done", requestId: "r", sourceIp: "i" });
    await ends.reopen("run", "cancelled", reopenedAt, audit);
    expect(await jobs.find("run")).toMatchObject({ state: "running" });
    await ends.closeAgain(ended, reopenedAt);
    expect(await jobs.find("run")).toEqual({ ...before, heartbeatAt: reopenedAt });
    await jobs.updateJob("run", { state: "running", heartbeatAt: "2026-11-20T14:00:00.000Z" });
    await ends.closeAgain(ended, reopenedAt);
    expect(await jobs.find("run")).toMatchObject({ state: "running" });
  });
});
