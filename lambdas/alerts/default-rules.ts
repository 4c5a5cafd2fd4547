// The rules of a stage that nobody has changed: one per event, with what the stage's settings say for all of them.
import type { EventName } from "../shared/events.ts";
import { eventFacts, eventNames } from "./event-facts.ts";
import type { FieldValues, QuietHours, Rule } from "./rule.ts";

/** What the settings of the stage say for every rule that has not been changed. */
export interface RuleDefaults {
  readonly suppressionMinutes: number;
  readonly quietHours: QuietHours | null;
  readonly recoveryNotice: boolean;
}

type Difference = Partial<Pick<Rule, "suppressionMinutes" | "threshold" | "deduplicateBy">> & {
  readonly where?: FieldValues;
};

/** Every run judges the backups of its whole window anew: a refusal is told once a week. */
const weekMinutes = 7 * 24 * 60;

/** What differs from event to event, and why. */
const differences: { readonly [Name in EventName]?: Difference } = {
  BackupInvalid: { suppressionMinutes: weekMinutes },
  SnapshotInvalid: { suppressionMinutes: weekMinutes },
  // Of each copy that failed there is an event of its own: the run as a whole speaks only where none did.
  ReplicationRunFinished: { where: { state: ["failed"], "counts.failed": ["0"] } },
  MirrorReconciled: { where: { state: ["failed", "succeeded-with-warnings"] } },
  // The limit is one for all of a month's backups.
  EgressLimitReached: { deduplicateBy: [] },
};

/** In the order of the events; what is only information is off. */
export function defaultRules(defaults: RuleDefaults): Rule[] {
  return eventNames.map((name) => {
    const { where = {}, ...difference } = differences[name] ?? {};
    return {
      ruleId: kebabCase(name),
      enabled: eventFacts[name].severity !== "info",
      match: { events: [name], severities: [], sources: [], where, unless: {} },
      severity: null,
      deduplicateBy: null,
      threshold: { count: 1, windowMinutes: 60 },
      channels: null,
      ...defaults,
      ...difference,
    };
  });
}

/** Changed rules in the place of the defaults of the same id; rules of somebody's own behind them. */
export function effectiveRules(defaults: readonly Rule[], changed: readonly Rule[]): Rule[] {
  const byId = new Map(changed.map((rule) => [rule.ruleId, rule]));
  const known = new Set(defaults.map(({ ruleId }) => ruleId));
  return [
    ...defaults.map((rule) => byId.get(rule.ruleId) ?? rule),
    ...changed.filter(({ ruleId }) => !known.has(ruleId)),
  ];
}

function kebabCase(name: string): string {
  return name.replace(/(?!^)([A-Z])/g, "-$1").toLowerCase();
}
