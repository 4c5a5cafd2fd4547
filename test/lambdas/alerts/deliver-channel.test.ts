// Deliveries through a channel that works, is slow to take, is down, refuses, or dies: none is lost, few messages are sent.
import { describe, expect, it } from "vitest";
import type { Alert, Delivery } from "../../../lambdas/alerts/alert.ts";
import type { Channel } from "../../../lambdas/alerts/channels/channel.ts";
import { type ChannelState, type DeliverPorts, deliverChannel } from "../../../lambdas/alerts/deliver-channel.ts";
import { pausesSeconds } from "../../../lambdas/alerts/delivery-attempts.ts";
import { findUndelivered } from "../../../lambdas/alerts/find-undelivered.ts";
import type { Message } from "../../../lambdas/alerts/messages/message.ts";
import { CausewayError, type ErrorName } from "../../../lambdas/shared/errors.ts";
import { eventOf } from "./sample-events.ts";
import { alertFor, deliveryOf, english } from "./sample-messages.ts";

const start = Date.parse("2026-11-20T10:00:00.000Z");
const minute = 60_000;

/** A channel and what the table would hold for it. */
class MemoryChannel {
  now = start;
  state: ChannelState = { sentAt: [], pausedUntil: 0 };
  isHeld = false;
  readonly messages: Message[] = [];
  readonly sentAt: number[] = [];
  readonly alerts = new Map<string, Alert>();
  readonly pendings = new Map<string, Delivery>();
  readonly records = new Map<string, Delivery>();
  readonly undelivered: string[] = [];
  /** The channel's next answers: an error's name, or nothing for a success. */
  trouble: (ErrorName | undefined)[] = [];
  /** Thrown at the next write of records: the function dies there. */
  diesAtRecords = false;
  otherChannel: Delivery["state"] | undefined;
  /** False: it is the log, or the stage has it no more. */
  otherReaches = true;

  readonly channel: Channel = {
    pace: { messagesPerMinute: 20, alertsOneByOne: 5, mostAlertsPerMessage: 1_000 },
    fits: () => true,
    send: async (message) => {
      this.now += 100;
      const name = this.trouble.shift();
      if (name !== undefined) throw new CausewayError(name, "said the channel", { details: { retryAfterSeconds: 10 } });
      this.messages.push(message);
      this.sentAt.push(this.now);
      return "ok";
    },
  };

  readonly ports: DeliverPorts = {
    settings: english,
    channel: this.channel,
    takeLease: async () => {
      if (this.isHeld) return undefined;
      this.isHeld = true;
      return this.state;
    },
    keepState: async (state) => {
      this.state = state;
    },
    letGo: async (state) => {
      this.isHeld = false;
      this.state = state;
    },
    pending: async (now) =>
      [...this.pendings.values()].filter(({ notBefore }) => Date.parse(notBefore) <= now).slice(0, 1_000),
    readAlert: async (alertId) => this.alerts.get(alertId),
    keepRecords: async (deliveries) => {
      if (this.diesAtRecords) {
        this.diesAtRecords = false;
        throw new Error("killed");
      }
      for (const delivery of deliveries) this.records.set(delivery.deliveryId, delivery);
    },
    keepPending: async (deliveries) => {
      for (const delivery of deliveries) {
        if (delivery.state === "pending") this.pendings.set(delivery.deliveryId, delivery);
        else this.pendings.delete(delivery.deliveryId);
      }
    },
    keepUndelivered: async (lost) => {
      const found = await findUndelivered(lost, {
        readAlerts: async (ids) => new Map(ids.flatMap((id) => [[id, this.alerts.get(id) as Alert] as const])),
        readRecords: async (asked) => asked.flatMap(({ deliveryId }) => this.records.get(deliveryId) ?? []),
        reaches: (name) => name === "channel" || this.otherReaches,
      });
      this.undelivered.push(...found.map(({ alertId }) => alertId));
    },
    now: () => this.now,
    hasTime: () => true,
  };

  add(count: number, changes: Partial<Delivery> = {}): void {
    for (let index = 0; index < count; index += 1) {
      const channels = this.otherChannel === undefined ? ["channel"] : ["channel", "other"];
      const alert = alertFor(eventOf("MirrorFailed", { sourceKey: `mysql/${this.alerts.size}` }), {
        channels,
        alertId: `alert-${this.alerts.size}`,
      });
      const delivery = { ...deliveryOf(alert), ...changes };
      this.alerts.set(alert.alertId, alert);
      this.pendings.set(delivery.deliveryId, delivery);
      if (this.otherChannel === undefined) continue;
      const other = { ...delivery, channel: "other", deliveryId: delivery.deliveryId.replace(/channel$/, "other") };
      this.records.set(other.deliveryId, { ...other, state: this.otherChannel });
    }
  }

  async deliver(afterMilliseconds = 0): Promise<number> {
    this.now += afterMilliseconds;
    return deliverChannel(this.ports);
  }

  states(): string[] {
    return [
      ...new Set([...this.records.values()].filter(({ channel }) => channel === "channel").map(({ state }) => state)),
    ];
  }
}

describe("a channel that works", () => {
  it("tells a few alerts one by one", async () => {
    const memory = new MemoryChannel();
    memory.add(5);
    expect(await memory.deliver()).toBe(5);
    expect(memory.messages.map(({ kind }) => kind)).toEqual(Array(5).fill("alert"));
    expect(memory.pendings.size).toBe(0);
    expect(memory.states()).toEqual(["sent"]);
  });

  it("folds a burst into one message, and each delivery says in which it went", async () => {
    const memory = new MemoryChannel();
    memory.add(1_000);
    expect(await memory.deliver()).toBe(1_000);
    expect(memory.messages.map(({ kind, title }) => [kind, title])).toEqual([
      ["digest", "[dev] 1000 alerts in one message"],
    ]);
    expect(new Set([...memory.records.values()].map(({ messageId }) => messageId))).toEqual(
      new Set([memory.messages[0]?.messageId]),
    );
  });

  it("tells what goes on coming in every half minute, and nothing twice", async () => {
    const memory = new MemoryChannel();
    for (let second = 0; second < 60; second += 1) {
      memory.add(17);
      await memory.deliver(1_000);
    }
    await memory.deliver(minute);
    const told = memory.messages.flatMap(({ deliveries }) => deliveries.map(({ deliveryId }) => deliveryId));
    expect(told).toHaveLength(60 * 17);
    expect(new Set(told).size).toBe(60 * 17);
    expect(memory.messages.length).toBeLessThanOrEqual(4);
  });

  it("never sends more in any minute than it may", async () => {
    const memory = new MemoryChannel();
    for (let round = 0; round < 400; round += 1) {
      memory.add(round % 7 === 0 ? 3 : 1);
      await memory.deliver(round % 3 === 0 ? 900 : 15_000);
    }
    for (const moment of memory.sentAt) {
      expect(memory.sentAt.filter((other) => other >= moment && other < moment + minute).length).toBeLessThanOrEqual(
        20,
      );
    }
    await memory.deliver(minute);
    expect(memory.pendings.size).toBe(0);
  });

  it("tells the gravest first when it folds", async () => {
    const memory = new MemoryChannel();
    memory.add(8);
    memory.add(1, { severity: "critical" });
    await memory.deliver();
    expect(memory.messages[0]).toMatchObject({ severity: "critical" });
    expect(memory.messages[0]?.deliveries[0]?.severity).toBe("critical");
  });

  it("sends nothing before the end of quiet hours, and then all of it", async () => {
    const memory = new MemoryChannel();
    const notBefore = new Date(start + 60 * minute).toISOString();
    memory.add(3, { notBefore, nextTryAt: notBefore });
    expect(await memory.deliver(59 * minute)).toBe(0);
    expect(await memory.deliver(minute)).toBe(3);
  });

  it("is left to whoever is at work on it", async () => {
    const memory = new MemoryChannel();
    memory.add(3);
    memory.isHeld = true;
    expect(await memory.deliver()).toBe(0);
    expect(memory.messages).toEqual([]);
  });
});

describe("a channel that is down", () => {
  it("is tried again after growing pauses, and then it all arrives", async () => {
    const memory = new MemoryChannel();
    memory.add(3);
    memory.trouble = ["ChannelUnavailable", "ChannelUnavailable", "ChannelUnavailable"];
    await memory.deliver();
    expect([...memory.records.values()]).toMatchObject([
      { state: "pending", attempts: 1, answer: "said the channel", error: "ChannelUnavailable" },
    ]);
    expect(memory.messages).toEqual([]);
    await memory.deliver(29_000);
    expect(memory.trouble).toHaveLength(2);
    await memory.deliver(1_000);
    expect(memory.trouble).toHaveLength(1);
    await memory.deliver(60_000);
    expect(memory.trouble).toHaveLength(0);
    await memory.deliver(120_000);
    expect(memory.pendings.size).toBe(0);
    expect(memory.messages.flatMap(({ deliveries }) => deliveries)).toHaveLength(3);
  });

  it("once it takes a message, need not wait for what failed before", async () => {
    const memory = new MemoryChannel();
    memory.add(1, { attempts: 6, nextTryAt: new Date(start + 30 * minute).toISOString(), error: "ChannelUnavailable" });
    memory.add(1);
    expect(await memory.deliver()).toBe(2);
  });

  it("is given up after the last attempt, within about an hour, and the alert is among the undelivered", async () => {
    const memory = new MemoryChannel();
    memory.add(1);
    memory.trouble = Array(20).fill("ChannelUnavailable");
    for (let round = 0; round <= pausesSeconds.length; round += 1) await memory.deliver(31 * minute);
    expect([...memory.records.values()]).toMatchObject([
      { state: "given-up", attempts: pausesSeconds.length + 1, nextTryAt: null },
    ]);
    expect(memory.undelivered).toEqual(["alert-0"]);
    expect(memory.pendings.size).toBe(0);
    expect(pausesSeconds.reduce((sum, seconds) => sum + seconds, 0)).toBeLessThan(65 * 60);
  });

  it("is given up without a dead letter where another channel took the alert, or may still take it", async () => {
    for (const otherChannel of ["sent", "pending"] as const) {
      const memory = new MemoryChannel();
      memory.otherChannel = otherChannel;
      memory.add(1);
      memory.trouble = Array(20).fill("ChannelUnavailable");
      for (let round = 0; round <= pausesSeconds.length; round += 1) await memory.deliver(31 * minute);
      expect(memory.states()).toEqual(["given-up"]);
      expect(memory.undelivered).toEqual([]);
    }
  });
});

describe("a channel that refuses", () => {
  it.each(["sent", "pending"] as const)(
    "is the last one where the other is the log, or is the stage's no more: %s",
    async (otherChannel) => {
      const memory = new MemoryChannel();
      memory.otherChannel = otherChannel;
      memory.otherReaches = false;
      memory.add(1);
      memory.trouble = ["ChannelRefused"];
      await memory.deliver();
      expect(memory.undelivered).toEqual(["alert-0"]);
    },
  );

  it.each(["ChannelRefused", "AddressRefused", "ConfigurationInvalid"] as const)(
    "is not tried again: %s",
    async (name) => {
      const memory = new MemoryChannel();
      memory.otherChannel = "given-up";
      memory.add(2);
      memory.trouble = [name, name];
      await memory.deliver();
      expect(memory.states()).toEqual(["failed"]);
      expect(memory.undelivered).toEqual(["alert-0", "alert-1"]);
      await memory.deliver(60 * minute);
      expect(memory.messages).toEqual([]);
    },
  );

  it("is tried again where only its secret is missing", async () => {
    const memory = new MemoryChannel();
    memory.add(1);
    memory.trouble = ["SecretMissing"];
    await memory.deliver();
    await memory.deliver(minute);
    expect(memory.states()).toEqual(["sent"]);
  });

  it("because it is too much is left alone for its minute, however often, and for as long as it asked", async () => {
    const memory = new MemoryChannel();
    memory.add(1);
    memory.trouble = Array(12).fill("ChannelThrottled");
    for (let round = 0; round < 12; round += 1) await memory.deliver(round === 0 ? 0 : 61_000);
    expect(memory.trouble).toEqual([]);
    expect([...memory.records.values()]).toMatchObject([{ state: "pending", attempts: 0, error: "ChannelThrottled" }]);
    await memory.deliver(59_000);
    expect(memory.messages).toEqual([]);
    await memory.deliver(3_000);
    expect(memory.states()).toEqual(["sent"]);
  });
});

describe("a function that dies", () => {
  it("after the channel took the message tells it twice, and never not at all", async () => {
    const memory = new MemoryChannel();
    memory.add(2);
    memory.diesAtRecords = true;
    await expect(memory.deliver()).rejects.toThrow("killed");
    await memory.deliver(minute);
    expect(memory.messages).toHaveLength(3);
    expect(memory.messages[0]?.messageId).toBe(memory.messages[1]?.messageId);
    expect(memory.pendings.size).toBe(0);
  });
});
