// The Filters parameter: several filters are all to hold, of a filter's values any.
import type { FormParameters } from "./query-protocol.ts";
import { invalidParameter } from "./rds-error.ts";

/** By filter name: what of an item is compared. Identifiers compare without regard to case where RDS stores them so. */
export type FilterFields<Item> = Readonly<Record<string, (item: Item) => readonly string[]>>;

/** Throws InvalidParameterValue for a filter that RDS doesn't have or that names no value. */
export function filtered<Item>(
  parameters: FormParameters,
  items: readonly Item[],
  fields: FilterFields<Item>,
): readonly Item[] {
  let left = items;
  for (const { name, values } of parameters.filters()) {
    const field = fields[name];
    if (!field) throw invalidParameter(`Unrecognized filter name: ${name}`);
    if (values.length === 0) throw invalidParameter(`The filter ${name} must have at least one value.`);
    const wanted = new Set(values);
    left = left.filter((item) => field(item).some((value) => wanted.has(value)));
  }
  return left;
}
