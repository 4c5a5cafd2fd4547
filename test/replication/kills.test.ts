// Every Lambda is killed before and after each of its outgoing calls, one run each; the run must end well all the same.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { ReplicationRig } from "./replication-rig.ts";

const functions = ["ListBackups", "PlanCopy", "CopyBatch", "CompleteCopy", "RecordReceipt", "SummariseRun"] as const;
const sizeBytes = 200_000;
/** A run's functions make fewer calls than this; one more is met by nobody, and that ends the search. */
const mostCalls = 80;

let rig: ReplicationRig;

beforeAll(async () => {
  rig = await ReplicationRig.start();
});

afterAll(async () => {
  await rig?.close();
});

describe.each(functions)("%s killed between any two outgoing calls", (name) => {
  it.each(["before", "after"] as const)(
    "%s each call: the backup arrives whole, once, with nothing left over",
    async (when) => {
      let kills = 0;
      for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
        rig.faults.clear();
        const firedBefore = rig.faults.fired.length;
        rig.faults.add({ service: "lambda", resourceIncludes: name, effect: { kind: "kill", atCall, when } });
        const seed = 1000 + atCall;
        const backup = await rig.addBackup({ content: { seed, sizeBytes } });
        const callsOf = rig.cloud.lambda.lastInvocations.length;
        const run = await rig.run({ backupIds: [backup.backupId] });
        expect(run.status, `${name} killed ${when} call ${atCall}: ${run.error} ${run.cause}`).toBe("SUCCEEDED");
        await rig.expectCopied(backup, Buffer.from(seededContent(seed)(0, sizeBytes)));
        expect(run.job.percent).toBe(100);
        expect(rig.faults.fired.length).toBeGreaterThan(firedBefore);
        const died = rig.cloud.lambda.lastInvocations
          .slice(callsOf)
          .some((invocation) => invocation.functionName.includes(name) && invocation.error !== undefined);
        if (!died) break;
        kills += 1;
      }
      expect(kills, "calls that were met").toBeGreaterThan(1);
      expect(kills).toBeLessThan(mostCalls);
    },
  );
});
