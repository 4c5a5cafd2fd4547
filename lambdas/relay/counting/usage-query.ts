// Usage query: figures of any range of hours, by up to two groupings, from the coarsest units that fill the range.
import { wrongInput } from "../../shared/wrong-input.ts";
import { addFigures, type Figures, noFigures, type Row } from "./figures.ts";
import type { StoredRows } from "./roll-up.ts";
import { endOf, hourAt, type Level, levels, startOf, totalUnit, type Unit } from "./units.ts";

export const groupings = ["key", "account", "model", "provider", "platform", "hour", "day", "month"] as const;

export type Grouping = (typeof groupings)[number];

export interface UsageQuestion {
  /** Milliseconds since 1970; counted by whole hours of UTC: `from` goes back to its hour's beginning, `to` on to its end. */
  readonly from: number;
  /** Not part of it. */
  readonly to: number;
  /** At most two, and only one of time. */
  readonly groupBy: readonly Grouping[];
  /** Only rows with these values. */
  readonly only?: Partial<Readonly<Record<"keyId" | "accountId" | "model" | "provider" | "platform", string>>>;
}

export interface UsageGroup {
  /** Values of the groupings, in their order; times as RFC 3339. */
  readonly values: readonly string[];
  readonly figures: Figures;
}

export interface UsageAnswer {
  /** The hours that were counted. */
  readonly from: number;
  readonly to: number;
  readonly groupBy: readonly Grouping[];
  /** In order of time, else the dearest first. */
  readonly groups: readonly UsageGroup[];
  /** Of all, also of the groups that were left out. */
  readonly total: Figures;
  /** There are more groups than are given. */
  readonly isCut: boolean;
}

export interface UsageQueryPorts {
  /** `keyId`: no other key's are needed. */
  rows(unit: Unit, keyId: string | undefined): Promise<Pick<StoredRows, "rows">>;
  now(): number;
}

const hour = 3_600_000;
/** Two years by the day, or a month by the hour. */
const mostUnits = 800;
const mostGroups = 5000;
/** More than that would fill the function's memory, and be cut to the number above. */
const mostGroupsHeld = 100_000;
const unitsAtOnce = 8;
/** Shorter than rows of hours are kept: what is asked for is there. */
const hourDays = 399;

const coarsest: Partial<Readonly<Record<Grouping, Level>>> = { hour: "hour", day: "day", month: "month" };
const names: Readonly<Record<Exclude<Grouping, "hour" | "day" | "month">, keyof Omit<Row, "figures">>> = {
  key: "keyId",
  account: "accountId",
  model: "model",
  provider: "provider",
  platform: "platform",
};

/** Throws `InputInvalid` naming the field for a range that is empty, too long, or older than its figures are kept. */
export async function queryUsage(question: UsageQuestion, ports: UsageQueryPorts): Promise<UsageAnswer> {
  const { groupBy, only = {} } = question;
  const times = groupBy.filter((name) => coarsest[name] !== undefined);
  if (groupBy.length > 2 || new Set(groupBy).size !== groupBy.length || times.length > 1) {
    throw wrongInput([
      { field: "query.groupBy", problem: "Give at most two different groupings, one of them of time." },
    ]);
  }
  const from = Math.floor(question.from / hour) * hour;
  const to = Math.ceil(question.to / hour) * hour;
  const units = unitsThatFill(from, to, coarsest[times[0] ?? "key"] ?? "total", ports.now());
  const groups = new Map<string, UsageGroup>();
  let total = noFigures;
  for (let at = 0; at < units.length; at += unitsAtOnce) {
    const some = units.slice(at, at + unitsAtOnce);
    const stored = await Promise.all(some.map((unit) => ports.rows(unit, only.keyId)));
    for (const [index, unit] of some.entries()) {
      for (const row of stored[index]?.rows ?? []) {
        if (row.figures.requests === 0 || !isAmong(row, only)) continue;
        total = addFigures(total, row.figures);
        const values = groupBy.map((name) => groupValue(name, row, unit));
        const key = JSON.stringify(values);
        const before = groups.get(key)?.figures ?? noFigures;
        groups.set(key, { values, figures: addFigures(before, row.figures) });
      }
      if (groups.size > mostGroupsHeld) throw tooMany();
    }
  }
  const sorted = [...groups.values()].sort(orderOf(groupBy));
  return {
    from,
    to,
    groupBy,
    groups: groupBy.length === 0 ? [] : sorted.slice(0, mostGroups),
    total,
    isCut: sorted.length > mostGroups,
  };
}

/** From `from` to `to`, whole hours both, without a gap and without an overlap; none of them coarser than `largest`. */
export function unitsThatFill(from: number, to: number, largest: Level, now: number): Unit[] {
  if (from >= to) throw wrongInput([{ field: "query.from", problem: "The range ends before it begins." }]);
  // What lies ahead has no figures: a day that is not over may stand for its hours until now.
  const end = to >= now ? Number.POSITIVE_INFINITY : to;
  if (largest === "total" && from <= startOf(totalUnit) && end === Number.POSITIVE_INFINITY) return [totalUnit];
  const begin = Math.max(from, startOf(totalUnit));
  const units: Unit[] = [];
  for (let at = begin; at < Math.min(to, now + hour); ) {
    const unit = largestAt(at, end, largest);
    if (unit.level === "hour" && at < now - hourDays * 24 * hour) throw tooOld();
    units.push(unit);
    if (units.length > mostUnits) throw tooLong();
    at = endOf(unit);
  }
  return units;
}

function largestAt(at: number, end: number, largest: Level): Unit {
  const digits = hourAt(at).name;
  const lengths = { year: 4, month: 6, day: 8, hour: 10 } as const;
  for (const level of ["year", "month", "day"] as const) {
    if (levels.indexOf(level) > levels.indexOf(largest)) continue;
    const unit: Unit = { level, name: digits.slice(0, lengths[level]) };
    if (startOf(unit) === at && endOf(unit) <= end) return unit;
  }
  return { level: "hour", name: digits };
}

function tooOld() {
  return wrongInput([
    {
      field: "query.from",
      problem: `Figures by the hour are kept for ${hourDays} days. Before that, begin and end at midnight UTC, and do not group by hour.`,
    },
  ]);
}

function tooMany() {
  return wrongInput([
    {
      field: "query.groupBy",
      problem: `These are more than ${mostGroupsHeld} groups. Ask for less time, for one key, or group by day or month.`,
    },
  ]);
}

function tooLong() {
  return wrongInput([
    {
      field: "query.from",
      problem: "The range is too long for this grouping. Ask for less, or group by day or month.",
    },
  ]);
}

function isAmong(row: Row, only: NonNullable<UsageQuestion["only"]>): boolean {
  return Object.entries(only).every(([name, value]) => value === undefined || row[name as keyof typeof only] === value);
}

function groupValue(grouping: Grouping, row: Row, unit: Unit): string {
  if (grouping !== "hour" && grouping !== "day" && grouping !== "month") return row[names[grouping]];
  const start = new Date(startOf(unit));
  if (grouping === "day") start.setUTCHours(0);
  if (grouping === "month") start.setUTCDate(1);
  if (grouping === "month") start.setUTCHours(0);
  return start.toISOString();
}

function orderOf(groupBy: readonly Grouping[]): (one: UsageGroup, other: UsageGroup) => number {
  const time = groupBy.findIndex((name) => coarsest[name] !== undefined);
  return (one, other) => {
    const [first = "", second = ""] = time === -1 ? [] : [one.values[time], other.values[time]];
    if (first !== second) return first < second ? -1 : 1;
    const byCost = other.figures.chargedNanoUsd - one.figures.chargedNanoUsd;
    return byCost !== 0 ? byCost : one.values.join("|") < other.values.join("|") ? -1 : 1;
  };
}
