// Policy documents, made ready for many questions: patterns become regular expressions once.
// Source: "IAM JSON policy elements reference" in the IAM User Guide.
import { type CompiledCondition, type ConditionContext, compileConditions, conditionsHold } from "./conditions.ts";
import { wildcard } from "./wildcard.ts";

export interface PolicyDocument {
  readonly Statement?: PolicyStatement | readonly PolicyStatement[];
}

type OneOrMore = string | readonly string[];

export interface PolicyStatement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action?: OneOrMore;
  readonly NotAction?: OneOrMore;
  readonly Resource?: OneOrMore;
  readonly NotResource?: OneOrMore;
  readonly Principal?: "*" | Readonly<Record<string, OneOrMore>>;
  readonly NotPrincipal?: unknown;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One action (or NotAction) pattern of a statement. */
export interface ActionGrant {
  readonly pattern: string;
  readonly matches: (action: string) => boolean;
  /** Calls that it allowed. */
  uses: number;
  /** A test takes it away, as if the template did not have it. */
  withheld: boolean;
}

export interface CompiledStatement {
  readonly effect: "Allow" | "Deny";
  readonly source: PolicyStatement;
  readonly actions: readonly ActionGrant[];
  readonly actionsAreExcluded: boolean;
  readonly conditions: readonly CompiledCondition[];
  readonly matchesResource: (resource: string) => boolean;
}

export interface Question {
  /** `s3:GetObject` */
  readonly action: string;
  /** An ARN or "*". */
  readonly resource: string;
  readonly context: ConditionContext;
}

export interface CompiledPolicy {
  readonly statements: readonly CompiledStatement[];
  /** One sentence for each element that is not evaluated. */
  readonly unsupported: readonly string[];
}

/** `where` names the policy in the sentences about unsupported elements. */
export function compilePolicy(document: PolicyDocument, where: string): CompiledPolicy {
  const unsupported: string[] = [];
  const statements = oneOrMore(document.Statement).map((source): CompiledStatement => {
    const effect = source.Effect === "Deny" ? "Deny" : "Allow";
    const { conditions, unsupported: names } = compileConditions(source.Condition ?? {});
    for (const name of names) {
      unsupported.push(`${where}: the condition ${name} is not evaluated; the statement ${outcome[effect]}.`);
    }
    const variable = [...oneOrMore(source.Resource), ...oneOrMore(source.NotResource)].find((text) =>
      text.includes("${"),
    );
    if (variable !== undefined) unsupported.push(`${where}: policy variables are not filled in: ${variable}.`);
    if (source.NotPrincipal !== undefined) {
      unsupported.push(`${where}: NotPrincipal is not evaluated; the statement ${outcome[effect]}.`);
    }
    return {
      effect,
      source,
      actions: oneOrMore(source.Action ?? source.NotAction).map((pattern) => ({
        pattern,
        // Action names compare without regard to case.
        matches: wildcard(pattern, "i"),
        uses: 0,
        withheld: false,
      })),
      actionsAreExcluded: source.Action === undefined && source.NotAction !== undefined,
      conditions,
      matchesResource: resourceMatcher(source),
    };
  });
  return { statements, unsupported };
}

const outcome = { Allow: "allows nothing", Deny: "always denies" } as const;

/** The statement speaks about this question; an unsupported condition counts against the caller. */
export function statementApplies(statement: CompiledStatement, question: Question): boolean {
  const named = statement.actions.some((grant) => !grant.withheld && grant.matches(question.action));
  if (named === statement.actionsAreExcluded) return false;
  if (!statement.matchesResource(question.resource)) return false;
  if (statement.source.NotPrincipal !== undefined) return statement.effect === "Deny";
  return conditionsHold(statement.conditions, question.context, statement.effect === "Deny");
}

/** Counts the question on the action patterns that let it through. */
export function countUse(statement: CompiledStatement, action: string): void {
  for (const grant of statement.actions) {
    if (grant.matches(action) !== statement.actionsAreExcluded) grant.uses += 1;
  }
}

/** Whether a resource policy's statement is about this principal: an ARN, an account or a service. */
export function principalMatches(
  statement: CompiledStatement,
  kind: "AWS" | "Service",
  names: readonly string[],
): boolean {
  const { Principal: principal } = statement.source;
  if (principal === undefined) return false;
  if (principal === "*") return true;
  return oneOrMore(principal[kind]).some((name) => name === "*" || names.includes(name));
}

function resourceMatcher(source: PolicyStatement): (resource: string) => boolean {
  const isExcluded = source.Resource === undefined && source.NotResource !== undefined;
  const patterns = oneOrMore(source.Resource ?? source.NotResource).map((pattern) => wildcard(pattern));
  // A trust policy or a function's permission has no Resource: it hangs on the thing itself.
  if (patterns.length === 0) return () => true;
  return (resource) => patterns.some((matches) => matches(resource)) !== isExcluded;
}

export function oneOrMore<Item>(value: Item | readonly Item[] | undefined): readonly Item[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly Item[]) : [value as Item];
}
