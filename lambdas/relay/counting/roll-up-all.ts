// Roll up all: works off the marked units from the lowest level up, as far as the time goes; the rest stays marked.
import { type RollUpPorts, rollUp } from "./roll-up.ts";
import { levels, type Unit } from "./units.ts";

export interface RollUpAllPorts extends RollUpPorts {
  /** The marked units that nobody holds, at most so many, the lowest level first. */
  marked(most: number): Promise<readonly Unit[]>;
  hasTime(): boolean;
}

export interface RollUpReport {
  readonly units: number;
  readonly rows: number;
  /** Lanes that were told of after their records were gone. */
  readonly expired: number;
  /** Why units could not be counted: they stay marked, and the others are not kept waiting. */
  readonly failures: readonly unknown[];
}

/** Of one look at the marks; there are as many looks as time and marks allow. */
const unitsPerLook = 500;
const unitsAtOnce = 4;
/** With more of them it is not the unit that is at fault. */
const mostFailures = 20;

export async function rollUpAll(ports: RollUpAllPorts): Promise<RollUpReport> {
  const sums = { units: 0, rows: 0, expired: 0 };
  const failures: unknown[] = [];
  while (ports.hasTime() && failures.length < mostFailures) {
    const marked = await ports.marked(unitsPerLook);
    // One level at a time: what is above would only have to be counted again.
    const lowest = levels.find((level) => marked.some((unit) => unit.level === level));
    const units = marked.filter(({ level }) => level === lowest);
    let done = 0;
    for (let from = 0; from < units.length && ports.hasTime(); from += unitsAtOnce) {
      const some = units.slice(from, from + unitsAtOnce);
      const outcomes = await Promise.allSettled(some.map((unit) => rollUp(unit, ports)));
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") failures.push(outcome.reason);
        else if (outcome.value.kind !== "left") done += 1;
        if (outcome.status !== "fulfilled") continue;
        if (outcome.value.kind === "counted") sums.rows += outcome.value.changed;
        if (outcome.value.kind === "expired") sums.expired += 1;
      }
    }
    sums.units += done;
    // Others hold what is left; they, or the next call, go on with it.
    if (done === 0) break;
  }
  return { ...sums, failures };
}
