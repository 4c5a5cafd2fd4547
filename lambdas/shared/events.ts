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

export const eventSchemas = {
  BackupReplicated: z.object({
    ...copyFacts,
    bucket: z.string(),
    key: z.string(),
    bytes: z.number(),
    proof: z.string(),
    receiptKey: z.string(),
  }),
  BackupCopyFailed: z.object({ ...copyFacts, error: z.string(), cause: z.string() }),
  BackupInvalid: z.object({ ...copyFacts, reason: z.string() }),
  ReplicationRunFinished: z.object({
    runId: z.string(),
    state: z.string(),
    sentence: z.string(),
    counts: z.record(z.string(), z.number()),
  }),
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
