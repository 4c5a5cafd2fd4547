// Timeouts of running work: one background wait on the clock for all of them, so that ten thousand cost no more than one.
import type { Clock } from "../rig/clock.ts";

interface Deadline {
  readonly at: number;
  readonly fire: () => void;
}

/**
 * Background waits: a clock that skips idle time never jumps to a timeout, it only notices one that has passed.
 * Deadlines mostly come in order (the same timeout again and again), so the sorted list is cheap to keep.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #sorted: Deadline[] = [];
  #waitingFor = Number.POSITIVE_INFINITY;
  #wait: AbortController | undefined;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls `fire` once at this cloud time, unless the returned function was called before. */
  add(at: number, fire: () => void): () => void {
    const deadline = { at, fire };
    let index = this.#sorted.length;
    while (index > 0 && (this.#sorted[index - 1]?.at ?? 0) > at) index -= 1;
    this.#sorted.splice(index, 0, deadline);
    this.#arm();
    return () => {
      const found = this.#sorted.indexOf(deadline);
      if (found >= 0) this.#sorted.splice(found, 1);
    };
  }

  close(): void {
    this.#closed = true;
    this.#wait?.abort(new Error("closed"));
  }

  #arm(): void {
    const next = this.#sorted[0]?.at ?? Number.POSITIVE_INFINITY;
    if (this.#closed || next >= this.#waitingFor) return;
    this.#wait?.abort(new Error("an earlier deadline came"));
    const wait = new AbortController();
    this.#wait = wait;
    this.#waitingFor = next;
    this.#clock.sleep(next - this.#clock.now(), { signal: wait.signal, background: true }).then(
      () => {
        if (this.#wait !== wait) return;
        this.#waitingFor = Number.POSITIVE_INFINITY;
        const now = this.#clock.now();
        while ((this.#sorted[0]?.at ?? Number.POSITIVE_INFINITY) <= now) this.#sorted.shift()?.fire();
        this.#arm();
      },
      // Only an abort rejects: another wait took over, or the service is closing.
      () => undefined,
    );
  }
}
