// A timer that ticks until it is stopped.

/** Calls `tick` every so many milliseconds; what is answered stops it. */
export function every(milliseconds: number, tick: () => void): () => void {
  const timer = setInterval(tick, milliseconds);
  return () => clearInterval(timer);
}
