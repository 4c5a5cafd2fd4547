// The Condition element of a statement: the operators that the templates use, each with its IfExists form.
// Source: "IAM JSON policy elements: Condition operators" in the IAM User Guide.
import { arnPattern, wildcard } from "./wildcard.ts";

/** Condition keys of one call, by lower-case name: key names compare without regard to case. */
export type ConditionContext = ReadonlyMap<string, string>;

export interface CompiledCondition {
  readonly key: string;
  /** Undefined: the operator is not supported. */
  readonly holds: ((value: string | undefined) => boolean) | undefined;
}

/** What one expected value asks of the call's; made once, for it is asked at every call. */
type Comparison = (expected: string) => (value: string) => boolean;
type Operator = (expected: readonly string[]) => (value: string) => boolean;

function anyOf(compare: Comparison): Operator {
  return (expected) => {
    const comparisons = expected.map(compare);
    return (value) => comparisons.some((holds) => holds(value));
  };
}

function noneOf(compare: Comparison): Operator {
  const any = anyOf(compare);
  return (expected) => {
    const holds = any(expected);
    return (value) => !holds(value);
  };
}

const equal: Comparison = (expected) => (value) => value === expected;
const equalIgnoringCase: Comparison = (expected) => {
  const lower = expected.toLowerCase();
  return (value) => value.toLowerCase() === lower;
};
const like: Comparison = (expected) => wildcard(expected);
const arnLike: Comparison = arnPattern;
const equalNumber: Comparison = (expected) => (value) => Number(value) === Number(expected);

const operators: Readonly<Record<string, Operator>> = {
  StringEquals: anyOf(equal),
  StringNotEquals: noneOf(equal),
  StringEqualsIgnoreCase: anyOf(equalIgnoringCase),
  StringNotEqualsIgnoreCase: noneOf(equalIgnoringCase),
  StringLike: anyOf(like),
  StringNotLike: noneOf(like),
  ArnEquals: anyOf(arnLike),
  ArnLike: anyOf(arnLike),
  ArnNotEquals: noneOf(arnLike),
  ArnNotLike: noneOf(arnLike),
  Bool: anyOf(equalIgnoringCase),
  NumericEquals: anyOf(equalNumber),
  NumericNotEquals: noneOf(equalNumber),
  NumericLessThan: anyOf((expected) => (value) => Number(value) < Number(expected)),
  NumericLessThanEquals: anyOf((expected) => (value) => Number(value) <= Number(expected)),
  NumericGreaterThan: anyOf((expected) => (value) => Number(value) > Number(expected)),
  NumericGreaterThanEquals: anyOf((expected) => (value) => Number(value) >= Number(expected)),
};

export function compileConditions(source: Readonly<Record<string, Readonly<Record<string, unknown>>>>): {
  readonly conditions: readonly CompiledCondition[];
  readonly unsupported: readonly string[];
} {
  const conditions: CompiledCondition[] = [];
  const unsupported: string[] = [];
  for (const [operatorName, keys] of Object.entries(source)) {
    for (const [key, expected] of Object.entries(keys)) {
      const holds = compileOperator(operatorName, (Array.isArray(expected) ? expected : [expected]).map(String));
      if (!holds) unsupported.push(`${operatorName} ${key}`);
      conditions.push({ key: key.toLowerCase(), holds });
    }
  }
  return { conditions, unsupported };
}

function compileOperator(fullName: string, expected: readonly string[]): CompiledCondition["holds"] {
  // A key asked about here has one value at a time (several leading keys are several questions): the set
  // operators then differ only in what an absent key means.
  const [, set, bare = fullName] = /^(ForAllValues|ForAnyValue):(.+)$/.exec(fullName) ?? [];
  if (bare === "Null") return (value) => expected.includes(String(value === undefined));
  const ifExists = bare.endsWith("IfExists");
  const name = ifExists ? bare.slice(0, -"IfExists".length) : bare;
  const operator = operators[name];
  if (!operator) return undefined;
  if (expected.some((text) => text.includes("${"))) return undefined;
  const whenAbsent = ifExists || set === "ForAllValues" || (set === undefined && name.includes("Not"));
  const holds = operator(expected);
  return (value) => (value === undefined ? whenAbsent : holds(value));
}

/** All must hold. An unsupported one holds only where that refuses: in a Deny. */
export function conditionsHold(
  conditions: readonly CompiledCondition[],
  context: ConditionContext,
  unsupportedHolds: boolean,
): boolean {
  return conditions.every(({ key, holds }) => (holds ? holds(context.get(key)) : unsupportedHolds));
}
