// Entry: upstream accounts over HTTP. The only function that encrypts credentials; it can decrypt none.
import { randomBytes } from "node:crypto";
import { KMSClient } from "@aws-sdk/client-kms";
import { LambdaClient } from "@aws-sdk/client-lambda";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { tagOf } from "../shared/entity-tags.ts";
import { readEnvironment } from "../shared/environment.ts";
import { checkAddress, checkProxyAddress } from "../shared/guarded-address.ts";
import { IdempotencyStore } from "../shared/idempotency.store.ts";
import { checkWhereNameLeads } from "../shared/resolve-address.ts";
import { AccountsStore } from "./accounts.store.ts";
import { changeAccountsHandlers } from "./admin/change-accounts.ts";
import { changeAccountsEnvironment } from "./config.ts";
import { encryptCredential } from "./credentials/envelope.ts";
import { CredentialsStore } from "./credentials.store.ts";
import { DataKeysStore } from "./data-keys.store.ts";
import { ProbesStore } from "./probes.store.ts";
import { providerNamed, providers } from "./providers/index.ts";
import { routes } from "./routes.ts";
import type { Account } from "./scheduling/account.ts";

export const handler = defineRoutes({
  routes,
  entry: "change-accounts",
  build: () => {
    const environment = readEnvironment(changeAccountsEnvironment);
    const { STAGE: stage, RELAY_ACCOUNTS_TABLE: table } = environment;
    const policy = { allowLoopback: environment.ALLOW_LOOPBACK, allowedHosts: environment.ALLOWED_PRIVATE_HOSTS };
    const documents = documentClient();
    const accounts = new AccountsStore(documents, table);
    const credentials = new CredentialsStore(documents, table);
    const dataKeys = new DataKeysStore(new KMSClient(smallCalls), environment.CREDENTIALS_KEY_ID);
    const probes = new ProbesStore(new LambdaClient(smallCalls), environment.PROBE_FUNCTION_NAME);
    return {
      ...{ now: Date.now, tagOf, provider: providerNamed, providerNames: Object.keys(providers) },
      checkAddress: (url: string) => checkWhereNameLeads(checkAddress(url, policy), policy),
      checkProxy: (host: string, port: number) => checkWhereNameLeads(checkProxyAddress(host, port, policy), policy),
      snapshot: () => accounts.readSnapshot(Date.now(), { consistent: true }),
      account: (accountId: string) => accounts.account(accountId),
      create: (account: Account) => accounts.create(account),
      change: (...change: Parameters<AccountsStore["change"]>) => accounts.change(...change),
      noteCredential: (accountId: string, version: number, seenVersion: number) =>
        accounts.noteCredential(accountId, version, seenVersion, Date.now()),
      reset: (accountId: string) => accounts.reset(accountId, Date.now()),
      remove: (accountId: string) => accounts.remove(accountId),
      credentialVersion: (accountId: string) => credentials.version(accountId),
      keepSealed: (...sealed: Parameters<CredentialsStore["put"]>) => credentials.put(...sealed),
      removeCredential: (accountId: string) => credentials.remove(accountId),
      seal: (accountId: string, version: number, credential: unknown) =>
        encryptCredential(credential, { accountId, stage, version }, { dataKeys, random: randomBytes }),
      probe: (accountId: string) => probes.probe(accountId),
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      idempotency: new IdempotencyStore(documents, environment.IDEMPOTENCY_TABLE),
    };
  },
  handlers: changeAccountsHandlers,
});
