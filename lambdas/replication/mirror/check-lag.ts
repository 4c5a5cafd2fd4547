// Check for lag: what waits for too long is reported, and what waits although nobody works on it is put into the queue again.
import type { EventDetail } from "../../shared/events.ts";
import type { MirrorItem } from "./mirror-item.ts";

export interface CheckLagPorts {
  /** Those that wait since before `before` (RFC 3339), the longest first. */
  waiting(options: { before: string; most: number }): Promise<MirrorItem[]>;
  enqueue(sourceKey: string): Promise<void>;
  lagging(detail: EventDetail<"MirrorLagging">): Promise<void>;
  now(): number;
}

export interface LagReport {
  /** At most `mostItems`. */
  readonly waiting: number;
  readonly lagging: number;
  readonly enqueued: number;
}

/** Items looked at in one check; where more wait, the number told is this. */
const mostItems = 10_000;
/** Messages sent in one check. */
const mostEnqueued = 500;
/** Younger ones are in the queue or in work. */
const idleMilliseconds = 10 * 60_000;
/** A key that fails again and again is tried at growing intervals, up to this one. */
const longestIntervalMilliseconds = 6 * 3_600_000;

export async function checkLag(lagMinutes: number, ports: CheckLagPorts): Promise<LagReport> {
  const now = ports.now();
  const items = await ports.waiting({ before: new Date(now - idleMilliseconds).toISOString(), most: mostItems });
  const limit = new Date(now - lagMinutes * 60_000).toISOString();
  const lagging = items.filter(({ waitingSince }) => waitingSince !== undefined && waitingSince < limit);
  const [oldest] = lagging;
  if (oldest?.waitingSince !== undefined) {
    await ports.lagging({
      objects: lagging.length,
      oldestKey: oldest.sourceKey,
      oldestSince: oldest.waitingSince,
    });
  }
  const idle = items.filter((item) => isIdle(item, now)).slice(0, mostEnqueued);
  for (const { sourceKey } of idle) await ports.enqueue(sourceKey);
  return { waiting: items.length, lagging: lagging.length, enqueued: idle.length };
}

/** Nobody holds it, and its last failure is as long ago as it had waited by then. */
export function isIdle(item: MirrorItem, nowMilliseconds: number): boolean {
  const { lease, lastError, waitingSince } = item;
  if (waitingSince === undefined) return false;
  if (lease !== undefined && Date.parse(lease.expiresAt) >= nowMilliseconds) return false;
  if (lastError === undefined) return true;
  const failedAt = Date.parse(lastError.at);
  const interval = Math.min(
    longestIntervalMilliseconds,
    Math.max(idleMilliseconds, failedAt - Date.parse(waitingSince)),
  );
  return nowMilliseconds - failedAt >= interval;
}
