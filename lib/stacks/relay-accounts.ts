// The relay's functions that look after accounts by themselves: recovery each minute, and tests of accounts.
import { CfnOutput, Duration } from "aws-cdk-lib";
import { ScheduledCall } from "../constructs/scheduled-call.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { onItems, openingCredentials, type RelayParts, upstreamEnvironment } from "./relay-functions.ts";
import { announcing, throughKey } from "./replication-permissions.ts";

const memoryMebibytes = 512;

/** The next minute's call makes good for one that failed. */
const failuresBeyondRetry = 3;

/** Each minute: pauses that are over end, and limits, blocks and recoveries are told. */
export function addRecoverAccounts(parts: RelayParts): ServiceFunction {
  const { scope, room, settings, data, failedCalls } = parts;
  const recover = room.add("recover-accounts", {
    impactOfFailure:
      "Accounts come back only by a success of their own, and nobody is told of limited or blocked ones.",
    environment: { RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName, EVENT_BUS_NAME: data.bus.eventBusName },
    permissions: [
      onItems(data.relayAccounts, ["Query", "UpdateItem"], ["relay"]),
      onItems(data.relayAccounts, ["Query"], ["errors#*"]),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: Duration.minutes(2),
    failuresPerPeriod: failuresBeyondRetry,
    failedCalls,
  });
  new ScheduledCall(scope, "RecoverySchedule", {
    name: `causeway-${settings.stage}-recover-accounts`,
    description: "Ends pauses of accounts that are over, and tells what has changed",
    enabled: true,
    expression: "rate(1 minute)",
    timeZone: "UTC",
    calls: recover,
    input: {},
    missedCalls: failedCalls,
  });
  new CfnOutput(scope, "RecoverAccountsFunctionName", { value: recover.function.functionName });
  return recover;
}

/** By hand, called by the API; and each minute those accounts whose last test is too long ago, if the settings want tests. */
export function addProbeAccount(parts: RelayParts): ServiceFunction {
  const { scope, room, settings, data, failedCalls } = parts;
  const probe = room.add("probe-account", {
    impactOfFailure: "Accounts cannot be tested, and blocked ones are not found to be well again; clients are served.",
    environment: upstreamEnvironment(parts),
    permissions: [
      onItems(data.relayAccounts, ["GetItem", "Query", "UpdateItem"], ["relay"]),
      onItems(data.relayAccounts, ["UpdateItem"], ["errors#*"]),
      ...openingCredentials(parts),
      throughKey(data.key),
    ],
    memoryMebibytes,
    timeout: Duration.minutes(5),
    failuresPerPeriod: failuresBeyondRetry,
    failedCalls,
  });
  new ScheduledCall(scope, "ProbeSchedule", {
    name: `causeway-${settings.stage}-probe-accounts`,
    description: "Tests accounts whose last test is too long ago",
    enabled: true,
    expression: "rate(1 minute)",
    timeZone: "UTC",
    calls: probe,
    input: {},
    missedCalls: failedCalls,
  });
  new CfnOutput(scope, "ProbeAccountFunctionName", { value: probe.function.functionName });
  return probe;
}
