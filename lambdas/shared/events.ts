// The events of Causeway's own bus: one name and one shape each. Rooms talk to one another by these alone.

import type { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { PutEventsCommand } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { CausewayError } from "./errors.ts";

const copyFacts = {
  runId: z.string(),
  copyId: z.string(),
  instanceId: z.string(),
  backupId: z.string(),
};

const failure = { error: z.string(), cause: z.string() };

const exportFacts = {
  runId: z.string(),
  exportId: z.string(),
  /** The DB instance or cluster. */
  databaseId: z.string(),
  snapshotArn: z.string(),
};

/** One object of S3, and where it is to be in OSS. */
const mirrorFacts = {
  sourceKey: z.string(),
  versionId: z.string().nullable(),
  targetKey: z.string(),
};

/** An upstream account of the relay. */
const accountFacts = {
  accountId: z.string(),
  name: z.string(),
  provider: z.string(),
  platform: z.string(),
};

export const eventSchemas = {
  /** The schedule called, and a run was started: what ScheduleMissed waits for. */
  ScheduledRunStarted: z.object({ schedule: z.string(), scheduledTime: z.string(), runId: z.string() }),

  BackupReplicated: z.object({
    ...copyFacts,
    bucket: z.string(),
    key: z.string(),
    bytes: z.number(),
    proof: z.string(),
    receiptKey: z.string(),
  }),
  BackupCopyFailed: z.object({ ...copyFacts, ...failure }),
  /** The bytes that arrived are not the source's. Sent instead of BackupCopyFailed. */
  BackupProofFailed: z.object({ ...copyFacts, ...failure }),
  /** Copied, but shown to be equal by length and ETag alone. Sent beside BackupReplicated. */
  BackupUnverified: z.object({ ...copyFacts, key: z.string(), receiptKey: z.string() }),
  BackupInvalid: z.object({ ...copyFacts, reason: z.string() }),
  EgressLimitReached: z.object({ ...copyFacts, limitBytes: z.number(), usedBytes: z.number() }),
  ReplicationRunFinished: z.object({
    runId: z.string(),
    state: z.string(),
    sentence: z.string(),
    counts: z.record(z.string(), z.number()),
  }),

  SnapshotInvalid: z.object({ ...exportFacts, reason: z.string() }),
  SnapshotExported: z.object({
    ...exportFacts,
    bucket: z.string(),
    prefix: z.string(),
    tables: z.number(),
    files: z.number(),
    receiptKey: z.string(),
  }),
  /** Complete by its status, but some table or objective was left out. Never beside SnapshotExported. */
  SnapshotExportPartial: z.object({ ...exportFacts, missing: z.array(z.string()).max(100), receiptKey: z.string() }),
  SnapshotExportFailed: z.object({ ...exportFacts, ...failure }),
  SnapshotExportCancelled: z.object(exportFacts),

  ObjectMirrored: z.object({ ...mirrorFacts, bytes: z.number(), crc64: z.string(), receiptKey: z.string().nullable() }),
  MirrorFailed: z.object({ ...mirrorFacts, ...failure }),
  /** Objects that are not in OSS although they have been in S3 for longer than the stage allows. */
  MirrorLagging: z.object({ objects: z.number(), oldestKey: z.string(), oldestSince: z.string() }),
  MirrorReconciled: z.object({
    runId: z.string(),
    state: z.string(),
    sentence: z.string(),
    counts: z.record(z.string(), z.number()),
  }),

  /** An upstream said that this account may do no more until then (null: not said), in all or for a family of models. */
  RelayAccountLimited: z.object({
    ...accountFacts,
    state: z.string(),
    family: z.string().nullable(),
    until: z.string().nullable(),
    said: z.string(),
  }),
  /** An upstream refuses this account: only a person, or a test that succeeds, brings it back. */
  RelayAccountBlocked: z.object({ ...accountFacts, state: z.string(), said: z.string() }),
  RelayAccountRecovered: z.object({ ...accountFacts, family: z.string().nullable(), was: z.string() }),
  /** A key has used so many percent (80, 90, 100) of a limit of cost. Once per window and threshold. */
  RelayBudgetNear: z.object({
    keyId: z.string(),
    /** Such as `day`, `week opus`, `balance`. */
    limit: z.string(),
    percent: z.number(),
    usedNanoUsd: z.number(),
    limitNanoUsd: z.number(),
    resetAt: z.string().nullable(),
  }),
  /** An upstream reported more than had been reserved for its requests: charged all the same. */
  RelayOverrun: z.object({ keyId: z.string(), requests: z.number(), nanoUsd: z.number(), requestId: z.string() }),
  /** A share of an account's requests failed; `accountId` empty: of all together. */
  RelayErrorRate: z.object({
    accountId: z.string(),
    requests: z.number(),
    errors: z.number(),
    percent: z.number(),
    minutes: z.number(),
  }),
  RelayErrorRateNormal: z.object({ accountId: z.string() }),
  /** The first bytes of an account come late; `accountId` empty: of all together. */
  RelayLatency: z.object({
    accountId: z.string(),
    requests: z.number(),
    medianMilliseconds: z.number(),
    usualMilliseconds: z.number(),
    minutes: z.number(),
  }),
  RelayLatencyNormal: z.object({ accountId: z.string() }),
  /** An hour used far more than the same hour of the days before. `keyId` empty: of all keys together. */
  RelayUsageAnomaly: z.object({
    keyId: z.string(),
    measure: z.enum(["tokens", "cost"]),
    /** Tokens, or nano-USD. */
    value: z.number(),
    usual: z.number(),
    hour: z.string(),
  }),
  RelayAuthenticationBurst: z.object({ network: z.string(), failures: z.number(), minutes: z.number() }),
  /** A key was used from a network that it has not been seen in for 30 days. */
  RelayNewNetwork: z.object({ keyId: z.string(), network: z.string(), client: z.string() }),

  /** Raised by the check for silence: no recovery point of this database since then (null: none ever). */
  NothingNew: z.object({ databaseId: z.string(), lastAt: z.string().nullable(), hours: z.number() }),
  ScheduleMissed: z.object({ schedule: z.string(), lastAt: z.string().nullable(), hours: z.number() }),
  DeadLettersWaiting: z.object({ queue: z.string(), holds: z.string(), messages: z.number() }),
  DeadLettersCleared: z.object({ queue: z.string(), holds: z.string() }),
  /** What an alert was about is well again. */
  AlertRecovered: z.object({ alertId: z.string(), event: z.string(), subject: z.string(), since: z.string() }),
} as const;

export type EventName = keyof typeof eventSchemas;
export type EventDetail<Name extends EventName> = z.infer<(typeof eventSchemas)[Name]>;

/** EventBridge takes this many entries in one call. */
const entriesPerCall = 10;

export interface EventSender {
  send<Name extends EventName>(name: Name, details: readonly EventDetail<Name>[]): Promise<void>;
}

/** Sends to the named bus; throws `AwsUnavailable` when EventBridge took an entry badly. */
export function eventSender(client: EventBridgeClient, busName: string, source: string): EventSender {
  return {
    async send(name, details) {
      for (let from = 0; from < details.length; from += entriesPerCall) {
        const entries = details.slice(from, from + entriesPerCall).map((detail) => ({
          EventBusName: busName,
          Source: source,
          DetailType: name,
          Detail: JSON.stringify(eventSchemas[name].parse(detail)),
        }));
        const answer = await client.send(new PutEventsCommand({ Entries: entries }));
        const failed = answer.Entries?.find((entry) => entry.ErrorCode !== undefined);
        if (failed) {
          throw new CausewayError(
            "AwsUnavailable",
            `The event bus refused an event: ${failed.ErrorCode}: ${failed.ErrorMessage}`,
          );
        }
      }
    },
  };
}
