// What every running part of a workflow shares: clock, journal, expressions, and the ways out to Lambda and the SDK.
import type { LambdaPort } from "../gateway/ports.ts";
import type { Principal, ServiceContext } from "../gateway/service.ts";
import type { Deadlines } from "./deadlines.ts";
import type { Definition } from "./definition.ts";
import type { Execution } from "./execution.ts";
import type { Evaluator } from "./expressions.ts";
import type { Journal } from "./journal.ts";
import type { Json } from "./json.ts";
import type { ExecutionRow } from "./rows.ts";
import type { Scope } from "./scope.ts";
import type { SdkClients } from "./sdk-clients.ts";

/** A state machine as boot created it; its role's credentials live in memory only. */
export interface Machine {
  readonly arn: string;
  readonly name: string;
  readonly role: Principal;
  readonly definitionHash: string;
  /** Cloud milliseconds. */
  readonly createdAt: number;
}

/** One history event, as it happens. Listeners must not throw. */
export interface WorkflowEvent {
  readonly executionArn: string;
  readonly stateMachineArn: string;
  /** "TaskStateEntered", "MapRunStarted" … as in GetExecutionHistory. */
  readonly type: string;
  /** The state's name, where the event has one. */
  readonly name?: string;
}

export interface Runtime {
  readonly context: ServiceContext;
  readonly journal: Journal;
  readonly evaluator: Evaluator;
  readonly deadlines: Deadlines;
  readonly lambda: LambdaPort;
  readonly sdk: SdkClients;
  /** Events after which an execution fails. */
  readonly historyLimit: number;
  readonly machines: ReadonlyMap<string, Machine>;
  /** Executions with work in this process, children of Map Runs included, by ARN. */
  readonly running: Map<string, Execution>;
  /** In [0, 1), from a seed. */
  random(): number;
  emit(event: WorkflowEvent): void;
  /** Tells the default bus, unless the execution is a Map Run's child. Never throws. */
  statusChanged(row: ExecutionRow): void;
  definitionOf(hash: string): Definition;
  /** Runs a scope from its checkpoint to its end; rejects with WorkflowError, or Cancelled when it was aborted. */
  runScope(scope: Scope): Promise<Json>;
  /** Runs an execution to its end; never rejects. */
  run(execution: Execution): Promise<void>;
  /** Puts a closed execution's row and checkpoints back to where it failed, and records the redrive. */
  revive(row: ExecutionRow, token: string | null): void;
}
