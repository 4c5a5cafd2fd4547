// DescribeDBInstances and DescribeDBClusters.
import type { XmlFields } from "../s3/xml.ts";
import type { Database } from "./catalogue.ts";
import { type FilterFields, filtered } from "./filters.ts";
import { pageOf } from "./pages.ts";
import { timeText } from "./query-protocol.ts";
import type { RdsCall, RdsState } from "./rds-call.ts";
import { databaseNotFound } from "./rds-error.ts";

const instanceFilters: FilterFields<Database> = {
  "db-instance-id": ({ databaseId, arn }) => [databaseId, arn],
  "dbi-resource-id": ({ resourceId }) => [resourceId],
  engine: ({ engine }) => [engine],
  // Clusters have no instances of their own here.
  "db-cluster-id": () => [],
};

const clusterFilters: FilterFields<Database> = {
  "db-cluster-id": ({ databaseId, arn }) => [databaseId, arn],
  "db-cluster-resource-id": ({ resourceId }) => [resourceId],
  engine: ({ engine }) => [engine],
};

export function describeInstances(state: RdsState, call: RdsCall): XmlFields {
  const { items, marker } = describe(state, call, { isCluster: false, filters: instanceFilters });
  return { Marker: marker, DBInstances: { DBInstance: items.map(instanceFields) } };
}

export function describeClusters(state: RdsState, call: RdsCall): XmlFields {
  const { items, marker } = describe(state, call, { isCluster: true, filters: clusterFilters });
  return { Marker: marker, DBClusters: { DBCluster: items.map(clusterFields) } };
}

/** Throws DBInstanceNotFound or DBClusterNotFoundFault when one is asked for by an id that none has. */
function describe(
  state: RdsState,
  { parameters, principal }: RdsCall,
  { isCluster, filters }: { readonly isCluster: boolean; readonly filters: FilterFields<Database> },
) {
  const asked = parameters.text(isCluster ? "DBClusterIdentifier" : "DBInstanceIdentifier");
  const id = asked && (asked.startsWith("arn:") ? asked.slice(asked.lastIndexOf(":") + 1) : asked).toLowerCase();
  const { accountId, region, authorize } = state.context;
  authorize(
    principal,
    isCluster ? "rds:DescribeDBClusters" : "rds:DescribeDBInstances",
    `arn:aws:rds:${region}:${accountId}:${isCluster ? "cluster" : "db"}:${id ?? "*"}`,
  );
  const kind = state.catalogue.databases.filter((database) => database.isCluster === isCluster);
  const named = id === undefined ? kind : kind.filter(({ databaseId }) => databaseId === id);
  if (id !== undefined && named.length === 0) throw databaseNotFound(id, isCluster);
  return pageOf(parameters, `${isCluster} ${id}`, filtered(parameters, named, filters), ({ databaseId }) => databaseId);
}

function instanceFields(database: Database): XmlFields {
  return {
    DBInstanceIdentifier: database.databaseId,
    DBInstanceArn: database.arn,
    DbiResourceId: database.resourceId,
    DBInstanceClass: "db.t4g.medium",
    DBInstanceStatus: "available",
    Engine: database.engine,
    EngineVersion: database.engineVersion,
    AllocatedStorage: database.allocatedStorageGb,
    StorageType: database.storageType,
    StorageEncrypted: true,
    MultiAZ: false,
    BackupRetentionPeriod: 7,
    InstanceCreateTime: timeText(database.createdAtMilliseconds),
  };
}

function clusterFields(database: Database): XmlFields {
  return {
    DBClusterIdentifier: database.databaseId,
    DBClusterArn: database.arn,
    DbClusterResourceId: database.resourceId,
    Status: "available",
    Engine: database.engine,
    EngineVersion: database.engineVersion,
    EngineMode: "provisioned",
    AllocatedStorage: database.allocatedStorageGb,
    StorageEncrypted: true,
    BackupRetentionPeriod: 7,
    ClusterCreateTime: timeText(database.createdAtMilliseconds),
  };
}
