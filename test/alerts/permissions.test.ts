// The roles of alerts on the local cloud: every grant that is used is needed, and none is there without a use.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GrantUse } from "../../local/iam/iam.ts";
import { details } from "../lambdas/alerts/sample-events.ts";
import { AlertsRig } from "./alerts-rig.ts";

const functions = ["EvaluateEvents", "DeliverAlerts", "CheckSilence", "ServeAlertsApi", "SendTestAlert"] as const;

/** Not used by the walk of this test, each with where it is. */
const usedElsewhere = [
  // The HTTP functions: their tests call them behind the API, with Audit and Idempotency.
  /(ServeAlertsApi|SendTestAlert).* (dynamodb|secretsmanager|ses):/,
  // What the CDK gives whoever works off a queue; Lambda asks for it only where a function takes very long.
  /EvaluateEvents.* sqs:(ChangeMessageVisibility|GetQueueUrl)/,
  // SES knows a sender by its address or by its domain; this stage's is verified by its address.
  /DeliverAlerts.* ses:SendEmail/,
  // Lambda and Scheduler keep calls that failed for good; the CDK adds the two that a console asks for.
  /(DeliverAlerts|CheckSilence).* sqs:(SendMessage|GetQueueAttributes|GetQueueUrl)/,
  /Schedule.* (lambda:InvokeFunction|sqs:SendMessage)/,
  // What AWS asks of whoever reads and writes encrypted items; tables are not encrypted here.
  / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
  / (logs|xray):/,
];

/** Used by now, perhaps, but not by a walk. */
const notInEveryWalk = [
  / (kms|logs|xray):/,
  // Lambda asks for them once, when the mapping is made.
  /(EvaluateEvents|DeliverAlerts).* sqs:GetQueueAttributes/,
  // Schedules are switched off here. One may have fired before that, and a call of it that outlasts the walks' leaps in
  // time ends as failed for good.
  /Schedule/,
  /CheckSilence.* sqs:/,
  /EvaluateEvents.* sqs:(ChangeMessageVisibility|GetQueueUrl)/,
];

let rig: AlertsRig;
let used: GrantUse[] = [];

const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;
const isOurs = (grant: GrantUse) => grant.roleArn.includes("causeway-local-alerts-");

let walks = 0;

/** A failure and its recovery, and a database that has been silent for more than a day. */
async function walk(): Promise<void> {
  walks += 1;
  const copyId = `walk-${walks}`;
  // What a warm function keeps in memory (a channel's address) is old by then, and the silence is reported anew.
  rig.clock.advance(31 * 3_600_000);
  await rig.emit("BackupCopyFailed", { ...details.BackupCopyFailed, copyId });
  await rig.settled();
  await rig.emit("BackupReplicated", { ...details.BackupReplicated, copyId });
  await rig.settled();
  await rig.checkSilence({ expectedDatabaseIds: "never-seen" }).catch(() => undefined);
  await rig.tick(2).catch(() => undefined);
}

beforeAll(async () => {
  rig = await AlertsRig.start();
  await walk();
  await walk();
  // One that no channel takes, for the dead letters.
  await rig.keepRule("mirror-failed", { channels: ["wecom"] });
  rig.cloud.wecom.removeRobot("operations");
  await rig.emit("MirrorFailed", details.MirrorFailed);
  await rig.settled();
  await rig.tick(2);
  expect(await rig.undelivered()).toHaveLength(1);
  await rig.putWecomAddress(rig.cloud.wecom.webhookUrl("operations"));
  used = rig.cloud.iam.grants().filter((grant) => isOurs(grant) && grant.uses > 0);
});

afterAll(async () => {
  await rig?.close();
});

describe("the roles of alerts", () => {
  it("are one for each function, schedule and rule", () => {
    const roles = new Set(
      rig.cloud.iam
        .grants()
        .filter(isOurs)
        .map(({ roleArn }) => roleArn),
    );
    for (const name of functions) expect([...roles].filter((role) => role.includes(name))).toHaveLength(1);
  });

  it("hold no grant without a known use", () => {
    const unused = rig.cloud.iam.grants().filter((grant) => isOurs(grant) && grant.uses === 0);
    expect(unused.map(nameOf).filter((name) => !usedElsewhere.some((pattern) => pattern.test(name)))).toEqual([]);
  });

  it("deny nothing that is asked for", () => {
    expect(rig.cloud.iam.calls.denied()).toEqual([]);
  });

  it("each used grant, taken away alone, ends in AccessDenied", { timeout: 240_000 }, async () => {
    const needed = used.filter((grant) => !notInEveryWalk.some((pattern) => pattern.test(nameOf(grant))));
    expect(needed.length).toBeGreaterThan(18);
    // An action that two statements of a role give is given by either: both are taken away.
    for (const [name, grants] of Map.groupBy(needed, nameOf)) {
      const giveBack = grants.map((grant) => rig.cloud.iam.withhold(grant));
      const deniedBefore = rig.cloud.iam.calls.denied().length;
      if (/DeliverAlerts.* (sqs:SendMessage|dynamodb:BatchGetItem)/.test(name)) {
        rig.cloud.wecom.removeRobot("operations");
        await rig.emit("MirrorFailed", { ...details.MirrorFailed, sourceKey: `key-${walks}` });
      }
      await walk();
      for (const give of giveBack) give();
      const denied = rig.cloud.iam.calls
        .denied()
        .slice(deniedBefore)
        .map((call) => call.action);
      // A queue's mapping that may not read stands still, and says why, until it is enabled again.
      const stopped = rig.cloud.eventSources.list().filter(({ state }) => state === "stopped");
      expect([...denied, ...stopped.map(({ problem }) => problem)].join(), name).toContain(name.split(" ")[1]);
      for (const { functionName } of stopped) rig.cloud.eventSources.enable(functionName);
      await rig.putWecomAddress(rig.cloud.wecom.webhookUrl("operations"));
    }
  });
});
