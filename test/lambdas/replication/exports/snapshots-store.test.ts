// Lists of RDS: every type, every page, and the facts as RDS states them for instances and for clusters.
import type { RDSClient } from "@aws-sdk/client-rds";
import { describe, expect, it } from "vitest";
import type { Snapshot } from "../../../../lambdas/replication/exports/snapshot.ts";
import { SnapshotsStore } from "../../../../lambdas/replication/snapshots.store.ts";

type Pages = Readonly<Record<string, readonly (readonly object[])[]>>;

/** Answers each list in pages: `DescribeDBSnapshots automated`, and so on. */
function storeOf(pages: Pages) {
  const asked: string[] = [];
  const client = {
    send: async (command: { constructor: { name: string }; input: { SnapshotType?: string; Marker?: string } }) => {
      const { SnapshotType = "", Marker = "0" } = command.input;
      const name = `${command.constructor.name.replace("Command", "")} ${SnapshotType}`.trim();
      asked.push(`${name} ${Marker}`);
      const found = pages[name] ?? [[]];
      const next = Number(Marker) + 1;
      const records = found[Number(Marker)] ?? [];
      const answer = { DBSnapshots: records, DBClusterSnapshots: records, DBInstances: records, DBClusters: records };
      return { ...answer, Marker: next < found.length ? String(next) : undefined };
    },
  };
  return { store: new SnapshotsStore(client as unknown as RDSClient), asked };
}

async function all(store: SnapshotsStore): Promise<Snapshot[]> {
  const found: Snapshot[] = [];
  for await (const one of store.list()) found.push(one);
  return found;
}

const time = (hour: number) => new Date(Date.UTC(2026, 10, 20, hour));

describe("the list of snapshots", () => {
  it("has every type of both kinds, of all pages", async () => {
    const { store, asked } = storeOf({
      "DescribeDBSnapshots automated": [
        [{ DBSnapshotIdentifier: "a1" }],
        [{ DBSnapshotIdentifier: "a2" }],
        [{ DBSnapshotIdentifier: "a3" }],
      ],
      "DescribeDBClusterSnapshots manual": [[{ DBClusterSnapshotIdentifier: "c1" }]],
      "DescribeDBSnapshots shared": [[{ DBSnapshotIdentifier: "s1", SnapshotType: "manual" }]],
    });
    const found = await all(store);
    expect(found.map(({ snapshotId, isCluster, type }) => [snapshotId, isCluster, type])).toEqual([
      ["a1", false, "automated"],
      ["a2", false, "automated"],
      ["a3", false, "automated"],
      ["c1", true, "manual"],
      ["s1", false, "shared"],
    ]);
    expect(asked).toHaveLength(10);
  });

  it("takes the last transaction for the recovery point, else the first making, never that of a copy", async () => {
    const record = {
      SnapshotCreateTime: time(12),
      OriginalSnapshotCreateTime: time(10),
      SnapshotDatabaseTime: time(9),
    };
    const { SnapshotDatabaseTime: _time, ...copied } = record;
    const { store } = storeOf({
      "DescribeDBSnapshots manual": [[record, copied, { SnapshotCreateTime: time(12) }, {}]],
      "DescribeDBClusterSnapshots manual": [[{ SnapshotCreateTime: time(11) }]],
    });
    expect((await all(store)).map(({ takenAt }) => takenAt)).toEqual([
      "2026-11-20T09:00:00.000Z",
      "2026-11-20T10:00:00.000Z",
      "2026-11-20T12:00:00.000Z",
      null,
      "2026-11-20T11:00:00.000Z",
    ]);
  });

  it("takes the full size where RDS states it, and does not believe Aurora's placeholder", async () => {
    const { store } = storeOf({
      "DescribeDBSnapshots manual": [[{ FullSnapshotSizeInBytes: 5, AllocatedStorage: 20 }, { AllocatedStorage: 20 }]],
      "DescribeDBClusterSnapshots manual": [
        [{ AllocatedStorage: 1 }, { AllocatedStorage: 100, StorageEncrypted: true, KmsKeyId: "k" }],
      ],
    });
    const found = await all(store);
    expect(found.map(({ sizeBytes }) => sizeBytes)).toEqual([5, 20 * 1024 ** 3, null, 100 * 1024 ** 3]);
    expect(found[3]).toMatchObject({ isEncrypted: true, kmsKeyId: "k" });
  });

  it("ends with a clear error above its limit", async () => {
    const page = Array.from({ length: 100 }, () => ({}));
    const { store } = storeOf({ "DescribeDBSnapshots automated": Array.from({ length: 101 }, () => page) });
    await expect(all(store)).rejects.toMatchObject({ name: "TooManyBackups" });
  });
});

describe("the list of databases", () => {
  it("has instances and clusters, but not a cluster's members", async () => {
    const { store } = storeOf({
      DescribeDBInstances: [
        [{ DBInstanceIdentifier: "orders", Engine: "mysql", DBInstanceArn: "a" }],
        [{ DBInstanceIdentifier: "ledger-1", DBClusterIdentifier: "ledger", Engine: "aurora-mysql" }],
      ],
      DescribeDBClusters: [[{ DBClusterIdentifier: "ledger", Engine: "aurora-mysql", DBClusterArn: "c" }]],
    });
    expect(await store.databases()).toEqual([
      { databaseId: "orders", isCluster: false, engine: "mysql", arn: "a" },
      { databaseId: "ledger", isCluster: true, engine: "aurora-mysql", arn: "c" },
    ]);
  });
});
