// Wakes one waiter; a ring that nobody waited for is not lost.
import type { Clock } from "../rig/clock.ts";

export class Bell {
  #isRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#isRung = true;
    this.#wake?.();
  }

  /** Rejects with the signal's reason when aborted. */
  async rung(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#isRung) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => reject(signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        this.#wake = () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
      }).finally(() => {
        this.#wake = undefined;
      });
    }
    this.#isRung = false;
  }

  /** As `rung`, but at the latest after so much cloud time, to which an idle-skipping clock may jump. */
  async rungWithin(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const waits = [this.rung(either), clock.sleep(milliseconds, { signal: either })];
    try {
      await Promise.race(waits);
    } finally {
      done.abort(new Error("the wait is over"));
      await Promise.allSettled(waits);
    }
  }
}
