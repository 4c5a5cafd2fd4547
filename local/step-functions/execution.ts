// One running execution: its row, its history, its end. Children of a Map Run are executions too.
import type { StatesBlock } from "./definition.ts";
import type { JsonObject } from "./json.ts";
import { parseJson } from "./json.ts";
import { qualifiedMachineArn } from "./names.ts";
import type { ExecutionRow, ExecutionStatus } from "./rows.ts";
import { deleteScopesOf, saveExecution } from "./rows.ts";
import type { Machine, Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { WorkflowError } from "./workflow-error.ts";

const terminalEventTypes: Readonly<Record<Exclude<ExecutionStatus, "RUNNING">, string>> = {
  SUCCEEDED: "ExecutionSucceeded",
  FAILED: "ExecutionFailed",
  ABORTED: "ExecutionAborted",
  TIMED_OUT: "ExecutionTimedOut",
};

/** How an execution ends: with an output, or with an error. */
export interface Ending {
  readonly output?: string;
  readonly error?: string | undefined;
  readonly cause?: string | undefined;
}

export class Execution {
  readonly runtime: Runtime;
  readonly row: ExecutionRow;
  readonly machine: Machine;
  readonly states: StatesBlock;
  /** The execution whose Map Run this one belongs to. */
  readonly parent: Execution | undefined;
  /** Cloud milliseconds; of its own TimeoutSeconds, not of its parent's. */
  readonly ownTimeoutAt: number;
  readonly input;
  root: Scope | undefined;
  #eventCount: number;
  #cancelTimeout: () => void = () => undefined;

  constructor(
    runtime: Runtime,
    row: ExecutionRow,
    machine: Machine,
    states: StatesBlock & { readonly TimeoutSeconds?: number },
    parent?: Execution,
  ) {
    this.runtime = runtime;
    this.row = row;
    this.machine = machine;
    this.states = states;
    this.parent = parent;
    this.input = parseJson(row.input);
    const startedAt = row.redrivenAt ?? row.startedAt ?? runtime.context.clock.now();
    const timeoutSeconds = parent ? undefined : states.TimeoutSeconds;
    this.ownTimeoutAt = startedAt + (timeoutSeconds ?? Number.POSITIVE_INFINITY) * 1000;
    this.#eventCount =
      runtime.journal.one<{ last: number | null }>("SELECT max(id) AS last FROM events WHERE executionId = ?", row.id)
        ?.last ?? 0;
    if (Number.isFinite(this.ownTimeoutAt)) {
      this.#cancelTimeout = runtime.deadlines.add(this.ownTimeoutAt, () => this.finish("TIMED_OUT"));
    }
  }

  get closed(): boolean {
    return this.row.status !== "RUNNING";
  }

  /** With the Map's label for a child. */
  get qualifiedMachineArn(): string {
    return qualifiedMachineArn(this.machine.arn, this.row.label ?? undefined);
  }

  /** The earliest timeout of this execution and of those it runs for. */
  get timeoutAt(): number {
    return Math.min(this.ownTimeoutAt, this.parent?.timeoutAt ?? Number.POSITIVE_INFINITY);
  }

  /** Ends whichever execution's time is over: a wait that ran into it calls this rather than hope for the timer's order. */
  timeOutIfDue(): void {
    this.parent?.timeOutIfDue();
    if (this.ownTimeoutAt <= this.runtime.context.clock.now()) this.finish("TIMED_OUT");
  }

  /**
   * Appends to the history and returns the event's id. The last place is kept for the execution's end: without room,
   * events of failure are left out, and any other fails the execution as AWS does.
   */
  addEvent(type: string, previousEventId: number, details?: JsonObject, name?: string): number {
    const { runtime, row } = this;
    const terminal = Object.values(terminalEventTypes).includes(type);
    if (!terminal && this.#eventCount >= runtime.historyLimit - 1) {
      if (/(Failed|Aborted|TimedOut)$/.test(type)) return previousEventId;
      throw new WorkflowError(
        "States.Runtime",
        `The execution reached the maximum number of history events (${runtime.historyLimit}).`,
      );
    }
    this.#eventCount += 1;
    const event: JsonObject = {
      id: this.#eventCount,
      previousEventId,
      timestamp: Math.floor(runtime.context.clock.now()) / 1000,
      type,
    };
    if (details) event[detailsMember(type)] = details;
    runtime.journal.write(
      "INSERT INTO events (executionId, id, event) VALUES (?, ?, ?)",
      row.id,
      this.#eventCount,
      JSON.stringify(event),
    );
    runtime.emit({
      executionArn: row.arn,
      stateMachineArn: this.machine.arn,
      type,
      ...(name === undefined ? {} : { name }),
    });
    return this.#eventCount;
  }

  /** Ends the execution, and everything below it, at once; a second end is ignored. */
  finish(status: Exclude<ExecutionStatus, "RUNNING">, ending: Ending = {}): void {
    if (this.closed) return;
    this.#cancelTimeout();
    this.root?.abort();
    this.addEvent(terminalEventTypes[status], this.root?.position.lastEventId ?? 0, endingDetails(status, ending));
    const { row, runtime } = this;
    row.status = status;
    row.output = ending.output ?? null;
    row.error = ending.error ?? null;
    row.cause = ending.cause ?? null;
    row.stoppedAt = runtime.context.clock.now();
    saveExecution(runtime.journal, row);
    if (status === "SUCCEEDED") deleteScopesOf(runtime.journal, row.id);
    runtime.statusChanged(row);
    runtime.running.delete(row.arn);
  }

  /** The service is closing: the checkpoints stay as they are, and the next process continues. */
  detach(): void {
    this.#cancelTimeout();
    this.root?.detach();
    this.runtime.running.delete(this.row.arn);
  }
}

function endingDetails(status: ExecutionStatus, ending: Ending): JsonObject {
  if (status === "SUCCEEDED") return { output: ending.output ?? "", outputDetails: { truncated: false } };
  return {
    ...(ending.error === undefined ? {} : { error: ending.error }),
    ...(ending.cause === undefined ? {} : { cause: ending.cause }),
  };
}

/** AWS names the member after the event's type, but for states, which share two. */
function detailsMember(type: string): string {
  if (type.endsWith("StateEntered")) return "stateEnteredEventDetails";
  if (type.endsWith("StateExited")) return "stateExitedEventDetails";
  return `${type.charAt(0).toLowerCase()}${type.slice(1)}EventDetails`;
}
