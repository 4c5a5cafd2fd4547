// An incident: the same trouble under one rule, from its first event to its recovery. What an event makes of it, as a rule.
import type { BusEvent } from "../shared/bus-event.ts";
import type { IncidentKey, Rule } from "./rule.ts";

export interface Incident extends Omit<IncidentKey, "subjectKey"> {
  /** Grows with every change: two that read the same one do not both write. */
  readonly version: number;
  readonly state: "open" | "well";
  /** Of this trouble; RFC 3339 like all times here. */
  readonly firstAt: string;
  readonly lastAt: string;
  /** Events since `firstAt`, each counted once. */
  readonly count: number;
  /** The newest events inside the rule's window, at most as many as its threshold needs. */
  readonly recent: readonly string[];
  /** When it was last told, and under which id first. Absent: not told yet. */
  readonly alertedAt?: string;
  readonly alertId?: string;
  /** What is not well: subject and the time of its last event. At most `mostSubjects`; what comes beyond is only counted. */
  readonly subjects: Readonly<Record<string, string>>;
  /** The newest fact that all was well: an event from before it arrived late. */
  readonly wellAt?: string;
}

/** What is to be told because of an event. */
export interface Telling {
  /** `again`: it goes on after the suppression window. */
  readonly kind: "raised" | "again" | "recovered";
  readonly since: string;
  readonly count: number;
}

export interface IncidentChange {
  readonly incident: Incident;
  readonly telling?: Telling;
  /** The incident was told, and is over now: whether or not anybody is told of that. */
  readonly recovered?: { readonly alertId: string; readonly since: string };
  /** It only notes a fact, which may be noted twice: the event need not be counted once. */
  readonly isNote?: boolean;
}

/** Keeps an incident that gathers many subjects within a few kilobytes. */
const mostSubjects = 200;

/** A new event of the trouble. */
export function addOccurrence(
  before: Incident | undefined,
  rule: Rule,
  key: IncidentKey,
  event: BusEvent,
  alertId: string,
): IncidentChange {
  const isOnly = key.key === key.subjectKey;
  if (before?.state === "well" && isOnly && before.wellAt !== undefined && event.at < before.wellAt) {
    // It arrived after the news that it is over: counted, told to nobody.
    return { incident: { ...before, version: before.version + 1, count: before.count + 1 } };
  }
  const open = before?.state === "open" ? before : undefined;
  const recent = recentWith(open?.recent ?? [], event.at, rule);
  const counted: Incident = {
    ...withoutSubject(key),
    ...(before?.wellAt !== undefined && { wellAt: before.wellAt }),
    ...(before?.alertedAt !== undefined && { alertedAt: before.alertedAt }),
    ...(open?.alertId !== undefined && { alertId: open.alertId }),
    version: (before?.version ?? 0) + 1,
    state: "open",
    firstAt: earlier(open?.firstAt ?? event.at, event.at),
    lastAt: later(open?.lastAt ?? event.at, event.at),
    count: (open?.count ?? 0) + 1,
    recent,
    subjects: withSubject(open?.subjects ?? {}, key.subjectKey, event.at),
  };
  if (recent.length < rule.threshold.count || isSuppressed(counted, rule, event.at)) return { incident: counted };
  const told = { ...counted, alertedAt: event.at, alertId: counted.alertId ?? alertId };
  const kind = counted.alertId === undefined ? "raised" : "again";
  return { incident: told, telling: { kind, since: told.firstAt, count: told.count } };
}

/** An event that says that a subject is well. The incident is over when all of its subjects are. */
export function addRecovery(
  before: Incident | undefined,
  rule: Rule,
  key: IncidentKey,
  event: BusEvent,
): IncidentChange | undefined {
  if (before?.state !== "open") return undefined;
  const { [key.subjectKey]: lastAt, ...others } = before.subjects;
  // The trouble came back after this, or this subject was never part of it.
  if (lastAt === undefined || event.at < lastAt) return undefined;
  const version = before.version + 1;
  if (Object.keys(others).length > 0) return { incident: { ...before, version, subjects: others } };
  const { alertId, alertedAt, ...rest } = before;
  const over: Incident = { ...rest, version, state: "well", wellAt: event.at, recent: [], subjects: {} };
  // It was never told: its end is no news either.
  if (alertId === undefined) return { incident: { ...over, ...(alertedAt !== undefined && { alertedAt }) } };
  const recovered = { alertId, since: before.firstAt };
  // Who is told that it is over must be told when it comes again; who is not would hear of each flutter.
  if (!rule.recoveryNotice) return { incident: { ...over, ...(alertedAt !== undefined && { alertedAt }) }, recovered };
  return { incident: over, telling: { kind: "recovered", since: before.firstAt, count: before.count }, recovered };
}

/** That all was well at that time, kept for events of earlier trouble that are still on their way. */
export function noteWell(before: Incident | undefined, key: IncidentKey, event: BusEvent): Incident {
  return {
    ...withoutSubject(key),
    ...(before?.alertedAt !== undefined && { alertedAt: before.alertedAt }),
    version: (before?.version ?? 0) + 1,
    state: "well",
    firstAt: before?.firstAt ?? event.at,
    lastAt: before?.lastAt ?? event.at,
    count: before?.count ?? 0,
    recent: [],
    subjects: {},
    wellAt: later(before?.wellAt ?? event.at, event.at),
  };
}

function isSuppressed({ alertedAt }: Incident, rule: Rule, at: string): boolean {
  if (alertedAt === undefined) return false;
  return Date.parse(at) < Date.parse(alertedAt) + rule.suppressionMinutes * 60_000;
}

function recentWith(recent: readonly string[], at: string, { threshold }: Rule): string[] {
  const newest = [...recent, at].sort();
  const end = Date.parse(newest.at(-1) ?? at);
  return newest.filter((moment) => Date.parse(moment) > end - threshold.windowMinutes * 60_000).slice(-threshold.count);
}

function withSubject(subjects: Incident["subjects"], key: string, at: string): Incident["subjects"] {
  const known = subjects[key];
  if (known === undefined && Object.keys(subjects).length >= mostSubjects) return subjects;
  return { ...subjects, [key]: later(known ?? at, at) };
}

function withoutSubject({ ruleId, event, key }: IncidentKey): Omit<IncidentKey, "subjectKey"> {
  return { ruleId, event, key };
}

/** Of RFC 3339 times in UTC and of one form, the order of the texts is the order of the times. */
function later(one: string, other: string): string {
  return one > other ? one : other;
}

function earlier(one: string, other: string): string {
  return one < other ? one : other;
}
