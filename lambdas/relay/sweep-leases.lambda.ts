// Entry: each minute, reservations whose requests never settled are settled, so that no key's budget stays held.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { CausewayError, messageOf } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { AccountsStore } from "./accounts.store.ts";
import { sweepLeasesEnvironment } from "./config.ts";
import { sweepLeases } from "./ledger/sweep.ts";
import { LedgerStore } from "./ledger.store.ts";
import { orphanFinder } from "./scheduling/find-orphan.ts";
import type { Snapshot } from "./scheduling/snapshot.ts";
import { SlotsStore } from "./slots.store.ts";

export const handler = makeHandler({
  input: z.object({}),
  build: () => {
    const environment = readEnvironment(sweepLeasesEnvironment);
    const accounts = new AccountsStore(documentClient(), environment.RELAY_ACCOUNTS_TABLE);
    const client = new DynamoDBClient(smallCalls);
    const slots = new SlotsStore(client, environment.RELAY_ACCOUNTS_TABLE);
    const tables = { keysTable: environment.RELAY_KEYS_TABLE, usageTable: environment.RELAY_USAGE_TABLE };
    const options = { ...tables, client, now: Date.now, random: Math.random };
    return {
      accounts,
      openLedger: (snapshot: Snapshot) =>
        new LedgerStore({
          ...options,
          recordDays: () => snapshot.settings.recordDays,
          findOrphan: orphanFinder({
            ...{ slots, snapshot: async () => snapshot, now: Date.now },
            onFailure: (error, requestId) =>
              log.warn("an orphan's account could not be looked at", { requestId, cause: messageOf(error) }),
          }),
        }),
    };
  },
  run: async (_input, { accounts, openLedger }, { remainingMilliseconds }) => {
    const ledger = openLedger(await accounts.readSnapshot(Date.now()));
    const report = await sweepLeases({
      readPage: (...page) => ledger.readExpired(...page),
      expire: (...lease) => ledger.expire(...lease),
      now: Date.now,
      remainingMilliseconds,
      onFailure: (error, keyId, requestId) =>
        log.error("a reservation could not be settled", { keyId, requestId, cause: messageOf(error) }),
    });
    log.info("swept reservations", { category: "sync", ...report });
    // Told apart from a good run, so that somebody hears of it; the next run tries again.
    if (report.failed > 0) {
      throw new CausewayError("AwsUnavailable", `${report.failed} reservations could not be settled.`);
    }
    return report;
  },
});
