// A usage record as an item of RelayUsage: its fields under their own names, where its id says, until its time is over.
import { partitionOf } from "../counting/usage-partition.ts";
import type { UsageRecord } from "../counting/usage-record.ts";
import { type Attribute, attributesOf, number, text } from "./attributes.ts";

/** The item's key. Throws `InputInvalid` for what is no request id. */
export function usagePlaceOf(requestId: string): { readonly partition: string; readonly requestId: string } {
  return { partition: partitionOf(requestId), requestId };
}

/** `expiresAt`: seconds since 1970; DynamoDB drops it some time later. */
export function usageItemOf(record: UsageRecord, expiresAt: number): Record<string, Attribute> {
  const item = attributesOf(record);
  item.partition = text(partitionOf(record.requestId));
  item.expiresAt = number(expiresAt);
  return item;
}
