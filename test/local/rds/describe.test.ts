// Databases and snapshots under the official client: which are shown to whom, page by page.
import {
  DescribeDBClusterSnapshotsCommand,
  DescribeDBClustersCommand,
  DescribeDBEngineVersionsCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  type DescribeDBSnapshotsMessage,
  paginateDescribeDBSnapshots,
  type RDSClient,
} from "@aws-sdk/client-rds";
import { afterAll, beforeAll, expect, test } from "vitest";
import { accountId, callerRoleArn, noon, RdsRig, region, snapshotArn } from "./rds-rig.ts";

let rig: RdsRig;
let client: RDSClient;
beforeAll(async () => {
  rig = await RdsRig.start({
    callerStatements: () => [
      { Effect: "Allow", Action: "rds:DescribeDBSnapshots", Resource: `arn:aws:rds:${region}:${accountId}:db:orders` },
    ],
  });
  client = rig.client();
  const { rds } = rig;
  rds.ensureDatabase({ databaseId: "orders", engine: "mysql", engineVersion: "8.0.39" });
  rds.ensureDatabase({ databaseId: "books", engine: "sqlserver-ex", engineVersion: "16.00" });
  rds.ensureDatabase({ databaseId: "lake", engine: "aurora-postgresql", engineVersion: "16.4" });
  rds.addSnapshot({ databaseId: "orders", snapshotId: "rds:orders-2026-11-20", type: "automated" });
  rds.addSnapshot({
    databaseId: "orders",
    snapshotId: "by-hand",
    createdAtMilliseconds: noon - 3_600_000,
    databaseTimeMilliseconds: noon - 3_660_000,
    encrypted: false,
    fullSizeBytes: 5 * 1024 ** 3,
  });
  rds.addSnapshot({ databaseId: "orders", snapshotId: "awsbackup:job-1", type: "awsbackup" });
  rds.addSnapshot({ databaseId: "orders", snapshotId: "theirs", type: "shared" });
  rds.addSnapshot({ databaseId: "orders", snapshotId: "everyones", type: "public" });
  rds.addSnapshot({ databaseId: "books", snapshotId: "unfinished", status: "creating", percentProgress: 40 });
  rds.addSnapshot({ databaseId: "lake", snapshotId: "rds:lake-1", type: "automated" });
  rds.addSnapshot({ databaseId: "lake", snapshotId: "lake-by-hand" });
});
afterAll(() => rig.close());

async function ids(question: DescribeDBSnapshotsMessage = {}): Promise<string[]> {
  const { DBSnapshots = [] } = await client.send(new DescribeDBSnapshotsCommand(question));
  return DBSnapshots.map(({ DBSnapshotArn = "" }) => DBSnapshotArn.slice(DBSnapshotArn.indexOf("snapshot:") + 9));
}

const refusal = (question: DescribeDBSnapshotsMessage) => ids(question).catch((error: Error) => error.name);

test("a snapshot tells what a validation asks: times, size, status, engine, encryption", async () => {
  const question = { DBSnapshotIdentifier: "by-hand" };
  const { DBSnapshots } = await client.send(new DescribeDBSnapshotsCommand(question));
  expect(DBSnapshots).toMatchObject([
    {
      DBSnapshotIdentifier: "by-hand",
      DBSnapshotArn: snapshotArn("by-hand"),
      DBInstanceIdentifier: "orders",
      DbiResourceId: expect.stringMatching(/^db-[A-Z0-9]+$/),
      Engine: "mysql",
      EngineVersion: "8.0.39",
      SnapshotType: "manual",
      Status: "available",
      PercentProgress: 100,
      SnapshotCreateTime: new Date(noon - 3_600_000),
      OriginalSnapshotCreateTime: new Date(noon - 3_600_000),
      SnapshotDatabaseTime: new Date(noon - 3_660_000),
      FullSnapshotSizeInBytes: 5 * 1024 ** 3,
      Encrypted: false,
      StorageEncryptionType: "none",
    },
  ]);
  const { DBSnapshots: unfinished } = await client.send(
    new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: "unfinished" }),
  );
  expect(unfinished).toMatchObject([{ Status: "creating", PercentProgress: 40, Encrypted: true }]);
  for (const absent of ["SnapshotCreateTime", "SnapshotDatabaseTime", "FullSnapshotSizeInBytes"]) {
    expect(unfinished?.[0]).not.toHaveProperty(absent);
  }
});

test("what is shown follows from the type asked for; others' snapshots are shown only when that is asked, too", async () => {
  expect(await ids()).toEqual(["by-hand", "rds:orders-2026-11-20", "unfinished"]);
  expect(await ids({ SnapshotType: "automated" })).toEqual(["rds:orders-2026-11-20"]);
  expect(await ids({ SnapshotType: "awsbackup" })).toEqual(["awsbackup:job-1"]);
  expect(await ids({ SnapshotType: "shared" })).toEqual(["theirs"]);
  expect(await ids({ SnapshotType: "public" })).toEqual(["everyones"]);
  expect(await ids({ IncludeShared: true, IncludePublic: true })).toHaveLength(5);
  expect(await ids({ SnapshotType: "manual", IncludeShared: true })).toEqual(["by-hand", "unfinished"]);
  expect(await refusal({ SnapshotType: "MANUAL" })).toBe("InvalidParameterValue");
});

test("an automated snapshot is found by its id only with its type, a shared one by its ARN", async () => {
  const automated = { DBSnapshotIdentifier: "rds:orders-2026-11-20" };
  expect(await refusal(automated)).toBe("DBSnapshotNotFoundFault");
  expect(await ids({ ...automated, SnapshotType: "automated" })).toEqual(["rds:orders-2026-11-20"]);
  expect(await refusal({ DBSnapshotIdentifier: "theirs", SnapshotType: "shared" })).toBe("DBSnapshotNotFoundFault");
  const theirs = `arn:aws:rds:${region}:999900001111:snapshot:theirs`;
  expect(await ids({ DBSnapshotIdentifier: theirs, SnapshotType: "shared" })).toEqual(["theirs"]);
});

test("an unknown snapshot is an error, an unknown database an empty list", async () => {
  await expect(client.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: "none" }))).rejects.toMatchObject({
    name: "DBSnapshotNotFoundFault",
    $metadata: { httpStatusCode: 404 },
  });
  expect(await ids({ DBInstanceIdentifier: "none" })).toEqual([]);
  expect(await ids({ DBInstanceIdentifier: "Books" })).toEqual(["unfinished"]);
});

test("filters are all to hold, of a filter's values any; a filter that RDS lacks is refused", async () => {
  const filter = (Name: string, ...Values: string[]) => ({ Name, Values });
  expect(await ids({ Filters: [filter("engine", "mysql", "sqlserver-ex")] })).toHaveLength(3);
  const both = [filter("engine", "mysql"), filter("snapshot-type", "manual")];
  expect(await ids({ Filters: both })).toEqual(["by-hand"]);
  expect(await refusal({ Filters: [filter("status", "available")] })).toBe("InvalidParameterValue");
});

test("pages hold 20 to 100 records, and their markers lead through all of them once", async () => {
  const big = await RdsRig.start();
  try {
    big.rds.ensureDatabase({ databaseId: "many", engine: "postgres", engineVersion: "16.4" });
    const names = Array.from({ length: 45 }, (_none, index) => `many-${String(index).padStart(2, "0")}`);
    for (const snapshotId of names) big.rds.addSnapshot({ databaseId: "many", snapshotId });
    const pages: string[][] = [];
    for await (const page of paginateDescribeDBSnapshots({ client: big.client(), pageSize: 20 }, {})) {
      pages.push((page.DBSnapshots ?? []).map(({ DBSnapshotIdentifier = "" }) => DBSnapshotIdentifier));
    }
    expect(pages.map(({ length }) => length)).toEqual([20, 20, 5]);
    expect(pages.flat()).toEqual(names);
    const first = await big.client().send(new DescribeDBSnapshotsCommand({ MaxRecords: 20 }));
    const marker = first.Marker;
    const other = new DescribeDBSnapshotsCommand({ Marker: marker, SnapshotType: "manual" });
    await expect(big.client().send(other)).rejects.toMatchObject({ name: "InvalidParameterValue" });
  } finally {
    await big.close();
  }
  for (const MaxRecords of [1, 19, 101]) {
    await expect(client.send(new DescribeDBSnapshotsCommand({ MaxRecords }))).rejects.toThrow(
      `Invalid value ${MaxRecords} for MaxRecords. Must be between 20 and 100`,
    );
  }
});

test("snapshots of clusters are listed apart, and tell neither their last transaction nor their bytes", async () => {
  const { DBClusterSnapshots } = await client.send(new DescribeDBClusterSnapshotsCommand({}));
  expect(DBClusterSnapshots).toMatchObject([
    { DBClusterSnapshotIdentifier: "lake-by-hand", DBClusterIdentifier: "lake", StorageEncrypted: true },
    { DBClusterSnapshotIdentifier: "rds:lake-1", SnapshotType: "automated", Engine: "aurora-postgresql" },
  ]);
  const unknown = new DescribeDBClusterSnapshotsCommand({ DBClusterSnapshotIdentifier: "none" });
  await expect(client.send(unknown)).rejects.toMatchObject({ name: "DBClusterSnapshotNotFoundFault" });
  const both = { DBClusterSnapshotIdentifier: "lake-by-hand", DBClusterIdentifier: "lake" };
  await expect(client.send(new DescribeDBClusterSnapshotsCommand(both))).rejects.toMatchObject({
    name: "InvalidParameterValue",
  });
});

test("instances and clusters are described", async () => {
  const { DBInstances } = await client.send(new DescribeDBInstancesCommand({}));
  expect(DBInstances).toMatchObject([
    { DBInstanceIdentifier: "books", Engine: "sqlserver-ex" },
    { DBInstanceIdentifier: "orders", Engine: "mysql", DBInstanceStatus: "available", AllocatedStorage: 20 },
  ]);
  const { DBClusters } = await client.send(new DescribeDBClustersCommand({ DBClusterIdentifier: "lake" }));
  expect(DBClusters).toMatchObject([{ DBClusterIdentifier: "lake", EngineVersion: "16.4" }]);
  await expect(client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier: "lake" }))).rejects.toMatchObject({
    name: "DBInstanceNotFoundFault",
  });
  await expect(client.send(new DescribeDBClustersCommand({ DBClusterIdentifier: "none" }))).rejects.toMatchObject({
    name: "DBClusterNotFoundFault",
  });
});

test("a role sees what its policy names, and is refused the rest in AWS's words", async () => {
  const caller = rig.client(callerRoleArn);
  const { DBSnapshots = [] } = await caller.send(new DescribeDBSnapshotsCommand({ DBInstanceIdentifier: "orders" }));
  expect(DBSnapshots).toHaveLength(2);
  await expect(caller.send(new DescribeDBSnapshotsCommand({}))).rejects.toMatchObject({
    name: "AccessDenied",
    $metadata: { httpStatusCode: 403 },
    message: expect.stringContaining(`rds:DescribeDBSnapshots on resource: ${snapshotArn("*")}`),
  });
});

test("what the local cloud does not have is refused by its name", async () => {
  await expect(client.send(new DescribeDBEngineVersionsCommand({}))).rejects.toMatchObject({
    name: "InvalidAction",
    message: expect.stringContaining("DescribeDBEngineVersions"),
  });
});

test("the fault rig reaches RDS by operation and resource", async () => {
  rig.faults.add(
    { service: "rds", operation: "DescribeDBSnapshots", resourceIncludes: "orders", effect: { kind: "throttle" } },
    {
      service: "rds",
      operation: "DescribeDBClusters",
      effect: { kind: "error", status: 503, code: "ServiceUnavailable" },
    },
  );
  expect(await ids()).toHaveLength(3);
  expect(await refusal({ DBInstanceIdentifier: "orders" })).toBe("Throttling");
  expect(await ids({ DBInstanceIdentifier: "orders" })).toHaveLength(2);
  await expect(client.send(new DescribeDBClustersCommand({}))).rejects.toMatchObject({ name: "ServiceUnavailable" });
});

test("a database and its snapshots are made once, and what contradicts them is refused", () => {
  const { rds } = rig;
  expect(rds.ensureDatabase({ databaseId: "orders", engine: "mysql", engineVersion: "8.0.39" }).created).toBe(false);
  expect(() => rds.ensureDatabase({ databaseId: "orders", engine: "postgres", engineVersion: "16" })).toThrow(
    "is mysql",
  );
  expect(() => rds.ensureDatabase({ databaseId: "Orders!", engine: "mysql", engineVersion: "8" })).toThrow(
    "identifier",
  );
  expect(() => rds.addSnapshot({ databaseId: "none", snapshotId: "a" })).toThrow("no database none");
  expect(() => rds.addSnapshot({ databaseId: "books", snapshotId: "by-hand" })).toThrow("exists already");
  expect(() => rds.addSnapshot({ databaseId: "orders", snapshotId: "Bad_Id" })).toThrow("no identifier");
  const tables = [{ database: "a", name: "t", columns: [{ name: "id", type: "int" }], rows: [[1, 2]] }];
  expect(() => rds.ensureDatabase({ databaseId: "wide", engine: "mysql", engineVersion: "8", tables })).toThrow(
    "2 values for 1 columns",
  );
  const keyed = [{ ...tables[0], primaryKey: "id", rows: [["x"]] }] as unknown as typeof tables;
  expect(() => rds.ensureDatabase({ databaseId: "keyed", engine: "mysql", engineVersion: "8", tables: keyed })).toThrow(
    "must be a column of integers",
  );
  expect(() => rds.ensureDatabase({ databaseId: "ora", engine: "oracle-ee", engineVersion: "19", tables })).toThrow(
    "no data of oracle-ee",
  );
});
