// Entry: every request of every client, answered while the upstream still speaks. One environment may serve many at once.
import { randomBytes } from "node:crypto";
import { KMSClient } from "@aws-sdk/client-kms";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import middy from "@middy/core";
import { executionModeStreamifyResponse } from "@middy/core/StreamifyResponse";
import { isAddressIn } from "../shared/address-ranges.ts";
import { afterSending } from "../shared/after-sending.ts";
import { documentClient, leanDynamoDbClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { every } from "../shared/every.ts";
import { lazy } from "../shared/lazy.ts";
import { log } from "../shared/log.ts";
import type { InvocationContext } from "../shared/make-handler.ts";
import { publishLine } from "../shared/metrics.ts";
import { AccountErrorsStore } from "./account-errors.store.ts";
import { AccountsStore } from "./accounts.store.ts";
import { BindingsStore } from "./bindings.store.ts";
import { relayEnvironment } from "./config.ts";
import { openCredentials } from "./credentials/open-credentials.ts";
import { CredentialsStore } from "./credentials.store.ts";
import { DataKeysStore } from "./data-keys.store.ts";
import { KeyPepperStore } from "./key-pepper.store.ts";
import { LedgerStore } from "./ledger.store.ts";
import { providerNamed } from "./providers/index.ts";
import { RelayEventsStore } from "./relay-events.store.ts";
import { makeRequestId } from "./request-id.ts";
import { openServing } from "./serving/open-serving.ts";
import { arrivalEventSchema, readArrival } from "./serving/read-arrival.ts";
import { serveRequest } from "./serving/serve-request.ts";
import { outgoing } from "./serving/to-client.ts";
import { SlotsStore } from "./slots.store.ts";
import { transports } from "./transports/index.ts";

const ports = lazy(() => {
  const environment = readEnvironment(relayEnvironment);
  const {
    RELAY_ACCOUNTS_TABLE: accountsTable,
    RELAY_KEYS_TABLE: keysTable,
    RELAY_USAGE_TABLE: usageTable,
  } = environment;
  const client = leanDynamoDbClient();
  const documents = documentClient();
  const pepper = new KeyPepperStore(new SecretsManagerClient(smallCalls), environment.KEY_PEPPER_SECRET);
  const events = new RelayEventsStore(environment.EVENT_BUS_NAME);
  const clock = { now: Date.now, random: Math.random };
  return openServing({
    ...{ ...clock, log, publishLine, providerNamed, isAddressIn, pepper: () => pepper.pepper() },
    ...{ every, afterSending, announceBurst: (burst) => events.announceBurst(burst) },
    accounts: new AccountsStore(documents, accountsTable),
    errors: new AccountErrorsStore(documents, accountsTable),
    slots: new SlotsStore(client, accountsTable),
    bindings: new BindingsStore(documents, accountsTable),
    openLedger: (ours) => new LedgerStore({ ...clock, client, keysTable, usageTable, ...ours }),
    credentials: openCredentials({
      ...{ stage: environment.STAGE, now: Date.now },
      store: new CredentialsStore(documents, accountsTable),
      dataKeys: new DataKeysStore(new KMSClient(smallCalls), environment.CREDENTIALS_KEY_ID),
    }),
    transport: transports["node-http"]({
      allowLoopback: environment.ALLOW_LOOPBACK,
      allowedHosts: environment.ALLOWED_PRIVATE_HOSTS,
    }),
  });
});

const settled = new WeakMap<object, Promise<void>>();

export const handler = middy({
  executionMode: executionModeStreamifyResponse,
  // The client has its answer; what follows from it is written before the invocation ends.
  requestEnd: ({ context }: { readonly context: object }) => settled.get(context),
}).handler(async (event: unknown, context: InvocationContext) => {
  const [now, requestId] = [Date.now(), makeRequestId(Date.now(), randomBytes(16))];
  const arrival = readArrival(arrivalEventSchema.parse(event), requestId, now + context.getRemainingTimeInMillis());
  const served = await serveRequest(arrival, ports());
  settled.set(context, served.settled);
  return { statusCode: served.status, headers: served.headers, body: outgoing(served, arrival.endsAt, ports()) };
});
