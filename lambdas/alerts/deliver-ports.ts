// The stores, as a channel's deliveries use them: leases by the time that is left, messages by the stage's settings.

import type { ChannelStatesStore } from "./channel-states.store.ts";
import type { Channel, ChannelSettings } from "./channels/channel.ts";
import type { DeliverPorts } from "./deliver-channel.ts";
import type { DeliveriesStore } from "./deliveries.store.ts";
import { findUndelivered } from "./find-undelivered.ts";
import type { LanguageName, MessageSettings } from "./messages/message.ts";
import type { QueuesStore } from "./queues.store.ts";

/** A message and what is kept of it, at most: ten seconds for the call, the rest for a thousand records. */
const messageMilliseconds = 25_000;

/** A lease ends after its holder for certain. */
const leaseBeyondMilliseconds = 10_000;

/** Of the environment of whoever sends messages. */
export interface MessageEnvironment {
  readonly STAGE: string;
  readonly LANGUAGE: LanguageName;
  readonly TIME_ZONE: string;
  readonly PUBLIC_URL: string;
  readonly RUNBOOK_URL: string;
}

export interface DeliverParts {
  readonly deliveries: DeliveriesStore;
  readonly states: ChannelStatesStore;
  readonly queues: QueuesStore;
  readonly environment: MessageEnvironment & {
    readonly UNDELIVERED_QUEUE_URL: string;
    readonly CHANNELS: readonly Pick<ChannelSettings, "name" | "type">[];
  };
  readonly channel: Channel;
  readonly channelName: string;
  readonly holder: string;
  readonly remainingMilliseconds: () => number;
  readonly now: () => number;
}

export function messageSettings(environment: MessageEnvironment): MessageSettings {
  return {
    stage: environment.STAGE,
    language: environment.LANGUAGE,
    timeZone: environment.TIME_ZONE,
    publicUrl: environment.PUBLIC_URL,
    runbookUrl: environment.RUNBOOK_URL,
  };
}

export function deliverPorts(parts: DeliverParts): DeliverPorts {
  const { deliveries, states, queues, environment, channel, channelName, holder, remainingMilliseconds, now } = parts;
  return {
    settings: messageSettings(environment),
    channel,
    takeLease: () => states.take(channelName, holder, now(), now() + remainingMilliseconds() + leaseBeyondMilliseconds),
    keepState: (state) => states.keep(channelName, holder, state),
    letGo: (state) => states.letGo(channelName, holder, state),
    pending: (at) => deliveries.pending(channelName, at),
    readAlert: (alertId) => deliveries.readAlert(alertId),
    keepRecords: (tried) => deliveries.keepRecords(tried),
    keepPending: (tried) => deliveries.keepPending(tried),
    keepUndelivered: async (lost) => {
      const alerts = await findUndelivered(lost, {
        readAlerts: (ids) => deliveries.readAlerts(ids),
        readRecords: (records) => deliveries.readRecords(records),
        reaches: (name) => environment.CHANNELS.some((each) => each.name === name && each.type !== "console"),
      });
      if (alerts.length > 0) await queues.keepUndelivered(environment.UNDELIVERED_QUEUE_URL, alerts);
    },
    now,
    hasTime: () => remainingMilliseconds() > messageMilliseconds,
  };
}
