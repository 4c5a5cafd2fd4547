// Snapshots and databases as RDS lists them: DB instances and clusters, every type, all pages.
import {
  type DBClusterSnapshot,
  type DBSnapshot,
  DescribeDBClusterSnapshotsCommand,
  DescribeDBClustersCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  type RDSClient,
} from "@aws-sdk/client-rds";
import { CausewayError } from "../shared/errors.ts";
import type { Database } from "./exports/list-snapshots.ts";
import type { Snapshot } from "./exports/snapshot.ts";

/** RDS gives 20 to 100 records a page. */
const recordsPerPage = 100;
/** In all lists together; more is refused with advice, for nothing may be left out silently. */
const mostSnapshots = 10_000;
const mostDatabases = 2_000;

/** Public ones of other accounts are not asked for: there are thousands, and none of them is ours to export. */
const types = ["automated", "manual", "awsbackup", "shared"] as const;

const gibibyte = 1024 ** 3;

interface Page<Record> {
  readonly records: readonly Record[];
  readonly marker: string | undefined;
}

export class SnapshotsStore {
  readonly #client: RDSClient;

  constructor(client: RDSClient) {
    this.#client = client;
  }

  /** A snapshot may come twice, when the pages shift meanwhile. Throws `TooManyBackups` above 10,000. */
  async *list(): AsyncGenerator<Snapshot> {
    let count = 0;
    for await (const snapshot of this.#all()) {
      count += 1;
      if (count > mostSnapshots) {
        throw new CausewayError(
          "TooManyBackups",
          `RDS has more than ${mostSnapshots} snapshots here. Delete what is no longer needed, or let RDS do so by retention.`,
        );
      }
      yield snapshot;
    }
  }

  /** Those that exist now. The members of a cluster are not among them: their snapshots are the cluster's. */
  async databases(): Promise<Database[]> {
    const instances = await collect(async (Marker) => {
      const page = await this.#client.send(new DescribeDBInstancesCommand({ MaxRecords: recordsPerPage, Marker }));
      return { records: page.DBInstances ?? [], marker: page.Marker };
    });
    const clusters = await collect(async (Marker) => {
      const page = await this.#client.send(new DescribeDBClustersCommand({ MaxRecords: recordsPerPage, Marker }));
      return { records: page.DBClusters ?? [], marker: page.Marker };
    });
    return [
      ...instances
        .filter(({ DBClusterIdentifier = "" }) => DBClusterIdentifier === "")
        .map(({ DBInstanceIdentifier = "", DBInstanceArn = "", Engine = "" }) => ({
          databaseId: DBInstanceIdentifier,
          isCluster: false,
          engine: Engine,
          arn: DBInstanceArn,
        })),
      ...clusters.map(({ DBClusterIdentifier = "", DBClusterArn = "", Engine = "" }) => ({
        databaseId: DBClusterIdentifier,
        isCluster: true,
        engine: Engine,
        arn: DBClusterArn,
      })),
    ];
  }

  async *#all(): AsyncGenerator<Snapshot> {
    for (const SnapshotType of types) {
      for await (const record of pages(async (Marker) => {
        const input = { SnapshotType, MaxRecords: recordsPerPage, Marker };
        const page = await this.#client.send(new DescribeDBSnapshotsCommand(input));
        return { records: page.DBSnapshots ?? [], marker: page.Marker };
      })) {
        yield instanceSnapshot(record, SnapshotType);
      }
      for await (const record of pages(async (Marker) => {
        const input = { SnapshotType, MaxRecords: recordsPerPage, Marker };
        const page = await this.#client.send(new DescribeDBClusterSnapshotsCommand(input));
        return { records: page.DBClusterSnapshots ?? [], marker: page.Marker };
      })) {
        yield clusterSnapshot(record, SnapshotType);
      }
    }
  }
}

async function* pages<Record>(read: (marker: string | undefined) => Promise<Page<Record>>): AsyncGenerator<Record> {
  let marker: string | undefined;
  do {
    const page = await read(marker);
    yield* page.records;
    // The same marker again would never end.
    marker = page.marker === marker || page.marker === "" ? undefined : page.marker;
  } while (marker !== undefined);
}

async function collect<Record>(read: (marker: string | undefined) => Promise<Page<Record>>): Promise<Record[]> {
  const records: Record[] = [];
  for await (const record of pages(read)) {
    records.push(record);
    if (records.length > mostDatabases) {
      throw new CausewayError("TooManyBackups", `RDS has more than ${mostDatabases} databases here.`);
    }
  }
  return records;
}

function instanceSnapshot(record: DBSnapshot, listedAs: string): Snapshot {
  return {
    arn: record.DBSnapshotArn ?? "",
    snapshotId: record.DBSnapshotIdentifier ?? "",
    databaseId: record.DBInstanceIdentifier ?? "",
    isCluster: false,
    engineMode: null,
    // SnapshotCreateTime is the copy's own where a snapshot was copied; the data is as old as the first one.
    takenAt: text(record.SnapshotDatabaseTime ?? record.OriginalSnapshotCreateTime ?? record.SnapshotCreateTime),
    sizeBytes: record.FullSnapshotSizeInBytes ?? allocated(record.AllocatedStorage),
    isEncrypted: record.Encrypted ?? false,
    ...common(record, listedAs),
  };
}

/** RDS tells of a cluster's snapshot neither the last transaction nor its full size. */
function clusterSnapshot(record: DBClusterSnapshot, listedAs: string): Snapshot {
  return {
    arn: record.DBClusterSnapshotArn ?? "",
    snapshotId: record.DBClusterSnapshotIdentifier ?? "",
    databaseId: record.DBClusterIdentifier ?? "",
    isCluster: true,
    engineMode: record.EngineMode ?? null,
    takenAt: text(record.SnapshotCreateTime),
    sizeBytes: allocated(record.AllocatedStorage),
    isEncrypted: record.StorageEncrypted ?? false,
    ...common(record, listedAs),
  };
}

function common(record: DBSnapshot | DBClusterSnapshot, listedAs: string) {
  return {
    engine: record.Engine ?? "",
    engineVersion: record.EngineVersion ?? "",
    // RDS calls a shared one manual: only the list it stands in tells.
    type: listedAs === "shared" ? listedAs : (record.SnapshotType ?? listedAs),
    status: record.Status ?? "",
    createdAt: text(record.SnapshotCreateTime),
    storageType: record.StorageType ?? null,
    encryptionType: record.StorageEncryptionType ?? null,
    kmsKeyId: record.KmsKeyId ?? null,
  };
}

function text(time: Date | undefined): string | null {
  return time === undefined ? null : time.toISOString();
}

/** Aurora reports 0 or 1 where the size is not known. */
function allocated(gibibytes: number | undefined): number | null {
  return gibibytes === undefined || gibibytes <= 1 ? null : gibibytes * gibibyte;
}
