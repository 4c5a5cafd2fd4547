// Export tasks in RDS: what runs, what became of one, starting and cancelling.
import {
  CancelExportTaskCommand,
  DescribeExportTasksCommand,
  type RDSClient,
  type ExportTask as RdsExportTask,
  StartExportTaskCommand,
} from "@aws-sdk/client-rds";
import { CausewayError, isErrorNamed, messageOf } from "../shared/errors.ts";
import type { ExportTask, TaskWish } from "./exports/export-task.ts";

const recordsPerPage = 100;
/** RDS keeps ended tasks; of one snapshot, or under way, there are few. */
const mostPages = 20;

export interface ExportPlace {
  readonly bucket: string;
  readonly roleArn: string;
  readonly kmsKeyArn: string;
}

export class ExportTasksStore {
  readonly #client: RDSClient;
  readonly #place: ExportPlace;

  constructor(client: RDSClient, place: ExportPlace) {
    this.#client = client;
    this.#place = place;
  }

  /** Undefined when RDS does not know it. */
  async read(taskId: string): Promise<ExportTask | undefined> {
    try {
      const answer = await this.#client.send(new DescribeExportTasksCommand({ ExportTaskIdentifier: taskId }));
      return answer.ExportTasks?.map(taskOf)[0];
    } catch (error) {
      if (isErrorNamed(error, "ExportTaskNotFoundFault")) return undefined;
      throw error;
    }
  }

  /** Every task of the snapshot, whoever started it. */
  ofSnapshot(snapshotArn: string): Promise<ExportTask[]> {
    return this.#list({ SourceArn: snapshotArn });
  }

  /** What takes one of the account's places now, whoever started it. */
  async underWay(): Promise<ExportTask[]> {
    // RDS takes these values in lower case only, and answers in upper case.
    return this.#list({ Filters: [{ Name: "status", Values: ["starting", "in_progress"] }] });
  }

  /**
   * `exists`: a task of this id is there already. `no-place`: the account runs as many as it may.
   * Throws `SnapshotNotFound`, `SnapshotNotExportable`, and whatever else RDS refuses as `AwsRefused`.
   */
  async start(wish: TaskWish): Promise<"started" | "exists" | "no-place"> {
    try {
      await this.#client.send(
        new StartExportTaskCommand({
          ExportTaskIdentifier: wish.taskId,
          SourceArn: wish.snapshotArn,
          S3BucketName: this.#place.bucket,
          S3Prefix: wish.prefix,
          IamRoleArn: this.#place.roleArn,
          KmsKeyId: this.#place.kmsKeyArn,
        }),
      );
      return "started";
    } catch (error) {
      if (isErrorNamed(error, "ExportTaskAlreadyExistsFault")) return "exists";
      // The SDK has no class for it.
      if (error instanceof Error && /limit/i.test(error.name) && /export/i.test(error.name)) return "no-place";
      const cause = { cause: error };
      if (isErrorNamed(error, "DBSnapshotNotFoundFault", "DBClusterSnapshotNotFoundFault")) {
        throw new CausewayError("SnapshotNotFound", `RDS has no snapshot ${wish.snapshotArn} any more.`, cause);
      }
      if (isErrorNamed(error, "InvalidExportSourceStateFault", "InvalidParameterValue")) {
        throw new CausewayError("SnapshotNotExportable", `RDS does not export it: ${messageOf(error)}`, cause);
      }
      throw error;
    }
  }

  /** Nothing when it has ended meanwhile. */
  async cancel(taskId: string): Promise<void> {
    try {
      await this.#client.send(new CancelExportTaskCommand({ ExportTaskIdentifier: taskId }));
    } catch (error) {
      if (!isErrorNamed(error, "InvalidExportTaskStateFault")) throw error;
    }
  }

  async #list(input: { SourceArn: string } | { Filters: { Name: string; Values: string[] }[] }): Promise<ExportTask[]> {
    const tasks: ExportTask[] = [];
    let Marker: string | undefined;
    for (let page = 0; page < mostPages; page += 1) {
      const answer = await this.#client.send(
        new DescribeExportTasksCommand({ ...input, MaxRecords: recordsPerPage, Marker }),
      );
      tasks.push(...(answer.ExportTasks ?? []).map(taskOf));
      Marker = answer.Marker === "" ? undefined : answer.Marker;
      if (Marker === undefined) return tasks;
    }
    throw new CausewayError("AwsUnavailable", `RDS lists more than ${mostPages * recordsPerPage} export tasks here.`);
  }
}

function taskOf(task: RdsExportTask): ExportTask {
  return {
    taskId: task.ExportTaskIdentifier ?? "",
    status: task.Status ?? "",
    bucket: task.S3Bucket ?? "",
    prefix: task.S3Prefix ?? "",
    percent: task.PercentProgress ?? 0,
    startedAt: task.TaskStartTime?.toISOString() ?? null,
    endedAt: task.TaskEndTime?.toISOString() ?? null,
    failureCause: task.FailureCause ?? null,
    warningMessage: task.WarningMessage ?? null,
    extractedGigabytes: task.TotalExtractedDataInGB ?? null,
  };
}
