// Times as people give them on the command line: one meaning each, whatever time zone the machine is in.
import { UsageProblem } from "./usage-problem.ts";

const form = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(Z|[+-]\d\d:?\d\d)?)?$/i;

/** RFC 3339, UTC. `2026-11-01` is midnight in UTC; a time of day needs its zone. Throws UsageProblem naming the option. */
export function timeOf(text: string, option: string): string {
  const [, day = "", timeOfDay, zone = ""] = form.exec(text.trim()) ?? [];
  if (timeOfDay !== undefined && zone === "") {
    throw new UsageProblem(
      `${option} ${text} has no time zone; give one such as ${day}T${timeOfDay}Z (UTC) or ${day}T${timeOfDay}+08:00.`,
    );
  }
  const given = timeOfDay === undefined ? day : `${day}T${timeOfDay}${zone.toUpperCase()}`;
  const at = Date.parse(given);
  // Date.parse takes the 31st of November for the 1st of December.
  const isDay = !Number.isNaN(Date.parse(day)) && new Date(Date.parse(day)).toISOString().startsWith(day);
  if (isDay && !Number.isNaN(at)) return new Date(at).toISOString();
  throw new UsageProblem(`${option} ${text} is no time; give one such as 2026-11-01 or 2026-11-01T03:30:00Z.`);
}
