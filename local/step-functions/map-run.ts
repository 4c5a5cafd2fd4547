// A Distributed Map: its items become executions of their own, which run, fail and are redriven independently.
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { MapState } from "./definition.ts";
import { Execution } from "./execution.ts";
import { Gate } from "./gate.ts";
import type { Json } from "./json.ts";
import { loadItems } from "./map-run-items.ts";
import { mapRunArn } from "./names.ts";
import { numberField } from "./number-field.ts";
import { collectResults, writeResults } from "./result-writer.ts";
import { countMapRun, type ExecutionRow, type MapRunRow, mapRunById, saveExecution, saveMapRun } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { asWorkflowError, Cancelled, WorkflowError } from "./workflow-error.ts";

/** Developer guide, "Distributed mode": children at once when MaxConcurrency does not say fewer, and at most. */
const mostChildrenAtOnce = 10_000;
/** Rows read ahead of their start. */
const pageLength = 100;

interface MapWork {
  readonly mapRunId: number;
}

export async function runDistributedMap(runtime: Runtime, scope: Scope, state: MapState): Promise<Json> {
  const work = scope.row.work === null ? undefined : (JSON.parse(scope.row.work) as MapWork);
  const known = work && mapRunById(runtime.journal, work.mapRunId);
  const row = known ?? (await createMapRun(runtime, scope, state));
  const mapRun = new MapRun(runtime, scope, state, row);
  scope.onAbort = () => mapRun.abort();
  scope.onDetach = () => mapRun.detach();
  try {
    const result = await mapRun.run();
    scope.event("MapStateSucceeded");
    return result;
  } catch (error) {
    if (!(error instanceof Cancelled)) scope.event("MapStateFailed");
    throw error;
  } finally {
    scope.onAbort = undefined;
    scope.onDetach = undefined;
  }
}

async function createMapRun(runtime: Runtime, scope: Scope, state: MapState): Promise<MapRunRow> {
  const whole = { from: 0, to: Number.MAX_SAFE_INTEGER, whole: true };
  const maxConcurrency = (await numberField(scope, state.MaxConcurrency, "MaxConcurrency", whole)) ?? 0;
  const count = (await numberField(scope, state.ToleratedFailureCount, "ToleratedFailureCount", whole)) ?? 0;
  const percentage =
    (await numberField(scope, state.ToleratedFailurePercentage, "ToleratedFailurePercentage", {
      from: 0,
      to: 100,
      whole: false,
    })) ?? 0;
  scope.throwIfClosed();
  const { machine, row: parent } = scope.execution;
  const label = state.Label ?? "";
  const arn = mapRunArn(machine.arn, label, randomUUID());
  const { journal } = runtime;
  scope.event("MapStateStarted", { length: 0 });
  authorizeChildren(runtime, scope, "states:StartExecution", machine.arn);
  const id = journal.write(
    "INSERT INTO mapRuns (arn, executionId, label, status, loaded, startedAt, maxConcurrency, toleratedFailureCount," +
      " toleratedFailurePercentage) VALUES (?, ?, ?, 'RUNNING', 0, ?, ?, ?, ?)",
    arn,
    parent.id,
    label,
    runtime.context.clock.now(),
    maxConcurrency,
    count,
    percentage,
  ).lastInsertId;
  scope.event("MapRunStarted", { mapRunArn: arn });
  scope.row.work = JSON.stringify({ mapRunId: id } satisfies MapWork);
  scope.save();
  const row = mapRunById(journal, id);
  if (!row) throw new Error(`the journal lost Map Run ${arn}`);
  return row;
}

/** The machine's role starts, and redrives, its own children. */
function authorizeChildren(runtime: Runtime, scope: Scope, action: string, resource: string): void {
  try {
    runtime.context.authorize(scope.execution.machine.role, action, resource);
  } catch (error) {
    throw new WorkflowError("States.Permissions", error instanceof Error ? error.message : String(error));
  }
}

class MapRun {
  readonly #runtime: Runtime;
  readonly #scope: Scope;
  readonly #state: MapState;
  readonly #row: MapRunRow;
  readonly #children = new Set<Execution>();
  #totalItems = 0;
  #failedItems = 0;
  #stopped = false;
  #failure: WorkflowError | undefined;

  constructor(runtime: Runtime, scope: Scope, state: MapState, row: MapRunRow) {
    this.#runtime = runtime;
    this.#scope = scope;
    this.#state = state;
    this.#row = row;
  }

  async run(): Promise<Json> {
    if (this.#row.status !== "RUNNING") this.#redrive();
    if (this.#row.loaded === 0) await this.#load();
    this.#count();
    await this.#scope.whileResting(() => this.#runChildren());
    this.#scope.throwIfClosed();
    try {
      const result = await this.#results();
      if (this.#failure) throw this.#failure;
      this.#close("SUCCEEDED");
      this.#scope.event("MapRunSucceeded");
      return result;
    } catch (error) {
      if (error instanceof Cancelled) throw error;
      throw this.#fail(this.#failure ?? asWorkflowError(error));
    }
  }

  /** Called by the scope while it ends: everything below stops in the same moment. */
  abort(): void {
    this.#stopChildren();
    this.#close("ABORTED");
    this.#scope.event("MapRunAborted");
  }

  detach(): void {
    this.#stopped = true;
    for (const child of this.#children) child.detach();
  }

  async #load(): Promise<void> {
    const { journal } = this.#runtime;
    try {
      await loadItems(this.#runtime, this.#scope, this.#state, this.#row);
      this.#scope.throwIfClosed();
      this.#row.loaded = 1;
      saveMapRun(journal, this.#row);
    } catch (error) {
      if (error instanceof Cancelled || this.#scope.closed) throw new Cancelled();
      journal.write("DELETE FROM executions WHERE mapRunId = ?", this.#row.id);
      const failure = this.#fail(asWorkflowError(error));
      // Without items there is nothing to redrive: a redrive of the execution starts a Map Run anew, as in AWS.
      this.#scope.row.work = null;
      this.#scope.save();
      throw failure;
    }
  }

  #count(): void {
    for (const { status, items } of countMapRun(this.#runtime.journal, this.#row.id)) {
      this.#totalItems += items;
      if (status === "FAILED" || status === "TIMED_OUT" || status === "ABORTED") this.#failedItems += items;
    }
    this.#checkTolerance();
  }

  /** Only what did not succeed runs again; AWS wants the role to be allowed to redrive each child. */
  #redrive(): void {
    const { journal, context } = this.#runtime;
    journal.write(
      "UPDATE executions SET status = 'PENDING_REDRIVE' WHERE mapRunId = ? AND status IN ('FAILED', 'TIMED_OUT', 'ABORTED')",
      this.#row.id,
    );
    this.#row.status = "RUNNING";
    this.#row.stoppedAt = null;
    this.#row.redriveCount += 1;
    this.#row.redrivenAt = context.clock.now();
    saveMapRun(journal, this.#row);
    this.#scope.event("MapRunRedriven", { mapRunArn: this.#row.arn, redriveCount: this.#row.redriveCount });
    this.#scope.save();
  }

  async #runChildren(): Promise<void> {
    const gate = new Gate(Math.min(this.#row.maxConcurrency || mostChildrenAtOnce, mostChildrenAtOnce));
    const running = new Set<Promise<void>>();
    let lastIndex = -1;
    while (!this.#stopped) {
      const rows = this.#runtime.journal.all<ExecutionRow>(
        "SELECT * FROM executions WHERE mapRunId = ? AND itemIndex > ? AND" +
          " status IN ('RUNNING', 'PENDING', 'PENDING_REDRIVE') ORDER BY itemIndex LIMIT ?",
        this.#row.id,
        lastIndex,
        pageLength,
      );
      if (rows.length === 0) break;
      for (const row of rows) {
        await gate.enter();
        if (this.#stopped) break;
        lastIndex = row.itemIndex ?? lastIndex;
        const child = this.#open(row);
        if (!child) break;
        const done = this.#runtime.run(child).then(() => {
          this.#ended(child);
          running.delete(done);
          gate.leave();
        });
        running.add(done);
      }
      // Starting many children at once would keep everybody else waiting.
      await nextTurn();
    }
    await Promise.all(running);
  }

  /** Undefined when the role may not redrive it; that ends the run. */
  #open(row: ExecutionRow): Execution | undefined {
    const { journal, context } = this.#runtime;
    if (row.status === "PENDING") {
      row.status = "RUNNING";
      row.startedAt = context.clock.now();
      saveExecution(journal, row);
    } else if (row.status === "PENDING_REDRIVE") {
      try {
        authorizeChildren(this.#runtime, this.#scope, "states:RedriveExecution", row.arn);
      } catch (error) {
        this.#failure = asWorkflowError(error);
        this.#stopChildren();
        return undefined;
      }
      this.#runtime.revive(row, null);
    }
    const parent = this.#scope.execution;
    const child = new Execution(this.#runtime, row, parent.machine, this.#state.ItemProcessor, parent);
    this.#children.add(child);
    return child;
  }

  #ended(child: Execution): void {
    this.#children.delete(child);
    if (!child.closed || child.row.status === "SUCCEEDED" || this.#stopped) return;
    this.#failedItems += child.row.itemCount ?? 1;
    this.#checkTolerance();
  }

  #checkTolerance(): void {
    const { toleratedFailureCount: count, toleratedFailurePercentage: percentage } = this.#row;
    const failed = this.#failedItems;
    const exceeded =
      count === 0 && percentage === 0
        ? failed > 0
        : (count > 0 && failed > count) || (percentage > 0 && failed * 100 > percentage * this.#totalItems);
    if (!exceeded) return;
    this.#failure = new WorkflowError(
      "States.ExceedToleratedFailureThreshold",
      "The specified tolerated failure threshold was exceeded",
    );
    this.#stopChildren();
  }

  #stopChildren(): void {
    this.#stopped = true;
    for (const child of this.#children) child.finish("ABORTED");
  }

  /** Results are exported even if the run failed: what failed and what never ran is what one wants to see. */
  async #results(): Promise<Json> {
    const writer = this.#state.ResultWriter;
    if (writer?.Resource === undefined) {
      return this.#failure ? null : collectResults(this.#runtime, this.#scope, writer, this.#row);
    }
    const written = await writeResults(this.#runtime, this.#scope, writer, this.#row);
    this.#scope.throwIfClosed();
    this.#row.resultsWritten = written.executions;
    return written.result;
  }

  #fail(failure: WorkflowError): WorkflowError {
    this.#scope.throwIfClosed();
    this.#close("FAILED");
    this.#scope.event("MapRunFailed", failure.details);
    return failure;
  }

  #close(status: "SUCCEEDED" | "FAILED" | "ABORTED"): void {
    this.#row.status = status;
    this.#row.stoppedAt = this.#runtime.context.clock.now();
    saveMapRun(this.#runtime.journal, this.#row);
    // After a restart the run may be over before its running children were opened again.
    this.#runtime.journal.write(
      "UPDATE executions SET status = 'ABORTED', stoppedAt = ? WHERE mapRunId = ? AND status = 'RUNNING'",
      this.#row.stoppedAt,
      this.#row.id,
    );
  }
}
