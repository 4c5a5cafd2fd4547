// Turns a Distributed Map's items into rows of the journal, one per child execution to come.
import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { MapState } from "./definition.ts";
import { type BatchLimits, type ChildInput, ItemBatch } from "./item-batcher.ts";
import { readItems } from "./item-reader.ts";
import { checkPayloadSize, largestPayloadBytes } from "./json.ts";
import { childItem } from "./map-items.ts";
import { executionArn } from "./names.ts";
import { numberField } from "./number-field.ts";
import { insertExecution, type MapRunRow } from "./rows.ts";
import type { Runtime } from "./runtime.ts";
import type { Scope } from "./scope.ts";

/** After so many items others get their turn. */
const itemsPerTurn = 500;

/** Starts from nothing each time: a load that a crash cut short is done again as a whole. */
export async function loadItems(runtime: Runtime, scope: Scope, state: MapState, run: MapRunRow): Promise<void> {
  const { journal } = runtime;
  const { machine, row: parent } = scope.execution;
  journal.write("DELETE FROM executions WHERE mapRunId = ?", run.id);
  const limits = await batchLimits(scope, state);
  const batch = limits && new ItemBatch(limits);
  let index = 0;
  const add = (child: ChildInput | undefined) => {
    if (!child) return;
    const name = randomUUID();
    const arn = executionArn(machine.arn, run.label, name);
    insertExecution(
      journal,
      {
        arn,
        machineArn: machine.arn,
        label: run.label,
        name,
        input: child.text,
        definitionHash: parent.definitionHash,
        mapRunId: run.id,
        itemIndex: index,
        itemCount: child.itemCount,
      },
      "PENDING",
      null,
    );
    index += 1;
  };
  for await (const item of readItems(runtime, scope, state)) {
    scope.throwIfClosed();
    const value = await childItem(scope, state, item);
    if (batch) add(batch.add(value));
    else {
      const text = JSON.stringify(value);
      checkPayloadSize(text, scope.row.state);
      add({ text, itemCount: 1 });
    }
    if (item.Index % itemsPerTurn === itemsPerTurn - 1) await nextTurn();
  }
  scope.throwIfClosed();
  add(batch?.take());
}

async function batchLimits(scope: Scope, state: MapState): Promise<BatchLimits | undefined> {
  const batcher = state.ItemBatcher;
  if (!batcher) return undefined;
  const most = await numberField(scope, batcher.MaxItemsPerBatch, "ItemBatcher/MaxItemsPerBatch", {
    from: 0,
    to: Number.MAX_SAFE_INTEGER,
    whole: true,
  });
  const bytes = await numberField(scope, batcher.MaxInputBytesPerBatch, "ItemBatcher/MaxInputBytesPerBatch", {
    from: 0,
    to: largestPayloadBytes,
    whole: true,
  });
  const input = batcher.BatchInput;
  return {
    maxItems: most || Number.POSITIVE_INFINITY,
    maxInputBytes: bytes || largestPayloadBytes,
    batchInputText:
      input === undefined ? undefined : JSON.stringify(await scope.evaluate(input, "ItemBatcher/BatchInput")),
  };
}
