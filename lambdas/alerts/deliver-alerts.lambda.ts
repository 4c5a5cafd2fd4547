// Entry: sends what is due through every channel; woken by a message, and every minute in any case.
import { randomUUID } from "node:crypto";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SQSClient } from "@aws-sdk/client-sqs";
import * as z from "zod";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { namedError } from "../shared/aws-errors.ts";
import { readEnvironment } from "../shared/environment.ts";
import { log } from "../shared/log.ts";
import { makeHandler } from "../shared/make-handler.ts";
import { ChannelAddressesStore } from "./channel-addresses.store.ts";
import { ChannelStatesStore } from "./channel-states.store.ts";
import { channels } from "./channels/index.ts";
import { deliverAlertsEnvironment } from "./config.ts";
import { deliverChannel } from "./deliver-channel.ts";
import { deliverPorts } from "./deliver-ports.ts";
import { DeliveriesStore } from "./deliveries.store.ts";
import { QueuesStore } from "./queues.store.ts";

export const handler = makeHandler({
  // From the queue or from Scheduler: both say no more than that it is time.
  input: z.unknown(),
  build: () => {
    const environment = readEnvironment(deliverAlertsEnvironment);
    const documents = documentClient();
    const addresses = new ChannelAddressesStore(new SecretsManagerClient(smallCalls), environment.SECRETS_PREFIX);
    const tools = {
      readAddress: (name: string) => addresses.read(name),
      forgetAddress: (name: string) => addresses.forget(name),
      allowLoopback: environment.ALLOW_LOOPBACK,
      now: () => Date.now(),
    };
    const parts = {
      deliveries: new DeliveriesStore(documents, environment.ALERTS_TABLE),
      states: new ChannelStatesStore(documents, environment.ALERTS_TABLE),
      queues: new QueuesStore(new SQSClient(smallCalls)),
      environment,
    };
    const opened = environment.CHANNELS.map((settings) => ({
      settings,
      channel: channels[settings.type](settings, tools),
    }));
    return { parts, opened };
  },
  run: async (_input, { parts, opened }, { remainingMilliseconds }) => {
    const holder = randomUUID();
    const work = opened.map(({ settings, channel }) =>
      deliverChannel(
        deliverPorts({ ...parts, channel, channelName: settings.name, holder, remainingMilliseconds, now: Date.now }),
      ),
    );
    // A channel whose deliveries cannot be kept does not hold up the others.
    const outcomes = await Promise.allSettled(work);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw namedError(failure.reason);
    const sent = outcomes.reduce((sum, outcome) => sum + (outcome.status === "fulfilled" ? outcome.value : 0), 0);
    if (sent > 0) log.info("delivered", { deliveries: sent });
    return { sent };
  },
});
