// A line of states that runs by itself: an execution's own, a Parallel's branch, or an inline Map's iteration.
// Its row is the checkpoint from which a later process, or a redrive, goes on.
import { setMaxListeners } from "node:events";
import type { Hold } from "../rig/clock.ts";
import type { State, StatesBlock } from "./definition.ts";
import type { Execution } from "./execution.ts";
import type { StatesValue } from "./expressions.ts";
import { checkPayloadSize, type Json, type JsonObject, parseJson } from "./json.ts";
import type { ExecutionStatus, Position, ScopeRow } from "./rows.ts";
import { insertScope, saveScope } from "./rows.ts";
import { Cancelled } from "./workflow-error.ts";

export interface NewScope {
  readonly execution: Execution;
  readonly parent?: Scope;
  readonly states: StatesBlock;
  readonly slot: number;
  readonly inputText: string;
  /** The event after which its first state's event comes. */
  readonly previousEventId: number;
  /** `$states.context.Map.Item` of an inline iteration. */
  readonly mapItem?: JsonObject;
}

const entry: Omit<Position, "lastEventId"> = { enteredEventId: 0, enteredAt: 0, retries: [], retryCount: 0 };

export class Scope {
  readonly execution: Execution;
  readonly parent: Scope | undefined;
  readonly states: StatesBlock;
  readonly row: ScopeRow;
  readonly position: Position;
  readonly children = new Set<Scope>();
  /** What to stop besides child scopes: the Map Run of the current state. */
  onAbort: (() => void) | undefined;
  onDetach: (() => void) | undefined;
  readonly #controller = new AbortController();
  readonly #mapItem: JsonObject | undefined;
  #variables: JsonObject;
  #input: Json;
  #hold: Hold | undefined;
  #closed = false;

  constructor(row: ScopeRow, place: Pick<NewScope, "execution" | "parent" | "states" | "mapItem">) {
    this.row = row;
    this.execution = place.execution;
    this.parent = place.parent;
    this.states = place.states;
    this.#mapItem = place.mapItem;
    this.position = JSON.parse(row.position) as Position;
    this.#variables = JSON.parse(row.variables) as JsonObject;
    this.#input = parseJson(row.input);
    setMaxListeners(0, this.#controller.signal);
    place.parent?.children.add(this);
  }

  static create(place: NewScope): Scope {
    const { execution, parent, states } = place;
    const values = {
      executionId: execution.row.id,
      parentId: parent?.row.id ?? null,
      slot: place.slot,
      status: "RUNNING" as const,
      state: states.StartAt,
      input: place.inputText,
      variables: "{}",
      position: JSON.stringify({ ...entry, lastEventId: place.previousEventId }),
      work: null,
      output: null,
    };
    return new Scope({ ...values, id: insertScope(execution.runtime.journal, values) }, place);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get input(): Json {
    return this.#input;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get state(): State {
    const state = this.states.States[this.row.state];
    if (!state) throw new Error(`the definition has no state '${this.row.state}'`);
    return state;
  }

  /** Own variables and those of the scopes around it, which it may read. */
  get variables(): JsonObject {
    return { ...this.parent?.variables, ...this.#variables };
  }

  get mapItem(): JsonObject | undefined {
    return this.#mapItem ?? this.parent?.mapItem;
  }

  throwIfClosed(): void {
    if (this.#closed) throw new Cancelled();
  }

  /** Appends an event to the execution's history, after this scope's last one. */
  event(type: string, details?: JsonObject, name?: string): void {
    this.throwIfClosed();
    this.position.lastEventId = this.execution.addEvent(type, this.position.lastEventId, details, name);
  }

  save(): void {
    this.throwIfClosed();
    this.row.position = JSON.stringify(this.position);
    saveScope(this.execution.runtime.journal, this.row);
  }

  enterState(): void {
    const { runtime } = this.execution;
    const name = this.row.state;
    this.event(
      `${this.state.Type}StateEntered`,
      { name, input: this.row.input, inputDetails: { truncated: false } },
      name,
    );
    this.position.enteredEventId = this.position.lastEventId;
    this.position.enteredAt = runtime.context.clock.now();
    this.save();
  }

  /** Assigns, records the exit, and checkpoints the next state, if there is one. */
  leaveState(outputText: string, assigned: JsonObject, next: string | undefined): void {
    const name = this.row.state;
    const names = Object.keys(assigned);
    const details: JsonObject = { name, output: outputText, outputDetails: { truncated: false } };
    if (names.length > 0) {
      this.#variables = { ...this.#variables, ...assigned };
      this.row.variables = JSON.stringify(this.#variables);
      details.assignedVariables = Object.fromEntries(names.map((key) => [key, JSON.stringify(assigned[key])]));
      details.assignedVariablesDetails = { truncated: false };
    }
    this.event(`${this.state.Type}StateExited`, details, name);
    this.row.work = null;
    if (next === undefined) return;
    this.row.state = next;
    this.row.input = outputText;
    this.#input = parseJson(outputText);
    const { lastEventId } = this.position;
    delete this.position.resumeAt;
    Object.assign(this.position, entry, { retries: [], lastEventId });
    this.save();
  }

  /** The end of a branch or iteration, or of the execution's own line. */
  close(status: Exclude<ExecutionStatus, "RUNNING">, outputText?: string): void {
    this.throwIfClosed();
    this.row.status = status;
    this.row.output = outputText ?? null;
    this.save();
    this.#end();
  }

  /** Stops this scope and all below it at once; their checkpoints stay, for a redrive. */
  abort(): void {
    if (this.#closed) return;
    this.onAbort?.();
    for (const child of this.children) child.abort();
    const type = this.state.Type;
    const waits = type === "Task" || type === "Wait" || type === "Map" || type === "Parallel";
    if (waits && this.position.enteredEventId > 0) this.event(`${type}StateAborted`);
    this.close("ABORTED");
  }

  detach(): void {
    if (this.#closed) return;
    this.onDetach?.();
    for (const child of this.children) child.detach();
    this.#end();
  }

  /** While a scope is awake, a clock that skips idle time does not jump. */
  wake(): void {
    this.#hold ??= this.execution.runtime.context.clock.hold();
  }

  rest(): void {
    this.#hold?.release();
    this.#hold = undefined;
  }

  /** Rests while others, who have holds of their own, do the work. */
  async whileResting<Result>(work: () => Promise<Result>): Promise<Result> {
    this.rest();
    try {
      return await work();
    } finally {
      this.wake();
    }
  }

  /** Waits in cloud time, but not beyond the execution's timeout: that ends the execution. */
  async sleepUntil(time: number): Promise<void> {
    const { clock } = this.execution.runtime.context;
    const until = Math.min(time, this.execution.timeoutAt);
    this.wake();
    while (clock.now() < until) await this.#hold?.sleep(until - clock.now(), this.signal);
    if (until < time) this.execution.timeOutIfDue();
    this.throwIfClosed();
  }

  evaluate(template: Json, field: string, extra: Partial<StatesValue> = {}): Promise<Json> {
    const states = { input: this.#input, context: this.contextObject(), ...extra };
    return this.execution.runtime.evaluator.evaluate(template, field, { states, variables: this.variables });
  }

  /** `$states.context` (developer guide, "Context object"). `mapItem` replaces this scope's own. */
  contextObject(mapItem: JsonObject | undefined = this.mapItem): JsonObject {
    const { row, machine, input } = this.execution;
    const { label } = row;
    return {
      Execution: {
        Id: row.arn,
        Input: input,
        Name: row.name,
        RoleArn: machine.role.arn,
        StartTime: isoTime(row.startedAt ?? 0),
        RedriveCount: row.redriveCount,
        ...(row.redrivenAt === null ? {} : { RedriveTime: isoTime(row.redrivenAt) }),
      },
      StateMachine: {
        Id: this.execution.qualifiedMachineArn,
        Name: label === null ? machine.name : `${machine.name}/${label}`,
      },
      State: {
        Name: this.row.state,
        EnteredTime: isoTime(this.position.enteredAt),
        RetryCount: this.position.retryCount,
      },
      ...(mapItem ? { Map: { Item: mapItem } } : {}),
    };
  }

  /** JSON text of a state's result or output, refused above the payload limit. */
  payloadText(value: Json, what: string = this.row.state): string {
    const text = JSON.stringify(value);
    checkPayloadSize(text, what);
    return text;
  }

  #end(): void {
    this.#closed = true;
    this.parent?.children.delete(this);
    this.#controller.abort(new Cancelled());
    this.rest();
  }
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
