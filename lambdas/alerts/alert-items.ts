// Where each thing lies in the Alerts table, and for how long: partitions, sort keys, expiry.
import type { Delivery } from "./alert.ts";
import type { IncidentKey } from "./rule.ts";

export interface ItemKey extends Record<string, unknown> {
  readonly partition: string;
  readonly item: string;
}

/** DynamoDB drops items days after they expire; nothing here relies on their absence. */
export const keptDays = {
  /** An event is delivered anew for a day by EventBridge, then waits in a queue for up to fourteen. */
  marker: 20,
  openIncident: 400,
  /** Long enough for events from before the recovery that are still on their way. */
  wellIncident: 20,
  alert: 400,
} as const;

/** Seconds since 1970, as DynamoDB wants them. */
export function expiryOf(at: string, days: number): number {
  return Math.floor(Date.parse(at) / 1000) + days * 86_400;
}

export function incidentKey({ ruleId, event, key }: Omit<IncidentKey, "subjectKey">): ItemKey {
  return { partition: `incident#${ruleId}`, item: `${event}#${key}` };
}

/** One for each incident that an event is counted in. */
export function markerKey(eventId: string, incident: Omit<IncidentKey, "subjectKey">): ItemKey {
  return { partition: `event#${eventId}`, item: `${incident.ruleId}#${incident.event}` };
}

export function alertKey(alertId: string): ItemKey {
  return { partition: `alert#${alertId}`, item: "alert" };
}

/** The record of a delivery: a month is one partition, read newest first. */
export function recordKey({ deliveryId }: Pick<Delivery, "deliveryId">): ItemKey {
  return { partition: recordPartition(deliveryId), item: deliveryId };
}

/** `at`: any text that begins with `yyyy-mm`. */
export function recordPartition(at: string): string {
  return `deliveries#${at.slice(0, 7)}`;
}

/** What a channel still has to do, in the order in which it may; dropped once the record says how it ended. */
export function pendingKey(delivery: Pick<Delivery, "channel" | "deliveryId" | "notBefore">): ItemKey {
  return { partition: pendingPartition(delivery.channel), item: `${delivery.notBefore}#${delivery.deliveryId}` };
}

/** Sorts behind every item of that moment and before, and in front of all later ones. */
export function pendingUntil(at: string): string {
  return `${at}$`;
}

export function pendingPartition(channel: string): string {
  return `pending#${channel}`;
}

export function recordItem(delivery: Delivery): ItemKey {
  return { ...recordKey(delivery), ...delivery, expiresAt: expiryOf(delivery.raisedAt, keptDays.alert) };
}

/** The items of a delivery that is still to be made: its record, and the channel's note of it. */
export function deliveryItems(delivery: Delivery): ItemKey[] {
  return [recordItem(delivery), { ...pendingKey(delivery), ...delivery }];
}
