// Pages of RDS's lists: 20 to 100 records, and an opaque marker that belongs to one question.
import { createHash } from "node:crypto";
import type { FormParameters } from "./query-protocol.ts";
import { invalidParameter } from "./rds-error.ts";

const fewestRecords = 20;
const mostRecords = 100;

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Undefined on the last page. */
  readonly marker: string | undefined;
}

/**
 * `items` are cut by the order of their ids, so that what comes or goes between two pages moves no other item.
 * Throws InvalidParameterValue for a number out of bounds or a marker of another question.
 */
export function pageOf<Item>(
  parameters: FormParameters,
  question: string,
  items: readonly Item[],
  idOf: (item: Item) => string,
): Page<Item> {
  const limit = readLimit(parameters);
  const seal = createHash("sha256").update(question).digest("base64url").slice(0, 8);
  const after = readMarker(parameters, seal);
  const sorted = items.toSorted((left, right) => (idOf(left) < idOf(right) ? -1 : 1));
  const rest = after === undefined ? sorted : sorted.filter((item) => idOf(item) > after);
  const page = rest.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page,
    marker: last && rest.length > limit ? Buffer.from(`${seal}${idOf(last)}`).toString("base64url") : undefined,
  };
}

function readLimit(parameters: FormParameters): number {
  const text = parameters.text("MaxRecords");
  if (text === undefined) return mostRecords;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= fewestRecords && limit <= mostRecords) return limit;
  throw invalidParameter(`Invalid value ${text} for MaxRecords. Must be between ${fewestRecords} and ${mostRecords}`);
}

function readMarker(parameters: FormParameters, seal: string): string | undefined {
  const text = parameters.text("Marker");
  if (text === undefined) return undefined;
  const opened = Buffer.from(text, "base64url").toString("utf8");
  if (opened.startsWith(seal)) return opened.slice(seal.length);
  throw invalidParameter("Invalid Marker: it doesn't belong to this request.");
}
