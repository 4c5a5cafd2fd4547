// Every Lambda is killed before and after each of its outgoing calls, one run each; the run must end well all the same.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import type { FaultRule } from "../../local/rig/faults.ts";
import { ReplicationRig } from "./replication-rig.ts";

const functions = ["ListBackups", "PlanCopy", "CopyBatch", "CompleteCopy", "RecordReceipt", "SummariseRun"] as const;
const sizeBytes = 200_000;
/** A run's functions make fewer calls than this; one more is met by nobody, and that ends the search. */
const mostCalls = 80;

/** Each test has one of them to itself. A run mostly waits, so that several tests go on at the same time. */
const clouds = 3;
const free: ReplicationRig[] = [];
const waiting: ((rig: ReplicationRig) => void)[] = [];

beforeAll(async () => {
  for (let cloud = 0; cloud < clouds; cloud += 1) free.push(await ReplicationRig.start());
});

afterAll(async () => {
  for (const rig of free) await rig.close();
});

async function withRig(work: (rig: ReplicationRig) => Promise<void>): Promise<void> {
  const rig = free.pop() ?? (await new Promise<ReplicationRig>((resolve) => waiting.push(resolve)));
  try {
    await work(rig);
  } finally {
    const next = waiting.shift();
    if (next) next(rig);
    else free.push(rig);
  }
}

interface Killed {
  readonly rig: ReplicationRig;
  readonly name: string;
  readonly atCall: number;
  readonly when: "before" | "after";
}

/** Runs one backup while `name` dies at its n-th call; `died` is false when no call was the n-th. */
async function runKilled({ rig, name, atCall, when }: Killed, ...trouble: FaultRule[]) {
  rig.faults.clear();
  rig.faults.add({ service: "lambda", resourceIncludes: name, effect: { kind: "kill", atCall, when } }, ...trouble);
  const seed = 1000 + atCall;
  const backup = await rig.addBackup({ content: { seed, sizeBytes } });
  const callsBefore = rig.cloud.lambda.lastInvocations.length;
  const run = await rig.run({ backupIds: [backup.backupId] });
  rig.faults.clear();
  const died = rig.cloud.lambda.lastInvocations
    .slice(callsBefore)
    .some(({ functionName, error }) => functionName.includes(name) && error?.errorType === "Runtime.ExitError");
  return { backup, run, died, bytes: Buffer.from(seededContent(seed)(0, sizeBytes)) };
}

describe.concurrent.each(functions)("%s killed between any two outgoing calls", (name) => {
  it.each(["before", "after"] as const)(
    "%s each call: the backup arrives whole, once, with nothing left over",
    (when) =>
      withRig(async (rig) => {
        let kills = 0;
        for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
          const { backup, run, died, bytes } = await runKilled({ rig, name, atCall, when });
          expect(run.status, `${name} killed ${when} call ${atCall}: ${run.error} ${run.cause}`).toBe("SUCCEEDED");
          await rig.expectCopied(backup, bytes);
          expect(run.job.percent).toBe(100);
          if (!died) break;
          kills += 1;
        }
        expect(kills, "calls that were met").toBeGreaterThan(1);
        expect(kills).toBeLessThan(mostCalls);
      }),
  );
});

describe.concurrent.each(["before", "after"] as const)("in trouble, killed %s each call", (when) => {
  it("RefreshLink still brings a fresh link, and the backup arrives", () =>
    withRig(async (rig) => {
      const expiry = { service: "aliyun-download", fromCall: 3, effect: { kind: "expire-link" } } as const;
      let kills = 0;
      for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
        const { backup, run, died, bytes } = await runKilled({ rig, name: "RefreshLink", atCall, when }, expiry);
        expect(run.status, `call ${atCall}: ${run.error} ${run.cause}`).toBe("SUCCEEDED");
        await rig.expectCopied(backup, bytes);
        if (!died) break;
        kills += 1;
      }
      expect(kills).toBeGreaterThan(1);
    }));

  it("AbandonCopy still leaves nothing behind and keeps the reason", () =>
    withRig(async (rig) => {
      const denied = { kind: "error", status: 403, code: "AccessDenied" } as const;
      const refusal = { service: "s3", operation: "UploadPart", times: 10_000, effect: denied } as const;
      let kills = 0;
      for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
        const { backup, run, died } = await runKilled({ rig, name: "AbandonCopy", atCall, when }, refusal);
        expect(run.status, `call ${atCall}`).toBe("FAILED");
        const copy = await rig.copy(backup);
        expect(copy).toMatchObject({ state: "failed", lastError: { error: "TargetRefused" } });
        expect(copy?.claim, `call ${atCall}`).toBeUndefined();
        await rig.expectNothingUnfinished();
        expect(run.job.units[0]).toMatchObject({ outcome: "failed" });
        if (!died) break;
        kills += 1;
      }
      expect(kills).toBeGreaterThan(1);
    }));
});
