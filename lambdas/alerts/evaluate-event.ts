// Evaluate event: counts one event under every rule that it matches, and decides what is told because of it.

import type { BusEvent } from "../shared/bus-event.ts";
import { CausewayError } from "../shared/errors.ts";
import type { EventDetail, EventName } from "../shared/events.ts";
import { type Alert, alertIdOf, newAlert, newDeliveries } from "./alert.ts";
import { fieldOf, type Recovery, recoveries, subjectOf } from "./event-facts.ts";
import { addOccurrence, addRecovery, type Incident, type IncidentChange, noteWell } from "./incident.ts";
import type { IncidentWrite } from "./incidents.store.ts";
import { sendableFrom } from "./quiet-hours.ts";
import { type IncidentKey, incidentKeyOf, isMatch, type Rule, recoveredKeyOf, severityOf } from "./rule.ts";

export interface EvaluatePorts {
  readonly read: (key: IncidentKey) => Promise<Incident | undefined>;
  /**
   * Writes all or nothing. `counted`: this event was counted under this rule before, with what it had announced then.
   * `changed`: somebody else wrote the incident since it was read.
   */
  readonly write: (change: IncidentWrite) => Promise<WriteOutcome>;
  /** Keeps the newest sign of life of a database or a schedule, for the check for silence. */
  readonly noteLife: (event: BusEvent) => Promise<void>;
  readonly announce: (recovered: EventDetail<"AlertRecovered">) => Promise<void>;
  /** Of the stage, in their order. */
  readonly channels: readonly string[];
  readonly timeZone: string;
  readonly now: () => number;
}

export type WriteOutcome =
  | { readonly outcome: "written" | "changed" }
  | { readonly outcome: "counted"; readonly announced: EventDetail<"AlertRecovered"> | undefined };

/** Others that write the same incident at the same time are few: a queue's functions are. */
const mostAttempts = 12;

/** How many deliveries were made. Throws `AwsUnavailable` when an incident is written by too many others at once. */
export async function evaluateEvent(event: BusEvent, rules: readonly Rule[], ports: EvaluatePorts): Promise<number> {
  await ports.noteLife(event);
  let deliveries = 0;
  for (const rule of rules.filter((candidate) => isMatch(candidate, event))) {
    const key = incidentKeyOf(rule, event);
    const alertId = alertIdOf(event, rule, event.name);
    deliveries += await untilWritten(event, rule, key, ports, (before) =>
      addOccurrence(before, rule, key, event, alertId),
    );
  }
  const recovering = recoveries[event.name];
  if (recovering === undefined || !hasValues(event, recovering.when ?? {})) return deliveries;
  for (const recovery of recovering.recovers) {
    for (const rule of rules.filter(({ enabled, match }) => enabled && match.events.includes(recovery.event))) {
      deliveries += await recover(event, rule, recovery, ports);
    }
  }
  return deliveries;
}

async function recover(event: BusEvent, rule: Rule, recovery: Recovery, ports: EvaluatePorts): Promise<number> {
  const key = recoveredKeyOf(rule, event, recovery);
  if (key === undefined) return 0;
  return untilWritten(event, rule, key, ports, (before) => {
    const change = addRecovery(before, rule, key, event);
    if (change !== undefined || before?.state === "open") return change;
    // Already known to be well since then, or never anything else: a failure from before may still be on its way.
    if (before?.wellAt !== undefined && before.wellAt >= event.at) return undefined;
    return key.key === key.subjectKey ? { incident: noteWell(before, key, event), isNote: true } : undefined;
  });
}

async function untilWritten(
  event: BusEvent,
  rule: Rule,
  key: IncidentKey,
  ports: EvaluatePorts,
  decide: (before: Incident | undefined) => IncidentChange | undefined,
): Promise<number> {
  for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
    const before = await ports.read(key);
    const change = decide(before);
    if (change === undefined) return 0;
    const write = writeOf(event, rule, key, before, change, ports);
    const answer = await ports.write(write);
    if (answer.outcome === "changed") continue;
    const announced = answer.outcome === "counted" ? answer.announced : write.announced;
    // Told again where it was counted before: whoever counted it may have died before this.
    if (announced !== undefined) await ports.announce(announced);
    return write.deliveries.length;
  }
  throw new CausewayError(
    "AwsUnavailable",
    `An incident of the rule ${rule.ruleId} was changed by others all the time.`,
  );
}

function writeOf(
  event: BusEvent,
  rule: Rule,
  key: IncidentKey,
  before: Incident | undefined,
  { incident, telling, recovered, isNote }: IncidentChange,
  ports: EvaluatePorts,
): IncidentWrite {
  const alert: Alert | undefined =
    telling &&
    newAlert(
      alertIdOf(event, rule, key.event),
      rule,
      {
        event: key.event,
        cause: event,
        ...(key.event !== event.name && { subject: subjectOfTrouble(event, key.event) }),
      },
      telling,
      ports.channels,
    );
  const quiet = rule.quietHours;
  const from = sendableFrom(ports.now(), severityOf(rule, key.event), quiet, ports.timeZone);
  return {
    countsEvent: isNote ? undefined : event.eventId,
    before,
    incident,
    alert,
    deliveries: alert === undefined ? [] : newDeliveries(alert, new Date(from).toISOString()),
    announced: recovered && {
      alertId: recovered.alertId,
      event: key.event,
      subject: alert?.subject ?? subjectOfTrouble(event, key.event),
      since: recovered.since,
    },
  };
}

/** A recovering event says by its own fields what the trouble was about. */
function subjectOfTrouble(event: BusEvent, name: EventName): string {
  const recovery = recoveries[event.name]?.recovers.find((candidate) => candidate.event === name);
  if (recovery === undefined) return subjectOf(name, event.detail);
  const detail = Object.fromEntries(
    Object.entries(recovery.by).map(([field, source]) => [field, fieldOf(event.detail, source)]),
  );
  return subjectOf(name, detail);
}

function hasValues(event: BusEvent, when: Readonly<Record<string, readonly string[]>>): boolean {
  return Object.entries(when).every(([field, values]) => values.includes(fieldOf(event.detail, field) ?? ""));
}
