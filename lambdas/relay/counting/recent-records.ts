// What the records of the last minutes show: accounts whose requests fail or come late, charges beyond reservations, callers.
import type { UsageRecord } from "./usage-record.ts";

/** With fewer requests a share says nothing. */
const fewestRequests = 20;
/** Told from the first share on, taken back below the second. */
const errorPercent = { high: 20, normal: 10 };
/** So many times the usual time to the first byte, and never less than the second number of milliseconds. */
const lateFactor = { high: 3, normal: 2 };
const lateMilliseconds = 5000;
/** Of an account that nothing is known of. */
const lateWithoutHistoryMilliseconds = 30_000;

export type RecentRecord = Pick<
  UsageRecord,
  | "requestId"
  | "keyId"
  | "accountId"
  | "outcome"
  | "endedAt"
  | "firstByteMilliseconds"
  | "overrunNanoUsd"
  | "network"
  | "client"
>;

export interface Trouble<Facts> {
  /** Facts by account; empty: of all together. */
  readonly high: ReadonlyMap<string, Facts>;
  /** Accounts that are clearly well. */
  readonly normal: ReadonlySet<string>;
}

export interface ErrorFacts {
  readonly requests: number;
  readonly errors: number;
  readonly percent: number;
}

export interface LatencyFacts {
  readonly requests: number;
  readonly medianMilliseconds: number;
  readonly usualMilliseconds: number;
}

/** Refusals are the relay's own word and no failure; of a request that the sweeper settled nobody knows how it went. */
const unjudged: ReadonlySet<RecentRecord["outcome"]> = new Set(["refused", "lease-expired"]);

export function errorRates(records: readonly RecentRecord[]): Trouble<ErrorFacts> {
  const high = new Map<string, ErrorFacts>();
  const normal = new Set<string>();
  for (const [account, served] of byAccount(records.filter(({ outcome }) => !unjudged.has(outcome)))) {
    const errors = served.filter(({ outcome }) => outcome === "upstream-error" || outcome === "relay-error").length;
    const percent = Math.round((errors / served.length) * 100);
    if (percent < errorPercent.normal) normal.add(account);
    if (served.length < fewestRequests || percent < errorPercent.high) continue;
    high.set(account, { requests: served.length, errors, percent });
  }
  return { high, normal };
}

/** `usual`: mean milliseconds to the first byte by account, of the day before. */
export function latencies(records: readonly RecentRecord[], usual: ReadonlyMap<string, number>): Trouble<LatencyFacts> {
  const high = new Map<string, LatencyFacts>();
  const normal = new Set<string>();
  for (const [account, answered] of byAccount(records.filter(({ firstByteMilliseconds: first }) => first !== null))) {
    const median = Math.round(medianOf(answered.map(({ firstByteMilliseconds: first }) => first ?? 0)));
    const known = usual.get(account);
    const limitOf = (factor: number) =>
      known === undefined ? lateWithoutHistoryMilliseconds : Math.max(lateMilliseconds, known * factor);
    if (median <= limitOf(lateFactor.normal)) normal.add(account);
    if (answered.length < fewestRequests || median <= limitOf(lateFactor.high)) continue;
    high.set(account, {
      requests: answered.length,
      medianMilliseconds: median,
      usualMilliseconds: Math.round(known ?? 0),
    });
  }
  return { high, normal };
}

export interface Overrun {
  readonly keyId: string;
  readonly requests: number;
  readonly nanoUsd: number;
  /** Of the dearest one. */
  readonly requestId: string;
}

export function overruns(records: readonly RecentRecord[]): Overrun[] {
  const over = records.filter(({ overrunNanoUsd }) => overrunNanoUsd > 0);
  return [...Map.groupBy(over, ({ keyId }) => keyId)].map(([keyId, ofKey]) => ({
    keyId,
    requests: ofKey.length,
    nanoUsd: ofKey.reduce((sum, { overrunNanoUsd }) => sum + overrunNanoUsd, 0),
    requestId: ofKey.toSorted((one, other) => other.overrunNanoUsd - one.overrunNanoUsd)[0]?.requestId ?? "",
  }));
}

/** Each network a key was used from, with a client that did; by key. */
export function callers(records: readonly RecentRecord[]): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  for (const { keyId, network, client } of records) {
    if (network === "") continue;
    const networks = found.get(keyId) ?? new Map<string, string>();
    networks.set(network, client);
    found.set(keyId, networks);
  }
  return found;
}

export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return 0;
  if (!Number.isInteger(middle)) return sorted[Math.floor(middle)] ?? 0;
  return ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** And all together under the empty name. */
function byAccount(records: readonly RecentRecord[]): Map<string, readonly RecentRecord[]> {
  const groups = Map.groupBy(
    records.filter(({ accountId }) => accountId !== ""),
    ({ accountId }) => accountId,
  );
  return records.length === 0 ? groups : groups.set("", [...records]);
}
