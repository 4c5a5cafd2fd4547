// Rebuild: counts a range of hours anew from its records, by marking it; refuses by name what has no records any more.
import { CausewayError } from "../../shared/errors.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import { hourAt, laneCount, laneOf, type Unit } from "./units.ts";

export interface RebuildRange {
  /** Milliseconds since 1970; taken as whole hours of UTC. */
  readonly from: number;
  /** Not part of it. */
  readonly to: number;
}

export interface RebuildPorts {
  mark(unit: Unit, now: number): Promise<void>;
  /** Left out: every lane of the range is marked. */
  isWanted?(lane: Unit): Promise<boolean>;
  now(): number;
}

/** How many days records were kept that were written until then (milliseconds since 1970). */
export interface FormerRecordDays {
  readonly recordDays: number;
  readonly until: number;
}

const mostFormer = 20;

const hour = 3_600_000;
const day = 24 * hour;
const mostDays = 31;
/** Records may be dropped from the moment on which their time is over. */
const margin = hour;
const marksAtOnce = 16;

/**
 * Throws `RecordsExpired` where records of the range may be gone already, `InputInvalid` for no range or one of more than
 * 31 days. `recordDays`: how long records are kept; where that was changed within the range, the smaller number.
 */
export function checkRebuild({ from, to }: RebuildRange, recordDays: number, now: number): void {
  if (!(from < to)) throw wrongInput([{ field: "body.from", problem: "The range ends before it begins." }]);
  if (to - from > mostDays * day) {
    throw wrongInput([{ field: "body.to", problem: `Rebuild at most ${mostDays} days at once.` }]);
  }
  const first = now - recordDays * day + margin;
  if (Math.floor(from / hour) * hour >= first) return;
  throw new CausewayError(
    "RecordsExpired",
    `Records are kept for ${recordDays} days: what lies before ${new Date(Math.ceil(first / hour) * hour).toISOString()} cannot be counted anew. Its figures stand as they are.`,
  );
}

/** What is to be known of former settings when they change: which records are there still follows from them. The newest first. */
export function formerAfter(
  before: { readonly recordDays: number; readonly former: readonly FormerRecordDays[] },
  recordDays: number,
  now: number,
): FormerRecordDays[] {
  const { former } = before;
  if (before.recordDays === recordDays) return [...former];
  return [{ recordDays: before.recordDays, until: now }, ...former].slice(0, mostFormer);
}

/** How many days all records are kept that were written since `from`. Lambdas follow a change some seconds late. */
export function recordDaysSince(from: number, recordDays: number, former: readonly FormerRecordDays[]): number {
  return Math.min(
    recordDays,
    ...former.filter(({ until }) => until + margin > from).map((before) => before.recordDays),
  );
}

/** Marks the lanes of the range's hours; the next roll-ups count them. Returns the number of hours. */
export async function markRange({ from, to }: RebuildRange, ports: RebuildPorts): Promise<number> {
  const begin = Math.floor(from / hour) * hour;
  const end = Math.min(to, ports.now());
  const lanes: Unit[] = [];
  for (let at = begin; at < end; at += hour) {
    for (let lane = 0; lane < laneCount; lane += 1) lanes.push(laneOf(hourAt(at), lane));
  }
  for (let at = 0; at < lanes.length; at += marksAtOnce) {
    await Promise.all(
      lanes.slice(at, at + marksAtOnce).map(async (lane) => {
        if ((await ports.isWanted?.(lane)) !== false) await ports.mark(lane, ports.now());
      }),
    );
  }
  return lanes.length / laneCount;
}
