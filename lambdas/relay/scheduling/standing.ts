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
export const nearlyOverMilliseconds = 10_000;

/** With so many errors an account is not healthy, although no single answer said so. */
export const unhealthyErrorRate = 0.2;

/** `family`: of the model asked, where prices know one. */
export function standingOf(account: Account, family: string | undefined, load: AccountLoad, now: number): Standing {
  const ofFamily = family === undefined ? undefined : account.familyConditions[family];
  const standings = [account.condition, ...(ofFamily === undefined ? [] : [ofFamily])].map((condition) =>
    ofCondition(condition, now),
  );
  const { dailyQuotaNanoUsd } = account;
  if (dailyQuotaNanoUsd !== null && load.spentTodayNanoUsd >= dailyQuotaNanoUsd) {
    standings.push({ kind: "paused", until: nextDayAt(now), why: "daily-quota" });
  }
  if (load.errorRate >= unhealthyErrorRate) {
    standings.push({ kind: "recoverable", isPauseOver: false, why: "error-rate" });
  }
  return standings.reduce(worse, { kind: "well" });
}

function ofCondition({ state, until }: AccountCondition, now: number): Standing {
  if (state === "healthy") return { kind: "well" };
  if (until === null) return { kind: "paused", until, why: state };
  if (until <= now) return { kind: "recoverable", isPauseOver: true, why: state };
  const isOwnPause = state === "failing" || state === "overloaded";
  if (isOwnPause && until - now <= nearlyOverMilliseconds) {
    return { kind: "recoverable", isPauseOver: false, why: state };
  }
  return { kind: "paused", until, why: state };
}

function worse(left: Standing, right: Standing): Standing {
  if (left.kind === "paused" && right.kind === "paused") {
    if (left.until === null) return left;
    return right.until === null || right.until > left.until ? right : left;
  }
  if (left.kind === "recoverable" && right.kind === "recoverable") return left.isPauseOver ? right : left;
  const order = ["well", "recoverable", "paused"];
  return order.indexOf(right.kind) > order.indexOf(left.kind) ? right : left;
}
