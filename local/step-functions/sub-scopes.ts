// Parallel branches and inline Map iterations: scopes below a scope, within the same execution and its history.
import type { MapState, ParallelState, StatesBlock } from "./definition.ts";
import { unexpectedType } from "./expressions.ts";
import { type Json, type JsonObject, parseJson } from "./json.ts";
import { childItem, itemsIn, type MapItem } from "./map-items.ts";
import { numberField } from "./number-field.ts";
import { subScopes } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import { Scope } from "./scope.ts";
import { Cancelled } from "./workflow-error.ts";

/** Developer guide, "Inline mode": iterations at once when MaxConcurrency does not say fewer. */
const mostInlineAtOnce = 40;

interface SubScopePlan {
  readonly count: number;
  readonly atOnce: number;
  states(slot: number): StatesBlock;
  inputText(slot: number): string;
  mapItem?(slot: number): JsonObject;
  /** The event after which a new sub-scope's own events come. */
  begin(slot: number): number;
  /** Called with the sub-scope still open for Succeeded and Failed, closed for Aborted. */
  end?(child: Scope, how: "Succeeded" | "Failed" | "Aborted"): void;
}

/** Kept in the scope's `work` once the state has begun, so that a restart goes on with the same inputs. */
interface ParallelWork {
  readonly inputText: string;
  readonly startedEventId: number;
}

interface InlineMapWork {
  readonly items: readonly MapItem[];
  /** After ItemSelector. */
  readonly inputs: readonly Json[];
  readonly atOnce: number;
  readonly startedEventId: number;
}

export async function runParallel(runtime: Runtime, scope: Scope, state: ParallelState): Promise<Json> {
  if (scope.row.work === null) {
    const args = state.Arguments === undefined ? scope.input : await scope.evaluate(state.Arguments, "Arguments");
    const inputText = scope.payloadText(args);
    scope.event("ParallelStateStarted");
    begin(scope, { inputText, startedEventId: scope.position.lastEventId } satisfies ParallelWork);
  }
  const work = JSON.parse(scope.row.work ?? "") as ParallelWork;
  return withStateEvents(scope, () =>
    runSubScopes(runtime, scope, {
      count: state.Branches.length,
      atOnce: state.Branches.length,
      states: (slot) => branch(state, slot),
      inputText: () => work.inputText,
      begin: () => work.startedEventId,
    }),
  );
}

export async function runInlineMap(runtime: Runtime, scope: Scope, state: MapState): Promise<Json> {
  if (scope.row.work === null) {
    const given = state.Items === undefined ? scope.input : await scope.evaluate(state.Items, "Items");
    const items = [...itemsIn(given, () => unexpectedType("Items", "array", given))];
    const inputs = await selectInputs(scope, state, items);
    const asked = await numberField(scope, state.MaxConcurrency, "MaxConcurrency", {
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
      whole: true,
    });
    scope.event("MapStateStarted", { length: items.length });
    const startedEventId = scope.position.lastEventId;
    begin(scope, {
      items,
      inputs,
      atOnce: Math.min(asked || mostInlineAtOnce, mostInlineAtOnce),
      startedEventId,
    } satisfies InlineMapWork);
  }
  const work = JSON.parse(scope.row.work ?? "") as InlineMapWork;
  const name = scope.row.state;
  const { execution } = scope;
  return withStateEvents(scope, () =>
    runSubScopes(runtime, scope, {
      count: work.items.length,
      atOnce: work.atOnce,
      states: () => state.ItemProcessor,
      inputText: (slot) => scope.payloadText(work.inputs[slot] ?? null),
      mapItem: (slot) => ({ ...work.items[slot] }),
      begin: (index) => execution.addEvent("MapIterationStarted", work.startedEventId, { name, index }, name),
      end: (child, how) => {
        const details = { name, index: child.row.slot };
        const last = child.position.lastEventId;
        child.position.lastEventId = execution.addEvent(`MapIteration${how}`, last, details, name);
      },
    }),
  );
}

async function selectInputs(scope: Scope, state: MapState, items: readonly MapItem[]): Promise<readonly Json[]> {
  const inputs: Json[] = [];
  for (const item of items) inputs.push(await childItem(scope, state, item));
  return inputs;
}

function branch(state: ParallelState, slot: number): StatesBlock {
  const block = state.Branches[slot];
  if (!block) throw new Error(`the definition has no branch ${slot}`);
  return block;
}

function begin(scope: Scope, work: ParallelWork | InlineMapWork): void {
  scope.row.work = JSON.stringify(work);
  scope.save();
}

async function withStateEvents(scope: Scope, run: () => Promise<Json[]>): Promise<Json> {
  const { Type: type } = scope.state;
  try {
    const outputs = await run();
    scope.event(`${type}StateSucceeded`);
    return outputs;
  } catch (error) {
    if (!(error instanceof Cancelled)) scope.event(`${type}StateFailed`);
    throw error;
  }
}

/** The outputs in order of slot. The first failure aborts the others and is thrown. */
async function runSubScopes(runtime: Runtime, scope: Scope, plan: SubScopePlan): Promise<Json[]> {
  const outputs = new Array<Json>(plan.count).fill(null);
  const rows = new Map(subScopes(runtime.journal, scope.row.id).map((row) => [row.slot, row]));
  let next = 0;
  let failure: unknown;

  const open = (slot: number): Scope => {
    const mapItem = plan.mapItem?.(slot);
    const place = {
      execution: scope.execution,
      parent: scope,
      states: plan.states(slot),
      ...(mapItem ? { mapItem } : {}),
    };
    const row = rows.get(slot);
    if (row) return new Scope({ ...row, status: "RUNNING" }, place);
    const inputText = plan.inputText(slot);
    return Scope.create({ ...place, slot, inputText, previousEventId: plan.begin(slot) });
  };

  const end = (child: Scope, how: "Succeeded" | "Failed" | "Aborted") => {
    plan.end?.(child, how);
    scope.position.lastEventId = Math.max(scope.position.lastEventId, child.position.lastEventId);
  };

  const runOne = async (slot: number): Promise<void> => {
    const child = open(slot);
    try {
      const output = await runtime.runScope(child);
      end(child, "Succeeded");
      child.close("SUCCEEDED", JSON.stringify(output));
      outputs[slot] = output;
    } catch (error) {
      // Either a sibling failed and its failure is the one that counts, or the whole scope is ending.
      if (error instanceof Cancelled) return;
      end(child, "Failed");
      child.close("FAILED");
      throw error;
    }
  };

  const worker = async (): Promise<void> => {
    while (next < plan.count && failure === undefined && !scope.closed) {
      const slot = next;
      next += 1;
      const row = rows.get(slot);
      if (row?.status === "SUCCEEDED") {
        outputs[slot] = parseJson(row.output ?? "null");
        continue;
      }
      try {
        await runOne(slot);
      } catch (error) {
        if (failure !== undefined) return;
        failure = error;
        for (const sibling of scope.children) {
          sibling.abort();
          end(sibling, "Aborted");
        }
      }
    }
  };

  const workers = Math.min(plan.atOnce, plan.count);
  await scope.whileResting(() => Promise.all(Array.from({ length: workers }, worker)));
  scope.throwIfClosed();
  if (failure !== undefined) throw failure;
  return outputs;
}
