// Watch relay: every few minutes, what of the relay people should be told. It looks at what is written anyway, so that
// no request waits for it; what is told twice, because the watch died in between, alerts folds into one.
import type { EventDetail, EventName } from "../../shared/events.ts";
import type { LedgerKey } from "../ledger/ledger.ts";
import { makeRequestId } from "../request-id.ts";
import { budgetsNear } from "./budgets-near.ts";
import { addFigures, type Figures, noFigures } from "./figures.ts";
import { callers, errorRates, latencies, overruns, type RecentRecord, type Trouble } from "./recent-records.ts";
import type { StoredRows } from "./roll-up.ts";
import { hourAt, laneCount, laneOf, type Unit } from "./units.ts";
import { anomalyDays, usageAnomalies } from "./usage-anomalies.ts";

export interface WatchPorts {
  /** Records of a lane with ids from `first` to before `before`. */
  records(lane: Unit, range: { first: string; before: string }): AsyncIterable<readonly RecentRecord[]>;
  rows(unit: Unit): Promise<Pick<StoredRows, "rows">>;
  /** All keys, a page at a time. */
  keys(after: string | undefined): Promise<{
    readonly keys: readonly { readonly key: LedgerKey; readonly reserved: Readonly<Record<string, number>> }[];
    readonly position: string | undefined;
  }>;
  /** When a key was last seen in each of its networks, milliseconds since 1970. */
  networks(keyId: string): Promise<ReadonlyMap<string, number>>;
  putNetwork(keyId: string, network: string, now: number): Promise<void>;
  note(name: string): Promise<string | undefined>;
  putNote(name: string, note: string, expiresAt?: number): Promise<void>;
  send<Name extends EventName>(name: Name, details: readonly EventDetail<Name>[]): Promise<void>;
  now(): number;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
/** A request lives so long at most, and is written when it ends; its id tells of its beginning. */
const longestRequest = 20 * minute;
/** Written a moment after it ended. */
const settling = minute;
/** Shares are of so many minutes. */
const windowMinutes = 10;
/** After a pause no more than this is looked at. */
const mostBehind = hour;
const mostRecords = 200_000;
const mostKeyPages = 1000;
/** A key that comes from everywhere is told of no more. */
const mostNetworks = 200;
const mostEvents = 50;

/** What was told, and how many records were looked at. */
export async function watchRelay(ports: WatchPorts): Promise<Record<string, number>> {
  const now = ports.now();
  const until = now - settling;
  const last = Number((await ports.note("watched")) ?? until - 5 * minute);
  const since = Math.max(last, until - mostBehind);
  const records = await recent(Math.min(since, until - windowMinutes * minute), until, ports);
  const fresh = records.filter(({ endedAt }) => Date.parse(endedAt) > since);
  const window = records.filter(({ endedAt }) => Date.parse(endedAt) > until - windowMinutes * minute);
  const told = {
    records: fresh.length,
    overruns: await tell("RelayOverrun", overruns(fresh), ports),
    networks: await watchNetworks(fresh, ports, now),
    errorRates: await watchErrors(window, ports),
    latencies: await watchLatency(window, ports, now),
    budgets: await watchBudgets(ports, { since, now }),
    anomalies: await watchUsage(ports, now),
  };
  await ports.putNote("watched", String(until));
  return told;
}

/** Records that ended after `since` and not after `until`. */
async function recent(since: number, until: number, ports: WatchPorts): Promise<RecentRecord[]> {
  const noRandom = new Uint8Array(16);
  const range = {
    first: makeRequestId(since - longestRequest, noRandom),
    before: makeRequestId(until + settling, noRandom),
  };
  const found: RecentRecord[] = [];
  const firstHour = Math.floor((since - longestRequest) / hour) * hour;
  for (let at = firstHour; at <= until; at += hour) {
    for (let lane = 0; lane < laneCount; lane += 1) {
      for await (const page of ports.records(laneOf(hourAt(at), lane), range)) {
        for (const record of page) {
          const endedAt = Date.parse(record.endedAt);
          if (endedAt > since && endedAt <= until) found.push(record);
        }
        if (found.length > mostRecords) return found;
      }
    }
  }
  return found;
}

async function tell<Name extends EventName>(
  name: Name,
  details: readonly EventDetail<Name>[],
  ports: WatchPorts,
): Promise<number> {
  const some = details.slice(0, mostEvents);
  if (some.length > 0) await ports.send(name, some);
  return some.length;
}

/** The first network of a key is where it lives; any further one is news. */
async function watchNetworks(records: readonly RecentRecord[], ports: WatchPorts, now: number): Promise<number> {
  let told = 0;
  for (const [keyId, networks] of callers(records)) {
    const known = await ports.networks(keyId);
    const isUnsettled = known.size === 0 || known.size >= mostNetworks;
    const strange = [...networks].filter(([network]) => !known.has(network));
    if (!isUnsettled) {
      const details = strange.map(([network, client]) => ({ keyId, network, client }));
      told += await tell("RelayNewNetwork", details, ports);
    }
    for (const network of networks.keys()) {
      const seenAt = known.get(network) ?? 0;
      if (now - seenAt > day) await ports.putNetwork(keyId, network, now);
    }
  }
  return told;
}

async function watchErrors(window: readonly RecentRecord[], ports: WatchPorts): Promise<number> {
  const trouble = errorRates(window);
  return followTrouble("error-rate", trouble, ports, {
    high: (accountId, facts) => ports.send("RelayErrorRate", [{ accountId, ...facts, minutes: windowMinutes }]),
    normal: (accountId) => ports.send("RelayErrorRateNormal", [{ accountId }]),
  });
}

async function watchLatency(window: readonly RecentRecord[], ports: WatchPorts, now: number): Promise<number> {
  const usual = window.length === 0 ? new Map<string, number>() : await usualLatencies(ports, now);
  return followTrouble("latency", latencies(window, usual), ports, {
    high: (accountId, facts) => ports.send("RelayLatency", [{ accountId, ...facts, minutes: windowMinutes }]),
    normal: (accountId) => ports.send("RelayLatencyNormal", [{ accountId }]),
  });
}

/** Told once when it begins and once when it is over; between the two thresholds nothing changes. */
async function followTrouble<Facts>(
  name: string,
  { high, normal }: Trouble<Facts>,
  ports: WatchPorts,
  sending: { high(accountId: string, facts: Facts): Promise<void>; normal(accountId: string): Promise<void> },
): Promise<number> {
  const before = new Set(JSON.parse((await ports.note(name)) ?? "[]") as string[]);
  const after = new Set(before);
  for (const [accountId, facts] of high) {
    if (!before.has(accountId)) await sending.high(accountId, facts);
    after.add(accountId);
  }
  for (const accountId of before) {
    if (!normal.has(accountId)) continue;
    await sending.normal(accountId);
    after.delete(accountId);
  }
  if (after.size > 0 || before.size > 0) await ports.putNote(name, JSON.stringify([...after]));
  return high.size;
}

/** Of the day before, in UTC. */
async function usualLatencies(ports: WatchPorts, now: number): Promise<Map<string, number>> {
  const { rows } = await ports.rows({ level: "day", name: hourAt(now - day).name.slice(0, 8) });
  const sums = new Map<string, Figures>();
  for (const { accountId, figures } of rows) {
    for (const name of [accountId, ""]) sums.set(name, addFigures(sums.get(name) ?? noFigures, figures));
  }
  return new Map(
    [...sums]
      .filter(([, { firstBytes }]) => firstBytes > 0)
      .map(([name, { firstByteMilliseconds, firstBytes }]) => [name, firstByteMilliseconds / firstBytes]),
  );
}

/** The last look and this one: a window that ended in between was filled in its last minutes, or not at all. */
interface Looks {
  readonly since: number;
  readonly now: number;
}

async function watchBudgets(ports: WatchPorts, looks: Looks): Promise<number> {
  let told = 0;
  let after: string | undefined;
  for (let page = 0; page < mostKeyPages; page += 1) {
    const { keys, position } = await ports.keys(after);
    for (const { key, reserved } of keys) {
      if (!key.isDeleted) told += await tellOfBudgets(key, reserved, ports, looks);
    }
    if (position === undefined) break;
    after = position;
  }
  return told;
}

/** A threshold that was passed together with a higher one is not told by itself. */
async function tellOfBudgets(
  key: LedgerKey,
  reserved: Readonly<Record<string, number>>,
  ports: WatchPorts,
  { since, now }: Looks,
): Promise<number> {
  // Another limit, or another window, is another story.
  const levels = new Map(
    [since, now]
      .flatMap((at) => budgetsNear(key, reserved, at))
      .map((level) => [`budget ${key.keyId} ${level.limit} ${level.limitNanoUsd} ${level.resetAt ?? "never"}`, level]),
  );
  let told = 0;
  for (const [name, level] of levels) {
    const toldOf = Number((await ports.note(name)) ?? 0);
    if (toldOf >= level.percent) continue;
    const resetAt = level.resetAt === null ? null : new Date(level.resetAt).toISOString();
    await ports.send("RelayBudgetNear", [{ keyId: key.keyId, ...level, resetAt }]);
    // A limit that never begins anew is told of again after a year at the earliest.
    await ports.putNote(name, String(level.percent), Math.ceil(((level.resetAt ?? now + 365 * day) + day) / 1000));
    told += 1;
  }
  return told;
}

/** The hour that is over, once it has been counted: ten minutes later. */
async function watchUsage(ports: WatchPorts, now: number): Promise<number> {
  const over = hourAt(now - hour - 10 * minute);
  if ((await ports.note("anomalies")) === over.name) return 0;
  const start = Math.floor((now - hour - 10 * minute) / hour) * hour;
  const [{ rows }, ...before] = await Promise.all([
    ports.rows(over),
    ...Array.from({ length: anomalyDays }, (_, index) => ports.rows(hourAt(start - (index + 1) * day))),
  ]);
  const found = usageAnomalies(
    rows,
    before.map((past) => past.rows),
  );
  const at = new Date(start).toISOString();
  const told = await tell(
    "RelayUsageAnomaly",
    found.map((anomaly) => ({ ...anomaly, hour: at })),
    ports,
  );
  await ports.putNote("anomalies", over.name);
  return told;
}
