// An alert is what is told once about an incident; a delivery is that alert on its way through one channel.
import { createHash } from "node:crypto";
import type { BusEvent } from "../shared/bus-event.ts";
import type { ErrorName } from "../shared/errors.ts";
import type { EventName } from "../shared/events.ts";
import { type Severity, subjectOf } from "./event-facts.ts";
import type { Telling } from "./incident.ts";
import { type Rule, severityOf } from "./rule.ts";

export interface Alert {
  readonly alertId: string;
  readonly kind: Telling["kind"];
  readonly ruleId: string;
  readonly event: EventName;
  readonly severity: Severity;
  /** What it is about, for people; empty: the stage as a whole. */
  readonly subject: string;
  /** Of the event that made it: at a recovery, the recovering one. */
  readonly cause: BusEvent;
  /** The trouble's first event. */
  readonly since: string;
  /** Events of the trouble so far. */
  readonly count: number;
  readonly raisedAt: string;
  readonly channels: readonly string[];
}

export type DeliveryState =
  | "pending"
  | "sent"
  /** The channel refused it for good. */
  | "failed"
  /** The channel could not be reached as often as it was tried. */
  | "given-up";

export interface Delivery {
  /** `<raisedAt>#<alertId>#<channel>`: sorts by time. */
  readonly deliveryId: string;
  readonly alertId: string;
  readonly channel: string;
  readonly kind: Alert["kind"] | "test";
  readonly event: EventName | null;
  readonly severity: Severity;
  readonly subject: string;
  readonly raisedAt: string;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly firstTriedAt: string | null;
  /** What the channel said last; never its address. */
  readonly answer: string | null;
  readonly error: ErrorName | null;
  /** The end of quiet hours, if it had to wait for it. */
  readonly notBefore: string;
  /** After a failed attempt a pause later. Null once it is finished. */
  readonly nextTryAt: string | null;
  readonly finishedAt: string | null;
  /** The message that carried it: several have the same when they were folded into one. */
  readonly messageId: string | null;
}

/** The same event under the same rule makes the same id for a trouble, however often it is delivered. */
export function alertIdOf(event: BusEvent, rule: Rule, trouble: EventName): string {
  const digest = createHash("sha256").update(`${event.eventId} ${rule.ruleId} ${trouble}`).digest("hex");
  return `${event.at.replace(/[-:]|\.\d+/g, "")}-${digest.slice(0, 12)}`;
}

/** `subject` only where it is not the event's own: at a recovery, that of the trouble. */
export function newAlert(
  alertId: string,
  rule: Rule,
  about: { readonly event: EventName; readonly cause: BusEvent; readonly subject?: string },
  telling: Telling,
  channels: readonly string[],
): Alert {
  return {
    alertId,
    kind: telling.kind,
    ruleId: rule.ruleId,
    event: about.event,
    severity: severityOf(rule, about.event),
    subject: about.subject ?? subjectOf(about.event, about.cause.detail),
    cause: about.cause,
    since: telling.since,
    count: telling.count,
    raisedAt: about.cause.at,
    channels: channels.filter((name) => rule.channels === null || rule.channels.includes(name)),
  };
}

export function deliveryIdOf({ raisedAt, alertId }: Pick<Alert, "raisedAt" | "alertId">, channel: string): string {
  return `${raisedAt}#${alertId}#${channel}`;
}

/** One per channel, none of them before `sendableFrom`. */
export function newDeliveries(alert: Alert, sendableFrom: string): Delivery[] {
  return alert.channels.map((channel) => ({
    deliveryId: deliveryIdOf(alert, channel),
    alertId: alert.alertId,
    channel,
    kind: alert.kind,
    event: alert.event,
    severity: alert.severity,
    subject: alert.subject,
    raisedAt: alert.raisedAt,
    state: "pending",
    attempts: 0,
    firstTriedAt: null,
    answer: null,
    error: null,
    notBefore: sendableFrom,
    nextTryAt: sendableFrom,
    finishedAt: null,
    messageId: null,
  }));
}
