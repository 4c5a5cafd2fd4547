// Budgets near their end: which thresholds of its limits of cost a key has reached by what it spent. Reservations do not count.
import type { LedgerKey } from "../ledger/ledger.ts";
import { limitsOf } from "../ledger/limits.ts";

const budgetThresholds = [80, 90, 100] as const;

export interface BudgetLevel {
  /** Such as `day`, `week opus`. */
  readonly limit: string;
  /** The highest threshold that is reached. */
  readonly percent: (typeof budgetThresholds)[number];
  readonly usedNanoUsd: number;
  readonly limitNanoUsd: number;
  /** Milliseconds since 1970; null: it never begins anew. */
  readonly resetAt: number | null;
}

/** `reserved`: what of the key's `used` running requests hold, by window name. */
export function budgetsNear(key: LedgerKey, reserved: Readonly<Record<string, number>>, now: number): BudgetLevel[] {
  const spent = Object.entries(key.used).map(
    ([name, used]) => [name, Math.max(0, used - (reserved[name] ?? 0))] as const,
  );
  return limitsOf({ ...key, used: Object.fromEntries(spent) }, now).flatMap((state): BudgetLevel[] => {
    if (state.limit !== "spend") return [];
    const percent = budgetThresholds.findLast((threshold) => state.used * 100 >= state.most * threshold);
    // A limit of nothing is reached by being there: nobody needs to be told.
    if (percent === undefined || state.most === 0) return [];
    return [
      {
        limit: [state.window, state.family].filter(Boolean).join(" "),
        percent,
        usedNanoUsd: state.used,
        limitNanoUsd: state.most,
        resetAt: state.resetAt,
      },
    ];
  });
}
