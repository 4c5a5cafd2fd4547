// What alerts knows of each event: how grave it is, what it is about, what recovers it, and which heading of the runbook helps.
import type { EventDetail, EventName } from "../shared/events.ts";

export const severities = ["info", "warning", "critical"] as const;
export type Severity = (typeof severities)[number];

interface EventFacts<Name extends EventName> {
  /** Of `info` events nobody is told unless a rule is switched on. */
  readonly severity: Severity;
  /** The fields that say what the event is about: what fails again is the same trouble when these are the same. */
  readonly subject: readonly Extract<keyof EventDetail<Name>, string>[];
  /** Heading of docs/runbook.md. */
  readonly runbook: string;
}

export const eventFacts: { readonly [Name in EventName]: EventFacts<Name> } = {
  ScheduledRunStarted: { severity: "info", subject: ["schedule"], runbook: "Read a job" },
  BackupReplicated: { severity: "info", subject: ["copyId"], runbook: "Verify a receipt" },
  BackupCopyFailed: { severity: "critical", subject: ["copyId"], runbook: "A copy failed" },
  BackupProofFailed: { severity: "critical", subject: ["copyId"], runbook: "A proof failed" },
  BackupUnverified: { severity: "warning", subject: ["copyId"], runbook: "A copy is proven by its length only" },
  BackupInvalid: { severity: "warning", subject: ["copyId"], runbook: "Why a backup was refused" },
  // The limit is the stage's: every backup of that month meets the same one.
  EgressLimitReached: { severity: "critical", subject: ["copyId"], runbook: "Raise the egress limit" },
  ReplicationRunFinished: { severity: "critical", subject: [], runbook: "A run broke off" },
  SnapshotInvalid: { severity: "warning", subject: ["snapshotArn"], runbook: "A snapshot was refused" },
  SnapshotExported: { severity: "info", subject: ["databaseId"], runbook: "Read a job" },
  SnapshotExportPartial: { severity: "critical", subject: ["databaseId"], runbook: "A snapshot export is partial" },
  SnapshotExportFailed: { severity: "critical", subject: ["databaseId"], runbook: "A snapshot export failed" },
  SnapshotExportCancelled: { severity: "info", subject: ["databaseId"], runbook: "A snapshot export failed" },
  ObjectMirrored: { severity: "info", subject: ["sourceKey"], runbook: "An object is not mirrored" },
  MirrorFailed: { severity: "warning", subject: ["sourceKey"], runbook: "An object is not mirrored" },
  MirrorLagging: { severity: "warning", subject: [], runbook: "The mirror lags" },
  MirrorReconciled: { severity: "warning", subject: [], runbook: "The mirror's comparison found differences" },
  RelayAccountLimited: { severity: "warning", subject: ["accountId"], runbook: "A relay account is limited" },
  RelayAccountBlocked: { severity: "critical", subject: ["accountId"], runbook: "A relay account is blocked" },
  RelayAccountRecovered: { severity: "info", subject: ["accountId"], runbook: "A relay account is limited" },
  // A new window is trouble of its own.
  RelayBudgetNear: {
    severity: "warning",
    subject: ["keyId", "limit", "percent", "resetAt"],
    runbook: "A key nears its limit",
  },
  RelayOverrun: { severity: "warning", subject: ["keyId"], runbook: "An upstream reported more than was reserved" },
  RelayErrorRate: { severity: "critical", subject: ["accountId"], runbook: "Relay requests fail" },
  RelayErrorRateNormal: { severity: "info", subject: ["accountId"], runbook: "Relay requests fail" },
  RelayLatency: { severity: "warning", subject: ["accountId"], runbook: "Relay answers come late" },
  RelayLatencyNormal: { severity: "info", subject: ["accountId"], runbook: "Relay answers come late" },
  RelayUsageAnomaly: { severity: "warning", subject: ["keyId", "measure"], runbook: "Relay usage is unusual" },
  RelayAuthenticationBurst: { severity: "warning", subject: ["network"], runbook: "Many wrong relay keys" },
  RelayNewNetwork: { severity: "warning", subject: ["keyId", "network"], runbook: "A key from a new network" },
  NothingNew: { severity: "critical", subject: ["databaseId"], runbook: "Nothing new of a database" },
  ScheduleMissed: { severity: "critical", subject: ["schedule"], runbook: "A schedule was missed" },
  DeadLettersWaiting: { severity: "critical", subject: ["queue"], runbook: "Dead letters wait" },
  DeadLettersCleared: { severity: "info", subject: ["queue"], runbook: "Dead letters wait" },
  AlertRecovered: { severity: "info", subject: ["alertId"], runbook: "Change a rule of alerts" },
};

/** A fact that some event states about another one's trouble. */
export interface Recovery {
  /** The trouble that is over. */
  readonly event: EventName;
  /** Field of the trouble's event: field of this one that holds the same. */
  readonly by: Readonly<Record<string, string>>;
}

const sameCopy = { copyId: "copyId", instanceId: "instanceId", backupId: "backupId" } as const;
const sameDatabase = { databaseId: "databaseId", snapshotArn: "snapshotArn", exportId: "exportId" } as const;
const sameObject = { sourceKey: "sourceKey", targetKey: "targetKey" } as const;

interface Recovering {
  /** Only such an event recovers anything: field and the values it may have. */
  readonly when?: Readonly<Record<string, readonly string[]>>;
  readonly recovers: readonly Recovery[];
}

/** Which event says that what another one was about is well again. */
export const recoveries: { readonly [Name in EventName]?: Recovering } = {
  ScheduledRunStarted: { recovers: [{ event: "ScheduleMissed", by: { schedule: "schedule" } }] },
  BackupReplicated: {
    recovers: [
      { event: "BackupCopyFailed", by: sameCopy },
      { event: "BackupProofFailed", by: sameCopy },
      { event: "EgressLimitReached", by: sameCopy },
      { event: "NothingNew", by: { databaseId: "instanceId" } },
    ],
  },
  // A newer snapshot that arrived makes up for an older one that did not.
  SnapshotExported: {
    recovers: [
      { event: "SnapshotExportFailed", by: sameDatabase },
      { event: "SnapshotExportPartial", by: sameDatabase },
      { event: "NothingNew", by: { databaseId: "databaseId" } },
    ],
  },
  ObjectMirrored: { recovers: [{ event: "MirrorFailed", by: sameObject }] },
  MirrorReconciled: {
    when: { state: ["succeeded"] },
    recovers: [
      { event: "MirrorLagging", by: {} },
      { event: "MirrorReconciled", by: {} },
    ],
  },
  ReplicationRunFinished: {
    when: { state: ["succeeded", "succeeded-with-warnings"] },
    recovers: [{ event: "ReplicationRunFinished", by: {} }],
  },
  RelayAccountRecovered: {
    recovers: [
      { event: "RelayAccountLimited", by: { accountId: "accountId" } },
      { event: "RelayAccountBlocked", by: { accountId: "accountId" } },
    ],
  },
  RelayErrorRateNormal: { recovers: [{ event: "RelayErrorRate", by: { accountId: "accountId" } }] },
  RelayLatencyNormal: { recovers: [{ event: "RelayLatency", by: { accountId: "accountId" } }] },
  DeadLettersCleared: { recovers: [{ event: "DeadLettersWaiting", by: { queue: "queue" } }] },
};

export const eventNames = Object.keys(eventFacts) as readonly EventName[];

/** The value of a field of an event's detail as text; `counts.failed` looks one level deeper. Undefined: it has none. */
export function fieldOf(detail: Readonly<Record<string, unknown>>, path: string): string | undefined {
  const value = path.split(".").reduce<unknown>((at, key) => (isRecord(at) ? at[key] : undefined), detail);
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : undefined;
}

/** What the event is about, for people: its subject fields, or nothing where it is about the stage as a whole. */
export function subjectOf(name: EventName, detail: Readonly<Record<string, unknown>>): string {
  return eventFacts[name].subject.map((field) => fieldOf(detail, field) ?? "").join(" ");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
