// From when to when deliveries are listed: from a little ahead of now back to where the table has dropped them.
import { keptDays } from "./alert-items.ts";

const dayMilliseconds = 86_400_000;

/** `newest` sorts behind every delivery of today, `oldest` in front of all that are kept. */
export function listedTimes(now: number): { readonly newest: string; readonly oldest: string } {
  return {
    newest: new Date(now + dayMilliseconds).toISOString(),
    oldest: new Date(now - keptDays.alert * dayMilliseconds).toISOString(),
  };
}
