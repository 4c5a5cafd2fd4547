// Messages in both languages, for tests of channels: one alert, a digest, a test, and texts that somebody made to do harm.
import { type Alert, type Delivery, newDeliveries } from "../../../lambdas/alerts/alert.ts";
import { subjectOf } from "../../../lambdas/alerts/event-facts.ts";
import {
  alertMessage,
  digestMessage,
  type Message,
  type MessageSettings,
  testMessage,
} from "../../../lambdas/alerts/messages/message.ts";
import { severityOf } from "../../../lambdas/alerts/rule.ts";
import type { BusEvent } from "../../../lambdas/shared/bus-event.ts";
import { eventOf, ruleFor } from "./sample-events.ts";

export const english: MessageSettings = {
  stage: "dev",
  language: "en",
  timeZone: "Asia/Shanghai",
  publicUrl: "https://causeway.example.com",
  runbookUrl: "https://git.example.com/causeway/docs/runbook.md",
};

export const chinese: MessageSettings = { ...english, language: "zh-CN" };

export function alertFor(event: BusEvent, changes: Partial<Alert> = {}): Alert {
  return {
    alertId: `alert-${event.eventId}`,
    kind: "raised",
    ruleId: "rule",
    event: event.name,
    severity: severityOf(ruleFor(event.name), event.name),
    subject: subjectOf(event.name, event.detail),
    cause: event,
    since: event.at,
    count: 1,
    raisedAt: event.at,
    channels: ["channel"],
    ...changes,
  };
}

export function deliveryOf(alert: Alert): Delivery {
  const [delivery] = newDeliveries(alert, alert.raisedAt);
  if (delivery === undefined) throw new Error("the alert has a channel");
  return delivery;
}

export function messageFor(
  event: BusEvent,
  settings: MessageSettings = english,
  changes: Partial<Alert> = {},
): Message {
  const alert = alertFor(event, changes);
  return alertMessage(alert, deliveryOf(alert), settings);
}

export const plainMessage = messageFor(eventOf("BackupCopyFailed"));

/** Of so many objects that are not mirrored. */
export function deliveriesOf(count: number, keyOf = (index: number) => `mysql/rm-1/${index}.xb`): Delivery[] {
  return Array.from({ length: count }, (_, index) =>
    deliveryOf(alertFor(eventOf("MirrorFailed", { sourceKey: keyOf(index) }))),
  );
}

export function digestOf(count: number, settings: MessageSettings = english): Message {
  return digestMessage(deliveriesOf(count), count, settings);
}

export const testingMessage = testMessage(deliveryOf(alertFor(eventOf("BackupCopyFailed"))), "operator", english);

/** What somebody who may name an object or answer a request could put into a message. */
export const harmful =
  'x](https://evil.example) <@all> <font color="info">fine</font> <script>alert(1)</script>\r\nBcc: a@evil.example';
export const harmfulMessage = messageFor(
  eventOf("MirrorFailed", { sourceKey: `mysql/${harmful}`, cause: harmful }),
  english,
  {},
);
