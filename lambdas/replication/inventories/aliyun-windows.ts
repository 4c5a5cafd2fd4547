// Time windows as DescribeBackups wants them: minutes, UTC, and not too long.
import type { InventoryWindow } from "./inventory.ts";

/** The vendor warns of timeouts on long ranges: they are asked for in slices. */
const sliceMilliseconds = 7 * 86_400_000;
/** Slices reach into the one before: a backup that runs across a border is in one of them, however the vendor filters. */
const sliceOverlapMilliseconds = 2 * 86_400_000;
const minuteMilliseconds = 60_000;

export function* slicesOf(window: InventoryWindow): Generator<{ startTime: string; endTime: string }> {
  for (let start = window.startMilliseconds; start < window.endMilliseconds; start += sliceMilliseconds) {
    yield minutes({
      startMilliseconds: Math.max(window.startMilliseconds, start - sliceOverlapMilliseconds),
      endMilliseconds: Math.min(start + sliceMilliseconds, window.endMilliseconds),
    });
  }
}

/** `yyyy-MM-ddTHH:mmZ`, the end rounded up: a backup of this very minute is inside. */
export function minutes(window: InventoryWindow): { startTime: string; endTime: string } {
  const text = (milliseconds: number) => `${new Date(milliseconds).toISOString().slice(0, 16)}Z`;
  const end = Math.ceil(window.endMilliseconds / minuteMilliseconds) * minuteMilliseconds;
  return { startTime: text(window.startMilliseconds), endTime: text(end) };
}
