// DescribeDBSnapshots and DescribeDBClusterSnapshots, with the rules on which types are shown.
// Source: the SnapshotType, IncludeShared and IncludePublic parameters in the RDS API reference.
import type { XmlFields } from "../s3/xml.ts";
import { type Snapshot, type SnapshotType, snapshotTypes } from "./catalogue.ts";
import { type FilterFields, filtered } from "./filters.ts";
import { pageOf } from "./pages.ts";
import { type FormParameters, timeText } from "./query-protocol.ts";
import type { RdsCall, RdsState } from "./rds-call.ts";
import { invalidParameter, snapshotNotFound } from "./rds-error.ts";

/** What differs between snapshots of instances and those of clusters. */
interface Kind {
  readonly isCluster: boolean;
  readonly action: string;
  readonly snapshotParameter: string;
  readonly databaseParameter: string;
  readonly resourceParameter: string;
  readonly arnKinds: { readonly snapshot: string; readonly database: string };
  readonly filters: FilterFields<Snapshot>;
}

const sharedFilters: FilterFields<Snapshot> = {
  "snapshot-type": ({ type }) => [type],
  engine: ({ database }) => [database.engine],
};

const ofInstances: Kind = {
  isCluster: false,
  action: "rds:DescribeDBSnapshots",
  snapshotParameter: "DBSnapshotIdentifier",
  databaseParameter: "DBInstanceIdentifier",
  resourceParameter: "DbiResourceId",
  arnKinds: { snapshot: "snapshot", database: "db" },
  filters: {
    ...sharedFilters,
    "db-instance-id": ({ database }) => [database.databaseId, database.arn],
    "db-snapshot-id": ({ snapshotId }) => [snapshotId],
    "dbi-resource-id": ({ database }) => [database.resourceId],
  },
};

const ofClusters: Kind = {
  isCluster: true,
  action: "rds:DescribeDBClusterSnapshots",
  snapshotParameter: "DBClusterSnapshotIdentifier",
  databaseParameter: "DBClusterIdentifier",
  resourceParameter: "DbClusterResourceId",
  arnKinds: { snapshot: "cluster-snapshot", database: "cluster" },
  filters: {
    ...sharedFilters,
    "db-cluster-id": ({ database }) => [database.databaseId, database.arn],
    "db-cluster-snapshot-id": ({ snapshotId }) => [snapshotId],
  },
};

export function describeDbSnapshots(state: RdsState, call: RdsCall): XmlFields {
  const { items, marker } = describe(state, call, ofInstances);
  return { Marker: marker, DBSnapshots: { DBSnapshot: items.map((snapshot) => instanceFields(state, snapshot)) } };
}

export function describeClusterSnapshots(state: RdsState, call: RdsCall): XmlFields {
  const { items, marker } = describe(state, call, ofClusters);
  return {
    Marker: marker,
    DBClusterSnapshots: { DBClusterSnapshot: items.map((snapshot) => clusterFields(state, snapshot)) },
  };
}

function describe(state: RdsState, { parameters, principal }: RdsCall, kind: Kind) {
  const snapshotId = parameters.text(kind.snapshotParameter);
  const databaseId = parameters.text(kind.databaseParameter)?.toLowerCase();
  const resourceId = parameters.text(kind.resourceParameter);
  const type = readType(parameters);
  const { accountId, region, authorize } = state.context;
  authorize(
    principal,
    kind.action,
    snapshotId?.startsWith("arn:")
      ? snapshotId
      : `arn:aws:rds:${region}:${accountId}:${
          databaseId !== undefined && snapshotId === undefined
            ? `${kind.arnKinds.database}:${databaseId}`
            : `${kind.arnKinds.snapshot}:${snapshotId ?? "*"}`
        }`,
  );
  if (kind.isCluster && snapshotId !== undefined && databaseId !== undefined) {
    throw invalidParameter(`${kind.snapshotParameter} can't be used in conjunction with ${kind.databaseParameter}.`);
  }
  const shown = shownTypes(parameters, type);
  const found = state.catalogue.snapshots.filter(
    (snapshot) =>
      snapshot.database.isCluster === kind.isCluster &&
      shown.has(snapshot.type) &&
      (snapshotId === undefined || isNamed(snapshot, snapshotId)) &&
      // An id that no database has is answered by an empty list, not by an error.
      (databaseId === undefined || snapshot.database.databaseId === databaseId) &&
      (resourceId === undefined || snapshot.database.resourceId === resourceId) &&
      // "If this identifier is for an automated snapshot, the SnapshotType parameter must also be specified."
      !(snapshotId !== undefined && type === undefined && snapshot.type === "automated"),
  );
  if (snapshotId !== undefined && found.length === 0) throw snapshotNotFound(snapshotId, kind.isCluster);
  const question = [kind.action, snapshotId, databaseId, resourceId, [...shown].join()].join(" ");
  return pageOf(parameters, question, filtered(parameters, found, kind.filters), ({ arn }) => arn);
}

function readType(parameters: FormParameters): SnapshotType | undefined {
  const text = parameters.text("SnapshotType");
  if (text === undefined) return undefined;
  const type = snapshotTypes.find((known) => known === text);
  if (type) return type;
  throw invalidParameter(`Invalid snapshot type: ${text}. Valid types: ${snapshotTypes.join(", ")}.`);
}

function shownTypes(parameters: FormParameters, type: SnapshotType | undefined): ReadonlySet<SnapshotType> {
  const shown = new Set<SnapshotType>(type === undefined ? ["automated", "manual"] : [type]);
  // Neither flag applies to the types automated and manual, nor the one to the other's.
  if (type === undefined || type === "awsbackup") {
    if (parameters.flag("IncludeShared")) shown.add("shared");
    if (parameters.flag("IncludePublic")) shown.add("public");
  }
  return shown;
}

/** Those of other accounts are known by their ARN only. */
function isNamed(snapshot: Snapshot, asked: string): boolean {
  if (asked.startsWith("arn:")) return snapshot.arn === asked;
  return snapshot.type !== "shared" && snapshot.type !== "public" && snapshot.snapshotId === asked.toLowerCase();
}

function commonFields({ context }: RdsState, snapshot: Snapshot): XmlFields {
  const { database } = snapshot;
  return {
    Engine: database.engine,
    EngineVersion: database.engineVersion,
    SnapshotType: snapshot.type,
    SnapshotCreateTime: snapshot.status === "creating" ? undefined : timeText(snapshot.createdAtMilliseconds),
    Status: snapshot.status,
    PercentProgress: snapshot.percentProgress,
    AllocatedStorage: database.allocatedStorageGb,
    StorageType: snapshot.storageType,
    StorageEncryptionType: snapshot.encrypted ? "sse-kms" : "none",
    KmsKeyId: snapshot.encrypted
      ? `arn:aws:kms:${context.region}:${context.accountId}:key/aws-rds-${database.resourceId.toLowerCase()}`
      : undefined,
    MasterUsername: "admin",
    LicenseModel: "general-public-license",
  };
}

function instanceFields(state: RdsState, snapshot: Snapshot): XmlFields {
  const isTaken = snapshot.status !== "creating";
  return {
    DBSnapshotIdentifier: snapshot.type === "shared" || snapshot.type === "public" ? snapshot.arn : snapshot.snapshotId,
    DBSnapshotArn: snapshot.arn,
    DBInstanceIdentifier: snapshot.database.databaseId,
    DbiResourceId: snapshot.database.resourceId,
    InstanceCreateTime: timeText(snapshot.database.createdAtMilliseconds),
    ...commonFields(state, snapshot),
    Encrypted: snapshot.encrypted,
    OriginalSnapshotCreateTime: isTaken ? timeText(snapshot.createdAtMilliseconds) : undefined,
    SnapshotDatabaseTime: isTaken ? timeText(snapshot.databaseTimeMilliseconds) : undefined,
    SnapshotTarget: "region",
    FullSnapshotSizeInBytes: isTaken ? snapshot.fullSizeBytes : undefined,
  };
}

/** Unlike those of instances, these tell neither the time of the last transaction nor their size in bytes. */
function clusterFields(state: RdsState, snapshot: Snapshot): XmlFields {
  return {
    DBClusterSnapshotIdentifier:
      snapshot.type === "shared" || snapshot.type === "public" ? snapshot.arn : snapshot.snapshotId,
    DBClusterSnapshotArn: snapshot.arn,
    DBClusterIdentifier: snapshot.database.databaseId,
    DbClusterResourceId: snapshot.database.resourceId,
    ClusterCreateTime: timeText(snapshot.database.createdAtMilliseconds),
    EngineMode: "provisioned",
    ...commonFields(state, snapshot),
    StorageEncrypted: snapshot.encrypted,
  };
}
