// Carries export tasks out in cloud time: restore, extract table by table, tell what was done. Goes on after a restart.
import { DatabaseSync } from "node:sqlite";
import type { ServiceContext } from "../gateway/service.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Hold } from "../rig/clock.ts";
import type { Catalogue } from "./catalogue.ts";
import { BucketRefusal, ExportBucket, refusalSentence } from "./export-bucket.ts";
import {
  exportInfo,
  reportSkipped,
  reportWritten,
  type TableReport,
  tablesInfo,
  warningMessage,
} from "./export-documents.ts";
import {
  ArrangedFailure,
  exportPrincipal,
  failIfArranged,
  familyOfTask,
  planOf,
  shareDone,
  skipReasonOf,
  statusOf,
  targetOf,
  unknownError,
  warningsOf,
} from "./export-outcome.ts";
import type { PlannedTable } from "./export-plan.ts";
import type { ExportTask, ExportTasks } from "./export-tasks.ts";
import { parquetColumn } from "./parquet-columns.ts";
import type { RdsPorts } from "./rds-call.ts";
import { partitionsOf, tableObjects } from "./write-table.ts";

/** In cloud seconds. */
export interface ExportPace {
  /** Restoring the snapshot: the task's status is STARTING. Default 20. */
  readonly startingSeconds?: number;
  /** Default 2. */
  readonly secondsPerTable?: number;
}

export interface RunnerOptions {
  readonly context: ServiceContext;
  readonly ports: RdsPorts;
  readonly catalogue: Catalogue;
  readonly tasks: ExportTasks;
  readonly pace: ExportPace;
}

const defaultStartingSeconds = 20;
const defaultSecondsPerTable = 2;
const slowSecondsPerTable = 3_600;
const cancelingSeconds = 5;

class Canceled extends Error {}

/** One task at work. */
interface Extraction {
  readonly database: DatabaseSync;
  readonly bucket: ExportBucket;
  readonly task: ExportTask;
  readonly plan: readonly PlannedTable[];
  readonly signal: AbortSignal;
}

export class ExportRunner {
  readonly #context: ServiceContext;
  readonly #ports: RdsPorts;
  readonly #catalogue: Catalogue;
  readonly #tasks: ExportTasks;
  readonly #pace: ExportPace;
  readonly #closing = new AbortController();
  readonly #runs = new Map<string, { readonly canceling: AbortController; readonly done: Promise<void> }>();

  constructor(options: RunnerOptions) {
    this.#context = options.context;
    this.#ports = options.ports;
    this.#catalogue = options.catalogue;
    this.#tasks = options.tasks;
    this.#pace = options.pace;
  }

  /** Tasks that were under way when the cloud was closed. */
  resume(): void {
    for (const task of this.#tasks.active) if (task.dataFile !== undefined) this.start(task.taskId);
  }

  start(taskId: string): void {
    const canceling = new AbortController();
    const done = this.#carryOut(taskId, AbortSignal.any([canceling.signal, this.#closing.signal])).finally(() => {
      this.#runs.delete(taskId);
    });
    this.#runs.set(taskId, { canceling, done });
    if (this.#tasks.find(taskId)?.status === "CANCELING") canceling.abort(new Canceled());
  }

  /** A task of another tool has no run: it is canceled at once. */
  cancel(taskId: string): void {
    const run = this.#runs.get(taskId);
    if (run) run.canceling.abort(new Canceled());
    else this.#end(taskId, { status: "CANCELED" });
  }

  /** Resolves when no run is under way. */
  async settled(): Promise<void> {
    await Promise.all([...this.#runs.values()].map(({ done }) => done));
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the local cloud closes"));
    await this.settled();
  }

  /** Never rejects: whatever happens ends the task, except closing, which leaves it as it is. */
  async #carryOut(taskId: string, signal: AbortSignal): Promise<void> {
    const hold = this.#context.clock.hold();
    try {
      await this.#extract(taskId, hold, signal);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      if (signal.aborted) await this.#cancel(taskId, hold);
      else this.#end(taskId, { status: "FAILED", failureCause: this.#causeOf(taskId, error) });
    } finally {
      hold.release();
    }
  }

  async #extract(taskId: string, hold: Hold, signal: AbortSignal): Promise<void> {
    let task = this.#task(taskId);
    const startingMilliseconds = (this.#pace.startingSeconds ?? defaultStartingSeconds) * 1000;
    await hold.sleep(task.requestedAtMilliseconds + startingMilliseconds - this.#context.clock.now(), signal);
    if (task.status === "STARTING") {
      task = this.#tasks.update(taskId, { status: "IN_PROGRESS", startedAtMilliseconds: this.#now() });
      if (task.trouble?.outcome === "snapshot-deleted") this.#catalogue.removeSnapshot(task.sourceArn);
    }
    const role = this.#ports.permissions.assumeRole(task.roleArn, exportPrincipal, task.sourceArn);
    const bucket = new ExportBucket(this.#context, this.#ports.endpointUrl(), role, targetOf(task));
    const database = new DatabaseSync(this.#catalogue.dataPath(task.dataFile ?? ""), { readOnly: true });
    try {
      const plan = planOf(database, task);
      for (const [index, planned] of plan.entries()) {
        // Told before a restart.
        if (index < this.#task(taskId).reports.length) continue;
        failIfArranged(task, index);
        await hold.sleep(this.#secondsPerTable(task) * 1000, signal);
        const report = await this.#exportTable({ database, bucket, task, plan, signal }, planned);
        this.#report(taskId, plan, index, report);
      }
      await this.#finish(taskId, plan, bucket, signal);
    } finally {
      database.close();
      bucket.close();
    }
  }

  async #exportTable(
    { database, bucket, task, plan, signal }: Extraction,
    planned: PlannedTable,
  ): Promise<TableReport> {
    const { table, target, folder } = planned;
    const skipReason = skipReasonOf(task, planned, plan);
    if (skipReason !== undefined) return reportSkipped(target, skipReason);
    const columns = table.columns.map((column) => parquetColumn(column, familyOfTask(task)));
    const startedAtMilliseconds = this.#now();
    let bytes = 0;
    for (const object of tableObjects(database, table, columns, `${task.taskId} ${target}`)) {
      await bucket.put(`${folder}/${object.name}`, object.bytes, signal);
      bytes += object.bytes.length;
    }
    const times = { startedAtMilliseconds, endedAtMilliseconds: this.#now() };
    const written = { ...times, partitions: partitionsOf(table), bytes };
    return reportWritten(planned, columns, written, statusOf(task, planned, plan));
  }

  #report(taskId: string, plan: readonly PlannedTable[], index: number, report: TableReport): void {
    const task = this.#task(taskId);
    const share = shareDone(plan, index + 1);
    this.#tasks.update(taskId, {
      reports: [...task.reports, report],
      // 100 is for what is told of, too.
      percentProgress: Math.min(99, Math.floor(share * 100)),
      extractedBytes: Math.floor(share * task.fullSizeBytes),
    });
  }

  async #finish(
    taskId: string,
    plan: readonly PlannedTable[],
    bucket: ExportBucket,
    signal: AbortSignal,
  ): Promise<void> {
    const task = this.#task(taskId);
    failIfArranged(task, plan.length);
    const noted: TableReport[] =
      task.trouble?.outcome === "database-warning"
        ? [...task.reports, { warningMessage: "The database has no tables to export.", target: "postgres" }]
        : [...task.reports];
    for (const { name, text } of tablesInfo(taskId, noted)) await bucket.put(name, Buffer.from(text), signal);
    const endedAtMilliseconds = this.#now();
    const info = exportInfo(task, targetOf(task).folder, endedAtMilliseconds);
    await bucket.put(info.name, Buffer.from(info.text), signal);
    const warning = warningMessage(warningsOf(task));
    this.#end(taskId, {
      status: "COMPLETE",
      endedAtMilliseconds,
      percentProgress: 100,
      extractedBytes: task.fullSizeBytes,
      ...(warning === undefined ? {} : { warningMessage: warning }),
    });
  }

  async #cancel(taskId: string, hold: Hold): Promise<void> {
    try {
      await hold.sleep(cancelingSeconds * 1000, this.#closing.signal);
    } catch {
      return;
    }
    this.#end(taskId, { status: "CANCELED" });
  }

  #end(taskId: string, changes: Partial<ExportTask>): void {
    this.#tasks.update(taskId, { endedAtMilliseconds: this.#now(), ...changes });
    this.#catalogue.dropUnusedData(this.#tasks.dataInUse);
  }

  #causeOf(taskId: string, error: unknown): string {
    const task = this.#task(taskId);
    if (error instanceof ArrangedFailure) return error.message;
    if (error instanceof BucketRefusal) return refusalSentence(error, task.roleArn, task.bucket);
    if (error instanceof ServiceError && error.code === "AccessDenied") {
      return `The RDS export failed to write the export task's metadata because it can't assume the IAM role ${task.roleArn}.`;
    }
    this.#ports.onProblem(`The export ${taskId} failed: ${error instanceof Error ? error.message : String(error)}`);
    return unknownError;
  }

  #secondsPerTable({ trouble }: ExportTask): number {
    if (trouble?.outcome === "slow") return trouble.secondsPerTable ?? slowSecondsPerTable;
    return this.#pace.secondsPerTable ?? defaultSecondsPerTable;
  }

  #task(taskId: string): ExportTask {
    const task = this.#tasks.find(taskId);
    if (!task) throw new Error(`There is no export task ${taskId}.`);
    return task;
  }

  #now(): number {
    return Math.floor(this.#context.clock.now());
  }
}
