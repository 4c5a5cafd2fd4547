// StartExportTask: everything that RDS checks before it says yes, in the order of what is cheapest to know.
// Source: StartExportTask in the RDS API reference; "Limitations" of snapshot exports in the RDS User Guide.
import { DatabaseSync } from "node:sqlite";
import { type Principal, ServiceError } from "../gateway/service.ts";
import type { XmlFields } from "../s3/xml.ts";
import type { Snapshot } from "./catalogue.ts";
import { familyOf, isExportable } from "./engines.ts";
import { ExportBucket } from "./export-bucket.ts";
import { exportPrincipal, targetOf } from "./export-outcome.ts";
import { checkExportOnly } from "./export-plan.ts";
import { type ExportTask, taskFields } from "./export-tasks.ts";
import type { RdsCall, RdsState } from "./rds-call.ts";
import * as errors from "./rds-error.ts";
import { readTables } from "./source-data.ts";

/** Per account, other tools' tasks included. */
const mostConcurrentTasks = 5;
const longestTaskId = 60;

export async function startExportTask(state: RdsState, call: RdsCall): Promise<XmlFields> {
  const request = readRequest(call);
  const { context, tasks } = state;
  context.authorize(call.principal, "rds:StartExportTask", request.sourceArn);
  const snapshot = findSource(state, request.sourceArn);
  context.authorize(call.principal, "iam:PassRole", request.roleArn, { "iam:PassedToService": exportPrincipal });
  if (tasks.isIdTaken(request.taskId)) throw errors.exportTaskExists(request.taskId);
  checkSource(state, snapshot);
  if (request.exportOnly.length > 0) checkScopes(state, snapshot, request.exportOnly);
  if (tasks.slotsTaken >= mostConcurrentTasks) throw errors.exportTaskLimitReached(mostConcurrentTasks);
  const kmsKeyArn = checkKey(state, call, request.kmsKeyId);
  const task: ExportTask = {
    ...request,
    kmsKeyArn,
    sourceType: "SNAPSHOT",
    engine: snapshot.database.engine,
    snapshotTimeMilliseconds: snapshot.createdAtMilliseconds,
    status: "STARTING",
    requestedAtMilliseconds: Math.floor(context.clock.now()),
    percentProgress: 0,
    extractedBytes: 0,
    dataFile: snapshot.dataFile,
    fullSizeBytes: snapshot.fullSizeBytes,
    reports: [],
  };
  // Checking the bucket takes time, in which another call might take the same id, snapshot or slot.
  const release = tasks.reserve(task.taskId, task.sourceArn);
  try {
    await checkBucket(state, task);
  } finally {
    release();
  }
  // Meanwhile it may have been deleted.
  if (!state.catalogue.findSnapshot(snapshot.arn))
    throw errors.snapshotNotFound(snapshot.snapshotId, snapshot.database.isCluster);
  const trouble = state.troubles.take(snapshot);
  tasks.put({ ...task, ...(trouble ? { trouble } : {}) });
  state.runner.start(task.taskId);
  return taskFields(task);
}

function readRequest({ parameters }: RdsCall) {
  const taskId = parameters.required("ExportTaskIdentifier");
  const request = {
    taskId,
    sourceArn: parameters.required("SourceArn"),
    bucket: parameters.required("S3BucketName"),
    roleArn: parameters.required("IamRoleArn"),
    kmsKeyId: parameters.required("KmsKeyId"),
    prefix: (parameters.text("S3Prefix") ?? "").replace(/\/+$/, ""),
    exportOnly: parameters.list("ExportOnly", "member"),
  };
  if (!/^[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*$/.test(taskId)) {
    throw errors.invalidParameter(
      "The parameter ExportTaskIdentifier is not a valid identifier. Identifiers must begin with a letter; must contain " +
        "only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.",
    );
  }
  if (taskId.length > longestTaskId) {
    throw errors.invalidParameter(
      `The parameter ExportTaskIdentifier must not be longer than ${longestTaskId} characters.`,
    );
  }
  if (request.prefix.includes(":")) {
    throw errors.invalidParameter("The parameter S3Prefix must not contain a colon (:).");
  }
  return request;
}

function findSource({ catalogue, context }: RdsState, sourceArn: string): Snapshot {
  const match = /^arn:[^:]+:rds:([^:]+):(\d{12}):(snapshot|cluster-snapshot|cluster):(.+)$/.exec(sourceArn);
  const [, region, , kind, id = ""] = match ?? [];
  if (!match) throw errors.invalidParameter(`The source ARN ${sourceArn} isn't the ARN of a snapshot or cluster.`);
  if (region !== context.region) {
    throw errors.invalidParameter(`The source ARN ${sourceArn} isn't located in the Region ${context.region}.`);
  }
  if (kind === "cluster") {
    throw new ServiceError(501, "NotImplemented", "The local cloud's RDS exports snapshots, not live clusters.");
  }
  const found = catalogue.findSnapshot(sourceArn);
  if (!found) throw errors.snapshotNotFound(id, kind === "cluster-snapshot");
  return found;
}

function checkSource({ tasks }: RdsState, snapshot: Snapshot): void {
  const { database, snapshotId, status, storageType, arn } = snapshot;
  if (!isExportable(database.engine, database.engineVersion)) {
    throw errors.invalidParameter(
      `Exporting snapshots of the engine ${database.engine} ${database.engineVersion} isn't supported.`,
    );
  }
  if (storageType === "standard") {
    throw errors.invalidParameter(`Exporting snapshots of magnetic storage isn't supported: ${snapshotId}.`);
  }
  if (status !== "available") {
    throw errors.invalidSourceState(`The snapshot ${snapshotId} isn't available for export: its status is ${status}.`);
  }
  if (tasks.isExporting(arn)) {
    throw errors.invalidSourceState(`The snapshot ${snapshotId} is being exported by another export task.`);
  }
}

function checkScopes({ catalogue }: RdsState, { database, dataFile }: Snapshot, exportOnly: readonly string[]): void {
  const family = familyOf(database.engine);
  if (!family) return;
  const data = new DatabaseSync(catalogue.dataPath(dataFile), { readOnly: true });
  try {
    checkExportOnly(exportOnly, readTables(data), family);
  } finally {
    data.close();
  }
}

/** RDS describes the key and makes a grant on it in the caller's name; returns the key's ARN. */
function checkKey({ context, ports }: RdsState, { principal }: RdsCall, kmsKeyId: string): string {
  const through = { "kms:ViaService": `rds.${context.region}.amazonaws.com` };
  return asKeyProblem(kmsKeyId, () => {
    const arn = ports.keyArnOf(kmsKeyId);
    context.authorize(principal, "kms:DescribeKey", arn, through);
    context.authorize(principal, "kms:CreateGrant", arn, { ...through, "kms:GrantIsForAWSResource": "true" });
    return arn;
  });
}

async function checkBucket({ context, ports }: RdsState, task: ExportTask): Promise<void> {
  const role = roleOf(ports, task);
  // "The IAM role used for the export must have encryption and decryption permissions to use this KMS key."
  for (const action of ["kms:Encrypt", "kms:Decrypt"]) {
    asKeyProblem(task.kmsKeyArn, () => context.authorize(role, action, task.kmsKeyArn));
  }
  const bucket = new ExportBucket(context, ports.endpointUrl(), role, targetOf(task));
  try {
    await bucket.probe();
  } finally {
    bucket.close();
  }
}

/** What the work throws comes out as KMSKeyNotAccessibleFault. */
function asKeyProblem<Result>(kmsKeyId: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    throw errors.keyNotAccessible(`The specified KMS key ${kmsKeyId} isn't accessible: ${error.message}`);
  }
}

function roleOf(ports: RdsState["ports"], { roleArn, sourceArn }: ExportTask): Principal {
  try {
    return ports.permissions.assumeRole(roleArn, exportPrincipal, sourceArn);
  } catch (error) {
    if (error instanceof ServiceError) throw errors.roleNotFound(roleArn);
    throw error;
  }
}
