// Units of counting: an hour's lanes, hours, days, months, years and the total. Each is the sum of the units below it.
// Times are UTC. A unit is also the partition of its rows in RelayTotals.

export type Level = "lane" | "hour" | "day" | "month" | "year" | "total";

export interface Unit {
  readonly level: Level;
  /** `2026112010#03`, `2026112010`, `20261120`, `202611`, `2026`, `total`. */
  readonly name: string;
}

/** From the lowest: a unit is right once all below it are. */
export const levels: readonly Level[] = ["lane", "hour", "day", "month", "year", "total"];

/** Of RelayUsage, so that no partition takes all of an hour's writes. */
export const laneCount = 16;

/** The relay did not exist before. */
const firstYear = 2026;

const letters: Readonly<Record<Level, string>> = {
  lane: "l",
  hour: "h",
  day: "d",
  month: "m",
  year: "y",
  total: "t",
};

export const totalUnit: Unit = { level: "total", name: "total" };

/** Of an instant in milliseconds since 1970. */
export function hourAt(milliseconds: number): Unit {
  return { level: "hour", name: new Date(milliseconds).toISOString().replace(/\D/g, "").slice(0, 10) };
}

export function laneOf(hour: Unit, lane: number): Unit {
  return { level: "lane", name: `${hour.name}#${lane}` };
}

/** Where a unit's rows lie. */
export function partitionOf({ level, name }: Unit): string {
  return `${letters[level]}#${name}`;
}

/** Undefined for what is no unit's partition. */
export function unitOf(partition: string): Unit | undefined {
  const level = levels.find((known) => partition.startsWith(`${letters[known]}#`));
  return level && { level, name: partition.slice(2) };
}

/** Where the records of a lane lie, in RelayUsage. */
export function recordsOf(lane: Unit): string {
  return `r#${lane.name}`;
}

/** Of a partition of RelayUsage; undefined for what is none. */
export function laneOfRecords(partition: string): Unit | undefined {
  return /^r#\d{10}#\d{1,2}$/.test(partition) ? { level: "lane", name: partition.slice(2) } : undefined;
}

/** The unit that this one is a part of; of the total: none. */
export function parentOf({ level, name }: Unit): Unit | undefined {
  switch (level) {
    case "lane":
      return { level: "hour", name: name.slice(0, 10) };
    case "hour":
      return { level: "day", name: name.slice(0, 8) };
    case "day":
      return { level: "month", name: name.slice(0, 6) };
    case "month":
      return { level: "year", name: name.slice(0, 4) };
    case "year":
      return totalUnit;
    case "total":
      return undefined;
  }
}

/** The units that this one is the sum of; of a lane: none, it is the sum of its records. */
export function partsOf(unit: Unit, nowMilliseconds: number): Unit[] {
  const { level, name } = unit;
  switch (level) {
    case "lane":
      return [];
    case "hour":
      return Array.from({ length: laneCount }, (_, lane) => laneOf(unit, lane));
    case "day":
      return numbered(name, 0, 23, "hour");
    case "month":
      return numbered(name, 1, daysOf(name), "day");
    case "year":
      return numbered(name, 1, 12, "month");
    case "total": {
      // A clock that is a little behind must not lose the year that has just begun.
      const last = new Date(nowMilliseconds).getUTCFullYear() + 1;
      const years = Array.from({ length: last - firstYear + 1 }, (_, index) => String(firstYear + index));
      return years.map((year) => ({ level: "year", name: year }));
    }
  }
}

/** When a unit begins, milliseconds since 1970; of the total: the first year's beginning. */
export function startOf({ level, name }: Unit): number {
  if (level === "total") return Date.UTC(firstYear, 0, 1);
  const [year, month = 1, day = 1, hour = 0] = [
    Number(name.slice(0, 4)),
    ...[4, 6, 8].map((at) => (name.length > at ? Number(name.slice(at, at + 2)) : undefined)),
  ];
  return Date.UTC(year ?? firstYear, month - 1, day, hour);
}

/** When the next one of its kind begins. */
export function endOf(unit: Unit): number {
  const start = new Date(startOf(unit));
  switch (unit.level) {
    case "lane":
    case "hour":
      return start.getTime() + 3_600_000;
    case "day":
      return start.getTime() + 86_400_000;
    case "month":
      return Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1);
    case "year":
      return Date.UTC(start.getUTCFullYear() + 1, 0, 1);
    case "total":
      return Number.POSITIVE_INFINITY;
  }
}

function numbered(name: string, first: number, last: number, level: Level): Unit[] {
  return Array.from({ length: last - first + 1 }, (_, index) => ({
    level,
    name: name + String(first + index).padStart(2, "0"),
  }));
}

function daysOf(month: string): number {
  return new Date(Date.UTC(Number(month.slice(0, 4)), Number(month.slice(4, 6)), 0)).getUTCDate();
}
