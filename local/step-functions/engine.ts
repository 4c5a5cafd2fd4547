// Starts, continues, stops and redrives executions. One engine per service; its journal is its memory.
import { randomUUID } from "node:crypto";
import type { EventPort, LambdaPort } from "../gateway/ports.ts";
import { type Principal, type ServiceContext, ServiceError } from "../gateway/service.ts";
import { seededRandom } from "../rig/faults.ts";
import { Deadlines } from "./deadlines.ts";
import type { Definition } from "./definition.ts";
import { Execution } from "./execution.ts";
import { Evaluator } from "./expressions.ts";
import { Journal } from "./journal.ts";
import { type Json, largestPayloadBytes } from "./json.ts";
import { checkExecutionName, executionArn } from "./names.ts";
import { readDefinition } from "./read-definition.ts";
import { redriveView } from "./redrive-view.ts";
import * as rows from "./rows.ts";
import { runScope } from "./run-scope.ts";
import type { Machine, Runtime, WorkflowEvent } from "./runtime.ts";
import { Scope } from "./scope.ts";
import { SdkClients } from "./sdk-clients.ts";
import { statusEvent } from "./status-event.ts";
import { asWorkflowError, Cancelled } from "./workflow-error.ts";

export interface EngineOptions {
  readonly lambda: LambdaPort;
  readonly endpointUrl: () => string;
  readonly historyLimit: number;
  readonly events?: EventPort;
}

export interface NewMachine {
  readonly arn: string;
  readonly name: string;
  /** The definition's JSON text. */
  readonly definition: string;
  readonly role: Principal;
}

export class Engine implements Runtime {
  readonly context: ServiceContext;
  readonly journal: Journal;
  readonly evaluator: Evaluator;
  readonly deadlines: Deadlines;
  readonly lambda: LambdaPort;
  readonly sdk: SdkClients;
  readonly historyLimit: number;
  readonly machines = new Map<string, Machine>();
  readonly running = new Map<string, Execution>();
  /** Of its own, so that expressions and jitter do not change which calls the fault rig hits. */
  readonly random: () => number;
  readonly #events: EventPort | undefined;
  readonly #definitions = new Map<string, Definition>();
  readonly #listeners = new Set<(event: WorkflowEvent) => void>();
  readonly #unfinished = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;

  constructor(context: ServiceContext, options: EngineOptions) {
    this.context = context;
    this.lambda = options.lambda;
    this.historyLimit = options.historyLimit;
    this.#events = options.events;
    this.random = seededRandom(context.faults.seed);
    this.journal = new Journal(context.stateDirectory, context.clock.now());
    this.evaluator = new Evaluator({ now: () => context.clock.now(), random: this.random });
    this.deadlines = new Deadlines(context.clock);
    this.sdk = new SdkClients(context.clock, context.region, options.endpointUrl);
  }

  /** Throws InvalidDefinition. A changed definition is for new executions; running ones keep theirs. */
  createStateMachine(machine: NewMachine): void {
    const definition = readDefinition(machine.definition);
    const definitionHash = this.journal.keepDefinition(machine.definition);
    this.#definitions.set(definitionHash, definition);
    const known = this.journal.one<{ createdAt: number }>("SELECT createdAt FROM machines WHERE arn = ?", machine.arn);
    const createdAt = known?.createdAt ?? this.context.clock.now();
    this.journal.write(
      "INSERT OR REPLACE INTO machines (arn, name, roleArn, definitionHash, createdAt) VALUES (?, ?, ?, ?, ?)",
      machine.arn,
      machine.name,
      machine.role.arn,
      definitionHash,
      createdAt,
    );
    this.journal.flush();
    const { arn, name, role } = machine;
    this.machines.set(arn, { arn, name, role, definitionHash, createdAt });
  }

  definitionOf(hash: string): Definition {
    let definition = this.#definitions.get(hash);
    if (!definition) {
      definition = readDefinition(this.journal.definition(hash));
      this.#definitions.set(hash, definition);
    }
    return definition;
  }

  machine(arn: string): Machine {
    const machine = this.machines.get(arn);
    if (!machine) throw new ServiceError(400, "StateMachineDoesNotExist", `State Machine Does Not Exist: '${arn}'`);
    return machine;
  }

  /** Idempotent for the same name and input while the first is running. */
  start(call: { stateMachineArn: string; name?: string; input: string }): rows.ExecutionRow {
    const machine = this.machine(call.stateMachineArn);
    const name = call.name ?? randomUUID();
    checkExecutionName(name);
    checkInput(call.input);
    const arn = executionArn(machine.arn, undefined, name);
    const known = rows.executionByArn(this.journal, arn);
    if (known) {
      if (known.status === "RUNNING" && known.input === call.input) return known;
      throw new ServiceError(400, "ExecutionAlreadyExists", `Execution Already Exists: '${arn}'`);
    }
    const { definitionHash } = machine;
    const id = rows.insertExecution(
      this.journal,
      { arn, machineArn: machine.arn, name, input: call.input, definitionHash },
      "RUNNING",
      this.context.clock.now(),
    );
    const row = this.row(id);
    this.statusChanged(row);
    this.#launch(row, machine);
    this.journal.flush();
    return row;
  }

  /** Continues what was running when the last process ended. Returns the executions whose machine is gone. */
  resume(): { readonly resumed: number; readonly withoutMachine: readonly string[] } {
    const open = this.journal.all<rows.ExecutionRow>(
      "SELECT * FROM executions WHERE status = 'RUNNING' AND mapRunId IS NULL ORDER BY id",
    );
    const withoutMachine: string[] = [];
    let resumed = 0;
    for (const row of open) {
      if (this.running.has(row.arn)) continue;
      const machine = this.machines.get(row.machineArn);
      if (!machine) {
        withoutMachine.push(row.arn);
        continue;
      }
      this.#launch(row, machine);
      resumed += 1;
    }
    return { resumed, withoutMachine };
  }

  /** Throws ExecutionDoesNotExist. Does nothing to a closed execution, as AWS. */
  stop(arn: string, error: string | undefined, cause: string | undefined): rows.ExecutionRow {
    const row = this.existing(arn);
    const execution = this.running.get(arn);
    if (execution) execution.finish("ABORTED", { error, cause });
    else if (row.status === "RUNNING") {
      // Its state machine is gone, so nothing of it runs here.
      Object.assign(row, { status: "ABORTED", error: error ?? null, cause: cause ?? null });
      row.stoppedAt = this.context.clock.now();
      rows.saveExecution(this.journal, row);
      rows.abortBelow(this.journal, row.id, row.stoppedAt);
      this.statusChanged(row);
    }
    this.journal.flush();
    return execution?.row ?? row;
  }

  /** Throws ExecutionNotRedrivable. The same token while the redrive runs is the same redrive. */
  redrive(arn: string, token: string | null): rows.ExecutionRow {
    const row = this.existing(arn);
    if (token !== null && row.status === "RUNNING" && row.redriveToken === token) return row;
    const machine = this.machine(row.machineArn);
    const view = redriveView(row, this.context.clock.now());
    const events = this.journal.one<{ count: number }>(
      "SELECT count(*) AS count FROM events WHERE executionId = ?",
      row.id,
    );
    if (view.status !== "REDRIVABLE") {
      const why = view.reason ?? "it is redriven with the execution that started its Map Run";
      throw new ServiceError(400, "ExecutionNotRedrivable", `Execution Not Redrivable: '${arn}'. ${why}`);
    }
    if ((events?.count ?? 0) >= this.historyLimit - 1) {
      throw new ServiceError(400, "ExecutionNotRedrivable", `Execution Not Redrivable: '${arn}'. Its history is full`);
    }
    this.revive(row, token);
    this.statusChanged(row);
    this.#launch(row, machine);
    this.journal.flush();
    return row;
  }

  revive(row: rows.ExecutionRow, token: string | null): void {
    const { journal } = this;
    row.status = "RUNNING";
    row.output = null;
    row.error = null;
    row.cause = null;
    row.stoppedAt = null;
    row.redriveCount += 1;
    row.redrivenAt = this.context.clock.now();
    row.redriveToken = token;
    rows.saveExecution(journal, row);
    const scopes = journal.all<rows.ScopeRow>(
      "SELECT * FROM scopes WHERE executionId = ? AND status <> 'SUCCEEDED'",
      row.id,
    );
    const last =
      journal.one<{ last: number }>("SELECT max(id) AS last FROM events WHERE executionId = ?", row.id)?.last ?? 0;
    for (const scope of scopes) {
      const position = JSON.parse(scope.position) as rows.Position;
      // Retries start counting anew, and a wait is waited again (developer guide, "Redriving executions").
      delete position.resumeAt;
      Object.assign(position, { retries: [], retryCount: 0 });
      if (scope.parentId === null) position.lastEventId = last + 1;
      rows.saveScope(journal, { ...scope, status: "RUNNING", position: JSON.stringify(position) });
    }
    const event = {
      id: last + 1,
      previousEventId: last,
      timestamp: Math.floor(row.redrivenAt) / 1000,
      type: "ExecutionRedriven",
      executionRedrivenEventDetails: { redriveCount: row.redriveCount },
    };
    journal.write(
      "INSERT INTO events (executionId, id, event) VALUES (?, ?, ?)",
      row.id,
      event.id,
      JSON.stringify(event),
    );
    this.emit({ executionArn: row.arn, stateMachineArn: row.machineArn, type: event.type });
  }

  runScope(scope: Scope): Promise<Json> {
    return runScope(this, scope);
  }

  async run(execution: Execution): Promise<void> {
    const { row } = execution;
    this.running.set(row.arn, execution);
    const root = this.#openRoot(execution);
    execution.root = root;
    try {
      const output = JSON.stringify(await runScope(this, root));
      root.close("SUCCEEDED", output);
      execution.finish("SUCCEEDED", { output });
    } catch (error) {
      if (error instanceof Cancelled || root.closed) return;
      const failure = asWorkflowError(error);
      root.close("FAILED");
      execution.finish("FAILED", { error: failure.errorName, cause: failure.causeText });
    }
  }

  emit(event: WorkflowEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  statusChanged(row: rows.ExecutionRow): void {
    // Children of Map Runs are seen through their parent; they would flood every rule that names no state machine.
    if (!this.#events || row.mapRunId !== null) return;
    const { accountId, region, clock } = this.context;
    try {
      this.#events.publish(statusEvent(row, { accountId, region, nowMilliseconds: clock.now() }));
    } catch {
      // Only a bus that was closed just before this service throws. Such events are best effort in AWS too, and losing
      // one must not keep an execution from ending.
    }
  }

  /** Returns the function that stops listening. */
  onEvent(listener: (event: WorkflowEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  row(id: number): rows.ExecutionRow {
    const row = rows.executionById(this.journal, id);
    if (!row) throw new Error(`the journal lost execution ${id}`);
    return row;
  }

  existing(arn: string): rows.ExecutionRow {
    const row = rows.executionByArn(this.journal, arn);
    if (!row || row.status === "PENDING") {
      throw new ServiceError(400, "ExecutionDoesNotExist", `Execution Does Not Exist: '${arn}'`);
    }
    return row;
  }

  /** Lets go of everything that runs, without ending it: the next process continues. */
  close(): Promise<void> {
    this.#closed ??= this.#letGo();
    return this.#closed;
  }

  async #letGo(): Promise<void> {
    for (const execution of [...this.running.values()]) execution.detach();
    await Promise.all(this.#unfinished);
    this.deadlines.close();
    this.sdk.close();
    this.journal.close();
  }

  #launch(row: rows.ExecutionRow, machine: Machine): void {
    const execution = new Execution(this, row, machine, this.definitionOf(row.definitionHash));
    const done = this.run(execution).finally(() => this.#unfinished.delete(done));
    this.#unfinished.add(done);
  }

  #openRoot(execution: Execution): Scope {
    const { row, states } = execution;
    const known = rows.rootScope(this.journal, row.id);
    if (known) return new Scope({ ...known, status: "RUNNING" }, { execution, states });
    execution.addEvent("ExecutionStarted", 0, {
      input: row.input,
      inputDetails: { truncated: false },
      roleArn: execution.machine.role.arn,
    });
    // AWS counts the first state's event from 0, not from ExecutionStarted.
    return Scope.create({ execution, states, slot: 0, inputText: row.input, previousEventId: 0 });
  }
}

/** Throws InvalidExecutionInput. */
function checkInput(input: string): void {
  if (Buffer.byteLength(input) > largestPayloadBytes) {
    throw new ServiceError(400, "InvalidExecutionInput", `The input is larger than ${largestPayloadBytes} bytes.`);
  }
  try {
    JSON.parse(input);
  } catch (error) {
    throw new ServiceError(400, "InvalidExecutionInput", `Invalid State Machine Execution Input: '${String(error)}'`);
  }
}
