// The heart of the interpreter: runs a scope state by state, with retries and catches, from wherever its checkpoint is.
import { type Catcher, type ChoiceState, isDistributed, type State, type WaitState } from "./definition.ts";
import { type StatesValue, unexpectedType } from "./expressions.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { runDistributedMap } from "./map-run.ts";
import { matchesError, retrierDefaults, retryDelayMilliseconds } from "./retry.ts";
import { deleteSubScopes } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";
import { runInlineMap, runParallel } from "./sub-scopes.ts";
import { runTask } from "./task-state.ts";
import { asWorkflowError, Cancelled, WorkflowError } from "./workflow-error.ts";

/** What a state's own work decided; the common rest (Output, Assign, Next) follows from it. */
interface Outcome {
  /** `$states.result`, for the states that have one. */
  readonly result?: Json;
  /** What Output is by default. */
  readonly defaultOutput: Json;
  readonly Output: Json | undefined;
  readonly Assign: JsonObject | undefined;
  readonly next: string | undefined;
  readonly errorOutput?: Json;
}

/** An Assign of one state (developer guide, "Variables": 256 KiB). */
const largestAssignBytes = 262_144;

export async function runScope(runtime: Runtime, scope: Scope): Promise<Json> {
  scope.wake();
  try {
    for (;;) {
      scope.throwIfClosed();
      if (scope.position.enteredEventId === 0) scope.enterState();
      const { outputText, next } = await runState(runtime, scope);
      if (next === undefined) return JSON.parse(outputText) as Json;
    }
  } finally {
    scope.rest();
  }
}

interface Step {
  readonly outputText: string;
  readonly next: string | undefined;
}

async function runState(runtime: Runtime, scope: Scope): Promise<Step> {
  const { state } = scope;
  for (;;) {
    try {
      // A pause before a retry that was cut short by a restart is waited out first.
      if (state.Type !== "Wait" && scope.position.resumeAt !== undefined) await pause(scope, scope.position.resumeAt);
      const outcome = await work(runtime, scope, state);
      return await complete(runtime, scope, outcome);
    } catch (error) {
      if (error instanceof Cancelled) throw error;
      scope.throwIfClosed();
      const failure = asWorkflowError(error);
      if (failure.location !== undefined) {
        scope.event("EvaluationFailed", { ...failure.details, location: failure.location, state: scope.row.state });
      }
      if (scheduleRetry(runtime, scope, state, failure)) continue;
      const catcher = state.Catch?.find((entry) => matchesError(entry.ErrorEquals, failure.errorName));
      if (!catcher) throw failure;
      return await complete(runtime, scope, caught(catcher, failure));
    }
  }
}

async function work(runtime: Runtime, scope: Scope, state: State): Promise<Outcome> {
  const plain = { Output: state.Output, Assign: state.Assign, next: state.Next };
  const withResult = (result: Json): Outcome => ({ ...plain, result, defaultOutput: result });
  switch (state.Type) {
    case "Pass":
    case "Succeed":
      return { ...plain, defaultOutput: scope.input };
    case "Wait":
      await wait(scope, state);
      return { ...plain, defaultOutput: scope.input };
    case "Choice":
      return choose(scope, state);
    case "Fail": {
      const name = state.Error === undefined ? undefined : await scope.evaluate(state.Error, "Error");
      const cause = state.Cause === undefined ? undefined : await scope.evaluate(state.Cause, "Cause");
      throw new WorkflowError(asText(name), asText(cause));
    }
    case "Task":
      return withResult(await runTask(runtime, scope, state));
    case "Parallel":
      return withResult(await runParallel(runtime, scope, state));
    case "Map":
      return withResult(
        isDistributed(state)
          ? await runDistributedMap(runtime, scope, state)
          : await runInlineMap(runtime, scope, state),
      );
  }
}

function asText(value: Json | undefined): string | undefined {
  return value === undefined || typeof value === "string" ? value : JSON.stringify(value);
}

async function choose(scope: Scope, state: ChoiceState): Promise<Outcome> {
  for (const [index, rule] of state.Choices.entries()) {
    const field = `Choices[${index}]/Condition`;
    const value = await scope.evaluate(rule.Condition, field);
    if (typeof value !== "boolean") throw unexpectedType(field, "boolean", value);
    if (value) return { defaultOutput: scope.input, Output: rule.Output, Assign: rule.Assign, next: rule.Next };
  }
  if (state.Default === undefined) {
    throw new WorkflowError(
      "States.NoChoiceMatched",
      `No rule of '${scope.row.state}' matched, and it has no Default.`,
    );
  }
  return { defaultOutput: scope.input, Output: state.Output, Assign: state.Assign, next: state.Default };
}

async function wait(scope: Scope, state: WaitState): Promise<void> {
  if (scope.position.resumeAt === undefined) {
    scope.position.resumeAt = await wakeTime(scope, state);
    scope.save();
  }
  await scope.sleepUntil(scope.position.resumeAt);
}

async function wakeTime(scope: Scope, state: WaitState): Promise<number> {
  if (state.Timestamp !== undefined) {
    const value = await scope.evaluate(state.Timestamp, "Timestamp");
    const time = typeof value === "string" && /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN;
    if (Number.isNaN(time)) throw unexpectedType("Timestamp", "ISO-8601 timestamp", value);
    return time;
  }
  const value = await scope.evaluate(state.Seconds ?? 0, "Seconds");
  if (typeof value !== "number" || value < 0) throw unexpectedType("Seconds", "number", value);
  return scope.execution.runtime.context.clock.now() + value * 1000;
}

async function pause(scope: Scope, until: number): Promise<void> {
  await scope.sleepUntil(until);
  delete scope.position.resumeAt;
}

/** True when a retrier takes the failure: its pause is checkpointed and the state starts afresh after it. */
function scheduleRetry(runtime: Runtime, scope: Scope, state: State, failure: WorkflowError): boolean {
  const retriers = state.Retry ?? [];
  const index = retriers.findIndex((retrier) => matchesError(retrier.ErrorEquals, failure.errorName));
  const retrier = retriers[index];
  if (!retrier) return false;
  const { position } = scope;
  const earlier = position.retries[index] ?? 0;
  if (earlier >= (retrier.MaxAttempts ?? retrierDefaults.maxAttempts)) return false;
  while (position.retries.length <= index) position.retries.push(0);
  position.retries[index] = earlier + 1;
  position.retryCount += 1;
  position.resumeAt = runtime.context.clock.now() + retryDelayMilliseconds(retrier, earlier, () => runtime.random());
  scope.row.work = null;
  deleteSubScopes(runtime.journal, scope.row.id);
  scope.save();
  return true;
}

function caught(catcher: Catcher, failure: WorkflowError): Outcome {
  const errorOutput: Json = failure.errorOutput;
  return {
    errorOutput,
    defaultOutput: errorOutput,
    Output: catcher.Output,
    Assign: catcher.Assign,
    next: catcher.Next,
  };
}

/** Output and Assign see the same variables: those from before the state. */
async function complete(runtime: Runtime, scope: Scope, outcome: Outcome): Promise<Step> {
  scope.throwIfClosed();
  const extra: Partial<StatesValue> = {
    ...(outcome.result === undefined ? {} : { result: outcome.result }),
    ...(outcome.errorOutput === undefined ? {} : { errorOutput: outcome.errorOutput }),
  };
  const output =
    outcome.Output === undefined ? outcome.defaultOutput : await scope.evaluate(outcome.Output, "Output", extra);
  const assigned = outcome.Assign === undefined ? {} : await scope.evaluate(outcome.Assign, "Assign", extra);
  scope.throwIfClosed();
  const outputText = scope.payloadText(output);
  if (!isJsonObject(assigned)) throw unexpectedType("Assign", "object", assigned);
  if (Buffer.byteLength(JSON.stringify(assigned)) > largestAssignBytes) {
    throw new WorkflowError(
      "States.DataLimitExceeded",
      `The variables assigned by '${scope.row.state}' are too large.`,
    );
  }
  const { state } = scope;
  scope.leaveState(outputText, assigned, outcome.next);
  if (state.Type === "Parallel" || state.Type === "Map") deleteSubScopes(runtime.journal, scope.row.id);
  return { outputText, next: outcome.next };
}
