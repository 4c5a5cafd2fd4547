// The rules of a stage over HTTP: read with a tag, changed by whoever has seen them as they are.
import { type ChangedBy, changeAll, changeOne, type RulesOfStage, type RulesView, viewRules } from "./answer-rules.ts";
import type { KeptRules } from "./change-rules.ts";
import type { Rule } from "./rule.ts";

export interface RulesPorts {
  readonly stage: RulesOfStage;
  readonly read: () => Promise<KeptRules>;
  /** Of content that is the same text for the same rules. */
  readonly tagOf: (content: string) => string;
}

/** What somebody wants changed, and how it is to be written. */
export interface RulesChange {
  /** Throws where the caller has not seen the rules as they are. */
  readonly demand: (tag: string) => void;
  readonly by: ChangedBy;
  /** Conditional on the version that was seen. */
  readonly write: (kept: KeptRules, seenVersion: number) => Promise<void>;
}

export interface TaggedRules {
  readonly data: RulesView;
  readonly etag: string;
}

export async function readRules(ports: RulesPorts): Promise<TaggedRules> {
  return tagged(ports, await ports.read());
}

/** Throws `InputInvalid`, or what `demand` and `write` throw. */
export async function replaceAllRules(
  ports: RulesPorts,
  rules: readonly Rule[],
  change: RulesChange,
): Promise<TaggedRules> {
  return changeRules(ports, change, (seen) => changeAll(ports.stage, seen, rules, change.by));
}

/** As `replaceAllRules`, for one rule among the others. */
export async function replaceOneRule(ports: RulesPorts, rule: Rule, change: RulesChange): Promise<TaggedRules> {
  return changeRules(ports, change, (seen) => changeOne(ports.stage, seen, rule, change.by));
}

async function changeRules(
  ports: RulesPorts,
  { demand, write }: RulesChange,
  decide: (seen: KeptRules) => KeptRules,
): Promise<TaggedRules> {
  const seen = await ports.read();
  demand(tagged(ports, seen).etag);
  const kept = decide(seen);
  await write(kept, seen.version);
  return tagged(ports, kept);
}

/** Of the version that is kept and of what the code has: a kept rule's fields come in any order from DynamoDB. */
function tagged({ stage, tagOf }: RulesPorts, kept: KeptRules): TaggedRules {
  const etag = tagOf(JSON.stringify({ version: kept.version, defaults: stage.defaults, channels: stage.channels }));
  return { data: viewRules(stage, kept), etag };
}
