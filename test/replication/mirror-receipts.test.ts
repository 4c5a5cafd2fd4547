// A backup that is copied and mirrored has two receipts, one pointing at the other: Aliyun RDS = S3 = OSS.
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { MirrorRig } from "./mirror-rig.ts";

let rig: MirrorRig;

beforeAll(async () => {
  rig = await MirrorRig.start();
});

afterAll(async () => {
  await rig?.close();
});

it.each([
  ["small", 60_000],
  ["large", 330_000],
])("a %s backup has a signed receipt of the mirror beside that of the copy", async (_, sizeBytes) => {
  const { key, crc64 } = await rig.copyBackup(sizeBytes);
  const item = await rig.until("the receipt", async () => {
    const found = await rig.item(key);
    return found?.mirrored?.receiptKey && found.waitingSince === undefined ? found : undefined;
  });
  const receipts = (await rig.keys("receipts/")).filter((each) => each.startsWith(`receipts/${key}/`));
  const copyKey = receipts.find((each) => each.endsWith("/copy.json")) ?? "";
  expect(receipts.sort()).toEqual([copyKey, copyKey.replace("copy.json", "mirror-oss.json")]);
  const receipt = await rig.receipt(item.mirrored?.receiptKey ?? "");
  const copy = await rig.text(copyKey);
  expect(receipt.copy).toEqual({
    copyId: JSON.parse(copy).receipt.copyId,
    receiptKey: copyKey,
    receiptSha256: createHash("sha256").update(copy).digest("hex"),
    crc64,
  });
  const { source, target, proof } = receipt;
  expect(source).toMatchObject({ key, sizeBytes, versionId: item.mirrored?.versionId });
  expect(source.checksum).toBe(JSON.parse(copy).receipt.target.checksum);
  expect(target).toMatchObject({ kind: "aliyun-oss", key: `iotdb-backup/${key}`, sizeBytes, crc64 });
  expect(proof.crc64).toBe(crc64);
});

it("other objects have none: what is known of them is in their items", async () => {
  const version = await rig.put("mysql/export/part-00000.parquet", "PAR1");
  const item = await rig.mirrored("mysql/export/part-00000.parquet", version);
  expect(item.mirrored).toMatchObject({ receiptKey: null, crc64: expect.stringMatching(/^\d+$/) });
  expect(await rig.keys("receipts/mysql/export/")).toEqual([]);
});
