// Entry: each minute, pauses of accounts that are over end, and what has changed of accounts is told by events.
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { AccountErrorsStore } from "./account-errors.store.ts";
import { AccountsStore } from "./accounts.store.ts";
import { recoverAccountsEnvironment } from "./config.ts";
import { type RecoverPorts, recoverAccounts } from "./scheduling/recover-accounts.ts";

export const handler = makeHandler({
  input: z.object({}),
  build: (): RecoverPorts => {
    const environment = readEnvironment(recoverAccountsEnvironment);
    const documents = documentClient();
    const accounts = new AccountsStore(documents, environment.RELAY_ACCOUNTS_TABLE);
    const errors = new AccountErrorsStore(documents, environment.RELAY_ACCOUNTS_TABLE);
    const events = eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.relay");
    return {
      read: () => accounts.readSnapshot(Date.now(), { consistent: true }),
      replaceCondition: (...change) => accounts.replaceCondition(...change),
      dropFamily: (...seen) => accounts.dropFamily(...seen),
      lastSaid: async (accountId) => (await errors.history(accountId, { most: 1 })).entries[0]?.said ?? "",
      announce: ({ name, detail }) => events.send(name, [detail as never]),
      keepTold: (accountId, told) => accounts.keepTold(accountId, told),
      now: Date.now,
    };
  },
  run: async (_input, ports) => {
    const report = await recoverAccounts(ports);
    log.info("looked after accounts", { category: "scheduler", ...report });
    return report;
  },
});
