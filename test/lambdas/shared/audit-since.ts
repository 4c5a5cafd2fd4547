// The audit that a test reads: of this month, and of the one before if it has ended meanwhile.
import type { AuditEntry, AuditStore } from "../../../lambdas/shared/audit.store.ts";

const mostEntries = 1000;

/** Newest first. `begun` and `now`: milliseconds since 1970, less than a month apart. */
export async function auditSince(audit: AuditStore, begun: number, now = Date.now()): Promise<AuditEntry[]> {
  const months = new Set([now, begun].map((at) => new Date(at).toISOString().slice(0, 7)));
  const pages = await Promise.all([...months].map((month) => audit.page(month, mostEntries)));
  return pages.flatMap(({ entries }) => entries);
}
