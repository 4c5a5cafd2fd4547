// The pages of what can be looked at, with their cursors: jobs, what one job works on, and the audit.
import * as z from "zod";
import type { AuditEntry } from "../shared/audit.store.ts";
import { readCursor, writeCursor } from "../shared/cursor.ts";
import { CausewayError } from "../shared/errors.ts";
import type { JobsPage, JobsQuestion } from "../shared/jobs.store.ts";
import type { Job, JobKind, JobState, JobView, UnitView } from "../shared/jobs.ts";
import type { Page } from "../shared/routes.ts";

interface Paging {
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** Of a short list that is known whole. Behind its end there are empty pages. */
export function numberedPage<Item>(all: readonly Item[], { page, limit }: { page: number; limit: number }) {
  const from = (page - 1) * limit;
  return { items: all.slice(from, from + limit), page, limit, total: all.length };
}

/** No empty key: DynamoDB would refuse it, and the caller would be told of a fault of ours. */
const keyPart = z.string().min(1).max(1024);

const jobPosition = z.strictObject({ jobId: keyPart, startedAt: keyPart });

export async function listJobs(
  query: Paging & { readonly kind?: JobKind | undefined; readonly state?: JobState | undefined },
  list: (question: JobsQuestion) => Promise<JobsPage>,
): Promise<Page<Job>> {
  const { kind, state, limit } = query;
  const scope = ["jobs", kind ?? null, state ?? null];
  const after = readCursor(scope, query.cursor, jobPosition);
  const { jobs, position } = await list({ kind, states: state && [state], most: limit, after });
  return { items: jobs, cursor: position === undefined ? null : writeCursor(scope, position) };
}

const unitPosition = z.strictObject({ at: z.int().min(0) });

export type ShownJob = Omit<JobView, "units" | "secondsLeft"> & {
  readonly secondsLeft?: number;
  readonly unitsTotal: number;
  readonly units: readonly UnitView[];
  readonly cursor: string | null;
};

/** The totals are of all units; of the units themselves it is a page. Throws `NotFound`. */
export async function showJob(
  jobId: string,
  query: Paging,
  view: (jobId: string) => Promise<JobView | undefined>,
): Promise<ShownJob> {
  const scope = ["units", jobId];
  const from = readCursor(scope, query.cursor, unitPosition)?.at ?? 0;
  const found = await view(jobId);
  if (found === undefined) throw new CausewayError("NotFound", `There is no job ${jobId}.`);
  const { units, secondsLeft, ...job } = found;
  const at = from + query.limit;
  return {
    ...job,
    ...(secondsLeft !== undefined && { secondsLeft }),
    unitsTotal: units.length,
    units: units.slice(from, at),
    cursor: at < units.length ? writeCursor(scope, { at }) : null,
  };
}

interface AuditQuery extends Paging {
  readonly month?: string | undefined;
  readonly subject?: string | undefined;
  readonly operation?: string | undefined;
  readonly outcome?: string | undefined;
  readonly before?: string | undefined;
}

const auditPosition = z.strictObject({ item: keyPart });

/** So many pages of the table are looked at for one page of a filtered list; its cursor goes on from there. */
const mostTablePages = 10;
const entriesPerTablePage = 200;

export async function listAudit(
  query: AuditQuery,
  now: Date,
  page: (
    month: string,
    most: number,
    after: string | undefined,
  ) => Promise<{ readonly entries: readonly AuditEntry[]; readonly position: string | undefined }>,
): Promise<Page<AuditEntry> & { readonly month: string }> {
  const { subject, operation, outcome, before, limit } = query;
  const month = query.month ?? now.toISOString().slice(0, 7);
  const scope = ["audit", month, subject ?? null, operation ?? null, outcome ?? null, before ?? null];
  const fits = (entry: AuditEntry) =>
    (subject === undefined || entry.subject === subject) &&
    (operation === undefined || entry.operation === operation) &&
    (outcome === undefined || entry.outcome === outcome);
  const items: AuditEntry[] = [];
  let after = readCursor(scope, query.cursor, auditPosition)?.item ?? before;
  for (let read = 0; read < mostTablePages; read += 1) {
    const { entries, position } = await page(month, entriesPerTablePage, after);
    for (const entry of entries) {
      if (!fits(entry)) continue;
      items.push(entry);
      if (items.length === limit) return { month, items, cursor: writeCursor(scope, { item: positionOf(entry) }) };
    }
    if (position === undefined) return { month, items, cursor: null };
    after = position;
  }
  return { month, items, cursor: after === undefined ? null : writeCursor(scope, { item: after }) };
}

/** The sort key of an entry, as audit.store.ts writes it. */
const positionOf = ({ at, requestId }: AuditEntry) => `${at}#${requestId}`;
