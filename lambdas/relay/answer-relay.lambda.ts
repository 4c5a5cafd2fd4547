// Entry: whatever can be looked at of the relay: keys, accounts, usage, records, prices, settings. It changes nothing.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOf, tagOfVersion } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { AccountErrorsStore } from "./account-errors.store.ts";
import { AccountsStore } from "./accounts.store.ts";
import { readAccountsHandlers } from "./admin/read-accounts.ts";
import { readKeysHandlers } from "./admin/read-keys.ts";
import { readUsageHandlers } from "./admin/read-usage.ts";
import { answerRelayEnvironment } from "./config.ts";
import { KeyListsStore } from "./key-lists.store.ts";
import { KeysStore } from "./keys.store.ts";
import { providers } from "./providers/index.ts";
import { routes } from "./routes.ts";
import { SettingsStore } from "./settings.store.ts";
import { TotalsStore } from "./totals.store.ts";
import { UsageStore } from "./usage.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "answer-relay",
  build: () => {
    const environment = readEnvironment(answerRelayEnvironment);
    const documents = documentClient();
    const { RELAY_ACCOUNTS_TABLE: accountsTable, RELAY_KEYS_TABLE: keysTable } = environment;
    const accounts = new AccountsStore(documents, accountsTable);
    const errors = new AccountErrorsStore(documents, accountsTable);
    const settings = new SettingsStore(documents, accountsTable);
    const totals = new TotalsStore(documents, environment.RELAY_TOTALS_TABLE);
    const usage = new UsageStore(documents, environment.RELAY_USAGE_TABLE);
    const ofKeys = { client: new DynamoDBClient(smallCalls), keysTable, now: Date.now, random: Math.random };
    return {
      ...{ now: Date.now, tagOf, tagOfVersion, keys: new KeysStore(ofKeys), lists: new KeyListsStore(ofKeys) },
      snapshot: () => accounts.readSnapshot(Date.now(), { consistent: true }),
      errors: (...asked: Parameters<AccountErrorsStore["history"]>) => errors.history(...asked),
      settings: () => settings.settings(),
      allProviders: () => Promise.all(Object.values(providers).map((load) => load())),
      rows: (...asked: Parameters<TotalsStore["rows"]>) => totals.rows(...asked),
      ofKey: (...asked: Parameters<UsageStore["ofKey"]>) => usage.ofKey(...asked),
      ofHour: (...asked: Parameters<UsageStore["ofHour"]>) => usage.ofHour(...asked),
    };
  },
  handlers: { ...readKeysHandlers, ...readAccountsHandlers, ...readUsageHandlers },
});
