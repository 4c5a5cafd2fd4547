// Entry: a marked test through a channel, asked for over HTTP. A function of its own, for it reads the channels' secrets.
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { AuditStore } from "../shared/audit.store.ts";
import { documentClient, smallCalls } from "../shared/aws-clients.ts";
import { defineRoutes } from "../shared/define-routes.ts";
import { readEnvironment } from "../shared/environment.ts";
import { IdempotencyStore } from "../shared/idempotency.store.ts";
import { ChannelAddressesStore } from "./channel-addresses.store.ts";
import { ChannelStatesStore } from "./channel-states.store.ts";
import { channels } from "./channels/index.ts";
import { sendTestAlertEnvironment } from "./config.ts";
import { messageSettings } from "./deliver-ports.ts";
import { DeliveriesStore } from "./deliveries.store.ts";
import { routes } from "./routes.ts";
import { sendTest, type TestPorts } from "./send-test.ts";

export const handler = defineRoutes({
  routes,
  entry: "send-test-alert",
  build: () => {
    const environment = readEnvironment(sendTestAlertEnvironment);
    const documents = documentClient();
    const addresses = new ChannelAddressesStore(new SecretsManagerClient(smallCalls), environment.SECRETS_PREFIX);
    const deliveries = new DeliveriesStore(documents, environment.ALERTS_TABLE);
    const states = new ChannelStatesStore(documents, environment.ALERTS_TABLE);
    const tools = {
      readAddress: (name: string) => addresses.read(name),
      forgetAddress: (name: string) => addresses.forget(name),
      allowLoopback: environment.ALLOW_LOOPBACK,
      now: () => Date.now(),
    };
    const ports: TestPorts = {
      settings: messageSettings(environment),
      channelOf: (name) => {
        const settings = environment.CHANNELS.find((channel) => channel.name === name);
        return settings && channels[settings.type](settings, tools);
      },
      keepRecord: (delivery) => deliveries.putRecord(delivery),
      noteSent: (channel, at) => states.noteSent(channel, at),
      now: () => Date.now(),
    };
    return {
      audit: new AuditStore(documents, environment.AUDIT_TABLE),
      idempotency: new IdempotencyStore(documents, environment.IDEMPOTENCY_TABLE),
      ports,
    };
  },
  handlers: {
    testAlertChannel: async ({ body, caller, workId, audit }, { ports }) => {
      const data = await sendTest({ channel: body.channel, by: caller.name, workId }, ports);
      audit.note({ channel: data.channel, delivered: data.delivered });
      return { data };
    },
  },
});
