// Entry: each minute, reservations whose requests never settled are settled, so that no key's budget stays held.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { CausewayError, messageOf } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { sweepLeasesEnvironment } from "./config.ts";
import { sweepLeases } from "./ledger/sweep.ts";
import { LedgerStore } from "./ledger.store.ts";
import { SettingsStore } from "./settings.store.ts";

export const handler = makeHandler({
  input: z.object({}),
  build: () => {
    const environment = readEnvironment(sweepLeasesEnvironment);
    const settings = new SettingsStore(documentClient(), environment.RELAY_ACCOUNTS_TABLE);
    const tables = { keysTable: environment.RELAY_KEYS_TABLE, usageTable: environment.RELAY_USAGE_TABLE };
    const options = { ...tables, client: new DynamoDBClient(smallCalls), now: Date.now, random: Math.random };
    return {
      settings,
      openLedger: (recordDays: number) => new LedgerStore({ ...options, recordDays: () => recordDays }),
    };
  },
  run: async (_input, { settings, openLedger }, { remainingMilliseconds }) => {
    const { recordDays } = (await settings.settings()).settings;
    const ledger = openLedger(recordDays);
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
