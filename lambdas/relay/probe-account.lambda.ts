// Entry: tests one account by hand, or by schedule all whose last test is too long ago; opens their credentials for it.
import { KMSClient } from "@aws-sdk/client-kms";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { AccountErrorsStore } from "./account-errors.store.ts";
import { AccountsStore } from "./accounts.store.ts";
import { probeAccountEnvironment } from "./config.ts";
import { openCredentials } from "./credentials/open-credentials.ts";
import { CredentialsStore } from "./credentials.store.ts";
import { DataKeysStore } from "./data-keys.store.ts";
import { providerNamed } from "./providers/index.ts";
import { AccountConditions } from "./scheduling/conditions.ts";
import { type ProbePorts, probeAccount, probeDueAccounts } from "./scheduling/probe-accounts.ts";
import { transports } from "./transports/index.ts";

export const handler = makeHandler({
  input: z.object({ accountId: z.string().min(1).max(60).optional() }),
  build: (): ProbePorts => {
    const environment = readEnvironment(probeAccountEnvironment);
    const table = environment.RELAY_ACCOUNTS_TABLE;
    const documents = documentClient();
    const accounts = new AccountsStore(documents, table);
    const credentials = openCredentials({
      ...{ stage: environment.STAGE, now: Date.now },
      store: new CredentialsStore(documents, table),
      dataKeys: new DataKeysStore(new KMSClient(smallCalls), environment.CREDENTIALS_KEY_ID),
    });
    const conditions = new AccountConditions({
      ...{ store: accounts, history: new AccountErrorsStore(documents, table), fleet: undefined, now: Date.now },
      onChange: (accountId, _family, condition) => log.info("a test changed an account", { accountId, ...condition }),
      onFailure: (error) => log.error("what a test said was not written", { error }),
    });
    const policy = { allowLoopback: environment.ALLOW_LOOPBACK, allowedHosts: environment.ALLOWED_PRIVATE_HOSTS };
    return {
      ...{ conditions, provider: providerNamed, transport: transports["node-http"](policy), now: Date.now },
      read: () => accounts.readSnapshot(Date.now(), { consistent: true }),
      account: (accountId) => accounts.account(accountId),
      credential: (account) => credentials.get(account),
      keepProbe: (accountId, result) => accounts.keepProbe(accountId, result),
    };
  },
  run: async ({ accountId }, ports) => {
    const probed = await (accountId === undefined ? probeDueAccounts(ports) : probeAccount(accountId, ports));
    if (probed.length > 0) log.info("tested accounts", { category: "scheduler", probed });
    return { probed };
  },
});
