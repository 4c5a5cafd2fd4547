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

type Operator = (expected: readonly string[], value: string) => boolean;

const anyOf =
  (compare: (expected: string, value: string) => boolean): Operator =>
  (expected, value) =>
    expected.some((one) => compare(one, value));
const noneOf =
  (compare: (expected: string, value: string) => boolean): Operator =>
  (expected, value) =>
    expected.every((one) => !compare(one, value));

const equal = (expected: string, value: string) => expected === value;
const equalIgnoringCase = (expected: string, value: string) => expected.toLowerCase() === value.toLowerCase();
const like = (expected: string, value: string) => wildcard(expected)(value);
const arnLike = (expected: string, value: string) => arnPattern(expected)(value);

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
  NumericEquals: anyOf((expected, value) => Number(value) === Number(expected)),
  NumericNotEquals: noneOf((expected, value) => Number(value) === Number(expected)),
  NumericLessThan: anyOf((expected, value) => Number(value) < Number(expected)),
  NumericLessThanEquals: anyOf((expected, value) => Number(value) <= Number(expected)),
  NumericGreaterThan: anyOf((expected, value) => Number(value) > Number(expected)),
  NumericGreaterThanEquals: anyOf((expected, value) => Number(value) >= Number(expected)),
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
  return (value) => (value === undefined ? whenAbsent : operator(expected, value));
}

/** All must hold. An unsupported one holds only where that refuses: in a Deny. */
export function conditionsHold(
  conditions: readonly CompiledCondition[],
  context: ConditionContext,
  unsupportedHolds: boolean,
): boolean {
  return conditions.every(({ key, holds }) => (holds ? holds(context.get(key)) : unsupportedHolds));
}
