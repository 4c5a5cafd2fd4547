// What console's functions may do, in words that the stack combines.
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { Role } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";
import type { Permission } from "../constructs/permissions.ts";
import { namedArn } from "../constructs/service-function.ts";

type TableAction = "GetItem" | "Query" | "PutItem" | "UpdateItem" | "DescribeTable";

export function onTable(table: Table, ...actions: readonly TableAction[]): Permission {
  return { actions: actions.map((action) => `dynamodb:${action}`), resources: [table.tableArn] };
}

/** `index`: one of the lists in order of time. */
export function onIndex(table: Table, index: string): Permission {
  return { actions: ["dynamodb:Query"], resources: [`${table.tableArn}/index/${index}`] };
}

/** Writes who changed what. */
export function auditing(audit: Table): Permission {
  return onTable(audit, "PutItem", "UpdateItem");
}

/** The same, where the entry of every route is part of the change's own transaction. */
export function auditingInTransactions(audit: Table): Permission {
  return onTable(audit, "PutItem");
}

/** Keeps answers for their Idempotency-Key. */
export function answeringOnce(idempotency: Table): Permission {
  return onTable(idempotency, "GetItem", "PutItem", "UpdateItem");
}

/** Executions of whatever workflows the stage has, by name: the stacks that hold them need not know this one. */
export function onExecutions(
  scope: Construct,
  workflows: readonly string[],
  ...actions: readonly string[]
): Permission {
  return {
    actions: actions.map((action) => `states:${action}`),
    resources: workflows.map((name) => namedArn(scope, "states", `execution:${name}:*`)),
    wildcardReason: "A job may be any execution of these workflows.",
  };
}

export function onSchedules(scope: Construct, names: readonly string[], ...actions: readonly string[]): Permission {
  return {
    actions: actions.map((action) => `scheduler:${action}`),
    resources: names.map((name) => namedArn(scope, "scheduler", `schedule/default/${name}`)),
  };
}

/** A changed schedule keeps its role: whoever changes it hands that role on to Scheduler, and to nobody else. */
export function passingOn(roles: readonly Role[]): Permission {
  return {
    actions: ["iam:PassRole"],
    resources: roles.map(({ roleArn }) => roleArn),
    conditions: { StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" } },
  };
}

export function onSecrets(
  scope: Construct,
  paths: readonly string[],
  action: "GetSecretValue" | "DescribeSecret",
): Permission {
  return {
    actions: [`secretsmanager:${action}`],
    resources: paths.map((path) => namedArn(scope, "secretsmanager", `secret:${path}-*`)),
    wildcardReason: "Secrets Manager ends every ARN in six random characters.",
  };
}
