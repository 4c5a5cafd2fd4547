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

/** `family`: of the model asked, where prices know one. */
export function standingOf(account: Account, family: string | undefined, load: AccountLoad, now: number): Standing {
  const ofFamily = family === undefined ? undefined : account.familyConditions[family];
  const { dailyQuotaNanoUsd } = account;
  let standing = ofCondition(account.condition, now);
  if (ofFamily !== undefined) standing = worse(standing, ofCondition(ofFamily, now));
  if (dailyQuotaNanoUsd !== null && load.spentTodayNanoUsd >= dailyQuotaNanoUsd) {
    standing = worse(standing, { kind: "paused", until: nextDayAt(now), why: "daily-quota" });
  }
  if (load.errorRate >= unhealthyErrorRate) {
    standing = worse(standing, { kind: "recoverable", isPauseOver: false, why: "error-rate" });
  }
  return standing;
}

function ofCondition({ state, until }: AccountCondition, now: number): Standing {
  if (state === "healthy") return well;
  if (until === null) return { kind: "paused", until, why: state };
  if (until <= now) return { kind: "recoverable", isPauseOver: true, why: state };
  const isOwnPause = state === "failing" || state === "overloaded";
  if (isOwnPause && until - now <= nearlyOverMilliseconds) {
    return { kind: "recoverable", isPauseOver: false, why: state };
  }
  return { kind: "paused", until, why: state };
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
