// Reserve and extend: money is taken before it can be spent, in one conditional write; what stood in its way is read from its failure.
import { CausewayError } from "../../shared/errors.ts";
import { pause } from "../../shared/retry.ts";
import { aboveWholeLimit, type Judgement, judgeExtension, judgeReservation } from "./judge-write.ts";
import { leaseIn, leaseOf, ledgerKeyOf, type StoredLease, withChanges } from "./key-item.ts";
import type { Lease, LedgerKey, More, ReserveRequest } from "./ledger.ts";
import type { LedgerPorts } from "./ledger-ports.ts";
import { countedWindows } from "./limits.ts";
import { expireLease } from "./settle.ts";
import { joinWrite, leaveWrite, pauseInLine, placesThatAreOver, standsInLine } from "./waiting-line.ts";
import { extendWrite, reserveWrite, type Wanted } from "./write-expressions.ts";

/** A key is not changed so often within one request. */
const mostRenewals = 5;
/** Leases that are over, swept by a request that they are in the way of; the sweeper does the rest. */
const mostSweptAtOnce = 10;
/** Of reservations: they ask for the whole item, so that old windows that others left are seen, and removed by the next one. */
const wholeShare = 1 / 64;
/** A line's looks, however slow the clock. */
const mostLooks = 2000;

type Outcome = Exclude<Judgement, { readonly kind: "done" }> | { readonly kind: "reserved"; readonly lease: Lease };

/** See `Ledger.reserve`. */
export async function reserve(request: ReserveRequest, ports: LedgerPorts): Promise<Lease> {
  const { keyId } = request.key;
  const { asksForCount } = request;
  let wanted: Wanted = { ...request, places: [] };
  let isWaiting = false;
  let renewals = 0;
  let hasSwept = false;
  let waitsUntil: number | undefined;
  try {
    for (;;) {
      const outcome = await tryToReserve(wanted, asksForCount, ports);
      if (outcome.kind === "reserved") {
        // Whoever got in has left the line by that very write.
        isWaiting = false;
        return outcome.lease;
      }
      if (outcome.kind === "renewed") {
        renewals += 1;
        if (renewals > mostRenewals) throw changesWithoutEnd(keyId);
        const { nanoUsd, tokens } = await request.renewed(outcome.key);
        wanted = { ...wanted, nanoUsd, tokens, key: outcome.key, now: later(wanted, ports) };
        continue;
      }
      if (outcome.expired.length > 0 && !hasSwept) {
        hasSwept = true;
        await sweepSome(keyId, outcome.expired, ports);
        continue;
      }
      if (!outcome.mayWait) throw outcome.refusal;
      waitsUntil ??= wanted.now + wanted.key.policy.waiting.longestMilliseconds;
      isWaiting ||= await joinLine(wanted, waitsUntil, ports);
      const over = isWaiting ? await waitUntilFree(wanted.key, waitsUntil, ports) : undefined;
      if (over === undefined) throw outcome.refusal;
      wanted = { ...wanted, places: [...new Set([request.requestId, ...over])], now: later(wanted, ports) };
    }
  } finally {
    // A place that stays costs nobody more than the time that it was for.
    if (isWaiting) {
      await ports.update(keyId, leaveWrite(request.requestId), "waited-for", "nothing").catch(() => undefined);
    }
  }
}

/** See `Ledger.extend`. */
export async function extend(lease: Lease, more: More, ports: LedgerPorts): Promise<Lease> {
  const { keyId, requestId, admittedAt } = lease;
  let { key } = lease;
  let hasSwept = false;
  for (let renewals = 0; renewals <= mostRenewals; ) {
    // Seldom, and the last word before the stream's end on how many others run.
    const written = await ports.update(keyId, extendWrite(lease, key, more), "waited-for", "all");
    if (written.isWritten) {
      const stored = leaseIn(written.changed, requestId);
      return {
        ...lease,
        nanoUsd: stored?.nanoUsd ?? lease.nanoUsd + more.nanoUsd,
        tokens: stored?.tokens ?? lease.tokens + more.tokens,
        sequence: lease.sequence + 1,
        key: besideOne(ledgerKeyOf(keyId, written.changed)),
      };
    }
    const judged = judgeExtension(written.item, lease, key, more);
    if (judged.kind === "done")
      return leaseOf(judged.lease, besideOne(ledgerKeyOf(keyId, written.item ?? {})), admittedAt);
    if (judged.kind === "renewed") {
      more.renewed(judged.key);
      key = judged.key;
      renewals += 1;
      continue;
    }
    if (judged.expired.length === 0 || hasSwept) throw judged.refusal;
    hasSwept = true;
    await sweepSome(keyId, judged.expired, ports);
  }
  throw changesWithoutEnd(keyId);
}

async function tryToReserve(wanted: Wanted, asksForCount: boolean, ports: LedgerPorts): Promise<Outcome> {
  const { key, now } = wanted;
  const refusal = aboveWholeLimit(key, countedWindows(key, wanted.family, now), wanted, now);
  if (refusal !== undefined) {
    // The policy may be some seconds old, and a larger limit set since.
    const fresh = await ports.readItem(key.keyId);
    const newer = fresh && ledgerKeyOf(key.keyId, fresh);
    if (newer !== undefined && newer.version !== key.version) return { kind: "renewed", key: newer };
    return { kind: "refused", refusal, expired: [], mayWait: false };
  }
  const reservation = reserveWrite(wanted);
  const isWhole = asksForCount || ports.random() < wholeShare;
  const written = await ports.update(key.keyId, reservation.write, "waited-for", isWhole ? "all" : "changes");
  if (written.isWritten) {
    const stored = { ...reservation.lease, requestId: wanted.requestId, sequence: 0, isDead: false };
    const newer = isWhole
      ? besideOne(ledgerKeyOf(key.keyId, written.changed))
      : withChanges(key, written.changed, reservation.forgotten);
    return { kind: "reserved", lease: leaseOf(stored, newer, now) };
  }
  const judged = judgeReservation(written.item, wanted);
  if (judged.kind !== "done") return judged;
  // Reserved, and so charged, by the policy that it was written under, whatever came since.
  return { kind: "reserved", lease: leaseOf(judged.lease, withChanges(key, written.item ?? {}), now) };
}

/** The key as the others see it, of whom a lease's holder is none. */
function besideOne(key: LedgerKey): LedgerKey {
  return { ...key, leaseCount: Math.max(0, key.leaseCount - 1) };
}

/** What cannot be swept now is the sweeper's; the request is refused by what is still in its way. */
async function sweepSome(keyId: string, expired: readonly StoredLease[], ports: LedgerPorts): Promise<void> {
  for (const lease of expired.slice(0, mostSweptAtOnce)) {
    await expireLease(keyId, lease, ports).catch(() => undefined);
  }
}

async function joinLine({ key, requestId, now }: Wanted, until: number, ports: LedgerPorts): Promise<boolean> {
  const { most } = key.policy.waiting;
  if (most === 0 || until <= now) return false;
  const join = (over: readonly string[]) =>
    ports.update(key.keyId, joinWrite(requestId, until, most, over), "waited-for", "nothing");
  const written = await join([]);
  if (written.isWritten) return true;
  if (written.item === undefined) return false;
  if (standsInLine(written.item, requestId)) return true;
  const over = placesThatAreOver(written.item, now);
  return over.length > 0 && (await join(over)).isWritten;
}

/**
 * Looks again and again, by reads, which do not hold up those that run. Answers the places of those that died in the line;
 * undefined: the time is over.
 */
async function waitUntilFree(
  key: LedgerKey,
  until: number,
  ports: LedgerPorts,
): Promise<readonly string[] | undefined> {
  for (let looks = 0; looks < mostLooks && ports.now() < until; looks += 1) {
    await pause(pauseInLine(ports.random(), ports.now(), until));
    const item = (await ports.readItem(key.keyId)) ?? {};
    const present = ledgerKeyOf(key.keyId, item);
    const isAsItWas = present.isEnabled && present.version === key.version;
    if (!isAsItWas || present.leaseCount < key.policy.concurrency) return placesThatAreOver(item, ports.now());
  }
  return undefined;
}

/** The caller's time, moved on by what passed meanwhile: never back, should the clocks differ. */
function later({ now }: Wanted, ports: LedgerPorts): number {
  return Math.max(now, ports.now());
}

function changesWithoutEnd(keyId: string): CausewayError {
  return new CausewayError("AwsUnavailable", `The key ${keyId} changes without end.`);
}
