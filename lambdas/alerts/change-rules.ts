// Change rules: what is kept of a list of rules that somebody sends, and how the rules are listed.
import { isDeepStrictEqual } from "node:util";
import { effectiveRules } from "./default-rules.ts";
import type { Rule } from "./rule.ts";
import type { ruleOrigins } from "./rule-schema.ts";

/** What the table keeps: only what differs from the defaults, so that new defaults take effect. */
export interface KeptRules {
  /** 0: nobody has changed anything yet. */
  readonly version: number;
  readonly rules: readonly Rule[];
  readonly changedAt: string | null;
  readonly changedBy: string | null;
}

export const noKeptRules: KeptRules = { version: 0, rules: [], changedAt: null, changedBy: null };

export interface ListedRule extends Rule {
  readonly origin: (typeof ruleOrigins)[number];
}

export function listRules(defaults: readonly Rule[], kept: KeptRules): ListedRule[] {
  const byId = new Map(defaults.map((rule) => [rule.ruleId, rule]));
  return effectiveRules(defaults, kept.rules).map((rule) => {
    const standard = byId.get(rule.ruleId);
    return {
      ...rule,
      origin: standard === undefined ? "own" : isDeepStrictEqual(standard, rule) ? "default" : "changed",
    };
  });
}

/** All rules at once: one that is left out is back at its default, or gone if it has none. */
export function replaceRules(defaults: readonly Rule[], rules: readonly Rule[]): Rule[] {
  const byId = new Map(defaults.map((rule) => [rule.ruleId, rule]));
  return rules.filter((rule) => !isDeepStrictEqual(byId.get(rule.ruleId), rule));
}

/** One rule in the place of its like, or a new one. */
export function replaceRule(defaults: readonly Rule[], kept: KeptRules, rule: Rule): Rule[] {
  return replaceRules(defaults, [...kept.rules.filter(({ ruleId }) => ruleId !== rule.ruleId), rule]);
}
