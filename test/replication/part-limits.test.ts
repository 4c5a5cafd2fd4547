// Ten thousand parts are S3's limit: one workflow just at it, one just past it, with the rig's smallest part at 1 KiB.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import { ReplicationRig } from "./replication-rig.ts";

let rig: ReplicationRig;

beforeAll(async () => {
  rig = await ReplicationRig.start({ smallestPartBytes: 1024 });
});

afterAll(async () => {
  await rig?.close();
});

describe("at the limit of ten thousand parts", () => {
  it.each([
    [10_000 * 1024, 1024, 10_000],
    [10_001 * 1024, 1025, 9_992],
  ])("%i bytes cross in parts of %i bytes, %i of them", { timeout: 600_000 }, async (sizeBytes, partBytes, count) => {
    const backup = await rig.addBackup({ content: { seed: sizeBytes, sizeBytes } });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    const { receipt } = await rig.expectCopied(backup, Buffer.from(seededContent(sizeBytes)(0, sizeBytes)));
    expect(receipt.parts).toMatchObject({ count, bytes: partBytes });
  });
});
