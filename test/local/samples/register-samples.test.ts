// The samples as the official client sees them, and files of the user's beside them.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DescribeBackupsRequest, DescribeDetachedBackupsRequest } from "@alicloud/rds20140815";
import { expect, test } from "vitest";
import { Crc64Xz } from "../../../local/aliyun-rds/crc64-xz.ts";
import { fileInstance, registerFile } from "../../../local/samples/register-file.ts";
import { registerSamples, sampleInstances, sampleRegion } from "../../../local/samples/register-samples.ts";
import { type AliyunFixture, aliyunFixture } from "../aliyun-rds/aliyun-fixture.ts";

const sizeBytes = 4 * 1024 * 1024;

async function listed(fixture: AliyunFixture, instanceId: string) {
  const { body } = await fixture.client().describeBackups(new DescribeBackupsRequest({ DBInstanceId: instanceId }));
  return body?.items?.backup ?? [];
}

async function detached(fixture: AliyunFixture) {
  const request = new DescribeDetachedBackupsRequest({ region: sampleRegion });
  return (await fixture.client().describeDetachedBackups(request)).body?.items?.backup ?? [];
}

test("every sample to be copied downloads whole, with the size and checksum that the listing says", async () => {
  await using fixture = await aliyunFixture();
  const samples = await registerSamples(fixture.aliyun, {
    directory: path.join(fixture.directory, "samples"),
    sizeBytes,
  });
  const all = [
    ...(await listed(fixture, sampleInstances.mysql)),
    ...(await listed(fixture, sampleInstances.mariadb)),
    ...(await detached(fixture)),
  ];
  expect(all.map(({ backupId }) => backupId).sort()).toEqual(samples.map(({ backupId }) => backupId).sort());
  const copied = samples.filter(({ outcome }) => outcome === "copied");
  expect(copied.map(({ about }) => about)).toEqual([
    "physical, xbstream",
    "logical dump, gzip",
    "no Checksum in the listing",
    "one byte",
    "of a deleted instance",
  ]);
  for (const { backupId, fileName, about } of copied) {
    const backup = all.find((candidate) => candidate.backupId === backupId);
    const response = await fetch(backup?.backupDownloadURL ?? "");
    const bytes = Buffer.from(await response.arrayBuffer());
    expect(response.status, about).toBe(200);
    expect(bytes.length, about).toBe(backup?.backupSize);
    const sum = String(new Crc64Xz().update(bytes).value());
    expect(response.headers.get("x-oss-hash-crc64ecma"), about).toBe(sum);
    const isSilent = about.startsWith("no Checksum");
    if (!about.startsWith("of a deleted"))
      expect(backup && "checksum" in backup ? backup.checksum : "", about).toBe(isSilent ? "" : sum);
    if (fileName.endsWith(".xb")) expect(bytes.subarray(0, 8).toString(), about).toBe("XBSTCK01");
    if (fileName.endsWith(".gz")) expect(bytes.readUInt16BE(0), about).toBe(0x1f8b);
  }
});

test("every sample to be refused shows why in its listing", async () => {
  await using fixture = await aliyunFixture();
  const samples = await registerSamples(fixture.aliyun, {
    directory: path.join(fixture.directory, "samples"),
    sizeBytes,
  });
  const all = [...(await listed(fixture, sampleInstances.mysql)), ...(await listed(fixture, sampleInstances.mariadb))];
  const refused = new Map(
    samples
      .filter(({ outcome }) => outcome === "refused")
      .map(({ about, backupId }) => [about, all.find((backup) => backup.backupId === backupId)]),
  );
  expect(refused.get("failed")).toMatchObject({ backupStatus: "Failed" });
  expect(refused.get("empty")).toMatchObject({ backupSize: 0, metaStatus: "EMPTY", backupStatus: "Success" });
  expect(refused.get("snapshot only")).toMatchObject({ backupMethod: "Snapshot" });
  expect(refused.get("snapshot only")?.backupDownloadURL).toBeUndefined();
  expect(Object.keys(JSON.parse(refused.get("encrypted")?.encryption ?? "{}"))).not.toHaveLength(0);
  expect(refused.get("not available")).toMatchObject({ isAvail: 0, backupStatus: "Success" });
  expect(refused.size).toBe(5);
});

test("a restart lists the same backups; a day later they are new ones", async () => {
  const start = Date.now();
  await using first = await aliyunFixture({}, { startAtMilliseconds: start });
  const directory = path.join(first.directory, "samples");
  const samples = await registerSamples(first.aliyun, { directory, sizeBytes });
  const hour = 3_600_000;
  await using restarted = await aliyunFixture({}, { startAtMilliseconds: start + 20 * hour });
  expect(await registerSamples(restarted.aliyun, { directory, sizeBytes })).toEqual(samples);
  await using later = await aliyunFixture({}, { startAtMilliseconds: start + 30 * hour });
  const window = (fixture: AliyunFixture) => fixture.clock.now() - 72 * hour;
  for (const { backupId } of samples) {
    expect(restarted.aliyun.backup(backupId)?.startedAt).toBeGreaterThan(window(restarted));
  }
  const fresh = await registerSamples(later.aliyun, { directory, sizeBytes });
  expect(fresh.map(({ backupId }) => backupId)).not.toContain(samples[0]?.backupId);
});

test("any file of the user's is served as a backup, whatever its name", async () => {
  await using fixture = await aliyunFixture();
  const file = path.join(fixture.directory, "夜间 backup+1%'.sql.gz");
  writeFileSync(file, "not really gzip");
  const { backupId } = await registerFile(fixture.aliyun, file);
  const [backup] = await listed(fixture, fileInstance);
  expect(backup).toMatchObject({ backupId, backupMethod: "Logical", backupSize: 15 });
  expect(await (await fetch(backup?.backupDownloadURL ?? "")).text()).toBe("not really gzip");
});

test("a file that is missing, a directory or empty is refused with a sentence that names it", async () => {
  await using fixture = await aliyunFixture();
  const { directory, aliyun } = fixture;
  const missing = path.join(directory, "none.xb");
  await expect(registerFile(aliyun, missing)).rejects.toThrow(`There is no file ${missing}.`);
  const folder = path.join(directory, "folder");
  mkdirSync(folder);
  await expect(registerFile(aliyun, folder)).rejects.toThrow(`${folder} is a directory; --backup takes one file.`);
  const empty = path.join(directory, "empty.xb");
  writeFileSync(empty, "");
  await expect(registerFile(aliyun, empty)).rejects.toThrow(`${empty} is empty: there is nothing to copy.`);
});
