// Items of a Map in either mode: what they are in a list or an object, and what a child gets of them.
import type { MapState } from "./definition.ts";
import { isJsonObject, type Json } from "./json.ts";
import type { Scope } from "./scope.ts";
import type { WorkflowError } from "./workflow-error.ts";

/** `$states.context.Map.Item`. */
export type MapItem = {
  readonly Index: number;
  /** Where the items are the members of an object. */
  readonly Key?: string;
  readonly Value: Json;
};

/** The items of a list, or the members of an object; throws `otherwise()` for anything else. */
export function* itemsIn(items: Json, otherwise: () => WorkflowError): Generator<MapItem> {
  if (Array.isArray(items)) {
    for (const [Index, Value] of items.entries()) yield { Index, Value };
  } else if (isJsonObject(items)) {
    for (const [Index, [Key, Value]] of Object.entries(items).entries()) yield { Index, Key, Value };
  } else throw otherwise();
}

/** The input of the item's iteration or child: by ItemSelector, or the item itself. */
export async function childItem(scope: Scope, state: MapState, item: MapItem): Promise<Json> {
  if (state.ItemSelector !== undefined) {
    return scope.evaluate(state.ItemSelector, "ItemSelector", { context: scope.contextObject({ ...item }) });
  }
  return item.Key === undefined ? item.Value : { Key: item.Key, Value: item.Value };
}
