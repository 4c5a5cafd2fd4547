// Jobs over the API, on real runs: listed, shown, cancelled, redriven; and closed when their run ended without saying so.
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { DescribeExecutionCommand, StartExecutionCommand, StopExecutionCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Job, JobKind, JobState } from "../../lambdas/shared/jobs.ts";
import { ConsoleRig } from "./console-rig.ts";

const instanceId = "rm-bp1console";
const slow = { timeout: 40_000, interval: 50 };

let rig: ConsoleRig;
let backups = 0;
const begun = Date.now() - 3_600_000;

beforeAll(async () => {
  rig = await ConsoleRig.start();
  rig.cloud.aliyun.ensureInstance({ instanceId, engine: "MySQL", engineVersion: "8.0", description: "test" });
});

afterAll(async () => {
  await rig?.close();
});

/** A run over one new backup whose copy waits in its first step until the test lets go of it. */
async function heldRun(): Promise<{ jobId: string; executionArn: string; letGo: () => void }> {
  backups += 1;
  await rig.cloud.aliyun.addBackup({
    instanceId,
    backupId: String(9_100_000 + backups),
    startedAt: begun - backups * 1000,
    content: { seed: backups, sizeBytes: 100 },
  });
  rig.faults.add({ service: "lambda", resourceIncludes: "PlanCopy", times: 1000, effect: { kind: "throttle" } });
  const jobId = `held-${backups}`;
  const stateMachineArn = rig.cloud.output("ReplicateBackupsArn");
  const { executionArn = "" } = await rig.states.send(
    new StartExecutionCommand({ stateMachineArn, name: jobId, input: "{}" }),
  );
  await vi.waitFor(async () => expect((await rig.jobs.find(jobId))?.state).toBe("running"), slow);
  return { jobId, executionArn, letGo: () => rig.faults.clear() };
}

async function statusOf(executionArn: string): Promise<string | undefined> {
  return (await rig.states.send(new DescribeExecutionCommand({ executionArn }))).status;
}

const someJob = (jobId: string, more: Partial<Job> = {}): Job => ({
  jobId,
  kind: "mirror-object",
  state: "running",
  phase: "p",
  startedAt: new Date(rig.cloud.clock.now()).toISOString(),
  heartbeatAt: new Date(rig.cloud.clock.now()).toISOString(),
  ...more,
});

describe("a running job", () => {
  it("is stopped when it is cancelled, says so, and goes on when it is redriven", { timeout: 120_000 }, async () => {
    const { jobId, executionArn, letGo } = await heldRun();
    const cancel = () =>
      rig.call(`/api/jobs/${jobId}/cancel`, { method: "POST", as: "operator", headers: { "Idempotency-Key": jobId } });
    const cancelled = await cancel();
    expect([cancelled.status, cancelled.envelope.data]).toMatchObject([202, { jobId, how: "stopped" }]);
    expect(cancelled.headers.get("location")).toBe(`/local/api/jobs/${jobId}`);
    expect(await statusOf(executionArn)).toBe("ABORTED");
    // Nobody but the event's function closes it: the workflow's own summary did not run.
    await vi.waitFor(async () => expect((await rig.jobs.find(jobId))?.state).toBe("cancelled"), slow);
    const shown = await rig.call(`/api/jobs/${jobId}`, { as: "viewer" });
    expect(shown.envelope.data).toMatchObject({
      state: "cancelled",
      sentence: expect.stringContaining("Cancelled over the API by operator"),
      finishedAt: expect.any(String),
    });

    const again = await cancel();
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
    const anew = await rig.call(`/api/jobs/${jobId}/cancel`, { method: "POST", as: "operator" });
    expect([anew.status, anew.envelope.data.name]).toEqual([409, "Conflict"]);

    letGo();
    const redriven = await rig.call(`/api/jobs/${jobId}/redrive`, { method: "POST", as: "operator" });
    expect(redriven.status, redriven.text).toBe(202);
    await vi.waitFor(async () => expect((await rig.jobs.find(jobId))?.state).toMatch(/^succeeded/), slow);
    const job = (await rig.call(`/api/jobs/${jobId}`, { as: "viewer" })).envelope.data;
    expect(job).not.toHaveProperty("cancelRequestedAt");
    expect(await statusOf(executionArn)).toBe("SUCCEEDED");

    const refused = await rig.call(`/api/jobs/${jobId}/redrive`, { method: "POST", as: "operator" });
    expect([refused.status, refused.envelope.message]).toEqual([409, expect.stringContaining("SUCCEEDED")]);
    const actions = (await rig.audited()).filter(({ target }) => target.includes(jobId));
    expect(actions.map(({ action, outcome }) => `${action}: ${outcome}`).sort()).toEqual([
      "cancelled a job: Conflict",
      "cancelled a job: done",
      "redrove a job: Conflict",
      "redrove a job: done",
    ]);
  });

  it("is closed as well when somebody stops its execution by hand", async () => {
    const { jobId, executionArn, letGo } = await heldRun();
    await rig.states.send(new StopExecutionCommand({ executionArn, cause: "by hand" }));
    await vi.waitFor(
      async () =>
        expect(await rig.jobs.find(jobId)).toMatchObject({
          state: "cancelled",
          sentence: expect.stringContaining("by hand"),
        }),
      slow,
    );
    letGo();
  });

  it("that exports a snapshot is asked, not stopped: its workflow cleans up", async () => {
    const { executionArn, letGo } = await heldRun();
    await rig.jobs.putJob(someJob("an-export", { kind: "snapshot-export", executionArn }));
    const answer = await rig.call("/api/jobs/an-export/cancel", { method: "POST", as: "operator" });
    expect([answer.status, answer.envelope.data]).toMatchObject([202, { how: "asked" }]);
    expect(await rig.jobs.find("an-export")).toMatchObject({ state: "running", cancelRequestedAt: expect.any(String) });
    expect(await statusOf(executionArn)).toBe("RUNNING");
    letGo();
    await rig.states.send(new StopExecutionCommand({ executionArn }));
  });

  it("is not closed by an event that comes late, and a finished one never", async () => {
    const { jobId, executionArn, letGo } = await heldRun();
    const lambda = new LambdaClient(rig.cloud.clientConfig());
    const FunctionName = rig.cloud.resource("CloseJob/Function").physicalName;
    const close = async (name: string, arn: string) => {
      const detail = { executionArn: arn, name, status: "ABORTED", error: null, cause: null };
      const answer = await lambda.send(new InvokeCommand({ FunctionName, Payload: JSON.stringify({ detail }) }));
      return JSON.parse(Buffer.from(answer.Payload ?? []).toString()) as unknown;
    };
    expect(await close(jobId, executionArn)).toEqual({ closed: false });
    expect((await rig.jobs.find(jobId))?.state).toBe("running");
    await rig.jobs.putJob(someJob("finished", { state: "failed", executionArn: `${executionArn}-gone` }));
    expect(await close("finished", `${executionArn}-gone`)).toEqual({ closed: false });
    expect(await close("no-job", `${executionArn}-gone`)).toEqual({ closed: false });
    letGo();
    await rig.states.send(new StopExecutionCommand({ executionArn }));
  });
});

describe("a job that is not there", () => {
  it.each([
    ["GET", "/api/jobs/nothing"],
    ["POST", "/api/jobs/nothing/cancel"],
    ["POST", "/api/jobs/nothing/redrive"],
  ])("%s %s is a 404", async (method, path) => {
    const answer = await rig.call(path, { method, as: "operator" });
    expect([answer.status, answer.envelope.message]).toEqual([404, "There is no job nothing."]);
  });
});

describe("the list of jobs", () => {
  const kinds: readonly JobKind[] = ["mirror-object", "mirror-reconciliation"];
  const states: readonly JobState[] = ["succeeded", "failed", "running"];

  async function pages(filter: string): Promise<string[]> {
    const found: string[] = [];
    let cursor: unknown = null;
    for (let page = 0; page < 20; page += 1) {
      const after: string = cursor === null ? "" : `&cursor=${encodeURIComponent(String(cursor))}`;
      const answer = await rig.call(`/api/jobs?limit=7${filter}${after}`, { as: "viewer" });
      expect(answer.status, answer.text).toBe(200);
      found.push(...(answer.envelope.data.items as Job[]).map(({ jobId }) => jobId));
      cursor = answer.envelope.data.cursor;
      if (cursor === null) break;
    }
    return found.filter((jobId) => jobId.startsWith("listed-"));
  }

  it("is whole, newest first, each job once, by kind and state too", async () => {
    const jobs = Array.from({ length: 30 }, (_, index) =>
      someJob(`listed-${index}`, {
        kind: kinds[index % 2] ?? "mirror-object",
        state: states[index % 3] ?? "running",
        startedAt: new Date(Date.UTC(2026, 0, 1, 0, index)).toISOString(),
      }),
    );
    await Promise.all(jobs.map((job) => rig.jobs.putJob(job)));
    const newestFirst = (wanted: readonly Job[]) => wanted.map(({ jobId }) => jobId).reverse();
    expect(await pages("")).toEqual(newestFirst(jobs));
    expect(await pages("&kind=mirror-reconciliation")).toEqual(newestFirst(jobs.filter((_, index) => index % 2 === 1)));
    expect(await pages("&kind=mirror-object&state=failed")).toEqual(
      newestFirst(jobs.filter((_, index) => index % 2 === 0 && index % 3 === 1)),
    );
  });

  it("shows a page of what a large job works on, with the totals of all", async () => {
    await rig.jobs.putJob(someJob("large"));
    const units = Array.from({ length: 130 }, (_, index) => ({
      unitId: `unit-${String(index).padStart(3, "0")}`,
      title: "t",
      phase: "p",
      bytesTotal: 10,
      startedAt: "2026-01-01T00:00:00.000Z",
    }));
    await rig.jobs.putUnits("large", units);
    const first = (await rig.call("/api/jobs/large", { as: "viewer" })).envelope.data;
    expect(first).toMatchObject({ unitsTotal: 130, bytesTotal: 1300, percent: 0 });
    const second = (await rig.call(`/api/jobs/large?cursor=${first.cursor}`, { as: "viewer" })).envelope.data;
    expect([(first.units as object[]).length, (second.units as object[]).length, second.cursor]).toEqual([
      100,
      30,
      null,
    ]);
  });
});
