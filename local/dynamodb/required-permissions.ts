// Which permissions a DynamoDB call needs, on which tables and indexes, with which leading keys.
// Source: "Actions, resources, and condition keys for Amazon DynamoDB" in the Service Authorization Reference, and
// "IAM and transactions" in the DynamoDB Developer Guide (transactions need their items' own actions).
import type { JsonInput } from "../gateway/json-service.ts";
import { ServiceError } from "../gateway/service.ts";

export interface RequiredPermission {
  /** `dynamodb:GetItem` */
  readonly action: string;
  /** A table's name; undefined: the whole account. */
  readonly tableName: string | undefined;
  readonly indexName?: string;
  /** Value of the partition key that the call touches, as text; undefined where the call names none. */
  readonly leadingKey?: string;
}

/** Name of a table's partition key attribute. */
export type PartitionKeyOf = (tableName: string, indexName?: string) => string | undefined;

type Members = Readonly<Record<string, unknown>>;

/** Undefined: the local cloud does not know the operation. */
export function requiredPermissions(
  operation: string,
  input: JsonInput,
  partitionKeyOf: PartitionKeyOf,
): RequiredPermission[] | undefined {
  const onItem = (action: string, target: Members, key: unknown): RequiredPermission => {
    const tableName = tableNameOf(target.TableName);
    return { action: `dynamodb:${action}`, tableName, ...leadingKeyOf(members(key), partitionKeyOf(tableName)) };
  };
  switch (operation) {
    case "GetItem":
    case "UpdateItem":
    case "DeleteItem":
      return [onItem(operation, input, input.Key)];
    case "PutItem":
      return [onItem(operation, input, input.Item)];
    case "Query":
    case "Scan":
      return [onQuery(operation, input, partitionKeyOf)];
    case "BatchGetItem":
      return perTable(input.RequestItems).flatMap(([TableName, request]) =>
        list(members(request).Keys).map((key) => onItem(operation, { TableName }, key)),
      );
    case "BatchWriteItem":
      return perTable(input.RequestItems).flatMap(([TableName, requests]) =>
        list(requests).map((request) => {
          const { PutRequest, DeleteRequest } = members(request);
          return onItem(operation, { TableName }, members(PutRequest).Item ?? members(DeleteRequest).Key);
        }),
      );
    case "TransactGetItems":
      return list(input.TransactItems).map((item) => {
        const target = members(members(item).Get);
        return onItem("GetItem", target, target.Key);
      });
    case "TransactWriteItems":
      return list(input.TransactItems).flatMap((item) =>
        Object.entries(members(item)).map(([kind, target]) => {
          const action = transactActions[kind];
          if (!action) throw new ServiceError(400, "ValidationException", `TransactItems cannot contain ${kind}.`);
          return onItem(action, members(target), members(target).Item ?? members(target).Key);
        }),
      );
    case "ListTables":
      return [{ action: "dynamodb:ListTables", tableName: undefined }];
    case "DescribeTable":
    case "DescribeTimeToLive":
      return [{ action: `dynamodb:${operation}`, tableName: tableNameOf(input.TableName) }];
    default:
      return undefined;
  }
}

/** For the refusal of all others. */
export const knownOperations = [
  ...["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "BatchGetItem", "BatchWriteItem"],
  ...["TransactGetItems", "TransactWriteItems", "ListTables", "DescribeTable", "DescribeTimeToLive"],
];

const transactActions: Readonly<Record<string, string>> = {
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
  ConditionCheck: "ConditionCheckItem",
};

function onQuery(operation: string, input: JsonInput, partitionKeyOf: PartitionKeyOf): RequiredPermission {
  const tableName = tableNameOf(input.TableName);
  const indexName = typeof input.IndexName === "string" ? input.IndexName : undefined;
  const keyName = partitionKeyOf(tableName, indexName);
  return {
    action: `dynamodb:${operation}`,
    tableName,
    ...(indexName === undefined ? {} : { indexName }),
    ...(operation === "Query" ? queriedKey(input, keyName) : {}),
  };
}

/** The value that the key condition compares the partition key with: `pk = :value`, in any order and with any names. */
function queriedKey(input: JsonInput, keyName: string | undefined): { leadingKey?: string } {
  const names = members(input.ExpressionAttributeNames);
  const values = members(input.ExpressionAttributeValues);
  const equalities = String(input.KeyConditionExpression ?? "").matchAll(/([\w.#-]+)\s*=\s*(:\w+)/g);
  for (const [, name = "", valueName = ""] of equalities) {
    if ((names[name] ?? name) === keyName) return leadingKeyOf({ [name]: values[valueName] }, name);
  }
  return {};
}

/** {"S": "a"}, {"N": "1"}, {"B": "…"}: the text inside. */
function leadingKeyOf(key: Members, keyName: string | undefined): { leadingKey?: string } {
  const [value] = Object.values(members(keyName === undefined ? undefined : key[keyName]));
  return typeof value === "string" ? { leadingKey: value } : {};
}

function tableNameOf(given: unknown): string {
  if (typeof given !== "string" || given === "") {
    throw new ServiceError(400, "ValidationException", "TableName is required.");
  }
  return given.replace(/^arn:[^/]*:table\//, "");
}

function perTable(requestItems: unknown): [string, unknown][] {
  return Object.entries(members(requestItems));
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function members(value: unknown): Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {};
}
