// The local cloud's RDS: what of its API snapshots and their exports need, and a way to fill it and to arrange trouble.
// Source: the RDS API reference, version 2014-10-31.
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import { type LocalService, type ServiceContext, ServiceError } from "../gateway/service.ts";
import type { XmlFields } from "../s3/xml.ts";
import { Catalogue, type NewDatabase, type NewSnapshot } from "./catalogue.ts";
import { describeClusters, describeInstances } from "./describe-databases.ts";
import { describeClusterSnapshots, describeDbSnapshots } from "./describe-snapshots.ts";
import { type ExportPace, ExportRunner } from "./export-runner.ts";
import { cancelExportTask, describeExportTasks, ExportTasks } from "./export-tasks.ts";
import { occupySlots } from "./other-tools.ts";
import { FormParameters, operationOf, renderError, renderResult } from "./query-protocol.ts";
import type { RdsCall, RdsPorts, RdsState } from "./rds-call.ts";
import { startExportTask } from "./start-export.ts";
import { type Trouble, Troubles } from "./trouble.ts";

export interface RdsService extends LocalService {
  /** Made once: a database that is there keeps its data. Throws an Error when its engine or kind differ. */
  ensureDatabase(database: NewDatabase): {
    readonly databaseId: string;
    readonly arn: string;
    readonly resourceId: string;
    readonly created: boolean;
  };
  /** Pins a copy of the database's data; the same once more changes nothing. Throws an Error when the id is taken. */
  addSnapshot(snapshot: NewSnapshot): { readonly snapshotId: string; readonly arn: string };
  /** By id or ARN. An export of it that is under way goes on, as in AWS. */
  removeSnapshot(snapshotIdOrArn: string): void;
  /** For the next export that starts and matches; each arrangement is used up by one. */
  arrange(trouble: Trouble): void;
  /** So many tasks of another tool are under way from now on; 0: none. */
  occupySlots(count: number): void;
  /** Goes on with the tasks of an earlier run; to be called once everything that exports need is there. */
  start(): void;
  /** Resolves when no export is under way. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

type Operation = (state: RdsState, call: RdsCall) => XmlFields | Promise<XmlFields>;

const operations: Readonly<Record<string, Operation>> = {
  CancelExportTask: cancelExportTask,
  DescribeDBClusters: describeClusters,
  DescribeDBClusterSnapshots: describeClusterSnapshots,
  DescribeDBInstances: describeInstances,
  DescribeDBSnapshots: describeDbSnapshots,
  DescribeExportTasks: describeExportTasks,
  StartExportTask: startExportTask,
};

export function createRdsService(context: ServiceContext, ports: RdsPorts, pace: ExportPace = {}): RdsService {
  const database = openDurableState(context.stateDirectory, "rds");
  const catalogue = new Catalogue(
    context,
    new DurableMap(database, "databases"),
    new DurableMap(database, "snapshots"),
  );
  const tasks = new ExportTasks(new DurableMap(database, "tasks"));
  const runner = new ExportRunner({ context, ports, catalogue, tasks, pace });
  const troubles = new Troubles();
  const state: RdsState = { context, ports, catalogue, tasks, runner, troubles };
  return {
    name: "rds",
    operationOf,
    resourceOf: ({ bodyBytes }) => resourceOf(new FormParameters(bodyBytes)),
    async handle(request) {
      const parameters = new FormParameters(request.bodyBytes);
      const operation = operations[parameters.action];
      if (!operation) throw unknownOperation(parameters.action);
      parameters.requireVersion();
      if (!request.principal) throw new ServiceError(403, "MissingAuthenticationToken", "The request is not signed.");
      const result = await operation(state, { principal: request.principal, parameters });
      return renderResult(parameters.action, result, request.requestId);
    },
    renderError: (error, { requestId }) => renderError(error, requestId),
    throttlingError: () => new ServiceError(400, "Throttling", "Rate exceeded"),
    ensureDatabase(wanted) {
      const { databaseId, arn, resourceId, created } = catalogue.ensureDatabase(wanted);
      return { databaseId, arn, resourceId, created };
    },
    addSnapshot(wanted) {
      const { snapshotId, arn } = catalogue.addSnapshot(wanted);
      return { snapshotId, arn };
    },
    removeSnapshot(snapshotIdOrArn) {
      catalogue.removeSnapshot(snapshotIdOrArn);
      catalogue.dropUnusedData(tasks.dataInUse);
    },
    arrange: (trouble) => troubles.add(trouble),
    occupySlots: (count) => occupySlots(state, count),
    start: () => runner.resume(),
    settled: () => runner.settled(),
    async close() {
      await runner.close();
      database.close();
    },
  };
}

/** For the fault rig: whatever the call names. */
function resourceOf(parameters: FormParameters): string {
  const named = [
    "ExportTaskIdentifier",
    "SourceArn",
    "DBSnapshotIdentifier",
    "DBClusterSnapshotIdentifier",
    "DBInstanceIdentifier",
    "DBClusterIdentifier",
  ];
  return named.flatMap((name) => parameters.text(name) ?? []).join(" ");
}

function unknownOperation(action: string): ServiceError {
  return new ServiceError(
    400,
    "InvalidAction",
    `The local cloud's RDS does not have ${action || "(no Action)"}; it has ${Object.keys(operations).join(", ")}.`,
  );
}
