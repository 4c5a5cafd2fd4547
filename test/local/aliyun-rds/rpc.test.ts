// The RPC endpoint driven by Aliyun's official client: what it lists, how it pages, what it refuses.
import * as rds from "@alicloud/rds20140815";
import { expect, test } from "vitest";
import type { AliyunStandIn } from "../../../local/aliyun-rds/aliyun-stand-in.ts";
import { accessKey, aliyunFixture, rejectionOf } from "./aliyun-fixture.ts";

const { DescribeBackupsRequest, DescribeDBInstancesRequest, DescribeDetachedBackupsRequest } = rds;

const instanceId = "rm-bp1mysql";
const noon = Date.UTC(2026, 10, 19, 12);

async function addBackups(aliyun: AliyunStandIn, count: number): Promise<void> {
  aliyun.addInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  for (let index = 0; index < count; index += 1) {
    const startedAt = noon + index * 60_000;
    await aliyun.addBackup({
      instanceId,
      backupId: String(1000 + index),
      startedAt,
      content: { bytes: Buffer.from(`${index}`) },
    });
  }
}

test("a backup is listed with every field the API has", async () => {
  await using fixture = await aliyunFixture();
  const { aliyun } = fixture;
  aliyun.addInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  const content = { bytes: Buffer.from("123456789") };
  await aliyun.addBackup({ instanceId, backupId: "321020562", startedAt: noon, content });
  const { body } = await fixture.client().describeBackups(new DescribeBackupsRequest({ DBInstanceId: instanceId }));
  expect(body?.pageNumber).toBe("1");
  expect(body?.pageRecordCount).toBe("1");
  expect(body?.totalRecordCount).toBe("1");
  expect(body?.requestId).toMatch(/^[0-9A-F-]{36}$/);
  const [backup] = body?.items?.backup ?? [];
  expect(backup).toMatchObject({
    backupId: "321020562",
    backupStartTime: "2026-11-19T12:00:00Z",
    backupEndTime: "2026-11-19T12:01:00Z",
    backupMethod: "Physical",
    backupMode: "Automated",
    backupInitiator: "System",
    backupStatus: "Success",
    backupType: "FullBackup",
    backupSize: 9,
    checksum: "11051210869376104954",
    consistentTime: 0,
    DBInstanceId: instanceId,
    encryption: "{}",
    engine: "MySQL",
    engineVersion: "8.0",
    expectExpireTime: "2026-11-26T12:01:00Z",
    isAvail: 1,
    metaStatus: "OK",
    storageClass: "0",
    storeStatus: "Disabled",
  });
  expect(backup?.backupDownloadURL).toContain("_data_20261119120000.xb?Expires=");
  expect(backup?.backupIntranetDownloadURL).toContain("-internal.invalid/");
  expect(await (await fetch(backup?.backupDownloadURL ?? "")).text()).toBe("123456789");
});

test("what cannot be downloaded has null links, and a wanted checksum can be missing", async () => {
  await using fixture = await aliyunFixture();
  const { aliyun } = fixture;
  aliyun.addInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  await aliyun.addBackup({
    instanceId,
    backupId: "1",
    startedAt: noon,
    backupMethod: "Snapshot",
    listedSizeBytes: 5 * 2 ** 30,
  });
  await aliyun.addBackup({
    instanceId,
    backupId: "2",
    startedAt: noon + 60_000,
    checksum: "empty",
    content: { bytes: Buffer.from("x") },
  });
  const { body } = await fixture.client().describeBackups(new DescribeBackupsRequest({ DBInstanceId: instanceId }));
  const [withoutChecksum, snapshot] = body?.items?.backup ?? [];
  expect(withoutChecksum?.checksum).toBe("");
  expect(snapshot?.backupDownloadURL).toBeUndefined();
  expect(snapshot?.backupIntranetDownloadURL).toBeUndefined();
  expect(snapshot?.backupSize).toBe(5 * 2 ** 30);
  expect(body?.totalEcsSnapshotSize).toBe(5 * 2 ** 30);
});

test("pages are of 30, 50 or 100, newest first, and together they are complete", async () => {
  await using fixture = await aliyunFixture();
  await addBackups(fixture.aliyun, 65);
  const client = fixture.client();
  const found: (string | undefined)[] = [];
  for (const pageNumber of [1, 2, 3, 4]) {
    const { body } = await client.describeBackups(new DescribeBackupsRequest({ DBInstanceId: instanceId, pageNumber }));
    expect(body?.totalRecordCount).toBe("65");
    expect(body?.pageRecordCount).toBe(String([30, 30, 5, 0][pageNumber - 1]));
    found.push(...(body?.items?.backup ?? []).map(({ backupId }) => backupId));
  }
  expect(found).toEqual(Array.from({ length: 65 }, (_, index) => String(1064 - index)));
  for (const pageSize of [1, 31, 101]) {
    const refused = await rejectionOf(
      client.describeBackups(new DescribeBackupsRequest({ DBInstanceId: instanceId, pageSize })),
    );
    expect(refused).toMatchObject({ code: "InvalidPageSize", status: 400 });
  }
});

test("filters narrow the listing, and times must be to the minute", async () => {
  await using fixture = await aliyunFixture();
  const { aliyun } = fixture;
  await addBackups(aliyun, 3);
  await aliyun.addBackup({
    instanceId,
    backupId: "2",
    startedAt: noon - 60_000,
    backupStatus: "Failed",
    backupMode: "Manual",
    backupType: "IncrementalBackup",
  });
  const list = async (filter: object) => {
    const request = new DescribeBackupsRequest({ DBInstanceId: instanceId, ...filter });
    const { body } = await fixture.client().describeBackups(request);
    return (body?.items?.backup ?? []).map(({ backupId }) => backupId);
  };
  expect(await list({ backupId: "1001" })).toEqual(["1001"]);
  expect(await list({ backupId: "9" })).toEqual([]);
  expect(await list({ backupStatus: "Failed" })).toEqual(["2"]);
  expect(await list({ backupMode: "Manual" })).toEqual(["2"]);
  expect(await list({ backupType: "FullBackup" })).toEqual(["1002", "1001", "1000"]);
  expect(await list({ startTime: "2026-11-19T12:00Z", endTime: "2026-11-19T12:01Z" })).toEqual(["1001", "1000"]);
  expect(await rejectionOf(list({ startTime: "2026-11-19T12:00:00Z" }))).toMatchObject({
    code: "InvalidStartTime.Malformed",
    status: 400,
  });
  expect(await rejectionOf(list({ startTime: "2026-11-19T12:00Z", endTime: "2026-11-19T12:00Z" }))).toMatchObject({
    code: "InvalidEndTime.Malformed",
  });
  expect(await rejectionOf(list({ backupStatus: "Broken" }))).toMatchObject({ code: "InvalidBackupStatus" });
});

test("an unknown instance, a missing parameter and an unknown operation are refused by name", async () => {
  await using fixture = await aliyunFixture();
  const client = fixture.client();
  expect(
    await rejectionOf(client.describeBackups(new DescribeBackupsRequest({ DBInstanceId: "rm-none" }))),
  ).toMatchObject({ name: "ClientError", code: "InvalidDBInstanceId.NotFound", status: 400 });
  expect(await rejectionOf(client.describeBackups(new DescribeBackupsRequest({})))).toMatchObject({
    code: "MissingDBInstanceId",
  });
  const unknown = await rejectionOf(
    client.describeParameters(new rds.DescribeParametersRequest({ DBInstanceId: "rm-none" })),
  );
  expect(unknown).toMatchObject({ code: "InvalidAction.NotFound", status: 404 });
  expect(unknown.message).toContain("DescribeParameters");
});

test("instances are listed by page number and by token, deleted ones never", async () => {
  await using fixture = await aliyunFixture();
  const ids = Array.from({ length: 5 }, (_, index) => `rm-bp${index}`);
  for (const id of ids) fixture.aliyun.addInstance({ instanceId: id, engine: "MySQL", engineVersion: "8.0" });
  fixture.aliyun.addInstance({ instanceId: "rm-gone", engine: "MySQL", engineVersion: "5.7", deleted: true });
  fixture.aliyun.addInstance({
    instanceId: "rm-sh",
    engine: "MariaDB",
    engineVersion: "10.6",
    regionId: "cn-shanghai",
  });
  const client = fixture.client();
  const page = await client.describeDBInstances(
    new DescribeDBInstancesRequest({ regionId: "cn-hangzhou", pageSize: 2, pageNumber: 3 }),
  );
  expect(page.body).toMatchObject({ pageNumber: 3, pageRecordCount: 1, totalRecordCount: 5 });
  expect(page.body?.items?.DBInstance?.[0]).toMatchObject({
    DBInstanceId: "rm-bp4",
    engine: "MySQL",
    DBInstanceStatus: "Running",
  });
  const found: (string | undefined)[] = [];
  let nextToken: string | undefined;
  do {
    const { body } = await client.describeDBInstances(
      new DescribeDBInstancesRequest({ regionId: "cn-hangzhou", maxResults: 2, nextToken }),
    );
    found.push(...(body?.items?.DBInstance ?? []).map(({ DBInstanceId }) => DBInstanceId));
    nextToken = body?.nextToken;
  } while (nextToken !== undefined);
  expect(found).toEqual(ids);
  const shanghai = await client.describeDBInstances(
    new DescribeDBInstancesRequest({ regionId: "cn-shanghai", engine: "MariaDB" }),
  );
  expect(shanghai.body?.items?.DBInstance?.map(({ DBInstanceId }) => DBInstanceId)).toEqual(["rm-sh"]);
});

test("a deleted instance's backups are found as detached ones only", async () => {
  await using fixture = await aliyunFixture();
  const { aliyun } = fixture;
  aliyun.addInstance({ instanceId: "rm-gone", engine: "MySQL", engineVersion: "5.7", deleted: true });
  await aliyun.addBackup({
    instanceId: "rm-gone",
    backupId: "77",
    startedAt: noon,
    content: { bytes: Buffer.from("left behind") },
  });
  await aliyun.addBackup({ instanceId: "rm-gone", backupId: "78", startedAt: noon - 60_000, backupMethod: "Snapshot" });
  const client = fixture.client();
  expect(
    await rejectionOf(client.describeBackups(new DescribeBackupsRequest({ DBInstanceId: "rm-gone" }))),
  ).toMatchObject({
    code: "InvalidDBInstanceId.NotFound",
  });
  const { body } = await client.describeDetachedBackups(new DescribeDetachedBackupsRequest({ region: "cn-hangzhou" }));
  expect(body).toMatchObject({ pageNumber: "1", pageRecordCount: "2", totalRecordCount: "2" });
  const [backup, snapshot] = body?.items?.backup ?? [];
  expect(backup).toMatchObject({ backupId: "77", DBInstanceId: "rm-gone", backupSize: 11 });
  expect(backup).not.toHaveProperty("checksum");
  expect(await (await fetch(backup?.backupDownloadURL ?? "")).text()).toBe("left behind");
  expect(snapshot?.backupDownloadURL).toBe("");
  expect(await rejectionOf(client.describeDetachedBackups(new DescribeDetachedBackupsRequest({})))).toMatchObject({
    code: "MissingRegion",
  });
});

test("rotated keys take effect at once", async () => {
  await using fixture = await aliyunFixture();
  fixture.aliyun.addInstance({ instanceId, engine: "MySQL", engineVersion: "8.0" });
  const request = new DescribeBackupsRequest({ DBInstanceId: instanceId });
  const old = fixture.client();
  await old.describeBackups(request);
  fixture.aliyun.setCredentials([{ accessKeyId: "LTAInew", accessKeySecret: "new" }]);
  expect(await rejectionOf(old.describeBackups(request))).toMatchObject({
    code: "InvalidAccessKeyId.NotFound",
    status: 404,
  });
  await fixture.client({ accessKeyId: "LTAInew", accessKeySecret: "new" }).describeBackups(request);
  expect(accessKey.accessKeyId).not.toBe("LTAInew");
});
