// rate(), cron() and at() expressions, and the loop that waits for their moments in cloud time.
// Source: "Schedule types in EventBridge Scheduler", "Schedule expressions using rate or cron" (EventBridge guide).
import type { Clock } from "../rig/clock.ts";
import { compileCron, wallClockOf } from "./cron-expression.ts";

export interface ScheduleExpression {
  readonly kind: "rate" | "cron" | "at";
  /**
   * The first due moment after `afterMilliseconds`; undefined if there is none any more.
   * A rate counts from `anchorMilliseconds`, the schedule's creation or start.
   */
  next(afterMilliseconds: number, anchorMilliseconds: number): number | undefined;
}

const unitMilliseconds: Readonly<Record<string, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Throws RangeError with the reason. `timeZone` is an IANA name; it means nothing to a rate. */
export function parseScheduleExpression(text: string, timeZone = "UTC"): ScheduleExpression {
  const [, kind, inner = ""] = /^(rate|cron|at)\((.*)\)$/.exec(text) ?? [];
  if (kind === "rate") return parseRate(inner);
  if (kind === "at") return parseAt(inner, timeZone);
  if (kind === "cron") {
    const next = compileCron(inner, timeZone);
    return { kind, next };
  }
  throw new RangeError(`"${text}" is not rate(…), cron(…) or at(…)`);
}

function parseRate(inner: string): ScheduleExpression {
  const [, count = "", unit = "", plural] = /^([1-9]\d{0,8}) (minute|hour|day)(s?)$/.exec(inner) ?? [];
  const period = Number(count) * (unitMilliseconds[unit] ?? Number.NaN);
  if (!(period > 0) || (plural === "s") !== (count !== "1")) {
    throw new RangeError(`"rate(${inner})" is not a rate: write rate(1 hour), rate(5 minutes)`);
  }
  return {
    kind: "rate",
    next: (after, anchor) => anchor + Math.max(1, Math.floor((after - anchor) / period) + 1) * period,
  };
}

function parseAt(inner: string, timeZone: string): ScheduleExpression {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(inner))
    throw new RangeError(`"at(${inner})" is not at(yyyy-mm-ddThh:mm:ss)`);
  const wanted = Date.parse(`${inner}Z`);
  const isCalendarTime = !Number.isNaN(wanted) && new Date(wanted).toISOString().startsWith(inner);
  if (!isCalendarTime) throw new RangeError(`"at(${inner})" is no time of the calendar`);
  const wallClock = wallClockOf(timeZone);
  // A guess with the offset of about that day, then once more with the offset of the guess itself.
  const guess = wanted - (wallClock(wanted) - wanted);
  const due = wanted - (wallClock(guess) - guess);
  return { kind: "at", next: (after) => (due > after ? due : undefined) };
}

/** After a long sleep of the machine, at most this many missed moments of one schedule are made up for. */
const mostMadeUp = 100;
/** A moment noticed later than this, by the machine's own time, counts as missed: AWS promises a minute's precision. */
const latenessMilliseconds = 60_000;

/** Calls `onDue` at each moment, in order, until there is none any more or the signal aborts. */
export async function runOnSchedule(options: {
  readonly clock: Clock;
  readonly startMilliseconds: number;
  readonly next: (afterMilliseconds: number) => number | undefined;
  readonly onDue: (dueMilliseconds: number) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { clock, next, onDue, signal } = options;
  let after = options.startMilliseconds;
  let madeUp = 0;
  for (;;) {
    const due = next(after);
    if (due === undefined) return;
    try {
      await clock.sleep(due - clock.now(), { background: true, signal });
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    const isMissed = clock.now() - due > latenessMilliseconds * Math.max(1, clock.speed);
    madeUp = isMissed ? madeUp + 1 : 0;
    if (madeUp > mostMadeUp) after = clock.now();
    else {
      onDue(due);
      after = due;
    }
  }
}
