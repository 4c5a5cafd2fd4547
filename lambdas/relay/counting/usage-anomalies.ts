// Unusual usage: an hour of a key, or of all keys, against the same hour of the days before.
import { addFigures, type Figures, noFigures, type Row, tokensIn } from "./figures.ts";
import { medianOf } from "./recent-records.ts";

/** So many days are looked back. */
export const anomalyDays = 7;
/** With a usual value on fewer days than this there is nothing to compare with. */
const fewestDays = 3;
/** More than so many times the median of the days with a value. */
const factor = 3;
/** Below this nobody cares: tokens, and nano-USD (five dollars). */
const floors = { tokens: 5_000_000, cost: 5_000_000_000 } as const;
const mostAnomalies = 20;

export interface Anomaly {
  /** Empty: all keys together. */
  readonly keyId: string;
  readonly measure: "tokens" | "cost";
  readonly value: number;
  readonly usual: number;
}

/** `before`: rows of the same hour, a day each. The dearest first. */
export function usageAnomalies(hour: readonly Row[], before: readonly (readonly Row[])[]): Anomaly[] {
  const now = byKey(hour);
  const days = before.map(byKey);
  return [...now]
    .flatMap(([keyId, figures]) =>
      (["cost", "tokens"] as const).flatMap((measure): Anomaly[] => {
        const value = measureOf(figures, measure);
        const values = days.map((day) => measureOf(day.get(keyId) ?? noFigures, measure));
        // Days off say nothing of what is usual: with more of them than of others, any use at all would be unusual.
        const used = values.filter((past) => past > 0);
        const usual = Math.round(medianOf(used));
        return used.length >= fewestDays && value >= floors[measure] && value > factor * usual
          ? [{ keyId, measure, value, usual }]
          : [];
      }),
    )
    .toSorted((one, other) => other.value - one.value)
    .slice(0, mostAnomalies);
}

function byKey(rows: readonly Row[]): Map<string, Figures> {
  const sums = new Map<string, Figures>();
  for (const { keyId, figures } of rows) {
    for (const name of [keyId, ""]) sums.set(name, addFigures(sums.get(name) ?? noFigures, figures));
  }
  return sums;
}

function measureOf(figures: Figures, measure: Anomaly["measure"]): number {
  return measure === "cost" ? figures.chargedNanoUsd : tokensIn(figures);
}
