// What the clients of the relay benchmark do, and what they saw. The same for every contestant.

/** Where requests go; each client key has its own headers, used in turn. */
export interface Target {
  readonly url: string;
  readonly headers: readonly Readonly<Record<string, string>>[];
}

export type Load =
  /** So many connections, each with its next request as soon as the last one is answered. */
  | { readonly kind: "closed"; readonly connections: number; readonly requests: number }
  /** A request every so often, whether the last one is answered or not. */
  | { readonly kind: "paced"; readonly perSecond: number; readonly requests: number };

export interface LoadOrder {
  readonly target: Target;
  readonly load: Load;
  /** JSON text. */
  readonly body: string;
}

/** Times in milliseconds, one for each request. */
export interface LoadResult {
  readonly seconds: number;
  /** From sending to the first byte of the answer's body. */
  readonly firstByte: readonly number[];
  /** From sending to the answer's end. */
  readonly whole: readonly number[];
  /** Events of streams, in all. */
  readonly events: number;
}

/** Of the values, sorted or not; `share` from 0 to 1. NaN of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
