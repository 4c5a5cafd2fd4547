// Which items a call reads or writes, by table and key: for faults that hit one item, for conflicts, and for counting.
import type { JsonInput } from "../gateway/json-service.ts";

export interface TouchedItem {
  readonly tableName: string;
  /** Values of partition and sort key as text: `key#1` or `2026/07`. "" where the table is not known. */
  readonly key: string;
  /** A ConditionCheck counts as a write: it takes part in conflicts. */
  readonly access: "read" | "write";
}

/** Names of a table's key attributes, the partition key first; empty for a table that is not known. */
export type KeyNamesOf = (tableName: string) => readonly string[];

type Members = Readonly<Record<string, unknown>>;

/** Empty for calls that name no items: queries, scans, descriptions. The order is the call's own. */
export function touchedItems(operation: string, input: JsonInput, keyNamesOf: KeyNamesOf): TouchedItem[] {
  const item = (access: TouchedItem["access"], table: unknown, attributes: unknown): TouchedItem => {
    const tableName = bareTableName(table);
    return { tableName, key: keyText(members(attributes), keyNamesOf(tableName)), access };
  };
  switch (operation) {
    case "GetItem":
      return [item("read", input.TableName, input.Key)];
    case "PutItem":
      return [item("write", input.TableName, input.Item)];
    case "UpdateItem":
    case "DeleteItem":
      return [item("write", input.TableName, input.Key)];
    case "BatchGetItem":
      return Object.entries(members(input.RequestItems)).flatMap(([table, request]) =>
        list(members(request).Keys).map((key) => item("read", table, key)),
      );
    case "BatchWriteItem":
      return Object.entries(members(input.RequestItems)).flatMap(([table, requests]) =>
        list(requests).map((request) => {
          const { PutRequest, DeleteRequest } = members(request);
          return item("write", table, members(PutRequest).Item ?? members(DeleteRequest).Key);
        }),
      );
    case "TransactGetItems":
    case "TransactWriteItems":
      return list(input.TransactItems).flatMap((entry) =>
        Object.entries(members(entry)).map(([kind, target]) => {
          const { TableName, Item, Key } = members(target);
          return item(kind === "Get" ? "read" : "write", TableName, Item ?? Key);
        }),
      );
    default:
      return [];
  }
}

/** `Table key, Table key`: what a fault rule's `resourceIncludes` is held against. */
export function resourceText(items: readonly TouchedItem[], input: JsonInput): string {
  if (items.length === 0) return bareTableName(input.TableName);
  return items.map(({ tableName, key }) => `${tableName} ${key}`).join(", ");
}

/** `Table` or `TableA+TableB`. */
export function tablesText(items: readonly TouchedItem[], input: JsonInput): string {
  const [first, ...others] = items;
  if (!first) return bareTableName(input.TableName);
  if (others.every(({ tableName }) => tableName === first.tableName)) return first.tableName;
  return [...new Set(items.map(({ tableName }) => tableName))].join("+");
}

function bareTableName(given: unknown): string {
  return typeof given === "string" ? given.replace(/^arn:[^/]*:table\//, "") : "";
}

/** {"S": "a"}, {"N": "1"}, {"B": "…"}: the text inside. */
function keyText(attributes: Members, names: readonly string[]): string {
  return names.map((name) => String(Object.values(members(attributes[name]))[0] ?? "")).join("/");
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function members(value: unknown): Members {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Members) : {};
}
