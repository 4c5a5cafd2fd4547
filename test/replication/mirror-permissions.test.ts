// The roles of the mirror on the local cloud: every grant that it uses is needed, and which ones it does not use is known.
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { GrantUse } from "../../local/iam/iam.ts";
import { MirrorRig, someBytes } from "./mirror-rig.ts";

/** Needed by what goes wrong, or asked for by AWS itself; other tests show most of them at work. */
const onlyInTrouble = [
  /MirrorObjects.* states:DescribeExecution/,
  // A wish that comes at the moment when the lease is let go.
  /MirrorObjects.* dynamodb:GetItem/,
  // Lambda itself reads the queue with them; the local cloud's own tests take them away.
  /MirrorObjects.* sqs:/,
  /CompleteMirror.* sqs:SendMessage/,
  // For an object that is gone.
  /(PlanMirror|CompleteMirror).* s3:ListBucket/,
  / kms:(Decrypt|DescribeKey|Encrypt|GenerateDataKey)/,
  / (logs|xray):/,
  // Map runs are stopped and looked at by Step Functions itself, children run anew on a redrive.
  /MirrorObjectRole.* states:(DescribeExecution|StopExecution|RedriveExecution)/,
  // Result files of a map are written in parts where they are large.
  /MirrorObjectRole.* s3:(GetObject|PutObject|ListMultipartUploadParts|AbortMultipartUpload|ListBucket)/,
  // Failed asynchronous calls and missed firings end in queues; the schedule has its own tests.
  /(CheckMirrorLag|LagSchedule).* (sqs:(SendMessage|GetQueueAttributes|GetQueueUrl)|lambda:InvokeFunction)/,
];

let rig: MirrorRig;
let keys = 0;

beforeAll(async () => {
  rig = await MirrorRig.start();
});

afterAll(async () => {
  await rig?.close();
});

const nameOf = (grant: GrantUse) => `${grant.roleArn.split("/").at(-1)} ${grant.action}`;
const ofTheMirror = () =>
  rig.cloud.iam.grants().filter(({ roleArn }) => /Mirror/.test(roleArn) && !/Reconcile/.test(roleArn));
const denied = () => rig.cloud.iam.calls.denied().filter(({ principalArn }) => /Mirror/.test(principalArn));
const newKey = () => {
  keys += 1;
  return `mysql/permissions/${"x".repeat(keys % 50)}/${keys}`;
};

async function checkLag(): Promise<void> {
  const at = (minutes: number) => new Date(rig.clock.now() - minutes * 60_000).toISOString();
  const sourceKey = newKey();
  const wish = { sourceKey, targetKey: `t/${sourceKey}`, holder: "dead", since: at(200), now: at(30) };
  await rig.store.take({ ...wish, expiresAt: at(20) });
  const FunctionName = rig.cloud.resource("CheckMirrorLag/Function").physicalName;
  const Payload = JSON.stringify({ scheduledTime: at(0) });
  await new LambdaClient(rig.cloud.clientConfig()).send(new InvokeCommand({ FunctionName, Payload }));
}

/** What a role is there for. */
async function callOn(roleName: string): Promise<void> {
  if (roleName.includes("CheckMirrorLag")) return checkLag();
  if (!roleName.includes("AbandonMirror")) {
    const isSmall = roleName.includes("MirrorObjects");
    await rig.putCopied(newKey(), someBytes(isSmall ? 500 : 260_000, 3));
    // What starts an execution is a grant of the function's, too.
    if (isSmall) await rig.put(newKey(), someBytes(260_000, 3));
    // Nothing is there: S3 says so only to whoever may list.
    if (isSmall) await rig.send({ sourceKey: newKey() });
    return;
  }
  const refusal = { kind: "error", status: 403, code: "AccessDenied" } as const;
  rig.faults.add({ service: "oss", operation: "UploadPart", times: 100, effect: refusal });
  await rig.put(newKey(), someBytes(260_000, 3));
}

describe("the roles of the mirror", () => {
  it("hold no grant without a known use, deny nothing that the mirror asks for, and each is needed", {
    timeout: 900_000,
  }, async () => {
    for (const bytes of [500, 260_000]) {
      const key = newKey();
      await rig.mirrored(key, await rig.putCopied(key, someBytes(bytes)));
      await rig.until("the receipt", async () => (await rig.item(key))?.mirrored?.receiptKey ?? undefined);
    }
    await checkLag();
    await callOn("AbandonMirror");
    await rig.until("a failure", async () => (await rig.runs()).find(({ status }) => status === "FAILED"));
    rig.faults.clear();
    await rig.until("every message done with", async () => {
      await rig.cloud.eventSources.settled();
      return true;
    });
    const unused = ofTheMirror().filter((grant) => grant.uses === 0);
    expect(unused.map(nameOf).filter((name) => !onlyInTrouble.some((pattern) => pattern.test(name)))).toEqual([]);
    expect(denied()).toEqual([]);

    const used = ofTheMirror().filter((grant) => grant.uses > 0);
    expect(used.length).toBeGreaterThan(30);
    for (const grant of used) {
      const name = nameOf(grant);
      if (/ (kms|logs|xray):/.test(name) && !name.endsWith("kms:Sign")) continue;
      if (onlyInTrouble.some((pattern) => pattern.test(name))) continue;
      // What a warm function keeps in memory (the key pair) is old by then and asked for anew.
      rig.clock.advance(6 * 60_000);
      const deniedBefore = denied().length;
      const giveBack = rig.cloud.iam.withhold(grant);
      await callOn(name);
      await rig.until(`${name} missed`, async () =>
        denied()
          .slice(deniedBefore)
          .find(({ action }) => action === grant.action),
      );
      giveBack();
      rig.faults.clear();
    }
  });
});
