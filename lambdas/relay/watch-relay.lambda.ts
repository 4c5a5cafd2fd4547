// Entry: looks every few minutes at what people should be told of the relay.
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { readEnvironment } from "../shared/environment.ts";
import { eventSender } from "../shared/events.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { watchRelayEnvironment } from "./config.ts";
import { watchRelay } from "./counting/watch-relay.ts";
import { KeyListsStore } from "./key-lists.store.ts";
import { NetworksStore } from "./networks.store.ts";
import { TotalsStore } from "./totals.store.ts";
import { UsageStore } from "./usage.store.ts";

export const handler = makeHandler({
  input: z.object({ scheduledTime: z.string() }),
  build: () => {
    const environment = readEnvironment(watchRelayEnvironment);
    const documents = documentClient();
    return {
      usage: new UsageStore(documents, environment.RELAY_USAGE_TABLE),
      totals: new TotalsStore(documents, environment.RELAY_TOTALS_TABLE),
      networks: new NetworksStore(documents, environment.RELAY_ACCOUNTS_TABLE),
      keys: new KeyListsStore({
        client: new DynamoDBClient(smallCalls),
        keysTable: environment.RELAY_KEYS_TABLE,
        random: Math.random,
      }),
      events: eventSender(new EventBridgeClient(smallCalls), environment.EVENT_BUS_NAME, "causeway.relay"),
    };
  },
  run: async (_input, { usage, totals, networks, keys, events }) => {
    const told = await watchRelay({
      records: (lane, range) => usage.between(lane, range),
      rows: (unit) => totals.rows(unit),
      keys: (after) => keys.figures(after),
      networks: (keyId) => networks.networks(keyId, Date.now()),
      putNetwork: (keyId, network, now) => networks.put(keyId, network, now),
      note: (name) => totals.note(name),
      putNote: (name, note, expiresAt) => totals.putNote(name, note, expiresAt),
      send: (name, details) => events.send(name, details),
      now: Date.now,
    });
    log.info("looked at the relay", told);
    return told;
  },
});
