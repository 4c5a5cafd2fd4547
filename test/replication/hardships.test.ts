// Long outages, sick instances, lost answers, deleted sources: hardships that a copy must outlast, and never lie about.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { ReplicationRig } from "./replication-rig.ts";

const sizeBytes = 700_001;

let rig: ReplicationRig;
let seed = 100;

beforeAll(async () => {
  rig = await ReplicationRig.start();
});

afterEach(() => {
  rig.faults.clear();
});

afterAll(async () => {
  await rig?.close();
});

async function newBackup() {
  seed += 1;
  const backup = await rig.addBackup({ content: { seed, sizeBytes } });
  return { backup, bytes: Buffer.from(seededContent(seed)(0, sizeBytes)) };
}

describe("a copy", () => {
  it("outlasts a source that is away for many minutes, and keeps the parts it had", async () => {
    const { backup, bytes } = await newBackup();
    const startedAt = rig.clock.now();
    // Each failed round in the Lambda makes 6 attempts for each of the parts in flight.
    rig.faults.add({ service: "aliyun-download", fromCall: 6, times: 300, effect: { kind: "throttle" } });
    const before = rig.cloud.aliyun.downloads.length;
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status, JSON.stringify(run.job.units)).toBe("SUCCEEDED");
    const ranges = rig.cloud.aliyun.downloads.slice(before).filter(({ status }) => status === 206);
    // Eleven parts and the probe; a copy begun anew would have read its parts twice.
    expect(ranges.length).toBeLessThanOrEqual(12);
    expect(rig.clock.now() - startedAt).toBeGreaterThan(4 * 60_000);
    await rig.expectCopied(backup, bytes);
  });

  it("leaves no second upload behind when the answer to beginning it was lost", async () => {
    const { backup, bytes } = await newBackup();
    rig.faults.add({ service: "s3", operation: "CreateMultipartUpload", effect: { kind: "fail-after-work" } });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    await rig.expectCopied(backup, bytes);
  });

  it("gets its receipt when Aliyun deleted the backup after the object was complete", async () => {
    const { backup } = await newBackup();
    rig.faults.add({
      service: "kms",
      operation: "Sign",
      times: 10_000,
      effect: { kind: "error", status: 400, code: "DisabledException" },
    });
    const failed = await rig.run({ backupIds: [backup.backupId] });
    expect(failed.status).toBe("FAILED");
    rig.faults.clear();
    // Gone are the bytes; the list still names it, as it does for a while.
    rig.faults.add({
      service: "aliyun-download",
      times: 10_000,
      effect: { kind: "error", status: 404, code: "NoSuchKey" },
    });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    expect((await rig.copy(backup))?.state).toBe("verified");
  });

  it("does not count a checksum of 0 as one that Aliyun states", async () => {
    const content = Buffer.alloc(1000, 5);
    const backup = await rig.addBackup({ content: { bytes: content }, checksum: { text: "0" } });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    const { receipt } = await rig.expectCopied(backup, content);
    expect(receipt.proof.class).toBe("source-crc-header");
  });
});

describe("a run", () => {
  it("copies the backups of healthy instances, and fails for the sick one with its reason", async () => {
    rig.cloud.aliyun.ensureInstance({ instanceId: "rm-sick", engine: "MySQL", engineVersion: "8.0" });
    const { backup, bytes } = await newBackup();
    rig.faults.add({
      service: "aliyun-rds",
      operation: "DescribeBackups",
      resourceIncludes: "rm-sick",
      times: 10_000,
      effect: { kind: "error", status: 400, code: "OperationDenied.DBInstanceType" },
    });
    const run = await rig.run();
    expect(run.status).toBe("FAILED");
    await rig.expectCopied(backup, bytes);
    const sick = run.job.units.find((unit) => unit.unitId === "instance:rm-sick");
    expect(sick).toMatchObject({
      outcome: "failed",
      reason: expect.stringContaining("OperationDenied.DBInstanceType"),
    });
  });
});
