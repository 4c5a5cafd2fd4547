// The relay's function that looks after reservations by itself: the sweeper, each minute.
import { CfnOutput, Duration } from "aws-cdk-lib";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { onItems, type RelayParts } from "./relay-functions.ts";
import { throughKey } from "./replication-permissions.ts";

const memoryMebibytes = 512;

/** The next minute's call makes good for one that failed. */
const failuresBeyondRetry = 3;

export function addSweepLeases({ scope, room, settings, data, failedCalls }: RelayParts): ServiceFunction {
  const sweep = room.add("sweep-leases", {
    impactOfFailure:
      "What requests that broke off had reserved stays reserved: their keys reach limits that nobody has spent.",
    environment: {
      RELAY_KEYS_TABLE: data.relayKeys.tableName,
      RELAY_USAGE_TABLE: data.relayUsage.tableName,
      RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
    },
    permissions: [
      onItems(data.relayKeys, ["Scan", "UpdateItem"]),
      onItems(data.relayUsage, ["PutItem"]),
      onItems(data.relayAccounts, ["Query", "UpdateItem"], ["relay"]),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: Duration.minutes(3),
    failuresPerPeriod: failuresBeyondRetry,
    failedCalls,
  });
  new ScheduledCall(scope, "SweepSchedule", {
    name: `causeway-${settings.stage}-sweep-leases`,
    description: "Settles what requests that broke off had reserved",
    enabled: true,
    expression: "rate(1 minute)",
    timeZone: "UTC",
    calls: sweep,
    input: {},
    missedCalls: failedCalls,
  });
  new CfnOutput(scope, "SweepLeasesFunctionName", { value: sweep.function.functionName });
  return sweep;
}
