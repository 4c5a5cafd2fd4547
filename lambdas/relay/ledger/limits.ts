// Limits: what a key's policy allows, what is used of it, and when it begins anew; for headers, pages and alerts.
import type { WindowKind } from "../refusal.ts";
import type { LedgerKey } from "./ledger.ts";
import {
  currentWindows,
  familyWindow,
  minuteEnd,
  minuteOf,
  requestsWindow,
  tokensWindow,
  windowKinds,
} from "./windows.ts";

export interface LimitState {
  readonly limit: "spend" | "requests-per-minute" | "tokens-per-minute" | "concurrency";
  readonly window: WindowKind | "minute" | null;
  /** Of a limit on one family of models. */
  readonly family: string | null;
  readonly unit: "nano-usd" | "requests" | "tokens" | "streams";
  readonly most: number;
  /** Charged and reserved. */
  readonly used: number;
  /** Not below 0. */
  readonly left: number;
  /** When the window ends, milliseconds since 1970; null: it never begins anew. */
  readonly resetAt: number | null;
}

/** Spending limits first, the largest window first; those of families after those of all models. */
export function limitsOf(key: LedgerKey, now: number): LimitState[] {
  return [...spendLimitsOf(key, now), ...rateLimitsOf(key, now)];
}

/**
 * Whether a request of this cost would be admitted, by what was last seen of the key; how many run aside. Only a hint: what
 * counts is the condition of the reservation.
 */
export function hasRoom(
  key: LedgerKey,
  {
    nanoUsd,
    tokens,
    family,
  }: { readonly nanoUsd: number; readonly tokens: number; readonly family: string | undefined },
  now: number,
): boolean {
  if (key.policy.prepaid && (key.balanceNanoUsd ?? 0) < nanoUsd) return false;
  return limitsOf(key, now).every((state) => {
    if (state.limit === "spend") return (state.family !== null && state.family !== family) || state.left >= nanoUsd;
    if (state.limit === "tokens-per-minute") return state.left >= tokens;
    return state.limit !== "requests-per-minute" || state.left > 0;
  });
}

/** The window names that a request of this family is counted in: the four of all models, and those that limit the family. */
export function countedWindows(
  { policy }: Pick<LedgerKey, "policy">,
  family: string | undefined,
  now: number,
): string[] {
  const { names } = currentWindows(policy.timeZone, now);
  const counted = [names.day, names.week, names.month, names.total];
  const limits = family === undefined ? undefined : familyLimits(policy, family);
  if (family === undefined || limits === undefined) return counted;
  for (const kind of windowKinds) if (limits[kind] !== null) counted.push(familyWindow(names[kind], family));
  return counted;
}

/** The limit of a window by its kind and family; undefined: none. */
export function limitOf(
  { policy }: Pick<LedgerKey, "policy">,
  { kind, family }: { readonly kind: WindowKind; readonly family: string | undefined },
): number | undefined {
  const limits = family === undefined ? policy.spend : familyLimits(policy, family);
  return limits?.[kind] ?? undefined;
}

/** Only own properties: a family is a name that came from elsewhere. */
function familyLimits(policy: LedgerKey["policy"], family: string) {
  return Object.hasOwn(policy.familySpend, family) ? policy.familySpend[family] : undefined;
}

function spendLimitsOf(key: LedgerKey, now: number): LimitState[] {
  const { names, ends } = currentWindows(key.policy.timeZone, now);
  const families = [undefined, ...Object.keys(key.policy.familySpend)];
  return families.flatMap((family) =>
    windowKinds.toReversed().flatMap((kind): LimitState[] => {
      const most = limitOf(key, { kind, family });
      if (most === undefined) return [];
      const used = key.used[family === undefined ? names[kind] : familyWindow(names[kind], family)] ?? 0;
      const resetAt = ends[kind] ?? null;
      return [
        { limit: "spend", window: kind, family: family ?? null, unit: "nano-usd", ...figures(most, used), resetAt },
      ];
    }),
  );
}

function rateLimitsOf({ policy, used, leaseCount }: LedgerKey, now: number): LimitState[] {
  const minute = minuteOf(now);
  const common = { family: null, resetAt: minuteEnd(now), window: "minute" } as const;
  const { requestsPerMinute, tokensPerMinute, concurrency } = policy;
  const limits: LimitState[] = [];
  if (requestsPerMinute !== null) {
    const counted = figures(requestsPerMinute, used[requestsWindow(minute)] ?? 0);
    limits.push({ limit: "requests-per-minute", unit: "requests", ...common, ...counted });
  }
  if (tokensPerMinute !== null) {
    const counted = figures(tokensPerMinute, used[tokensWindow(minute)] ?? 0);
    limits.push({ limit: "tokens-per-minute", unit: "tokens", ...common, ...counted });
  }
  const open = figures(concurrency, leaseCount);
  limits.push({ limit: "concurrency", unit: "streams", ...open, window: null, family: null, resetAt: null });
  return limits;
}

function figures(most: number, used: number): { most: number; used: number; left: number } {
  return { most, used, left: Math.max(0, most - used) };
}
