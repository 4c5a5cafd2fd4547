// The writes of those who manage keys, as DynamoDB's expressions: the ledger's item under its version, what people call a key by, and
// entries of its balance.
import { type Attribute, attributeOf, attributesOf, number, numberOf, type StoredItem, text } from "./attributes.ts";
import type { ItemChange } from "./kept-key.ts";
import type { Write } from "./write-expressions.ts";

export interface BalanceEntry {
  /** Told apart from every other one of the key: a repetition changes nothing. */
  readonly entryId: string;
  /** RFC 3339. */
  readonly at: string;
  readonly kind: "top-up" | "adjustment";
  readonly nanoUsd: number;
  readonly note: string;
  readonly by: string;
}

/** What belongs together in the item of a key's name: of two changes the one of the later version stays. */
export type MetaGroup = "details" | "enabled" | "deletedAt" | "masked";

/** What the items of a list have in common, in the index that is read by time. */
export const keysListing = "keys";
export const balanceListing = (keyId: string) => `balance#${keyId}`;

/** Sums stay exact: four million dollars, either way. */
const mostBalance = 4_000_000 * 1_000_000_000;

/** `changeId` tells our own write, whose answer was lost, from somebody else's. */
export function itemChangeWrite({ set, begin, remove }: ItemChange, version: number, changeId: string): Write {
  const all = { ...set, v: number(version + 1), chg: text(changeId) };
  const write = setAndRemove(all, remove, begin);
  return {
    ...write,
    ConditionExpression: "#v = :seen",
    ExpressionAttributeValues: { ...write.ExpressionAttributeValues, ":seen": number(version) },
  };
}

export function isWrittenBy(item: StoredItem, version: number, changeId: string): boolean {
  return item.chg?.S === changeId && numberOf(item.v) === version + 1;
}

/** `at`: RFC 3339. Without `deletedAt`, the group of that name takes it away. */
export function metaChangeWrite(
  group: MetaGroup,
  set: Readonly<Record<string, Attribute>>,
  version: number,
  who: { readonly at: string; readonly by: string },
): Write {
  const order = `${group}Version`;
  const stamp = attributesOf({ changedAt: who.at, changedBy: who.by });
  const remove = group === "deletedAt" && set.deletedAt === undefined ? ["deletedAt"] : [];
  const write = setAndRemove({ ...set, ...stamp, [order]: attributeOf(version) }, remove);
  return {
    ...write,
    ConditionExpression: `attribute_exists(#pk) AND (attribute_not_exists(#${order}) OR #${order} < :${order})`,
    ExpressionAttributeNames: { ...write.ExpressionAttributeNames, "#pk": "pk" },
  };
}

/** Adds to the balance, within what sums exactly; part of a transaction with its entry. */
export function balanceWrite(nanoUsd: number): Write {
  const bound = nanoUsd > 0 ? "#bal <= :bound" : "#bal >= :bound";
  return {
    ConditionExpression: `attribute_exists(#pk) AND (attribute_not_exists(#bal) OR ${bound})`,
    UpdateExpression: "SET #bal = if_not_exists(#bal, :zero) + :change",
    ExpressionAttributeNames: { "#pk": "pk", "#bal": "bal" },
    ExpressionAttributeValues: {
      ":zero": number(0),
      ":change": number(nanoUsd),
      ":bound": number(nanoUsd > 0 ? mostBalance - nanoUsd : -mostBalance - nanoUsd),
    },
  };
}

export function balanceEntryOf(item: StoredItem): BalanceEntry {
  return {
    entryId: item.entryId?.S ?? "",
    at: item.at?.S ?? "",
    kind: item.kind?.S === "adjustment" ? "adjustment" : "top-up",
    nanoUsd: numberOf(item.nanoUsd) ?? 0,
    note: item.note?.S ?? "",
    by: item.by?.S ?? "",
  };
}

function setAndRemove(
  set: Readonly<Record<string, Attribute>>,
  remove: readonly string[],
  begin: Readonly<Record<string, Attribute>> = {},
) {
  const assignments = [
    ...Object.keys(set).map((name) => `#${name} = :${name}`),
    ...Object.keys(begin).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
  ];
  const removal = remove.length === 0 ? "" : ` REMOVE ${remove.map((name) => `#${name}`).join(", ")}`;
  const values = Object.entries({ ...set, ...begin });
  const names = [...values.map(([name]) => name), ...remove];
  return {
    UpdateExpression: `SET ${assignments.join(", ")}${removal}`,
    ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    ExpressionAttributeValues: Object.fromEntries(values.map(([name, value]) => [`:${name}`, value])),
  };
}
