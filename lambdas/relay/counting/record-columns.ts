// Records as tables have them: one value per column, `usage` laid flat, tools as JSON.
import type { UsageRecord } from "./usage-record.ts";

export type ColumnKind = "text" | "count" | "flag" | "time";

export interface RecordColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Null only where the record does not know it. Times as RFC 3339. */
  readonly read: (record: UsageRecord) => string | number | boolean | null;
}

function of(kind: ColumnKind, ...names: readonly (keyof Omit<UsageRecord, "usage" | "serviceTier">)[]): RecordColumn[] {
  return names.map((name) => ({ name, kind, read: (record) => record[name] }));
}

function used(...names: readonly (keyof Omit<UsageRecord["usage"], "serverTools">)[]): RecordColumn[] {
  return names.map((name) => ({ name, kind: "count", read: ({ usage }) => usage[name] }));
}

export const recordColumns: readonly RecordColumn[] = [
  ...of("text", "requestId"),
  ...of("time", "startedAt", "endedAt"),
  ...of("text", "keyId", "accountId", "provider", "platform", "operation", "modelAsked", "modelServed", "family"),
  ...used(
    "inputTokens",
    "cacheWrite5mTokens",
    "cacheWrite1hTokens",
    "cacheReadTokens",
    "outputTokens",
    "reasoningTokens",
  ),
  { name: "serverTools", kind: "text", read: ({ usage }) => JSON.stringify(usage.serverTools) },
  ...of("text", "usageSource"),
  ...of("count", "chargedNanoUsd", "realNanoUsd", "reservedNanoUsd", "overrunNanoUsd"),
  ...of("text", "priceVersion"),
  { name: "serviceTier", kind: "text", read: ({ serviceTier }) => serviceTier ?? "" },
  ...of("text", "outcome", "reason"),
  ...of("count", "status"),
  ...of("flag", "stream"),
  ...of("count", "firstByteMilliseconds", "milliseconds", "extensions", "accountsTried"),
  ...of("text", "client", "network"),
];
