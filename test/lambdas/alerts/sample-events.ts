// One event of each name, for tests that go over all of them; and the default rules of a stage.
import { defaultRules } from "../../../lambdas/alerts/default-rules.ts";
import type { Rule } from "../../../lambdas/alerts/rule.ts";
import type { BusEvent } from "../../../lambdas/shared/bus-event.ts";
import type { EventDetail, EventName } from "../../../lambdas/shared/events.ts";

const copy = { runId: "run-1", copyId: "aliyun-rds:rm-1:101", instanceId: "rm-1", backupId: "101" };
const failure = { error: "SourceChanged", cause: "the source was replaced while it was read" };
const snapshot = {
  runId: "run-2",
  exportId: "e-1",
  databaseId: "orders",
  snapshotArn: "arn:aws:rds:eu-central-1:111122223333:snapshot:rds:orders-2026-11-20",
};
const object = { sourceKey: "mysql/rm-1/a.xb", versionId: "v1", targetKey: "iotdb-backup/mysql/rm-1/a.xb" };

const account = { accountId: "acc-1", name: "main", provider: "anthropic", platform: "anthropic" };

export const details: { readonly [Name in EventName]: EventDetail<Name> } = {
  ScheduledRunStarted: {
    schedule: "causeway-dev-replicate-backups",
    scheduledTime: "2026-11-20T03:30:00Z",
    runId: "run-1",
  },
  BackupReplicated: {
    ...copy,
    bucket: "backups",
    key: "mysql/k",
    bytes: 1_234_567,
    proof: "source-checksum",
    receiptKey: "r",
  },
  BackupCopyFailed: { ...copy, ...failure },
  BackupProofFailed: { ...copy, error: "ProofFailed", cause: "CRC-64 of the copy is 1, of the source 2" },
  BackupUnverified: { ...copy, key: "mysql/k", receiptKey: "receipts/k" },
  BackupInvalid: { ...copy, reason: "its status is Failed" },
  EgressLimitReached: { ...copy, limitBytes: 500_000_000_000, usedBytes: 499_000_000_000 },
  ReplicationRunFinished: { runId: "run-1", state: "failed", sentence: "The run broke off.", counts: { failed: 0 } },
  SnapshotInvalid: { ...snapshot, reason: "its engine cannot be exported" },
  SnapshotExported: { ...snapshot, bucket: "backups", prefix: "p", tables: 12, files: 30, receiptKey: "r" },
  SnapshotExportPartial: { ...snapshot, missing: ["shop.orders", "shop.items"], receiptKey: "r" },
  SnapshotExportFailed: { ...snapshot, ...failure },
  SnapshotExportCancelled: snapshot,
  ObjectMirrored: { ...object, bytes: 1024, crc64: "1", receiptKey: null },
  MirrorFailed: { ...object, ...failure },
  MirrorLagging: { objects: 3, oldestKey: "mysql/rm-1/a.xb", oldestSince: "2026-11-20T01:00:00.000Z" },
  MirrorReconciled: { runId: "run-3", state: "failed", sentence: "2 objects differ.", counts: { differing: 2 } },
  RelayAccountLimited: {
    ...account,
    state: "rate-limited",
    family: "opus",
    until: "2026-11-20T12:00:00.000Z",
    said: "This request would exceed your rate limit.",
  },
  RelayAccountBlocked: { ...account, state: "unauthorised", said: "invalid x-api-key" },
  RelayAccountRecovered: { ...account, family: null, was: "rate-limited" },
  RelayBudgetNear: {
    keyId: "k7f2m9x4q1ab",
    limit: "day",
    percent: 80,
    usedNanoUsd: 4_012_345_678,
    limitNanoUsd: 5_000_000_000,
    resetAt: "2026-11-21T00:00:00.000Z",
  },
  RelayOverrun: { keyId: "k7f2m9x4q1ab", requests: 2, nanoUsd: 1_500_000, requestId: "01JD0000000000000000000000" },
  RelayErrorRate: { accountId: "acc-1", requests: 40, errors: 12, percent: 30, minutes: 10 },
  RelayErrorRateNormal: { accountId: "acc-1" },
  RelayLatency: { accountId: "", requests: 40, medianMilliseconds: 42_000, usualMilliseconds: 2000, minutes: 10 },
  RelayLatencyNormal: { accountId: "" },
  RelayUsageAnomaly: {
    keyId: "k7f2m9x4q1ab",
    measure: "cost",
    value: 48_000_000_000,
    usual: 2_000_000_000,
    hour: "2026-11-20T09:00:00.000Z",
  },
  RelayAuthenticationBurst: { network: "203.0.113.0/24", failures: 20, minutes: 5 },
  RelayNewNetwork: { keyId: "k7f2m9x4q1ab", network: "203.0.113.0/24", client: "claude-cli/2.1.328" },
  NothingNew: { databaseId: "rm-1", lastAt: null, hours: 30 },
  ScheduleMissed: { schedule: "causeway-dev-replicate-backups", lastAt: "2026-11-19T03:30:00.000Z", hours: 26 },
  DeadLettersWaiting: { queue: "MissedRuns", holds: "scheduled runs that could not be started", messages: 2 },
  DeadLettersCleared: { queue: "MissedRuns", holds: "scheduled runs that could not be started" },
  AlertRecovered: { alertId: "a-1", event: "NothingNew", subject: "rm-1", since: "2026-11-20T01:00:00.000Z" },
};

let events = 0;

/** A new event; `detail` changes some of the sample's fields. */
export function eventOf<Name extends EventName>(
  name: Name,
  detail: Partial<EventDetail<Name>> = {},
  at = "2026-11-20T10:00:00.000Z",
): BusEvent<Name> {
  events += 1;
  const event = {
    eventId: `event-${events}`,
    name,
    source: "causeway.replication",
    at,
    detail: { ...details[name], ...detail },
  };
  // One name, and the detail of that name.
  return event as BusEvent<Name>;
}

export function standardRules(): Rule[] {
  return defaultRules({ suppressionMinutes: 60, recoveryNotice: true, quietHours: null });
}

/** The default rule of an event, with some of it changed. */
export function ruleFor(name: EventName, changes: Partial<Rule> = {}): Rule {
  const rule = standardRules().find(({ match }) => match.events.includes(name));
  if (rule === undefined) throw new Error(`there is no rule for ${name}`);
  return { ...rule, enabled: true, ...changes };
}

/** `2026-11-20T10:00:00.000Z` and so many minutes. */
export function minutesLater(minutes: number, at = "2026-11-20T10:00:00.000Z"): string {
  return new Date(Date.parse(at) + minutes * 60_000).toISOString();
}
