// Entry: counts usage. Called by the stream of RelayUsage, every minute by a schedule, and by an administrator's rebuild.
import { documentClient } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { messageOf } from "../shared/errors.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { publishCounts } from "../shared/metrics.ts";
import { rollUpUsageEnvironment } from "./config.ts";
import { rollUpInput, rollUpUsage } from "./counting/roll-up-usage.ts";
import { RelayLog } from "./relay-log.ts";
import { SettingsStore } from "./settings.store.ts";
import { relaySettingsSchema } from "./settings.ts";
import { TotalsStore } from "./totals.store.ts";
import { UsageStore } from "./usage.store.ts";

/** A unit that is begun is finished; what is left stays marked for the next call. */
const timeToFinishMilliseconds = 60_000;

export const handler = makeHandler({
  input: rollUpInput,
  build: () => {
    const environment = readEnvironment(rollUpUsageEnvironment);
    const documents = documentClient();
    return {
      totals: new TotalsStore(documents, environment.RELAY_TOTALS_TABLE),
      usage: new UsageStore(documents, environment.RELAY_USAGE_TABLE),
      settings: new SettingsStore(documents, environment.RELAY_ACCOUNTS_TABLE),
    };
  },
  run: async (input, { totals, usage, settings: store }, invocation) => {
    let settings = relaySettingsSchema.parse({});
    const relayLog = new RelayLog(log, () => settings.logLevels);
    return rollUpUsage(input, {
      mark: (unit, now) => totals.mark(unit, now),
      marked: (most) => totals.marked(most, Date.now()),
      claim: (unit, now, until) => totals.claim(unit, now, until),
      finish: (claim) => totals.finish(claim),
      records: (lane) => usage.lane(lane),
      rows: (unit) => totals.rows(unit),
      writeRow: (unit, row, expiresAt) => totals.writeRow(unit, row, expiresAt),
      writeRecordsUntil: (...written) => totals.writeRecordsUntil(...written),
      note: (name) => totals.note(name),
      putNote: (name, note) => totals.putNote(name, note),
      hasRecords: (lane) => usage.hasRecords(lane),
      settings: async () => {
        settings = (await store.settings()).settings;
        return settings;
      },
      count: publishCounts,
      told: (report) => relayLog.info("sync", "counted usage", report),
      failed: (error) => relayLog.error("sync", "a roll-up failed and is tried again", { error: messageOf(error) }),
      hasTime: () => invocation.remainingMilliseconds() > timeToFinishMilliseconds,
      now: Date.now,
    });
  },
});
