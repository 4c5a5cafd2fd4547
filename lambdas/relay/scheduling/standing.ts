// Standing: what speaks against an account at this moment, for this family of models, from its conditions and figures.
import type { Account, AccountCondition } from "./account.ts";
import type { AccountLoad } from "./account-load.ts";
import { nextDayAt } from "./account-load.ts";

export type Standing =
  | { readonly kind: "well" }
  /** May be tried where nothing better is there: its pause is over or nearly over, or it fails too often. */
  | { readonly kind: "recoverable"; readonly isPauseOver: boolean; readonly why: string }
  /** `until`: milliseconds since 1970; null: only a person or a probe brings it back. */
  | { readonly kind: "paused"; readonly until: number | null; readonly why: string };

/** A pause that we chose ourselves, not the upstream: so shortly before its end it may be tried. */
const nearlyOverMilliseconds = 10_000;

/** With so many errors an account is not healthy, although no single answer said so. */
const unhealthyErrorRate = 0.2;

const well: Standing = { kind: "well" };

/** `family`: of the model asked, where prices know one. `keyId`: who asks; undefined: nobody, what any key may meet counts. */
export function standingOf(
  account: Account,
  family: string | undefined,
  load: AccountLoad,
  now: number,
  keyId?: string,
): Standing {
  const ofFamily = family === undefined ? undefined : account.familyConditions[family];
  const { dailyQuotaNanoUsd } = account;
  let standing = ofCondition(account.condition, now, keyId);
  if (ofFamily !== undefined) standing = worse(standing, ofCondition(ofFamily, now, keyId));
  if (dailyQuotaNanoUsd !== null && load.spentTodayNanoUsd >= dailyQuotaNanoUsd) {
    standing = worse(standing, { kind: "paused", until: nextDayAt(now), why: "daily-quota" });
  }
  if (load.errorRate >= unhealthyErrorRate) {
    standing = worse(standing, { kind: "recoverable", isPauseOver: false, why: "error-rate" });
  }
  return standing;
}

function ofCondition(condition: AccountCondition, now: number, keyId: string | undefined): Standing {
  const { state, until, accusedBy } = condition;
  if (state === "healthy") return well;
  if (until === null) return { kind: "paused", until, why: state };
  if (accusedBy !== undefined) return ofAccusal(condition, until <= now, keyId);
  if (until <= now) return { kind: "recoverable", isPauseOver: true, why: state };
  const isOwnPause = state === "failing" || state === "overloaded";
  if (isOwnPause && until - now <= nearlyOverMilliseconds) {
    return { kind: "recoverable", isPauseOver: false, why: state };
  }
  return { kind: "paused", until, why: state };
}

/** The word of one key alone: for the others it counts not, unless they had trouble there themselves since the last success. */
function ofAccusal(
  { state, failures, accusedBy }: AccountCondition,
  isPauseOver: boolean,
  keyId: string | undefined,
): Standing {
  if (keyId === undefined || keyId === accusedBy) return { kind: "recoverable", isPauseOver, why: state };
  return failures > 1 ? { kind: "recoverable", isPauseOver: true, why: state } : well;
}

const badness = { well: 0, recoverable: 1, paused: 2 } as const;

function worse(left: Standing, right: Standing): Standing {
  if (left.kind === "paused" && right.kind === "paused") {
    if (left.until === null) return left;
    return right.until === null || right.until > left.until ? right : left;
  }
  if (left.kind === "recoverable" && right.kind === "recoverable") return left.isPauseOver ? right : left;
  return badness[right.kind] > badness[left.kind] ? right : left;
}
