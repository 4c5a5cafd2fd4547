// Why the ledger did not take a reservation or an extension: read from the item as it was when its condition failed.
import { Refusal, type WindowKind } from "../refusal.ts";
import type { StoredItem } from "./attributes.ts";
import { dollars } from "./dollars.ts";
import { leaseIn, leasesOf, ledgerKeyOf, type StoredLease } from "./key-item.ts";
import type { Lease, LedgerKey, More } from "./ledger.ts";
import { countedWindows, limitOf } from "./limits.ts";
import { currentWindows, minuteEnd, minuteOf, readWindow, requestsWindow, tokensWindow } from "./windows.ts";
import type { Wanted } from "./write-expressions.ts";

export type Judgement =
  /** It had happened: its answer was lost. */
  | { readonly kind: "done"; readonly lease: StoredLease }
  /** The key was changed since it was read. */
  | { readonly kind: "renewed"; readonly key: LedgerKey }
  /** `expired`: leases that are over and still hold what is wanted. `mayWait`: nothing but the concurrency is in the way. */
  | {
      readonly kind: "refused";
      readonly refusal: Refusal;
      readonly expired: readonly StoredLease[];
      readonly mayWait: boolean;
    };

/** Clocks differ: a lease is over for others only so long after its end. */
export const graceMilliseconds = 30_000;

const windowNames = { day: "day", week: "week", month: "month", total: "whole time" } as const satisfies Record<
  WindowKind,
  string
>;

/** `item`: undefined where there is none. */
export function judgeReservation(item: StoredItem | undefined, wanted: Wanted): Judgement {
  const { requestId, now } = wanted;
  if (item === undefined) return refused(keyUnknown());
  const own = leaseIn(item, requestId);
  if (own !== undefined) return { kind: "done", lease: own };
  const key = ledgerKeyOf(wanted.key.keyId, item);
  const off = switchedOff(key, now);
  if (off !== undefined) return refused(off);
  if (key.version !== wanted.key.version) return { kind: "renewed", key };
  const expired = expiredLeases(item, now);
  const refusal = spendingReached(
    key,
    countedWindows(key, wanted.family, now),
    wanted.nanoUsd,
    key.policy.prepaid,
    now,
  );
  if (refusal !== undefined) return refused(refusal, expired);
  const rate = rateReached(key, wanted.tokens, now);
  if (rate !== undefined) return refused(rate);
  if (key.leaseCount >= key.policy.concurrency) return refused(concurrencyReached(key), expired, true);
  return refused(unexplained());
}

export function judgeExtension(item: StoredItem | undefined, lease: Lease, key: LedgerKey, more: More): Judgement {
  if (item === undefined) return refused(keyUnknown());
  const own = leaseIn(item, lease.requestId);
  if (own === undefined || own.isDead) return refused(leaseOver());
  if (own.sequence === lease.sequence + 1) return { kind: "done", lease: own };
  const present = ledgerKeyOf(lease.keyId, item);
  const off = switchedOff(present, more.now);
  if (off !== undefined) return refused(off);
  if (present.version !== key.version) return { kind: "renewed", key: present };
  const refusal = spendingReached(present, lease.windows, more.nanoUsd, lease.prepaid, more.now);
  return refused(refusal ?? unexplained(), refusal === undefined ? [] : expiredLeases(item, more.now));
}

/** What can never be admitted, however little is used: the windows' limits would let a first request pass. */
export function aboveWholeLimit(
  key: LedgerKey,
  windows: readonly string[],
  worst: { readonly nanoUsd: number; readonly tokens: number },
  now: number,
): Refusal | undefined {
  const { tokensPerMinute } = key.policy;
  if (tokensPerMinute !== null && worst.tokens > tokensPerMinute)
    return tokensReached(tokensPerMinute, worst.tokens, undefined);
  return spendingReached({ ...key, used: {}, balanceNanoUsd: worst.nanoUsd }, windows, worst.nanoUsd, false, now);
}

export function expiredLeases(item: StoredItem, now: number): StoredLease[] {
  return leasesOf(item).filter(({ expiresAt }) => expiresAt + graceMilliseconds < now);
}

function refused(refusal: Refusal, expired: readonly StoredLease[] = [], mayWait = false): Judgement {
  return { kind: "refused", refusal, expired, mayWait };
}

function switchedOff(key: LedgerKey, now: number): Refusal | undefined {
  if (key.isDeleted) return keyUnknown();
  if (!key.isEnabled) return new Refusal("KeyDisabled", "This key is switched off.");
  if (key.expiresAt === undefined || key.expiresAt > now) return undefined;
  return new Refusal("KeyExpired", `This key expired at ${timeOf(key.expiresAt)}.`);
}

/** Whatever begins anew the latest is named first: who is told of a minute would come again in a minute. */
const latestFirst: readonly WindowKind[] = ["total", "month", "week", "day"];

function spendingReached(
  key: LedgerKey,
  windows: readonly string[],
  nanoUsd: number,
  isPrepaid: boolean,
  now: number,
): Refusal | undefined {
  const named = windows.flatMap((name) => {
    const window = readWindow(name);
    return window === undefined ? [] : [{ name, ...window }];
  });
  const { ends } = currentWindows(key.policy.timeZone, now);
  for (const kind of latestFirst) {
    for (const window of named) {
      const limit = window.kind === kind ? limitOf(key, window) : undefined;
      const used = key.used[window.name] ?? 0;
      if (limit === undefined || used + nanoUsd <= limit) continue;
      // A request that is above the limit by itself is not helped by waiting.
      return budgetReached(window, { limit, used, nanoUsd }, nanoUsd > limit ? undefined : ends[kind]);
    }
  }
  if (!isPrepaid || (key.balanceNanoUsd !== undefined && key.balanceNanoUsd >= nanoUsd)) return undefined;
  const left = key.balanceNanoUsd ?? 0;
  const message = `This key's balance is ${dollars(left)}; this request may cost up to ${dollars(nanoUsd)}. It has to be topped up.`;
  return new Refusal("BalanceSpent", message, { limit: left });
}

function budgetReached(
  { kind, family }: { readonly kind: WindowKind; readonly family: string | undefined },
  { limit, used, nanoUsd }: { readonly limit: number; readonly used: number; readonly nanoUsd: number },
  resetAt: number | undefined,
): Refusal {
  const models = family === undefined ? "" : ` on ${family} models`;
  const span = kind === "total" ? "in all" : `per ${windowNames[kind]}`;
  const message =
    `This key may spend ${dollars(limit)}${models} ${span}: ${dollars(used)} is spent or reserved, ` +
    `and this request may cost up to ${dollars(nanoUsd)}.${resetAt === undefined ? "" : ` The ${windowNames[kind]} ends at ${timeOf(resetAt)}.`}`;
  const window = family === undefined ? { kind } : { kind, family };
  return new Refusal("BudgetReached", message, { limit, window, ...(resetAt === undefined ? {} : { resetAt }) });
}

function rateReached({ policy, used }: LedgerKey, tokens: number, now: number): Refusal | undefined {
  const minute = minuteOf(now);
  const resetAt = minuteEnd(now);
  const { tokensPerMinute, requestsPerMinute } = policy;
  if (tokensPerMinute !== null && (used[tokensWindow(minute)] ?? 0) + tokens > tokensPerMinute) {
    return tokensReached(tokensPerMinute, tokens, tokens > tokensPerMinute ? undefined : resetAt);
  }
  if (requestsPerMinute === null || (used[requestsWindow(minute)] ?? 0) < requestsPerMinute) return undefined;
  return new Refusal("RequestsPerMinute", `This key may make ${requestsPerMinute} requests a minute.`, {
    limit: requestsPerMinute,
    resetAt,
  });
}

function tokensReached(limit: number, tokens: number, resetAt: number | undefined): Refusal {
  const message = `This key may use ${limit} tokens a minute; this request may use up to ${tokens}.`;
  return new Refusal("TokensPerMinute", message, { limit, ...(resetAt === undefined ? {} : { resetAt }) });
}

function concurrencyReached({ policy }: LedgerKey): Refusal {
  return new Refusal("ConcurrencyReached", `This key may have ${policy.concurrency} requests running at once.`, {
    limit: policy.concurrency,
  });
}

/** The same for one that never was and for one that was deleted. */
function keyUnknown(): Refusal {
  return new Refusal("KeyInvalid", "This is no key of this relay, or it is not valid any more.");
}

function leaseOver(): Refusal {
  return new Refusal("RelayUnavailable", "The request ran for longer than its reservation lasts.");
}

/** The condition failed and nothing in the item says why: better no answer than one that nobody paid for. */
function unexplained(): Refusal {
  return new Refusal("RelayUnavailable", "The relay cannot tell now what this key may still spend. Try again.");
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
