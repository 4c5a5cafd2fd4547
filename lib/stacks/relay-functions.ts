// The functions of the relay: what each is given, what it may do, and what breaks when it fails.
import { Duration } from "aws-cdk-lib";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import type { IQueue } from "aws-cdk-lib/aws-sqs";
import type { Construct } from "constructs";
import type { StageSettings } from "../config.ts";
import type { Permission } from "../constructs/permissions.ts";
import type { Room, ServiceFunction } from "../constructs/service-function.ts";
import type { DataStack } from "./data-stack.ts";
import { announcing, readingSecret, throughKey } from "./replication-permissions.ts";

type Config = typeof import("../../lambdas/relay/config.ts");

/** What the functions are built from. */
export interface RelayParts {
  readonly scope: Construct;
  readonly room: Room<Config>;
  readonly settings: StageSettings;
  readonly data: DataStack;
  /** Where calls go that nobody waits for and that failed for good. */
  readonly failedCalls: IQueue;
}

/** API Gateway streams an answer for so long at the most. */
const longestAnswer = Duration.minutes(15);

/** Streams of one environment where it is shared: the local cloud, and Lambda Managed Instances. */
const streamsPerEnvironment = 500;

type TableAction =
  | "GetItem"
  | "BatchGetItem"
  | "Query"
  | "Scan"
  | "PutItem"
  | "UpdateItem"
  | "DeleteItem"
  | "BatchWriteItem"
  | "ConditionCheckItem";

/** Items by their partition: `prefixes` as in `cred#*`; absent: the whole table. */
export function onItems(table: Table, actions: readonly TableAction[], prefixes?: readonly string[]): Permission {
  return {
    actions: actions.map((action) => `dynamodb:${action}`),
    resources: [table.tableArn],
    ...(prefixes !== undefined && {
      conditions: { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": [...prefixes] } },
    }),
  };
}

/** What of RelayAccounts serves requests and holds no credential: accounts with their slots, and what answers said of them. */
function servingFromAccounts({ relayAccounts }: DataStack): Permission[] {
  return [
    onItems(relayAccounts, ["GetItem", "Query", "UpdateItem"], ["relay"]),
    onItems(relayAccounts, ["UpdateItem"], ["errors#*"]),
    onItems(relayAccounts, ["GetItem", "PutItem"], ["sticky#*"]),
    onItems(relayAccounts, ["BatchGetItem", "PutItem"], ["bound#*"]),
  ];
}

/** The variables of whoever calls upstreams. */
export function upstreamEnvironment({ settings, data }: RelayParts) {
  return {
    STAGE: settings.stage,
    RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
    CREDENTIALS_KEY_ID: data.relayCredentialsKey.keyArn,
    ALLOWED_PRIVATE_HOSTS: settings.relay.allowedPrivateHosts.join(","),
    ALLOW_LOOPBACK: settings.relay.allowLoopback ? "true" : "false",
  } as const;
}

/** Opens the credentials of accounts, each only as that account's. */
export function openingCredentials({ settings, data }: RelayParts): Permission[] {
  return [
    onItems(data.relayAccounts, ["GetItem"], ["cred#*"]),
    {
      actions: ["kms:Decrypt"],
      resources: [data.relayCredentialsKey.keyArn],
      conditions: { StringEquals: { "kms:EncryptionContext:stage": settings.stage } },
    },
  ];
}

export function addRelay(parts: RelayParts): ServiceFunction {
  const { scope, room, settings, data } = parts;
  const pepperPath = `/${settings.stage}/relay/key-pepper`;
  return room.add("relay", {
    impactOfFailure: "AI clients get errors instead of answers; what they were charged is settled by the sweeper.",
    environment: {
      ...upstreamEnvironment(parts),
      RELAY_KEYS_TABLE: data.relayKeys.tableName,
      RELAY_USAGE_TABLE: data.relayUsage.tableName,
      KEY_PEPPER_SECRET: pepperPath,
      EVENT_BUS_NAME: data.bus.eventBusName,
    },
    permissions: [
      // The ledger's items alone: names, owners and top-ups are not its business.
      onItems(data.relayKeys, ["GetItem", "UpdateItem"], ["key#*"]),
      onItems(data.relayUsage, ["GetItem", "PutItem", "UpdateItem"]),
      ...servingFromAccounts(data),
      ...openingCredentials(parts),
      readingSecret(scope, pepperPath),
      announcing(data.bus),
      throughKey(data.key),
    ],
    memoryMebibytes: settings.relay.memoryMebibytes,
    timeout: longestAnswer,
    failuresPerPeriod: 5,
    sharesEnvironment: settings.relay.managedInstances?.streamsPerEnvironment ?? streamsPerEnvironment,
  });
}
