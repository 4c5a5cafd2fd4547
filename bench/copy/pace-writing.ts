// Writes at a steady rate, as one connection over a long distance brings it.
import type { Writable } from "node:stream";

/** Short enough that a part of a few MiB is spread evenly, long enough that timers cost nothing. */
const tickMilliseconds = 20;

/** Ends `to` when `next` gives no more bytes; what `to` cannot take holds the rate back, and is not made up for. */
export function paceWriting(to: Writable, next: (mostBytes: number) => Buffer, bytesPerSecond: number): void {
  const startedAt = performance.now();
  let written = 0;
  let blocked = false;
  to.on("drain", () => {
    blocked = false;
  });
  const timer = setInterval(() => {
    if (blocked) return;
    let due = Math.floor(((performance.now() - startedAt) * bytesPerSecond) / 1000) - written;
    while (due > 0 && !blocked) {
      const bytes = next(due);
      if (bytes.length === 0) {
        clearInterval(timer);
        to.end();
        return;
      }
      blocked = !to.write(bytes);
      written += bytes.length;
      due -= bytes.length;
    }
  }, tickMilliseconds);
  to.once("close", () => clearInterval(timer));
}
