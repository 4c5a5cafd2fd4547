// Usage as the API shows it, and single records a page at a time.
import * as z from "zod";
import { readCursor, writeCursor } from "../../shared/cursor.ts";
import { wrongInput } from "../../shared/wrong-input.ts";
import { type ListRecordsPorts, listRecords } from "../counting/list-records.ts";
import { startOf, totalUnit } from "../counting/units.ts";
import type { Grouping, UsageAnswer } from "../counting/usage-query.ts";
import { queryUsage, type UsageQueryPorts } from "../counting/usage-query.ts";
import type { UsageRecord } from "../counting/usage-record.ts";
import type { Usage } from "./usage-answers.ts";

interface UsageAsked {
  /** RFC 3339 */
  readonly from: string;
  readonly to?: string | undefined;
  readonly groupBy?: readonly Grouping[] | undefined;
  readonly keyId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly model?: string | undefined;
}

const dayMilliseconds = 24 * 3_600_000;

/** Throws `InputInvalid` naming the field. */
export async function askUsage(asked: UsageAsked, ports: UsageQueryPorts): Promise<UsageAnswer> {
  const { from, to, groupBy = [], keyId, accountId, model } = asked;
  const only = {
    ...(keyId !== undefined && { keyId }),
    ...(accountId !== undefined && { accountId }),
    ...(model !== undefined && { model }),
  };
  const end = to === undefined ? ports.now() : Date.parse(to);
  return queryUsage({ from: Date.parse(from), to: end, groupBy, only }, ports);
}

export function usageOf({ from, to, groupBy, groups, total, isCut }: UsageAnswer): Usage {
  return {
    from: timeOf(from),
    to: timeOf(to),
    groupBy: [...groupBy],
    rows: groups.map(({ values, figures }) => ({
      ...Object.fromEntries(groupBy.map((grouping, index) => [grouping, values[index] ?? ""])),
      ...figures,
    })),
    total,
    isCut,
  };
}

interface RecordsAsked {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly keyId?: string | undefined;
  readonly accountId?: string | undefined;
  readonly model?: string | undefined;
  readonly outcome?: UsageRecord["outcome"] | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** A cursor keeps the range that its first page was asked for, also where that ended "now". */
const position = z.object({ from: z.number(), to: z.number(), at: z.string() });

export async function pageOfRecords(
  { cursor, limit, from, to, ...filter }: RecordsAsked,
  ports: ListRecordsPorts & { now(): number },
): Promise<{ readonly items: readonly UsageRecord[]; readonly cursor: string | null }> {
  const scope = ["listRelayRecords", from, to, filter];
  const before = readCursor(scope, cursor, position);
  const { from: begin, to: end } = before ?? rangeOf(from, to, ports.now());
  const question = { from: begin, to: end, ...filter, most: limit, position: before?.at };
  const { records, position: at } = await listRecords(question, ports);
  return { items: records, cursor: at === undefined ? null : writeCursor(scope, { from: begin, to: end, at }) };
}

/** No further than there are records: each hour of it is looked at. Throws `InputInvalid`. */
function rangeOf(from: string | undefined, to: string | undefined, now: number): { from: number; to: number } {
  const end = to === undefined ? now : Date.parse(to);
  const begin = from === undefined ? end - dayMilliseconds : Date.parse(from);
  if (begin >= end) throw wrongInput([{ field: "query.from", problem: "The range ends before it begins." }]);
  return { from: Math.max(begin, startOf(totalUnit)), to: Math.min(end, now) };
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
