// The schedule: fired twice for the same moment, by hand or by the clock, it starts one run, named by that moment.
import { ListExecutionsCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ReplicationRig } from "./replication-rig.ts";

const schedule = "causeway-local-replicate-backups";

let rig: ReplicationRig;

beforeAll(async () => {
  rig = await ReplicationRig.start();
});

afterAll(async () => {
  await rig?.close();
});

async function executionNames(): Promise<string[]> {
  await rig.cloud.scheduler.settled();
  const listed = await rig.states.send(
    new ListExecutionsCommand({ stateMachineArn: rig.cloud.output("ReplicateBackupsArn") }),
  );
  return (listed.executions ?? []).map((execution) => execution.name ?? "");
}

describe("the schedule of the templates", () => {
  it("starts one run for a moment that fires twice, and another for the next", async () => {
    const moment = Date.parse("2026-11-20T19:30:00Z");
    await rig.cloud.scheduler.fire(schedule, moment);
    await rig.cloud.scheduler.fire(schedule, moment);
    await expect.poll(executionNames, { timeout: 20_000 }).toEqual(["scheduled-20261120T193000Z"]);
    await rig.cloud.scheduler.fire(schedule, moment + 86_400_000);
    await expect
      .poll(executionNames, { timeout: 20_000 })
      .toEqual(["scheduled-20261121T193000Z", "scheduled-20261120T193000Z"]);
  });

  it("still starts its run when the function that starts it dies", async () => {
    rig.faults.add({
      service: "lambda",
      resourceIncludes: "StartRun",
      effect: { kind: "kill", atCall: 1, when: "before" },
    });
    await rig.cloud.scheduler.fire(schedule, Date.parse("2026-12-01T19:30:00Z"));
    await expect.poll(executionNames, { timeout: 20_000 }).toContain("scheduled-20261201T193000Z");
  });
});
