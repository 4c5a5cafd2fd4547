// The one clock of the local cloud: it can run faster than time, be moved by hand, and skip waits while nothing works.

export interface ClockOptions {
  /** How many cloud seconds pass in a real second. Default 1. */
  readonly speed?: number;
  /** Jump to the next awaited moment whenever nothing holds the clock (see `hold`). Default false. */
  readonly skipIdle?: boolean;
  /** Cloud time at start, milliseconds since 1970. Default: the machine's time. */
  readonly startAtMilliseconds?: number;
}

/** Work in progress. While any hold is awake, an idle-skipping clock does not jump. */
export interface Hold {
  /** Waits in cloud time; the hold is asleep meanwhile and awake again before anything else may jump. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  release(): void;
}

export interface SleepOptions {
  readonly signal?: AbortSignal;
  /** A background wait (schedules, expiry) is never jumped to. */
  readonly background?: boolean;
}

interface Timer {
  readonly at: number;
  readonly background: boolean;
  readonly fire: () => void;
}

/** Layout of the memory shared with Lambda workers, so that their `Date` agrees with the cloud's. */
const sharedSlots = { realBase: 0, cloudBase: 1, speed: 2 } as const;

/** setTimeout takes a signed 32-bit number of milliseconds; a longer wait is waited for in several rounds. */
const longestRealWaitMilliseconds = 2 ** 31 - 1;

export class Clock {
  readonly speed: number;
  /** Three float64: real base, cloud base (both ms), speed. Read by the Lambda host's workers. */
  readonly shared: Float64Array;
  readonly #skipIdle: boolean;
  readonly #timers = new Set<Timer>();
  #awake = 0;
  #realTimer: NodeJS.Timeout | undefined;
  /** Cloud time for which the real timer is set. */
  #armedFor = Number.POSITIVE_INFINITY;
  #skipQueued = false;
  #closed = false;

  constructor(options: ClockOptions = {}) {
    this.speed = options.speed ?? 1;
    if (!(this.speed > 0 && Number.isFinite(this.speed))) throw new RangeError(`clock speed must be above 0`);
    this.#skipIdle = options.skipIdle ?? false;
    this.shared = new Float64Array(new SharedArrayBuffer(3 * Float64Array.BYTES_PER_ELEMENT));
    this.shared[sharedSlots.realBase] = Date.now();
    this.shared[sharedSlots.cloudBase] = options.startAtMilliseconds ?? Date.now();
    this.shared[sharedSlots.speed] = this.speed;
  }

  /** Cloud time, milliseconds since 1970. */
  now(): number {
    const { realBase, cloudBase } = sharedSlots;
    return (this.shared[cloudBase] ?? 0) + (Date.now() - (this.shared[realBase] ?? 0)) * this.speed;
  }

  /** Moves cloud time ahead; whatever became due fires at once. */
  advance(milliseconds: number): void {
    if (milliseconds < 0) throw new RangeError("the clock does not go back");
    const { cloudBase } = sharedSlots;
    this.shared[cloudBase] = (this.shared[cloudBase] ?? 0) + milliseconds;
    this.#arm();
  }

  /** Resolves at `now() + milliseconds` of cloud time; rejects with the signal's reason when aborted. */
  sleep(milliseconds: number, options: SleepOptions = {}): Promise<void> {
    return this.#wait(milliseconds, options.signal, options.background ?? false, () => undefined);
  }

  hold(): Hold {
    this.#awake += 1;
    let released = false;
    const rest = () => {
      this.#awake -= 1;
      this.#considerSkip();
    };
    return {
      sleep: async (milliseconds, signal) => {
        rest();
        let woken = false;
        const wake = () => {
          woken = true;
          this.#awake += 1;
        };
        try {
          await this.#wait(milliseconds, signal, false, wake);
        } catch (error) {
          if (!woken) wake();
          throw error;
        }
      },
      release: () => {
        if (released) return;
        released = true;
        rest();
      },
    };
  }

  /** Drops every wait; pending sleeps never resolve. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#realTimer);
    this.#timers.clear();
  }

  #wait(milliseconds: number, signal: AbortSignal | undefined, background: boolean, onWake: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const onAbort = () => {
        this.#timers.delete(timer);
        reject(signal?.reason);
      };
      const timer: Timer = {
        at: this.now() + Math.max(0, milliseconds),
        background,
        fire: () => {
          signal?.removeEventListener("abort", onAbort);
          onWake();
          resolve();
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#timers.add(timer);
      // Many waits are far off and given up long before: looking through all of them at each new one would cost more.
      if (timer.at < this.#armedFor) this.#arm();
      else if (!background) this.#realTimer?.ref();
      this.#considerSkip();
    });
  }

  #arm(): void {
    clearTimeout(this.#realTimer);
    this.#armedFor = Number.POSITIVE_INFINITY;
    if (this.#closed || this.#timers.size === 0) return;
    let next = Number.POSITIVE_INFINITY;
    for (const timer of this.#timers) next = Math.min(next, timer.at);
    this.#armedFor = next;
    const realWait = Math.ceil((next - this.now()) / this.speed);
    this.#realTimer = setTimeout(() => this.#fireDue(), Math.min(Math.max(0, realWait), longestRealWaitMilliseconds));
    // A far-off schedule alone does not keep the process alive; open servers do that.
    if ([...this.#timers].every((timer) => timer.background)) this.#realTimer.unref();
  }

  #fireDue(): void {
    const now = this.now();
    const due = [...this.#timers].filter((timer) => timer.at <= now).sort((left, right) => left.at - right.at);
    for (const timer of due) {
      this.#timers.delete(timer);
      timer.fire();
    }
    this.#arm();
    this.#considerSkip();
  }

  #considerSkip(): void {
    if (!this.#skipIdle || this.#skipQueued || this.#awake > 0 || this.#closed) return;
    this.#skipQueued = true;
    // Two turns of the event loop: whoever was woken just now gets the chance to take a hold first.
    setImmediate(() =>
      setImmediate(() => {
        this.#skipQueued = false;
        if (this.#awake > 0 || this.#closed) return;
        let next = Number.POSITIVE_INFINITY;
        for (const timer of this.#timers) if (!timer.background) next = Math.min(next, timer.at);
        if (next === Number.POSITIVE_INFINITY) return;
        if (next > this.now()) this.advance(next - this.now());
        this.#fireDue();
      }),
    );
  }
}
