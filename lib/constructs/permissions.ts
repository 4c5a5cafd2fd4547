// What a role may do, as readable data; and the reasons for its wildcards, handed to cdk-nag finding by finding.
import { type IResolvable, Stack, Validations } from "aws-cdk-lib";
import { Effect, PolicyStatement, type Role } from "aws-cdk-lib/aws-iam";

export interface Permission {
  readonly actions: readonly string[];
  /** ARNs. */
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  /** Taken away instead of given: an exception from a wider permission. Default: given. */
  readonly denied?: boolean;
  /** Why a resource ends in a wildcard. Without it, cdk-nag reports every wildcard. */
  readonly wildcardReason?: string;
  /** Why an action ends in a wildcard. */
  readonly actionWildcardReason?: string;
}

/** Adds the permissions to the role's own policy. */
export function permit(role: Role, permissions: readonly Permission[]): void {
  for (const { actions, resources, conditions, denied } of permissions) {
    const effect = denied ? Effect.DENY : Effect.ALLOW;
    const statement = new PolicyStatement({ effect, actions: [...actions], resources: [...resources] });
    if (conditions !== undefined) statement.addConditions(conditions);
    role.addToPrincipalPolicy(statement);
  }
  acknowledgeWildcards(
    role,
    permissions.flatMap(({ resources, wildcardReason }) =>
      wildcardReason === undefined ? [] : resources.map((resource) => ({ resource, reason: wildcardReason })),
    ),
  );
  for (const { actions, actionWildcardReason } of permissions) {
    for (const action of actionWildcardReason === undefined ? [] : actions.filter((name) => name.endsWith("*"))) {
      const finding = { id: `AwsSolutions-IAM5[Action::${action}]`, reason: actionWildcardReason ?? "" };
      Validations.of(role).acknowledge(finding);
    }
  }
}

/**
 * Acknowledges the wildcard finding of exactly these resources, with their reasons; any other wildcard stays a finding.
 * A finding's id contains the resource as it stands in the template, and references to other stacks get their final
 * form only while the app is prepared: validation is the first moment after that.
 */
export function acknowledgeWildcards(role: Role, wildcards: readonly { resource: string; reason: string }[]): void {
  role.node.addValidation({
    validate: () => {
      for (const { resource, reason } of wildcards) {
        const inTemplate = flatten(Stack.of(role).resolve(resource));
        if (inTemplate.includes("*")) {
          Validations.of(role).acknowledge({ id: `AwsSolutions-IAM5[Resource::${inTemplate}]`, reason });
        }
      }
      return [];
    },
  });
}

/** Writes a resolved ARN the way cdk-nag does in the ids of its findings. */
function flatten(resolved: unknown): string {
  if (typeof resolved === "string") return resolved;
  const node = resolved as IResolvable & Readonly<Record<string, unknown>>;
  if (Array.isArray(node["Fn::Join"])) {
    const [delimiter, items] = node["Fn::Join"] as [string, unknown[]];
    return items.map(flatten).join(delimiter);
  }
  if (Array.isArray(node["Fn::GetAtt"])) return `<${node["Fn::GetAtt"].join(".")}>`;
  if (node["Fn::ImportValue"] !== undefined) return flatten(node["Fn::ImportValue"]);
  if (typeof node.Ref === "string") return `<${node.Ref}>`;
  return JSON.stringify(resolved);
}
