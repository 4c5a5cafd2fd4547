// A comparison whose Lambdas die between any two of their calls, or must do without a right: nothing is lost, nothing said wrongly.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GrantUse } from "../../local/iam/iam.ts";
import { someBytes } from "./mirror-rig.ts";
import { ReconcileStage } from "./reconcile-stage.ts";

const prefix = "mysql/";
const small = ["equal", "lost", "unknown"].map((name) => `${prefix}rm-1/small ${name}`);
const large = `${prefix}rm-1/large lost`;
const largeBytes = someBytes(260_000, 3);
/** The functions make fewer calls than this; one more is met by nobody, and that ends the search. */
const mostCalls = 60;
/** Longer than the lease of an invocation that died. */
const leaseIsOver = 20 * 60_000;

let stage: ReconcileStage;
/** A backup that was copied here, with its receipt. */
let backup: string;

beforeAll(async () => {
  stage = await ReconcileStage.start();
  const copied = await stage.rig.copyBackup(50_000);
  backup = copied.key;
  expect(backup.startsWith(prefix)).toBe(true);
  for (const key of small) await stage.mirrored(key, key);
  await stage.mirrored(large, largeBytes);
  await stage.rig.until("the backup is mirrored", async () => {
    const item = await stage.rig.item(backup);
    return item?.waitingSince === undefined && item?.lease === undefined ? item?.mirrored : undefined;
  });
});

afterAll(async () => {
  await stage?.close();
});

/** One small object is lost in OSS, one unknown here, and so is the backup. */
async function disturb(): Promise<void> {
  await stage.loseInOss(small[1] ?? "");
  await stage.forget(small[2] ?? "");
  await stage.forget(backup);
}

/** The mirror itself, too, works on what waits. */
async function nobodyHolds(): Promise<void> {
  await stage.rig.until("nobody mirrors anything", async () => {
    const items = await Promise.all([...small, large, backup].map((key) => stage.rig.item(key)));
    const runs = await stage.rig.runs();
    const isQuiet = items.every(
      (item) => item?.lease === undefined || Date.parse(item.lease.expiresAt) < stage.rig.clock.now(),
    );
    return isQuiet && runs.every(({ status }) => status !== "RUNNING") ? true : undefined;
  });
}

async function expectAllThere(when: string): Promise<void> {
  for (const key of small) {
    expect(await stage.rig.ossBytes(`iotdb-backup/${key}`), `${key}, ${when}`).toEqual(Buffer.from(key));
  }
  expect((await stage.rig.ossBytes(`iotdb-backup/${backup}`))?.length).toBe(50_000);
}

describe.each(["PlanReconciliation", "ReconcilePart", "SummariseReconciliation"])("%s killed", (name) => {
  // Before a call is after the one before it: the harsher of the two, as what was done is not known.
  it("after each of its calls: the run ends well, and by the next one at the latest all is there", {
    timeout: 240_000,
  }, async () => {
    let kills = 0;
    for (let atCall = 1; atCall <= mostCalls; atCall += 1) {
      await disturb();
      stage.rig.faults.clear();
      stage.rig.faults.add({
        service: "lambda",
        resourceIncludes: name,
        effect: { kind: "kill", atCall, when: "after" },
      });
      const callsBefore = stage.rig.cloud.lambda.lastInvocations.length;
      const run = await stage.run({ prefix });
      stage.rig.faults.clear();
      expect(run.status, `${name} killed after call ${atCall}: ${run.cause}`).toBe("SUCCEEDED");
      const counted = stage.counted(run);
      expect(counted.compared).toBe(small.length + 2);
      if (counted["left-to-holder"] !== undefined) {
        // The dead invocation's lease. The check for lag finds the key, too, and may be met at work once more.
        stage.rig.clock.advance(leaseIsOver);
        await stage.rig.until("a run that leaves nothing to others", async () => {
          return stage.counted(await stage.run({ prefix }))["left-to-holder"] === undefined ? true : undefined;
        });
      }
      await expectAllThere(`killed after call ${atCall}`);
      const died = stage.rig.cloud.lambda.lastInvocations
        .slice(callsBefore)
        .some(({ functionName, error }) => functionName.includes(name) && error?.errorType === "Runtime.ExitError");
      if (!died) break;
      kills += 1;
    }
    expect(kills, "calls that were met").toBeGreaterThan(2);
    expect(kills).toBeLessThan(mostCalls);
  });
});

const ours = /PlanReconciliation|ReconcilePart|SummariseReconciliation|ReconcileMirror|ReconcileSchedule/;

/** Needed in trouble, or by AWS's own services; other tests show most of it at work. */
const onlyInTrouble = [
  // An execution whose name is used up is followed by the next.
  /ReconcilePart.* states:DescribeExecution/,
  /ReconcileSchedule.* (lambda:InvokeFunction|sqs:SendMessage)/,
  /ReconcileMirror.* states:(DescribeExecution|StopExecution|RedriveExecution)/,
  /ReconcileMirror.* s3:(GetObject|PutObject|ListMultipartUploadParts|AbortMultipartUpload)/,
  // What AWS asks of whoever reads and writes encrypted items and objects; tables are not encrypted here.
  / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
  / (logs|xray):/,
];

describe("the roles of the comparison", () => {
  const grants = () => stage.rig.cloud.iam.grants().filter(({ roleArn }) => ours.test(roleArn));
  const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;

  /** Everything that a run may have to do; to start a workflow takes longest. */
  async function runThrough(withLarge: boolean): Promise<void> {
    await disturb();
    if (withLarge) await stage.loseInOss(large);
    await stage.putInOss(`iotdb-backup/${prefix}foreign`, "x");
    await stage.run({ prefix }).catch(() => undefined);
  }

  it("may delete nothing", () => {
    expect(grants().filter(({ action }) => /^(s3|dynamodb):.*delete/i.test(action))).toEqual([]);
  });

  it("hold no grant without a known use, and lack none", async () => {
    await runThrough(true);
    const unused = grants().filter((grant) => grant.uses === 0);
    expect(unused.map(nameOf).filter((name) => !onlyInTrouble.some((pattern) => pattern.test(name)))).toEqual([]);
    expect(stage.rig.cloud.iam.calls.denied().filter(({ principalArn }) => ours.test(principalArn))).toEqual([]);
  });

  it("each used grant, taken away alone, ends in AccessDenied", { timeout: 240_000 }, async () => {
    // The schedule's own role works by itself, once the clock has come that far.
    const used = grants().filter((grant) => grant.uses > 0 && !/ReconcileSchedule/.test(grant.roleArn));
    expect(used.length).toBeGreaterThan(20);
    for (const grant of used) {
      if (/ (kms|logs|xray):/.test(nameOf(grant)) && !/kms:Sign$/.test(nameOf(grant))) continue;
      // What was left without a lease's end, and the key pair in memory, are old by then.
      stage.rig.clock.advance(leaseIsOver);
      await nobodyHolds();
      const giveBack = stage.rig.cloud.iam.withhold(grant);
      const deniedBefore = stage.rig.cloud.iam.calls.denied().length;
      await runThrough(grant.action === "states:StartExecution");
      giveBack();
      const denied = stage.rig.cloud.iam.calls.denied().slice(deniedBefore);
      expect(
        denied.map(({ action }) => action),
        nameOf(grant),
      ).toContain(grant.action);
    }
  });
});
