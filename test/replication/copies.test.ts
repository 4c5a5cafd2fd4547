// What a run does with good, odd and bad backups when nothing goes wrong.
import { PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { ReplicationRig, testInstance } from "./replication-rig.ts";
import { SeenEvents } from "./seen-events.ts";

let rig: ReplicationRig;
let seen: SeenEvents;

beforeAll(async () => {
  rig = await ReplicationRig.start();
  seen = new SeenEvents(rig.cloud);
});

afterAll(async () => {
  await rig?.close();
});

describe("a run on the local cloud", () => {
  it("copies a backup in parts and proves by Aliyun's checksum that both sides are equal", async () => {
    const backup = await rig.addBackup({ sizeBytes: 1_000_003 });
    const run = await rig.run();
    expect(run).toMatchObject({ status: "SUCCEEDED", job: { state: "succeeded", percent: 100 } });
    const bytes = Buffer.from(seededContent(1)(0, 1_000_003));
    const { receipt } = await rig.expectCopied(backup, bytes);
    expect(receipt.proof).toMatchObject({ class: "source-checksum", verified: true });
    expect(receipt.parts.count).toBe(16);
    expect(receipt.restorability).toBe("physical");
    expect(receipt.target.key).toMatch(/^mysql\/rm-bp1test\/\d{4}\/\d\d\/\d\d\/\d+\/hins/);
  });

  it("does not copy again what is verified, unless it is forced to", async () => {
    const again = await rig.run();
    expect(again.job.units.map((unit) => unit.outcome)).toContain("already-copied");
    expect(again.status).toBe("SUCCEEDED");

    const backup = await rig.addBackup({ sizeBytes: 200_000 });
    await rig.run({ backupIds: [backup.backupId] });
    const before = await rig.copy(backup);
    const forced = await rig.run({ backupIds: [backup.backupId], force: true });
    expect(forced.status).toBe("SUCCEEDED");
    const after = await rig.copy(backup);
    expect(after?.result?.versionId).not.toBe(before?.result?.versionId);
    expect(after?.result?.receiptKey).not.toBe(before?.result?.receiptKey);
    // The first receipt stays as it was: receipts are never replaced.
    await rig.receipt(before?.result?.receiptKey ?? "");
  });

  it("copies one byte, and one byte more or less than a part", async () => {
    for (const sizeBytes of [1, 65_535, 65_536, 65_537]) {
      const content = Buffer.alloc(sizeBytes, sizeBytes % 251);
      const backup = await rig.addBackup({ content: { bytes: content } });
      const run = await rig.run({ backupIds: [backup.backupId] });
      expect(run.status, run.cause).toBe("SUCCEEDED");
      await rig.expectCopied(backup, content);
    }
  });

  it.each(["备份 文件.xb", "a+b c.xb", "100%.xb", `q"u'o.xb`, "ünï%20cödé+%2B.xb", "&<>;=?#.xb"])(
    "copies a file named %s",
    async (fileName) => {
      const content = Buffer.from(`contents of ${fileName}`);
      const backup = await rig.addBackup({ fileName, content: { bytes: content } });
      const run = await rig.run({ backupIds: [backup.backupId] });
      expect(run.status, run.cause).toBe("SUCCEEDED");
      const { receipt } = await rig.expectCopied(backup, content);
      expect(receipt.target.key.endsWith(`/${fileName}`)).toBe(true);
    },
  );

  it("calls a copy unverified, with a warning, when the source states no checksum at all", async () => {
    const content = Buffer.alloc(100_000, 7);
    const backup = await rig.addBackup({ content: { bytes: content }, checksum: "empty", crcHeader: false });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.job.state).toBe("succeeded-with-warnings");
    const { receipt } = await rig.expectCopied(backup, content);
    expect(receipt.proof).toMatchObject({ class: "length-and-etag", verified: false });
    expect(await seen.named("BackupUnverified")).toMatchObject([{ backupId: backup.backupId }]);
  });

  it("is content with the file's own CRC header where the list has no checksum", async () => {
    const content = Buffer.alloc(100_000, 8);
    const backup = await rig.addBackup({ content: { bytes: content }, checksum: "empty" });
    await rig.run({ backupIds: [backup.backupId] });
    const { receipt } = await rig.expectCopied(backup, content);
    expect(receipt.proof).toMatchObject({ class: "source-crc-header", verified: true });
  });

  it("refuses what is not worth copying, each with its reason, and copies the rest", async () => {
    const refused = [
      await rig.addBackup({ backupStatus: "Failed" }),
      await rig.addBackup({ metaStatus: "EMPTY" }),
      await rig.addBackup({ backupMethod: "Snapshot" }),
      await rig.addBackup({ encryption: '{"type":"KMS"}' }),
      await rig.addBackup({ isAvail: 0 }),
    ];
    const good = await rig.addBackup({ content: { bytes: Buffer.from("good") } });
    const run = await rig.run({ backupIds: [...refused, good].map((backup) => backup.backupId) });
    expect(run.status).toBe("SUCCEEDED");
    expect(run.job.state).toBe("succeeded-with-warnings");
    for (const backup of refused) {
      const unit = run.job.units.find((candidate) => candidate.unitId.endsWith(`:${backup.backupId}`));
      expect(unit).toMatchObject({ outcome: "refused", reason: expect.stringMatching(/^\w[\w-]+: /) });
      expect(await rig.copy(backup)).toBeUndefined();
    }
    await rig.expectCopied(good, Buffer.from("good"));
  });

  it("refuses a file of no bytes that the list calls larger", async () => {
    const backup = await rig.addBackup({ content: { bytes: Buffer.alloc(0) }, listedSizeBytes: 5000 });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status).toBe("FAILED");
    expect((await rig.copy(backup))?.lastError?.error).toBe("EmptyBackup");
    await rig.expectNothingUnfinished();
  });

  it("does not touch an object that somebody else put at the copy's key", async () => {
    const backup = await rig.addBackup({ content: { bytes: Buffer.from("of Aliyun") }, fileName: "theirs.xb" });
    const day = new Date(backup.startedAt).toISOString().slice(0, 10).replaceAll("-", "/");
    const Key = `mysql/${testInstance}/${day}/${backup.backupId}/theirs.xb`;
    await rig.s3.send(new PutObjectCommand({ Bucket: rig.bucket, Key, Body: "theirs" }));
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status).toBe("FAILED");
    expect((await rig.copy(backup))?.lastError?.error).toBe("TargetExists");
    expect(await rig.keys()).toContain(Key);
    const forced = await rig.run({ backupIds: [backup.backupId], force: true });
    expect(forced.status, forced.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, Buffer.from("of Aliyun"));
  });

  it("copies backups of a deleted instance, too", async () => {
    rig.cloud.aliyun.addInstance({ instanceId: "rm-gone", engine: "MySQL", engineVersion: "5.7", deleted: true });
    const content = Buffer.alloc(70_000, 3);
    const backup = await rig.addBackup({ instanceId: "rm-gone", content: { bytes: content } });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    const { receipt } = await rig.expectCopied(backup, content);
    expect(receipt.source.instanceDeleted).toBe(true);
  });

  it("says which field of an operator's input is wrong, and which backup is not there", async () => {
    expect(await rig.run({ instanceIDs: ["rm-1"] })).toMatchObject({
      status: "FAILED",
      cause: expect.stringMatching(/instanceIDs/),
    });
    expect(await rig.run({ backupIds: ["404"] })).toMatchObject({
      status: "FAILED",
      cause: expect.stringMatching(/BackupNotFound.*404/),
    });
  });
});
