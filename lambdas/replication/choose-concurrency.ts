// How many parts are in flight: doubled while that brings more bytes per second, taken back where it does not.

export interface ConcurrencyOptions {
  readonly most: number;
  readonly start?: number;
}

export interface Concurrency {
  /** Parts that may be in flight now. */
  limit(): number;
  /** Tells how many bytes have passed in all by this moment; cheap, may be called for every chunk. */
  observe(bytesInAll: number, nowMilliseconds: number): void;
  /** The other side asked to slow down. */
  throttled(nowMilliseconds: number): void;
}

/** On a path of 20 MiB a second for each connection, 8 at the start would spend a second on climbing alone. */
const defaultStart = 16;
/** Long enough that a few chunks per connection pass, short enough that a copy of seconds still finds its pace. */
const windowMilliseconds = 250;
/** Less than this is taken for noise. */
const worthwhileGain = 1.15;
/** How many windows a level is kept before more is tried once again: paths change over the minutes of a copy. */
const restWindows = 40;

/** A climber with one step back: start → 2× → 4× … until a doubling brings less than 15 % more. */
export function chooseConcurrency(options: ConcurrencyOptions): Concurrency {
  const most = Math.max(1, options.most);
  let level = Math.min(most, options.start ?? defaultStart);
  let windowStart: number | undefined;
  let bytesAtWindowStart = 0;
  let settledRate = 0;
  let before: number | undefined;
  let resting = 0;
  let throttledAt = Number.NEGATIVE_INFINITY;
  /** The first window after a change is not judged: connections are still being opened. The very first begins with a byte. */
  let fresh = false;

  function judge(rate: number): void {
    if (fresh) {
      fresh = false;
      return;
    }
    if (resting > 0) {
      resting -= 1;
      if (resting > 0) return;
      settledRate = rate;
    } else if (before !== undefined && rate < settledRate * worthwhileGain) {
      level = before;
      before = undefined;
      resting = restWindows;
      fresh = true;
      return;
    } else settledRate = rate;
    before = undefined;
    if (level >= most) return;
    before = level;
    level = Math.min(most, level * 2);
    fresh = true;
  }

  return {
    limit: () => level,
    observe(bytesInAll, nowMilliseconds) {
      if (windowStart === undefined) {
        windowStart = nowMilliseconds;
        bytesAtWindowStart = bytesInAll;
        return;
      }
      const elapsed = nowMilliseconds - windowStart;
      if (elapsed < windowMilliseconds) return;
      judge((bytesInAll - bytesAtWindowStart) / elapsed);
      windowStart = nowMilliseconds;
      bytesAtWindowStart = bytesInAll;
    },
    throttled(nowMilliseconds) {
      // All parts in flight meet the same refusal: it is one sign, not as many as there are parts.
      if (nowMilliseconds - throttledAt < windowMilliseconds) return;
      throttledAt = nowMilliseconds;
      level = Math.max(1, Math.floor(level / 2));
      before = undefined;
      resting = restWindows;
      fresh = true;
      windowStart = nowMilliseconds;
    },
  };
}
