// Check silence: what should have happened and did not, whether or not any job ran; and queues that should be empty.
import type { EventDetail } from "../../shared/events.ts";
import { lastDue, ratePeriod } from "./schedule-times.ts";

/** What is known of something that must give signs of life, or of a queue. Times are RFC 3339. */
export interface Watched {
  /** `database#<id>`, `schedule#<name>` or `queue#<name>` */
  readonly item: string;
  /** The newest sign of life. */
  readonly lastAt?: string;
  /** When it was watched for the first time: silence counts from then where there never was a sign. */
  readonly since?: string;
  /** When its silence was reported last; absent: it is not silent. */
  readonly reportedAt?: string;
}

/** A schedule as EventBridge Scheduler has it now. */
export interface ScheduleFacts {
  readonly name: string;
  readonly exists: boolean;
  readonly enabled: boolean;
  readonly expression: string;
  readonly timeZone: string;
  /** What was due before the schedule was made or changed last was due by other rules. */
  readonly changedAt: string | null;
}

export interface QueueFacts {
  readonly name: string;
  readonly holds: string;
  /** Visible, in flight and delayed. */
  readonly messages: number;
}

/** What a check finds about one thing: an event to send, and what is to be kept of it. */
export type Finding = {
  readonly item: string;
  /** To be kept as `reportedAt`; null: it is to be removed. Undefined: as it is. */
  readonly reportedAt?: string | null;
  /** To be kept as `since` where there is none yet. */
  readonly since?: string;
} & (
  | { readonly name: "NothingNew"; readonly detail: EventDetail<"NothingNew"> }
  | { readonly name: "ScheduleMissed"; readonly detail: EventDetail<"ScheduleMissed"> }
  | { readonly name: "DeadLettersWaiting"; readonly detail: EventDetail<"DeadLettersWaiting"> }
  | { readonly name: "DeadLettersCleared"; readonly detail: EventDetail<"DeadLettersCleared"> }
  | { readonly name: null }
);

const hourMilliseconds = 3_600_000;

/** What goes on is reported once a day; the rules decide whether anybody is told again. */
const reportedEveryMilliseconds = 24 * hourMilliseconds;

/** Scheduler calls within minutes, and tries for hours: an hour without a start is worth a look. */
export const graceMilliseconds = hourMilliseconds;

/** A database that was seen once and is silent for so long is no longer expected; settings name those that always are. */
export const forgottenAfterDays = 90;

/** No recovery point for `nothingNewHours`, or none at all since it was first watched. */
export function checkDatabase(
  databaseId: string,
  known: Watched | undefined,
  nothingNewHours: number,
  now: number,
): Finding {
  const item = `database#${databaseId}`;
  const at = new Date(now).toISOString();
  const start = known?.lastAt ?? known?.since;
  const since = known?.since === undefined ? { since: at } : {};
  if (
    start === undefined ||
    now - Date.parse(start) <= nothingNewHours * hourMilliseconds ||
    !isReportDue(known, now)
  ) {
    return { item, ...since, name: null };
  }
  const detail = { databaseId, lastAt: known?.lastAt ?? null, hours: nothingNewHours };
  return { item, ...since, reportedAt: at, name: "NothingNew", detail };
}

/** It was due, and an hour later there was no start. A schedule that is switched off misses nothing. */
export function checkSchedule(facts: ScheduleFacts, known: Watched | undefined, now: number): Finding {
  const item = `schedule#${facts.name}`;
  const at = new Date(now).toISOString();
  const since = known?.since === undefined ? { since: at } : {};
  const quiet: Finding = { item, ...since, name: null };
  if (facts.exists && !facts.enabled) return known?.reportedAt === undefined ? quiet : { ...quiet, reportedAt: null };
  const lastAt = known?.lastAt ?? null;
  const isMissed = !facts.exists || wasMissed(facts, lastAt, Date.parse(known?.since ?? at), now);
  if (!isMissed || !isReportDue(known, now)) return quiet;
  const silentFrom = Date.parse(lastAt ?? known?.since ?? at);
  const detail = { schedule: facts.name, lastAt, hours: Math.floor((now - silentFrom) / hourMilliseconds) };
  return { item, ...since, reportedAt: at, name: "ScheduleMissed", detail };
}

export function checkQueue({ name, holds, messages }: QueueFacts, known: Watched | undefined, now: number): Finding {
  const item = `queue#${name}`;
  if (messages === 0) {
    if (known?.reportedAt === undefined) return { item, name: null };
    return { item, reportedAt: null, name: "DeadLettersCleared", detail: { queue: name, holds } };
  }
  if (!isReportDue(known, now)) return { item, name: null };
  const detail = { queue: name, holds, messages };
  return { item, reportedAt: new Date(now).toISOString(), name: "DeadLettersWaiting", detail };
}

/** Those that are expected, and those that were seen and not forgotten yet; sorted. */
export function databasesToCheck(expected: readonly string[], watched: readonly Watched[], now: number): string[] {
  const oldest = now - forgottenAfterDays * 24 * hourMilliseconds;
  const seen = watched.flatMap(({ item, lastAt }) => {
    const [, id] = /^database#(.+)$/.exec(item) ?? [];
    return id !== undefined && lastAt !== undefined && Date.parse(lastAt) > oldest ? [id] : [];
  });
  return [...new Set([...expected, ...seen])].sort();
}

function wasMissed(facts: ScheduleFacts, lastAt: string | null, since: number, now: number): boolean {
  const changedAt = Date.parse(facts.changedAt ?? "");
  const validFrom = Number.isNaN(changedAt) ? since : changedAt;
  const lastStart = lastAt === null ? Number.NEGATIVE_INFINITY : Date.parse(lastAt);
  const period = ratePeriod(facts.expression);
  if (period !== undefined) return now - Math.max(lastStart, validFrom) > period + graceMilliseconds;
  const due = lastDue(facts.expression, facts.timeZone, now - graceMilliseconds);
  return due !== undefined && due >= validFrom && lastStart < due;
}

function isReportDue(known: Watched | undefined, now: number): boolean {
  return known?.reportedAt === undefined || now - Date.parse(known.reportedAt) >= reportedEveryMilliseconds;
}
