// Find undelivered: the alerts that no channel took and none is going to take, for the dead-letter queue.
import { type Alert, type Delivery, deliveryIdOf } from "./alert.ts";

export interface UndeliveredAlert {
  readonly alertId: string;
  readonly kind: string;
  readonly event: string;
  readonly severity: string;
  readonly subject: string;
  readonly raisedAt: string;
  /** By channel: how it ended, and what was said last. */
  readonly channels: Readonly<Record<string, { readonly state: string; readonly answer: string | null }>>;
}

export interface UndeliveredPorts {
  readonly readAlerts: (alertIds: readonly string[]) => Promise<ReadonlyMap<string, Alert>>;
  /** As they are now: a read that sees every write before it. */
  readonly readRecords: (deliveries: readonly Pick<Delivery, "deliveryId">[]) => Promise<readonly Delivery[]>;
  /** Whether what the channel takes reaches somebody: it is one of the stage's, and more than a line in the log. */
  readonly reaches: (channel: string) => boolean;
}

/** Bounds what is held at a time: so many alerts with twenty channels each are two thousand records. */
const alertsAtATime = 100;

/**
 * `lost`: deliveries whose records already say `failed` or `given-up`. Two channels that fail at the same moment both
 * write before they read, so that at least one of them sees both; if both do, the alert is among the dead letters twice.
 */
export async function findUndelivered(lost: readonly Delivery[], ports: UndeliveredPorts): Promise<UndeliveredAlert[]> {
  const ids = [...new Set(lost.map(({ alertId }) => alertId))];
  const found: UndeliveredAlert[] = [];
  for (let from = 0; from < ids.length; from += alertsAtATime) {
    const alerts = [...(await ports.readAlerts(ids.slice(from, from + alertsAtATime))).values()];
    const records = await ports.readRecords(
      alerts.flatMap((alert) => alert.channels.map((channel) => ({ deliveryId: deliveryIdOf(alert, channel) }))),
    );
    const byAlert = Map.groupBy(records, ({ alertId }) => alertId);
    for (const alert of alerts) {
      const deliveries = byAlert.get(alert.alertId) ?? [];
      // The log takes everything, and a channel that the stage has no more takes nothing: neither tells anybody. Where
      // there is only the log, the log is what was wanted.
      const telling = deliveries.filter(({ channel }) => ports.reaches(channel));
      const asked = telling.length > 0 ? telling : deliveries;
      if (asked.every(({ state }) => state === "failed" || state === "given-up"))
        found.push(describe(alert, deliveries));
    }
  }
  return found;
}

function describe(
  { alertId, kind, event, severity, subject, raisedAt }: Alert,
  deliveries: readonly Delivery[],
): UndeliveredAlert {
  const channels = Object.fromEntries(
    deliveries.map(({ channel, state, answer }) => [channel, { state, answer }] as const),
  );
  return { alertId, kind, event, severity, subject, raisedAt, channels };
}
