// A flipped bit on its way, at rest, or in the receipt: where it is caught, and by what.
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { GetObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verifyReceipt } from "../../cli/verify-receipt.ts";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { ReplicationRig } from "./replication-rig.ts";
import { SeenEvents } from "./seen-events.ts";

const sizeBytes = 300_000;

let rig: ReplicationRig;
let seen: SeenEvents;
const before = { ...process.env };

beforeAll(async () => {
  rig = await ReplicationRig.start();
  seen = new SeenEvents(rig.cloud);
  const { region, endpoint, credentials } = rig.cloud.clientConfig();
  process.env.AWS_REGION = region;
  process.env.AWS_ENDPOINT_URL = endpoint;
  process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId;
  process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey;
});

afterAll(async () => {
  process.env = before;
  await rig?.close();
});

function verify(receiptAt: string, readData: boolean) {
  const aliyun = { endpoint: rig.cloud.aliyun.rpcEndpoint, protocol: "http", region: "cn-hangzhou" } as const;
  return verifyReceipt(receiptAt, { stage: "local", aliyun, readData });
}

async function copied(seed: number) {
  const backup = await rig.addBackup({ content: { seed, sizeBytes } });
  const run = await rig.run({ backupIds: [backup.backupId] });
  const result = (await rig.copy(backup))?.result;
  return { backup, run, result, receiptAt: `s3://${rig.bucket}/${result?.receiptKey}` };
}

describe("a bit flipped", () => {
  it("between Aliyun and us fails the proof, leaves nothing behind, and the next run copies the backup whole", async () => {
    const backup = await rig.addBackup({ content: { seed: 1, sizeBytes } });
    rig.faults.add({ service: "aliyun-download", fromCall: 3, effect: { kind: "flip-bit", share: 0.5 } });
    const run = await rig.run({ backupIds: [backup.backupId] });
    rig.faults.clear();
    expect(run.status).toBe("FAILED");
    expect((await rig.copy(backup))?.lastError).toMatchObject({ error: "ProofFailed" });
    const { instanceId, backupId } = backup;
    expect(await seen.named("BackupProofFailed")).toMatchObject([{ instanceId, backupId, error: "ProofFailed" }]);
    expect(await seen.named("BackupCopyFailed")).toEqual([]);
    await rig.expectNothingUnfinished();
    const next = await rig.run({ backupIds: [backup.backupId] });
    expect(next.status, next.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, Buffer.from(seededContent(1)(0, sizeBytes)));
  });

  it("in S3's own storage is not seen by headers, and is found by reading the data", async () => {
    rig.faults.add({
      service: "s3",
      operation: "UploadPart",
      fromCall: 2,
      effect: { kind: "flip-stored-bit", when: "at-rest" },
    });
    const { run, receiptAt } = await copied(2);
    rig.faults.clear();
    expect(run.status, run.cause).toBe("SUCCEEDED");
    expect((await verify(receiptAt, false)).holds).toBe(true);
    const verdict = await verify(receiptAt, true);
    expect(verdict.holds).toBe(false);
    expect(verdict.checks.filter((check) => check.outcome === "different")).toMatchObject([
      { what: expect.stringContaining("S3's bytes") },
    ]);
  });

  it("nowhere: the receipt holds, by headers and by every byte of both sides", async () => {
    const { receiptAt } = await copied(3);
    const verdict = await verify(receiptAt, true);
    expect(verdict.checks.map((check) => [check.what, check.outcome])).toEqual(
      verdict.checks.map((check) => [check.what, "equal"]),
    );
    expect(verdict.checks.length).toBeGreaterThanOrEqual(10);
  });

  it("in a receipt breaks its signature", async () => {
    const { result } = await copied(4);
    const answer = await rig.s3.send(new GetObjectCommand({ Bucket: rig.bucket, Key: result?.receiptKey }));
    const text = (await answer.Body?.transformToString()) ?? "";
    const file = path.join(tmpdir(), `tampered-${process.pid}.json`);
    writeFileSync(file, text.replace(`"sizeBytes": ${sizeBytes}`, `"sizeBytes": ${sizeBytes + 1}`));
    const verdict = await verify(file, false);
    expect(verdict.holds).toBe(false);
    expect(verdict.checks[0]).toMatchObject({ what: "signature", outcome: "different" });
  });
});

describe("a receipt whose backup Aliyun has since deleted", () => {
  it("still holds, and says that the source can no longer be looked at", async () => {
    const { backup, receiptAt } = await copied(5);
    rig.cloud.aliyun.removeBackup(backup.backupId);
    const verdict = await verify(receiptAt, false);
    expect(verdict.holds).toBe(true);
    expect(verdict.checks.at(-1)).toMatchObject({ what: "Aliyun", outcome: "unknown" });
  });
});
