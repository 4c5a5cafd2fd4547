// Limit headers: what a key may still use, in the headers that each client reads. The upstream account's own never pass.

import type { LedgerKey } from "../ledger/ledger.ts";
import { type LimitState, limitsOf } from "../ledger/limits.ts";
import type { Platform } from "../platform.ts";

/** Claude Code warns where a window's use passes these shares. */
const warningShare = 0.75;

/** A window that never begins anew: Claude Code shows a reset all the same, so it gets one that is far. */
const farSeconds = 30 * 24 * 3600;

/**
 * Of successes. `key`: as the reservation left it, so that this request's worst case is already counted. Anthropic's
 * `unified` family draws the bar and the warnings of Claude Code: of its two windows the short one is the key's day (else
 * the next longer limit), the long one the key's week (else month, else total). All platforms: `x-ratelimit-*` or their own form.
 */
export function limitHeaders(platform: Platform, key: LedgerKey, now: number): Record<string, string> {
  const limits = limitsOf(key, now);
  const requests = limits.find(({ limit }) => limit === "requests-per-minute");
  const tokens = limits.find(({ limit }) => limit === "tokens-per-minute");
  if (platform !== "anthropic") {
    return {
      ...perMinute("x-ratelimit", "requests", requests, now),
      ...perMinute("x-ratelimit", "tokens", tokens, now),
    };
  }
  return {
    ...anthropicMinute("requests", requests),
    ...anthropicMinute("tokens", tokens),
    ...unified(limits, now),
  };
}

function perMinute(prefix: string, unit: string, state: LimitState | undefined, now: number): Record<string, string> {
  if (state === undefined) return {};
  return {
    [`${prefix}-limit-${unit}`]: String(state.most),
    [`${prefix}-remaining-${unit}`]: String(state.left),
    // As OpenAI writes durations: seconds with the letter.
    [`${prefix}-reset-${unit}`]: `${secondsUntil(state.resetAt ?? now, now)}s`,
  };
}

function anthropicMinute(unit: string, state: LimitState | undefined): Record<string, string> {
  if (state === undefined) return {};
  const prefix = `anthropic-ratelimit-${unit}`;
  return {
    [`${prefix}-limit`]: String(state.most),
    [`${prefix}-remaining`]: String(state.left),
    ...(state.resetAt !== null && { [`${prefix}-reset`]: new Date(state.resetAt).toISOString() }),
  };
}

const shortWindows = ["day", "week", "month", "total"] as const;
const longWindows = ["week", "month", "total"] as const;

function unified(limits: readonly LimitState[], now: number): Record<string, string> {
  const spend = limits.filter(({ limit, family }) => limit === "spend" && family === null);
  const find = (names: readonly string[]) =>
    names.map((name) => spend.find(({ window }) => window === name)).find((state) => state !== undefined);
  const short = find(shortWindows);
  if (short === undefined) return {};
  const long = find(longWindows) ?? short;
  const fullest = shareOf(long) > shareOf(short) ? long : short;
  return {
    "anthropic-ratelimit-unified-status": statusOf(fullest),
    "anthropic-ratelimit-unified-reset": resetSeconds(fullest, now),
    "anthropic-ratelimit-unified-representative-claim": fullest === short ? "five_hour" : "seven_day",
    ...windowHeaders("5h", short, now),
    ...windowHeaders("7d", long, now),
  };
}

function windowHeaders(name: string, state: LimitState, now: number): Record<string, string> {
  return {
    [`anthropic-ratelimit-unified-${name}-status`]: statusOf(state),
    [`anthropic-ratelimit-unified-${name}-utilization`]: shareOf(state).toFixed(4),
    [`anthropic-ratelimit-unified-${name}-reset`]: resetSeconds(state, now),
  };
}

/** A success is never `rejected`, even where its own reservation filled the window. */
function statusOf(state: LimitState): string {
  return shareOf(state) >= warningShare ? "allowed_warning" : "allowed";
}

function shareOf({ used, most }: LimitState): number {
  return most === 0 ? 1 : Math.min(1, used / most);
}

/** Unix seconds, unlike the resets of the minute's limits. */
function resetSeconds({ resetAt }: LimitState, now: number): string {
  return String(Math.ceil((resetAt ?? now + farSeconds * 1000) / 1000));
}

function secondsUntil(moment: number, now: number): number {
  return Math.max(0, Math.ceil((moment - now) / 1000));
}
