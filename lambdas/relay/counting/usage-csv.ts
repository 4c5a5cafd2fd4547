// Answers to usage queries as CSV: one line per group, the groupings first. The lines sum up to the total, whatever was cut.
import { csvLine } from "./csv.ts";
import { type Figures, figureNames, otherName, subtractFigures } from "./figures.ts";
import type { UsageAnswer } from "./usage-query.ts";

/** Without groupings: one line, the total. Where there are more groups than are given, the last line is all of the others. */
export function usageCsv({ groupBy, groups, total, isCut }: UsageAnswer): string {
  const lines = groupBy.length === 0 ? [{ values: [], figures: total }] : [...groups];
  if (isCut) {
    const others = groups.reduce<Figures>((rest, { figures }) => subtractFigures(rest, figures), total);
    lines.push({ values: groupBy.map(() => otherName), figures: others });
  }
  return [
    csvLine([...groupBy, ...figureNames]),
    ...lines.map(({ values, figures }) => csvLine([...values, ...figureNames.map((name) => figures[name])])),
  ].join("");
}
