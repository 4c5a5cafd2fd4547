// Who may do what: statements as one writes them into a RAM policy, so that a test proves the policy one would paste.
// Source: "RAM policies" and "Resource" in OSS's documentation. What is not evaluated is refused when it is given.
import * as z from "zod";
import { ServiceError } from "../gateway/service.ts";
import { wildcard } from "../iam/wildcard.ts";
import type { AccessKey } from "./access-keys.ts";

const oneOrMany = z.union([z.string(), z.array(z.string()).min(1)]);
const prefixCondition = z.strictObject({ "oss:Prefix": oneOrMany });

const statementSchema = z.strictObject({
  Effect: z.enum(["Allow", "Deny"]),
  /** `oss:PutObject`, `oss:*` … */
  Action: oneOrMany,
  /** `acs:oss:*:*:bucket`, `acs:oss:*:*:bucket/prefix/*`, or `*`. */
  Resource: oneOrMany,
  /** On listings: the prefix that is asked for. */
  Condition: z.strictObject({ StringLike: prefixCondition, StringEquals: prefixCondition }).partial().optional(),
});

export type RamStatement = z.input<typeof statementSchema>;

/** Throws a ZodError that names what is not understood. */
export function readStatements(statements: readonly RamStatement[]): RamStatement[] {
  return z.array(statementSchema).max(100).parse(statements);
}

/** Throws 403 AccessDenied unless a statement allows it and none denies it. Keys without statements may do everything. */
export function authorize(
  accessKey: AccessKey,
  action: string,
  resource: string,
  conditions: Readonly<Record<string, string>>,
): void {
  const { statements } = accessKey;
  if (!statements) return;
  const matching = statements.filter((statement) => applies(statement, action, resource, conditions));
  const denial = matching.some(({ Effect }) => Effect === "Deny") ? "ExplicitDeny" : "ImplicitDeny";
  if (denial === "ImplicitDeny" && matching.length > 0) return;
  throw new ServiceError(403, "AccessDenied", "You have no right to access this object because of bucket acl.", {
    AuthAction: action,
    AuthPrincipalDisplayName: accessKey.accessKeyId,
    NoPermissionType: denial,
  });
}

function applies(
  statement: RamStatement,
  action: string,
  resource: string,
  conditions: Readonly<Record<string, string>>,
): boolean {
  const { StringLike: like, StringEquals: equal } = statement.Condition ?? {};
  const prefix = conditions["oss:Prefix"];
  return (
    listOf(statement.Action).some((pattern) => wildcard(pattern, "i")(action)) &&
    listOf(statement.Resource).some((pattern) => wildcard(resourcePart(pattern))(resource)) &&
    (!like || (prefix !== undefined && listOf(like["oss:Prefix"]).some((pattern) => wildcard(pattern)(prefix)))) &&
    (!equal || (prefix !== undefined && listOf(equal["oss:Prefix"]).includes(prefix)))
  );
}

/** What stands behind region and account: there is one of each here. */
function resourcePart(pattern: string): string {
  return pattern === "*" ? pattern : pattern.replace(/^acs:oss:[^:]*:[^:]*:/, "");
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}
