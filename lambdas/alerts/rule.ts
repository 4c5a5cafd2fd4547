// A rule of alerts: which events it is about, when it speaks, how often, and through which channels. Rules are data.
import { createHash } from "node:crypto";
import type { BusEvent } from "../shared/bus-event.ts";
import type { EventName } from "../shared/events.ts";
import { eventFacts, fieldOf, type Recovery, type Severity } from "./event-facts.ts";

/** Values that a field of the event's detail may have; `counts.failed` looks one level deeper. */
export type FieldValues = Readonly<Record<string, readonly string[]>>;

export interface RuleMatch {
  readonly events: readonly EventName[];
  /** Empty: whatever the severity. */
  readonly severities: readonly Severity[];
  /** Empty: whatever the source, such as `causeway.replication`. */
  readonly sources: readonly string[];
  /** Every field has one of its values. */
  readonly where: FieldValues;
  /** No field has one of its values. */
  readonly unless: FieldValues;
}

export interface QuietHours {
  /** `22:00`: from then on. */
  readonly from: string;
  /** `07:30`: until then, exclusive; the next day where it is before `from`. */
  readonly to: string;
  /** IANA name; null: the stage's. */
  readonly timeZone: string | null;
  /** Whether what is critical is told at once all the same. */
  readonly criticalPasses: boolean;
}

export interface Rule {
  readonly ruleId: string;
  readonly enabled: boolean;
  readonly match: RuleMatch;
  /** Null: the event's own. */
  readonly severity: Severity | null;
  /** Fields of the event; what has the same values is one incident. Null: the event's subject. Empty: all of it is one. */
  readonly deduplicateBy: readonly string[] | null;
  /** Speaks only from the count-th event within the window on. */
  readonly threshold: { readonly count: number; readonly windowMinutes: number };
  /** After it spoke, more of the same is only counted for so long. */
  readonly suppressionMinutes: number;
  readonly quietHours: QuietHours | null;
  /** Whether the end of the trouble is told through the same channels. */
  readonly recoveryNotice: boolean;
  /** Null: all of the stage's. Empty: none; the incident is only kept. */
  readonly channels: readonly string[] | null;
}

export function severityOf(rule: Rule, name: EventName): Severity {
  return rule.severity ?? eventFacts[name].severity;
}

export function isMatch(rule: Rule, event: BusEvent): boolean {
  const { events, severities, sources, where, unless } = rule.match;
  if (!rule.enabled || !events.includes(event.name)) return false;
  if (severities.length > 0 && !severities.includes(eventFacts[event.name].severity)) return false;
  if (sources.length > 0 && !sources.includes(event.source)) return false;
  const hasOneOf = ([field, values]: readonly [string, readonly string[]]) =>
    values.includes(fieldOf(event.detail, field) ?? "");
  return Object.entries(where).every(hasOneOf) && !Object.entries(unless).some(hasOneOf);
}

/** Which incident of a rule an event belongs to, and which of the incident's subjects it is about. */
export interface IncidentKey {
  readonly ruleId: string;
  readonly event: EventName;
  /** Hash of the deduplication fields. */
  readonly key: string;
  /** Hash of the subject fields: an incident that gathers several is over when each of them is. */
  readonly subjectKey: string;
}

export function incidentKeyOf(rule: Rule, event: BusEvent): IncidentKey {
  const { subject } = eventFacts[event.name];
  const read = (field: string) => fieldOf(event.detail, field) ?? "";
  return {
    ruleId: rule.ruleId,
    event: event.name,
    key: hashOf((rule.deduplicateBy ?? subject).map(read)),
    subjectKey: hashOf(subject.map(read)),
  };
}

/** The incident that a recovering event speaks of; undefined where the event cannot know it by the rule's fields. */
export function recoveredKeyOf(rule: Rule, event: BusEvent, { event: name, by }: Recovery): IncidentKey | undefined {
  const { subject } = eventFacts[name];
  const fields = rule.deduplicateBy ?? subject;
  const read = (field: string) => {
    const source = by[field];
    return source === undefined ? undefined : fieldOf(event.detail, source);
  };
  const values = [fields.map(read), subject.map(read)] as const;
  if (values.flat().includes(undefined)) return undefined;
  const [key, subjectKey] = values.map((list) => hashOf(list.map((value) => value ?? "")));
  return key === undefined || subjectKey === undefined
    ? undefined
    : { ruleId: rule.ruleId, event: name, key, subjectKey };
}

/** Sixteen bytes of SHA-256 as base64url: no two subjects of a stage share them. */
function hashOf(values: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(values)).digest().subarray(0, 16).toString("base64url");
}
