// The synthesised roles on the local cloud: every grant that a run uses is needed, and which ones it does not use is known.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GrantUse } from "../../local/iam/iam.ts";
import { ReplicationRig } from "./replication-rig.ts";

/** The roles of the copies; exports and the mirror have tests of their own. */
const ours =
  /-replication-(ListBackups|PlanCopy|RefreshLink|CopyBatch|CompleteCopy|RecordReceipt|AbandonCopy|SummariseRun|StartRun|ReplicateBackups|Schedule)Role/;

/** Needed by copies that go wrong, by links that expire, or by resumes; other tests show each at work. */
const onlyInTrouble = [
  /RefreshLink.* (secretsmanager:GetSecretValue|dynamodb:)/,
  /AbandonCopy.* (s3:|dynamodb:|events:)/,
  /PlanCopy.* (s3:AbortMultipartUpload|s3:ListMultipartUploadParts|states:DescribeExecution)/,
  /RecordReceipt.* s3:GetObject/,
  /StartRun.* (states:StartExecution|events:PutEvents)/,
  /Schedule.* lambda:InvokeFunction/,
  /ReplicateBackups.* lambda:InvokeFunction/,
  // Map runs are stopped and looked at by Step Functions itself, children run anew on a redrive.
  /ReplicateBackups.* states:(DescribeExecution|StopExecution|RedriveExecution)/,
  // What AWS asks of whoever reads and writes encrypted items and objects; tables are not encrypted here.
  / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
  / (logs|xray):/,
  // Result files of a map are written in parts where they are large.
  /ReplicateBackups.* s3:(GetObject|PutObject|ListMultipartUploadParts|AbortMultipartUpload|ListBucket)/,
  // Failed asynchronous calls and missed firings end in queues.
  / sqs:(SendMessage|GetQueueAttributes|GetQueueUrl)/,
];

let rig: ReplicationRig;
let used: GrantUse[] = [];

beforeAll(async () => {
  rig = await ReplicationRig.start();
  await rig.addBackup({ sizeBytes: 100 });
  await rig.addBackup({ backupStatus: "Failed" });
  const run = await rig.run();
  expect(run.job.state, run.cause).toBe("succeeded-with-warnings");
  used = grants().filter((grant) => grant.uses > 0);
});

afterAll(async () => {
  await rig?.close();
});

const grants = () => rig.cloud.iam.grants().filter(({ roleArn }) => ours.test(roleArn));
const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;

describe("the roles of the templates", () => {
  it("hold no grant without a known use", () => {
    const unused = grants().filter((grant) => grant.uses === 0);
    expect(unused.map(nameOf).filter((name) => !onlyInTrouble.some((pattern) => pattern.test(name)))).toEqual([]);
  });

  it("deny nothing that a run asks for", () => {
    expect(rig.cloud.iam.calls.denied().filter(({ principalArn }) => ours.test(principalArn))).toEqual([]);
  });

  it("each used grant, taken away alone, ends in AccessDenied", { timeout: 300_000 }, async () => {
    expect(used.length).toBeGreaterThan(25);
    for (const grant of used) {
      // Queues take what failed for good, and no run here means to.
      if (/ (kms|logs|xray|sqs):/.test(nameOf(grant)) && !nameOf(grant).endsWith("kms:Sign")) continue;
      // What a warm function keeps in memory (the key pair) is old by then and asked for anew.
      rig.clock.advance(6 * 60_000);
      const giveBack = rig.cloud.iam.withhold(grant);
      const deniedBefore = rig.cloud.iam.calls.denied().length;
      const backup = await rig.addBackup({ sizeBytes: 100 });
      const failed = await rig.addBackup({ backupStatus: "Failed" });
      const backupIds = [backup.backupId, failed.backupId];
      // It may fail at any point, or do without (progress is not worth a failure): the refusal is what counts.
      await rig.run({ backupIds }).catch(() => undefined);
      giveBack();
      const denied = rig.cloud.iam.calls.denied().slice(deniedBefore);
      expect(
        denied.map((call) => call.action),
        nameOf(grant),
      ).toContain(grant.action);
    }
  });
});
