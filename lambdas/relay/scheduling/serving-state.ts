// Whether an account is given requests now, and if not, why: for people who look at it.
import { loadOf } from "./account-load.ts";
import type { AccountView } from "./snapshot.ts";
import { standingOf } from "./standing.ts";

/** `reason`: a word such as `rate-limited`, `full`, `expired`; null where nothing speaks against it. Families count not. */
export function servingState(
  view: AccountView,
  now: number,
): { readonly now: boolean; readonly reason: string | null } {
  const { account } = view;
  if (!account.schedulable) return { now: false, reason: "unschedulable" };
  if (account.credentialVersion === 0) return { now: false, reason: "without-credential" };
  if (account.expiresAt !== null && Date.parse(account.expiresAt) <= now) return { now: false, reason: "expired" };
  const load = loadOf(view, now);
  const standing = standingOf(account, undefined, load, now);
  if (standing.kind === "paused") return { now: false, reason: standing.why };
  if (load.open >= load.concurrency) return { now: false, reason: "full" };
  if (standing.kind === "recoverable") return { now: true, reason: standing.why };
  return { now: true, reason: account.standby ? "standby" : null };
}
