// Entry: what the holder of a client key may know by it: its limits, what is left of them, and what it used. Nothing else.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { isAddressIn } from "../shared/address-ranges.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { findKeyHolder } from "./admin/key-holder.ts";
import { showOwnUsageHandlers } from "./admin/read-usage.ts";
import { showOwnUsageEnvironment } from "./config.ts";
import { KeyPepperStore } from "./key-pepper.store.ts";
import { KeysStore } from "./keys.store.ts";
import { routes } from "./routes.ts";
import { TotalsStore } from "./totals.store.ts";

export const handler = defineRoutes({
  routes,
  entry: "show-own-usage",
  build: () => {
    const environment = readEnvironment(showOwnUsageEnvironment);
    const pepper = new KeyPepperStore(new SecretsManagerClient(smallCalls), environment.KEY_PEPPER_SECRET);
    const totals = new TotalsStore(documentClient(), environment.RELAY_TOTALS_TABLE);
    const clock = { now: Date.now, random: Math.random };
    const keysTable = environment.RELAY_KEYS_TABLE;
    const keys = new KeysStore({ client: new DynamoDBClient(smallCalls), keysTable, ...clock });
    const holderPorts = {
      ...{ now: Date.now, isAddressIn, pepper: () => pepper.pepper() },
      readKey: async (keyId: string) => (await keys.read(keyId))?.key,
    };
    return {
      ...{ now: Date.now, keys, rows: (...asked: Parameters<TotalsStore["rows"]>) => totals.rows(...asked) },
      keyHolder: (headers: ReadonlyMap<string, string>, sourceIp: string) =>
        findKeyHolder(headers, sourceIp, holderPorts),
    };
  },
  handlers: showOwnUsageHandlers,
});
