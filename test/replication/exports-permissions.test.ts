// The roles of the exports on the local cloud: every grant that a run uses is needed, and what it does not use is known.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GrantUse } from "../../local/iam/iam.ts";
import { ExportsRig } from "./exports-rig.ts";

const ours =
  /ListSnapshots|StartExport|FollowExport|RecordExport|AbandonExport|SummariseExports|ExportRdsSnapshot|ExportRole|ExportSchedule/;

/** Needed when somebody cancels, when calls are repeated, or by AWS's own services; other tests show most of it at work. */
const onlyInTrouble = [
  /FollowExport.* (rds:CancelExportTask|events:PutEvents)/,
  /StartExport.* (states:DescribeExecution|events:PutEvents)/,
  // A receipt that is there already is read; the export's own lists are read by another grant of the same name.
  /RecordExport.* s3:GetObject/,
  /ExportSchedule.* (lambda:InvokeFunction|sqs:SendMessage)/,
  /ExportRdsSnapshot.* states:(DescribeExecution|StopExecution|RedriveExecution)/,
  /ExportRdsSnapshot.* s3:(PutObject|ListMultipartUploadParts|AbortMultipartUpload)/,
  // What AWS asks of whoever reads and writes encrypted items and objects; tables are not encrypted here.
  / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
  / (logs|xray):/,
];

let rig: ExportsRig;
let used: GrantUse[] = [];

beforeAll(async () => {
  rig = await ExportsRig.start();
  await run();
  used = grants().filter((grant) => grant.uses > 0);
});

afterAll(async () => {
  await rig?.close();
});

const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;
const grants = () => rig.cloud.iam.grants().filter(({ roleArn }) => ours.test(roleArn));

/** One export that succeeds after a while, one that fails, and a database without snapshots to complain of. */
async function run(): Promise<void> {
  rig.cloud.rds.ensureDatabase({ databaseId: "bare", engine: "mysql", engineVersion: "8.0.39" });
  const good = rig.addSnapshot();
  rig.cloud.rds.arrange({ snapshotId: good.snapshotId, outcome: "slow", secondsPerTable: 60 });
  const bad = rig.addSnapshot({ engine: "postgres" });
  rig.cloud.rds.arrange({ snapshotId: bad.snapshotId, outcome: "fail" });
  await rig.run().catch(() => undefined);
  for (const { snapshotId } of [good, bad]) rig.cloud.rds.removeSnapshot(snapshotId);
}

describe("the roles of the exports", () => {
  it("hold no grant without a known use", () => {
    const unused = grants().filter((grant) => grant.uses === 0);
    expect(unused.map(nameOf).filter((name) => !onlyInTrouble.some((pattern) => pattern.test(name)))).toEqual([]);
  });

  it("deny nothing that a run asks for", () => {
    expect(rig.cloud.iam.calls.denied().filter(({ principalArn }) => ours.test(principalArn))).toEqual([]);
  });

  it("each used grant, taken away alone, ends in AccessDenied", { timeout: 300_000 }, async () => {
    expect(used.length).toBeGreaterThan(30);
    for (const grant of used) {
      if (/ (kms|logs|xray):/.test(nameOf(grant)) && !/kms:(Sign|CreateGrant)$/.test(nameOf(grant))) continue;
      const giveBack = rig.cloud.iam.withhold(grant);
      const deniedBefore = rig.cloud.iam.calls.denied().length;
      // It may fail at any point, or do without (progress is not worth a failure): the refusal is what counts.
      await run();
      giveBack();
      const denied = rig.cloud.iam.calls.denied().slice(deniedBefore);
      const action = grant.action.replace(/\*$/, "");
      expect(
        denied.some((call) => call.action.startsWith(action)),
        nameOf(grant),
      ).toBe(true);
    }
  });
});
