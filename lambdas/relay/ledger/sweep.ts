// Sweep: settles what nobody will settle any more. A lease that is over belongs to a Lambda that died, or that lost its way to DynamoDB.
import type { UsageRecord } from "../counting/usage-record.ts";
import { timeOfRequestId } from "../request-id.ts";
import { noUsage } from "../token-usage.ts";
import type { StoredLease } from "./key-item.ts";
import type { Orphan } from "./ledger-ports.ts";

export interface ExpiredKey {
  readonly keyId: string;
  readonly expired: readonly StoredLease[];
}

export interface KeyPage {
  readonly keys: readonly ExpiredKey[];
  /** Keys that were looked at. */
  readonly looked: number;
  /** Undefined: the segment is at its end. */
  readonly position: string | undefined;
}

export interface SweepPorts {
  /** One page of one of the table's segments. */
  readPage(segment: number, segments: number, position: string | undefined): Promise<KeyPage>;
  /** `alive`: it was extended meanwhile. */
  expire(keyId: string, lease: StoredLease): Promise<"settled" | "alive">;
  now(): number;
  /** Until the invocation must be over. */
  remainingMilliseconds(): number;
  /** One lease that cannot be settled does not keep the others from it. */
  onFailure(error: unknown, keyId: string, requestId: string): void;
}

export interface SweepReport {
  readonly keys: number;
  readonly settled: number;
  readonly alive: number;
  readonly failed: number;
  /** False: there was no time to look at all keys; the next run begins elsewhere. */
  readonly isComplete: boolean;
}

const segments = 8;
const keysAtOnce = 4;
const minuteMilliseconds = 60_000;

/** Kept for what is under way when the time is over. */
const reserveMilliseconds = 10_000;

/** Throws what reading a page throws; the next run, a minute later, begins with another segment. */
export async function sweepLeases(ports: SweepPorts): Promise<SweepReport> {
  const counts = { keys: 0, settled: 0, alive: 0, failed: 0 };
  const hasTime = () => ports.remainingMilliseconds() > reserveMilliseconds;
  const first = Math.floor(ports.now() / minuteMilliseconds) % segments;
  for (let nth = 0; nth < segments; nth += 1) {
    const segment = (first + nth) % segments;
    let position: string | undefined;
    do {
      if (!hasTime()) return { ...counts, isComplete: false };
      const page = await ports.readPage(segment, segments, position);
      counts.keys += page.looked;
      if (!(await sweepKeys(page.keys, ports, counts, hasTime))) return { ...counts, isComplete: false };
      position = page.position;
    } while (position !== undefined);
  }
  return { ...counts, isComplete: true };
}

/** Several keys at once, the leases of one after the other: they are writes to the same item. False: out of time. */
async function sweepKeys(
  keys: readonly ExpiredKey[],
  ports: SweepPorts,
  counts: { settled: number; alive: number; failed: number },
  hasTime: () => boolean,
): Promise<boolean> {
  const waiting = [...keys];
  let isInTime = true;
  const work = async () => {
    for (let key = waiting.shift(); key !== undefined && isInTime; key = waiting.shift()) {
      for (const lease of key.expired) {
        isInTime &&= hasTime();
        if (!isInTime) return;
        try {
          counts[await ports.expire(key.keyId, lease)] += 1;
        } catch (error) {
          counts.failed += 1;
          ports.onFailure(error, key.keyId, lease.requestId);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: keysAtOnce }, work));
  return isInTime;
}

/** Sums of a day stay exact. */
const mostRealNanoUsd = 4_000_000 * 1_000_000_000;

/**
 * What is known of a request whose end nobody saw: it is charged what it had reserved, and its account is taken to have cost
 * that at list price, which a multiplier of 0 does not tell. A late settlement replaces it.
 */
export function expiredRecord(
  keyId: string,
  lease: StoredLease,
  { accountId, provider, modelServed }: Omit<Orphan, "count">,
): UsageRecord {
  const { requestId, call, nanoUsd, multiplierThousandths } = lease;
  const startedAt = timeOfRequestId(requestId);
  const endedAt = Math.max(startedAt, lease.expiresAt);
  return {
    requestId,
    keyId,
    accountId,
    provider,
    platform: call.platform,
    operation: call.operation,
    modelAsked: call.model,
    modelServed,
    family: lease.family ?? "",
    usage: noUsage,
    usageSource: "none",
    chargedNanoUsd: nanoUsd,
    realNanoUsd:
      multiplierThousandths === 0 ? 0 : Math.min(mostRealNanoUsd, Math.round((nanoUsd / multiplierThousandths) * 1000)),
    reservedNanoUsd: nanoUsd,
    overrunNanoUsd: 0,
    priceVersion: "",
    outcome: "lease-expired",
    reason: "LeaseExpired",
    status: 0,
    stream: call.answers !== "json",
    startedAt: new Date(startedAt).toISOString(),
    endedAt: new Date(endedAt).toISOString(),
    firstByteMilliseconds: null,
    milliseconds: endedAt - startedAt,
    extensions: lease.sequence,
    accountsTried: accountId === "" ? 0 : 1,
    client: "",
    network: "",
  };
}
