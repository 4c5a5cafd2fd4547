// Every Lambda of the exports is killed before and after each of its outgoing calls; the run must end well all the same.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ExportsRig } from "./exports-rig.ts";

const functions = ["ListSnapshots", "StartExport", "FollowExport", "RecordExport", "SummariseExports"] as const;
/** A run's functions make fewer calls than this; one more is met by nobody, and that ends the search. */
const mostCalls = 60;

let rig: ExportsRig;

beforeAll(async () => {
  rig = await ExportsRig.start();
});

afterAll(async () => {
  await rig?.close();
});

interface Killed {
  readonly name: string;
  readonly atCall: number;
  readonly when: "before" | "after";
}

/** Exports one snapshot while the function dies at its n-th call; `died` is false when no call was the n-th. */
async function runKilled({ name, atCall, when }: Killed, prepare: (snapshotId: string) => void = () => undefined) {
  const { arn, snapshotId } = rig.addSnapshot();
  prepare(snapshotId);
  rig.faults.clear();
  rig.faults.add({ service: "lambda", resourceIncludes: name, effect: { kind: "kill", atCall, when } });
  const callsBefore = rig.cloud.lambda.lastInvocations.length;
  const run = await rig.run({ snapshotArns: [arn] });
  rig.faults.clear();
  // The lists stay short.
  rig.cloud.rds.removeSnapshot(snapshotId);
  const died = rig.cloud.lambda.lastInvocations
    .slice(callsBefore)
    .some(({ functionName, error }) => functionName.includes(name) && error?.errorType === "Runtime.ExitError");
  return { arn, run, died };
}

/**
 * Before the first call, then after each: between the answer to one call and the sending of the next nothing changes in
 * the world, so that killed after a call is killed before the next.
 */
async function killAtEach(name: string, check: (killed: Killed) => Promise<boolean>) {
  expect(await check({ name, atCall: 1, when: "before" })).toBe(true);
  let kills = 0;
  while (kills < mostCalls && (await check({ name, atCall: kills + 1, when: "after" }))) kills += 1;
  expect(kills, `calls of ${name} that were met`).toBeGreaterThan(1);
  expect(kills).toBeLessThan(mostCalls);
}

describe("killed before and after each of its outgoing calls", () => {
  it.each(functions)("%s still leaves one task, one receipt, and no claim", async (name) => {
    await killAtEach(name, async (killed) => {
      const { arn, run, died } = await runKilled(killed);
      expect(run.status, `${JSON.stringify(killed)}: ${run.error} ${run.cause}`).toBe("SUCCEEDED");
      await rig.expectExported(arn);
      expect(await rig.tasksOf(arn)).toHaveLength(1);
      expect(run.job).toMatchObject({ state: "succeeded", percent: 100 });
      return died;
    });
  });

  it("AbandonExport still keeps the reason and gives the claim back", async () => {
    await killAtEach("AbandonExport", async (killed) => {
      const { arn, run, died } = await runKilled(killed, (snapshotId) =>
        rig.cloud.rds.arrange({ snapshotId, outcome: "fail", cause: "too large" }),
      );
      expect(run.status, JSON.stringify(killed)).toBe("FAILED");
      const item = await rig.item(arn);
      expect(item).toMatchObject({ state: "failed", lastError: { error: "ExportFailed", cause: "too large" } });
      expect(item?.claim).toBeUndefined();
      expect(run.job.units[0]).toMatchObject({ outcome: "failed", reason: "ExportFailed: too large" });
      return died;
    });
  });
});
