// Roll up all: works off the marked units from the lowest level up, as far as the time goes; the rest stays marked.
import { type RollUpPorts, rollUp } from "./roll-up.ts";
import { levels, type Unit } from "./units.ts";

export interface RollUpAllPorts extends RollUpPorts {
  /** The marked units that nobody holds, at most so many, the lowest level first, the oldest first. */
  marked(most: number): Promise<readonly Unit[]>;
  hasTime(): boolean;
}

export interface RollUpReport {
  readonly units: number;
  readonly rows: number;
  /** Lanes that were told of after their records were gone. */
  readonly expired: number;
}

/** Of one look at the marks; there are as many looks as time and marks allow. */
const unitsPerLook = 500;
const lanesAtOnce = 4;

export async function rollUpAll(ports: RollUpAllPorts): Promise<RollUpReport> {
  const report = { units: 0, rows: 0, expired: 0 };
  while (ports.hasTime()) {
    const marked = await ports.marked(unitsPerLook);
    // One level at a time: what is above would only have to be counted again.
    const lowest = levels.find((level) => marked.some((unit) => unit.level === level));
    const units = marked.filter(({ level }) => level === lowest);
    let done = 0;
    for (let from = 0; from < units.length && ports.hasTime(); from += lanesAtOnce) {
      const outcomes = await Promise.all(units.slice(from, from + lanesAtOnce).map((unit) => rollUp(unit, ports)));
      for (const outcome of outcomes) {
        if (outcome.kind !== "left") done += 1;
        if (outcome.kind === "counted") report.rows += outcome.changed;
        if (outcome.kind === "expired") report.expired += 1;
      }
    }
    report.units += done;
    // The others hold what is left; they, or the next call, go on with it.
    if (done === 0) return report;
  }
  return report;
}
