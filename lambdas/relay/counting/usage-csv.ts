// Answers to usage queries as CSV: one line per group, the groupings first.
import { csvLine } from "./csv.ts";
import { figureNames } from "./figures.ts";
import type { UsageAnswer } from "./usage-query.ts";

/** Without groupings: one line, the total. */
export function usageCsv({ groupBy, groups, total }: UsageAnswer): string {
  const lines = groupBy.length === 0 ? [{ values: [], figures: total }] : groups;
  return [
    csvLine([...groupBy, ...figureNames]),
    ...lines.map(({ values, figures }) => csvLine([...values, ...figureNames.map((name) => figures[name])])),
  ].join("");
}
