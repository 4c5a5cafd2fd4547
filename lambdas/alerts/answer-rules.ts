// Answer rules: the rules in force with all they may name, and the change of some or all of them.
import { CausewayError } from "../shared/errors.ts";
import type { EventName } from "../shared/events.ts";
import { type KeptRules, type ListedRule, listRules, replaceRule, replaceRules } from "./change-rules.ts";
import { eventFacts, eventNames, type Severity } from "./event-facts.ts";
import type { Rule } from "./rule.ts";
import { checkRules, mostRules } from "./rule-schema.ts";

export interface RulesOfStage {
  readonly defaults: readonly Rule[];
  readonly channels: readonly { readonly name: string; readonly type: string }[];
  /** Fields of an event's detail. */
  readonly fieldsOf: (name: EventName) => readonly string[];
}

export interface RulesView {
  readonly rules: readonly ListedRule[];
  readonly channels: readonly { readonly name: string; readonly type: string }[];
  readonly events: readonly {
    readonly name: EventName;
    readonly severity: Severity;
    readonly subject: readonly string[];
    readonly fields: readonly string[];
  }[];
  readonly changedAt: string | null;
  readonly changedBy: string | null;
}

export function viewRules({ defaults, channels, fieldsOf }: RulesOfStage, kept: KeptRules): RulesView {
  return {
    rules: listRules(defaults, kept),
    channels: channels.map(({ name, type }) => ({ name, type })),
    events: eventNames.map((name) => ({
      name,
      severity: eventFacts[name].severity,
      subject: eventFacts[name].subject,
      fields: fieldsOf(name),
    })),
    changedAt: kept.changedAt,
    changedBy: kept.changedBy,
  };
}

export interface ChangedBy {
  readonly name: string;
  /** RFC 3339 */
  readonly at: string;
}

/** What is kept after all rules were replaced. Throws `InputInvalid` with every field that cannot be. */
export function changeAll(stage: RulesOfStage, kept: KeptRules, rules: readonly Rule[], by: ChangedBy): KeptRules {
  checkRules(rules, surroundings(stage), (index) => `body.rules.${index}`);
  return changed(kept, replaceRules(stage.defaults, rules), by);
}

/** What is kept after one rule was changed or added. Throws `InputInvalid`. */
export function changeOne(stage: RulesOfStage, kept: KeptRules, rule: Rule, by: ChangedBy): KeptRules {
  checkRules([rule], surroundings(stage), () => "body");
  const rules = replaceRule(stage.defaults, kept, rule);
  if (rules.length > mostRules) {
    const problem = `The stage has ${mostRules} rules of its own or changed; that is the most. Change one of them.`;
    throw new CausewayError("InputInvalid", problem, { details: { fields: [{ field: "path.ruleId", problem }] } });
  }
  return changed(kept, rules, by);
}

function surroundings({ channels, fieldsOf }: RulesOfStage) {
  return { channels: channels.map(({ name }) => name), fieldsOf };
}

function changed(kept: KeptRules, rules: readonly Rule[], { name, at }: ChangedBy): KeptRules {
  return { version: kept.version + 1, rules, changedAt: at, changedBy: name };
}
