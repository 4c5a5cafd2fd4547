// Entry: makes and changes client keys, and their balances. The only function that hands out a key's text.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOf } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { IdempotencyStore } from "../shared/idempotency.store.ts";
import { AccountsStore } from "./accounts.store.ts";
import { changeKeysHandlers } from "./admin/change-keys.ts";
import { surroundingsIn } from "./admin/check-policy.ts";
import { changeKeysEnvironment } from "./config.ts";
import { KeyPepperStore } from "./key-pepper.store.ts";
import { KeysStore } from "./keys.store.ts";
import { routes } from "./routes.ts";

export const handler = defineRoutes({
  routes,
  entry: "change-keys",
  build: () => {
    const environment = readEnvironment(changeKeysEnvironment);
    const documents = documentClient();
    const pepper = new KeyPepperStore(new SecretsManagerClient(smallCalls), environment.KEY_PEPPER_SECRET);
    const accounts = new AccountsStore(documents, environment.RELAY_ACCOUNTS_TABLE);
    const clock = { now: Date.now, random: Math.random };
    const keysTable = environment.RELAY_KEYS_TABLE;
    return {
      ...clock,
      tagOf,
      pepper: () => pepper.pepper(),
      keys: new KeysStore({ client: new DynamoDBClient(smallCalls), keysTable, ...clock }),
      surroundings: surroundingsIn(() => accounts.readSnapshot(Date.now(), { consistent: true })),
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      idempotency: new IdempotencyStore(documents, environment.IDEMPOTENCY_TABLE),
    };
  },
  handlers: changeKeysHandlers,
});
