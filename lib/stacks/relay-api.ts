// The relay's part of the HTTP API: the functions that answer it, and what each may do. Who shows a credential, or makes
// one readable? None: one function encrypts them, and it can decrypt none.
import { Duration } from "aws-cdk-lib";
import { routes } from "../../lambdas/relay/routes.ts";
import type { HttpRoom } from "../constructs/http-api.ts";
import type { Permission } from "../constructs/permissions.ts";
import type { ServiceFunction } from "../constructs/service-function.ts";
import { answeringOnce, auditing, onIndex } from "./console-permissions.ts";
import { onItems, type RelayParts, upstreamEnvironment } from "./relay-functions.ts";
import { readingSecret, throughKey } from "./replication-permissions.ts";

/** Functions that the API sets going. */
export interface RelayWork {
  readonly probeAccount: ServiceFunction;
  readonly rollUpUsage: ServiceFunction;
  readonly exportUsage: ServiceFunction;
}

/** API Gateway waits 29 s for an answer. */
const answerTimeout = Duration.seconds(28);
/** More than bookkeeping needs: somebody waits for the answer, and processor time comes with memory. */
const answerMebibytes = 1024;
const common = { memoryMebibytes: answerMebibytes, timeout: answerTimeout };

/** Accounts, groups, prices and settings: what the snapshot is read from. */
const snapshot = ["relay"] as const;

export function addRelayApi(parts: RelayParts, work: RelayWork): HttpRoom {
  return {
    routes,
    functions: {
      "answer-relay": addAnswerRelay(parts),
      "change-keys": addChangeKeys(parts),
      "change-accounts": addChangeAccounts(parts, work),
      "change-relay": addChangeRelay(parts, work),
      "show-own-usage": addShowOwnUsage(parts),
    },
  };
}

function addAnswerRelay({ room, data }: RelayParts): ServiceFunction {
  return room.add("answer-relay", {
    ...common,
    impactOfFailure:
      "The relay's keys, accounts and usage cannot be looked at over the API; clients are served all the same.",
    environment: {
      RELAY_KEYS_TABLE: data.relayKeys.tableName,
      RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
      RELAY_USAGE_TABLE: data.relayUsage.tableName,
      RELAY_TOTALS_TABLE: data.relayTotals.tableName,
    },
    permissions: [
      onItems(data.relayKeys, ["GetItem"]),
      onIndex(data.relayKeys, "byCreation"),
      onItems(data.relayAccounts, ["GetItem", "Query"], [...snapshot, "errors#*"]),
      onItems(data.relayUsage, ["Query"]),
      onIndex(data.relayUsage, "byKey"),
      onItems(data.relayTotals, ["Query"]),
      throughKey(data.key),
    ],
  });
}

function addChangeKeys(parts: RelayParts): ServiceFunction {
  const { scope, room, data } = parts;
  return room.add("change-keys", {
    ...common,
    impactOfFailure: "Client keys cannot be made, changed or switched off over the API; those that are there go on.",
    environment: {
      ...changing(parts),
      RELAY_KEYS_TABLE: data.relayKeys.tableName,
      RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
      KEY_PEPPER_SECRET: pepperPath(parts),
    },
    permissions: [
      onItems(data.relayKeys, ["GetItem", "PutItem", "UpdateItem"]),
      // Whether there is what a key is to be bound to.
      onItems(data.relayAccounts, ["Query"], snapshot),
      readingSecret(scope, pepperPath(parts)),
      ...writingDown(parts),
    ],
  });
}

function addChangeAccounts(parts: RelayParts, { probeAccount }: RelayWork): ServiceFunction {
  const { room, settings, data } = parts;
  return room.add("change-accounts", {
    ...common,
    impactOfFailure: "Upstream accounts cannot be added, changed or tested over the API; those that are there go on.",
    environment: {
      ...changing(parts),
      ...upstreamEnvironment(parts),
      PROBE_FUNCTION_NAME: probeAccount.function.functionName,
    },
    permissions: [
      onItems(data.relayAccounts, ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem"], snapshot),
      onItems(data.relayAccounts, ["GetItem", "PutItem", "DeleteItem"], ["cred#*"]),
      {
        actions: ["kms:GenerateDataKey"],
        resources: [data.relayCredentialsKey.keyArn],
        conditions: { StringEquals: { "kms:EncryptionContext:stage": settings.stage } },
      },
      calling(probeAccount),
      ...writingDown(parts),
    ],
  });
}

function addChangeRelay(parts: RelayParts, { rollUpUsage, exportUsage }: RelayWork): ServiceFunction {
  const { room, data } = parts;
  return room.add("change-relay", {
    ...common,
    impactOfFailure:
      "Groups, prices and settings of the relay cannot be changed over the API; clients are served all the same.",
    environment: {
      ...changing(parts),
      RELAY_ACCOUNTS_TABLE: data.relayAccounts.tableName,
      JOBS_TABLE: data.jobs.tableName,
      ROLL_UP_FUNCTION_NAME: rollUpUsage.function.functionName,
      EXPORT_FUNCTION_NAME: exportUsage.function.functionName,
    },
    permissions: [
      onItems(data.relayAccounts, ["GetItem", "Query", "PutItem", "DeleteItem"], snapshot),
      onItems(data.jobs, ["PutItem"]),
      calling(rollUpUsage),
      calling(exportUsage),
      ...writingDown(parts),
    ],
  });
}

function addShowOwnUsage(parts: RelayParts): ServiceFunction {
  const { scope, room, data } = parts;
  return room.add("show-own-usage", {
    ...common,
    impactOfFailure:
      "Holders of client keys cannot see what is left of their limits; their requests are served all the same.",
    environment: {
      RELAY_KEYS_TABLE: data.relayKeys.tableName,
      RELAY_TOTALS_TABLE: data.relayTotals.tableName,
      KEY_PEPPER_SECRET: pepperPath(parts),
    },
    permissions: [
      onItems(data.relayKeys, ["GetItem"], ["key#*", "meta#*"]),
      onItems(data.relayTotals, ["Query"]),
      readingSecret(scope, pepperPath(parts)),
      throughKey(data.key),
    ],
  });
}

function pepperPath({ settings }: RelayParts): string {
  return `/${settings.stage}/relay/key-pepper`;
}

function changing({ data }: RelayParts) {
  return { AUDIT_TABLE: data.audit.tableName, IDEMPOTENCY_TABLE: data.idempotency.tableName } as const;
}

/** Who changed what, and the answers that are given again. */
function writingDown({ data }: RelayParts): Permission[] {
  return [auditing(data.audit), answeringOnce(data.idempotency), throughKey(data.key)];
}

function calling(work: ServiceFunction): Permission {
  return { actions: ["lambda:InvokeFunction"], resources: [work.arn] };
}
