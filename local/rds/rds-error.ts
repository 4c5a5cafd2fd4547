// The errors of RDS by their names on the wire, which are not always those of the SDK's classes.
// Sources: the awsQueryError traits of the model; the messages quoted in AWS's documentation where there are any.
import { ServiceError } from "../gateway/service.ts";

export function missingParameter(name: string): never {
  throw new ServiceError(400, "MissingParameter", `The request must contain the parameter ${name}.`);
}

export function invalidParameter(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidParameterValue", sentence);
}

/** Not in the SDK's model, but what RDS answers to the sixth concurrent task. */
export function exportTaskLimitReached(limit: number): ServiceError {
  return new ServiceError(
    400,
    "ExportTaskLimitReachedFault",
    `You have reached the limit of ${limit} concurrent export tasks.`,
  );
}

export function exportTaskExists(taskId: string): ServiceError {
  return new ServiceError(400, "ExportTaskAlreadyExists", `The export task with the ID ${taskId} already exists.`);
}

export function exportTaskNotFound(taskId: string): ServiceError {
  return new ServiceError(404, "ExportTaskNotFound", `The export task ${taskId} doesn't exist.`);
}

export function exportTaskEnded(taskId: string, status: string): ServiceError {
  return new ServiceError(
    400,
    "InvalidExportTaskStateFault",
    `The export task ${taskId} can't be canceled because its status is ${status}.`,
  );
}

export function invalidSourceState(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidExportSourceState", sentence);
}

export function invalidExportOnly(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidExportOnly", sentence);
}

export function keyNotAccessible(sentence: string): ServiceError {
  return new ServiceError(400, "KMSKeyNotAccessibleFault", sentence);
}

export function roleNotFound(roleArn: string): ServiceError {
  return new ServiceError(
    404,
    "IamRoleNotFound",
    `The principal export.rds.amazonaws.com isn't allowed to assume the IAM role ${roleArn} or the IAM role doesn't exist.`,
  );
}

export function roleMissingPermissions(sentence: string): ServiceError {
  return new ServiceError(400, "IamRoleMissingPermissions", sentence);
}

export function invalidBucket(sentence: string): ServiceError {
  return new ServiceError(400, "InvalidS3BucketFault", sentence);
}

export function snapshotNotFound(snapshotId: string, isCluster: boolean): ServiceError {
  return new ServiceError(
    404,
    isCluster ? "DBClusterSnapshotNotFoundFault" : "DBSnapshotNotFound",
    `${isCluster ? "DBClusterSnapshot" : "DBSnapshot"} ${snapshotId} not found.`,
  );
}

export function databaseNotFound(databaseId: string, isCluster: boolean): ServiceError {
  return new ServiceError(
    404,
    isCluster ? "DBClusterNotFoundFault" : "DBInstanceNotFound",
    `${isCluster ? "DBCluster" : "DBInstance"} ${databaseId} not found.`,
  );
}

export function internalFailure(cause: unknown): ServiceError {
  const sentence = cause instanceof Error ? cause.message : String(cause);
  return new ServiceError(500, "InternalFailure", `An unknown internal error occurred: ${sentence}`);
}
