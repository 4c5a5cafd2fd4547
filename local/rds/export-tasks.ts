// Export tasks: what is kept about them, and DescribeExportTasks and CancelExportTask.
// Source: ExportTask and these operations in the RDS API reference.
import type { DurableMap } from "../gateway/durable-state.ts";
import type { XmlFields } from "../s3/xml.ts";
import type { TableReport } from "./export-documents.ts";
import { type FilterFields, filtered } from "./filters.ts";
import { pageOf } from "./pages.ts";
import { timeText } from "./query-protocol.ts";
import type { RdsCall, RdsState } from "./rds-call.ts";
import { exportTaskEnded, exportTaskNotFound, invalidParameter } from "./rds-error.ts";
import type { Trouble } from "./trouble.ts";

export const taskStatuses = ["STARTING", "IN_PROGRESS", "COMPLETE", "FAILED", "CANCELING", "CANCELED"] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export interface ExportTask {
  readonly taskId: string;
  readonly sourceArn: string;
  readonly sourceType: "SNAPSHOT" | "CLUSTER";
  /** Of the database in the snapshot. */
  readonly engine: string;
  readonly snapshotTimeMilliseconds: number;
  readonly exportOnly: readonly string[];
  readonly bucket: string;
  /** As given: "" or without a slash at its end. */
  readonly prefix: string;
  readonly roleArn: string;
  /** As given. */
  readonly kmsKeyId: string;
  readonly kmsKeyArn: string;
  readonly status: TaskStatus;
  /** Of the call; the task itself starts when its data has been restored. */
  readonly requestedAtMilliseconds: number;
  readonly startedAtMilliseconds?: number;
  readonly endedAtMilliseconds?: number;
  readonly percentProgress: number;
  readonly extractedBytes: number;
  readonly failureCause?: string;
  readonly warningMessage?: string;
  /** Of the snapshot's data, and what its size is said to be. Absent for another tool's task. */
  readonly dataFile?: string;
  readonly fullSizeBytes: number;
  readonly trouble?: Trouble;
  /** Tables that are done, in order: where a task goes on after a restart. */
  readonly reports: readonly TableReport[];
}

const bytesPerGb = 1024 ** 3;

export class ExportTasks {
  readonly #tasks: DurableMap<ExportTask>;
  readonly #reserved = new Map<string, string>();

  constructor(tasks: DurableMap<ExportTask>) {
    this.#tasks = tasks;
  }

  get all(): readonly ExportTask[] {
    return this.#tasks.values();
  }

  get active(): readonly ExportTask[] {
    return this.all.filter(isActive);
  }

  /** Data files that tasks still read, though their snapshots may be gone. */
  get dataInUse(): ReadonlySet<string> {
    return new Set(this.active.flatMap(({ dataFile }) => dataFile ?? []));
  }

  find(taskId: string): ExportTask | undefined {
    return this.#tasks.get(taskId);
  }

  put(task: ExportTask): ExportTask {
    this.#tasks.set(task.taskId, task);
    return task;
  }

  /** Changes members of a task that is there. */
  update(taskId: string, changes: Partial<ExportTask>): ExportTask {
    const task = this.#tasks.get(taskId);
    if (!task) throw new Error(`There is no export task ${taskId}.`);
    return this.put({ ...task, ...changes });
  }

  /** While a task is being checked, no other may take its id, its snapshot or its slot. Returns the way to let go. */
  reserve(taskId: string, sourceArn: string): () => void {
    this.#reserved.set(taskId, sourceArn);
    return () => this.#reserved.delete(taskId);
  }

  get slotsTaken(): number {
    return this.active.length + this.#reserved.size;
  }

  isIdTaken(taskId: string): boolean {
    return this.#tasks.has(taskId) || this.#reserved.has(taskId);
  }

  isExporting(sourceArn: string): boolean {
    return this.active.some((task) => task.sourceArn === sourceArn) || [...this.#reserved.values()].includes(sourceArn);
  }
}

export function isActive({ status }: ExportTask): boolean {
  return status === "STARTING" || status === "IN_PROGRESS" || status === "CANCELING";
}

const filterFields: FilterFields<ExportTask> = {
  "export-task-identifier": ({ taskId }) => [taskId],
  "s3-bucket": ({ bucket }) => [bucket],
  "source-arn": ({ sourceArn }) => [sourceArn],
  status: ({ status }) => [status.toLowerCase()],
};

export function describeExportTasks({ context, tasks }: RdsState, { parameters, principal }: RdsCall): XmlFields {
  context.authorize(principal, "rds:DescribeExportTasks", "*");
  const taskId = parameters.text("ExportTaskIdentifier");
  const sourceArn = parameters.text("SourceArn");
  const sourceType = parameters.text("SourceType");
  if (sourceType !== undefined && sourceType !== "SNAPSHOT" && sourceType !== "CLUSTER") {
    throw invalidParameter(`Invalid value ${sourceType} for SourceType. Must be SNAPSHOT or CLUSTER.`);
  }
  refuseUnknownStatuses(parameters.filters().filter(({ name }) => name === "status"));
  const named = tasks.all.filter(
    (task) =>
      (taskId === undefined || task.taskId === taskId) &&
      (sourceArn === undefined || task.sourceArn === sourceArn) &&
      (sourceType === undefined || task.sourceType === sourceType),
  );
  if (taskId !== undefined && !tasks.find(taskId)) throw exportTaskNotFound(taskId);
  const question = `tasks ${taskId} ${sourceArn} ${sourceType}`;
  const { items, marker } = pageOf(parameters, question, filtered(parameters, named, filterFields), orderOf);
  return { Marker: marker, ExportTasks: { ExportTask: items.map(taskFields) } };
}

export function cancelExportTask({ context, tasks, runner }: RdsState, { parameters, principal }: RdsCall): XmlFields {
  context.authorize(principal, "rds:CancelExportTask", "*");
  const taskId = parameters.required("ExportTaskIdentifier");
  const task = tasks.find(taskId);
  if (!task) throw exportTaskNotFound(taskId);
  if (!isActive(task)) throw exportTaskEnded(taskId, task.status);
  const canceling = tasks.update(taskId, { status: "CANCELING" });
  runner.cancel(taskId);
  return taskFields(canceling);
}

export function taskFields(task: ExportTask): XmlFields {
  return {
    ExportTaskIdentifier: task.taskId,
    SourceArn: task.sourceArn,
    SourceType: task.sourceType,
    ExportOnly: task.exportOnly.length > 0 ? { member: task.exportOnly } : undefined,
    SnapshotTime: timeText(task.snapshotTimeMilliseconds),
    TaskStartTime: timeText(task.startedAtMilliseconds),
    TaskEndTime: timeText(task.endedAtMilliseconds),
    S3Bucket: task.bucket,
    S3Prefix: task.prefix,
    IamRoleArn: task.roleArn,
    KmsKeyId: task.kmsKeyId,
    Status: task.status,
    PercentProgress: task.percentProgress,
    TotalExtractedDataInGB: Math.floor(task.extractedBytes / bytesPerGb),
    FailureCause: task.failureCause,
    WarningMessage: task.warningMessage,
  };
}

/** Oldest first; what starts between two pages comes after all that were there. */
function orderOf(task: ExportTask): string {
  return `${String(task.requestedAtMilliseconds).padStart(15, "0")} ${task.taskId}`;
}

function refuseUnknownStatuses(filters: readonly { readonly values: readonly string[] }[]): void {
  const known = taskStatuses.map((status) => status.toLowerCase());
  const wrong = filters.flatMap(({ values }) => values).find((value) => !known.includes(value));
  if (wrong === undefined) return;
  throw invalidParameter(
    `Invalid value ${wrong} for the filter status. Must be lowercase, one of ${known.join(", ")}.`,
  );
}
