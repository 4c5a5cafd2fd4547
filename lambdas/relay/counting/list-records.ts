// List records: those of a range of time, newest first, filtered, a page at a time.
import { makeRequestId, timeOfRequestId } from "../request-id.ts";
import type { RecordsPage } from "../usage.store.ts";
import { hourAt, startOf, totalUnit, type Unit } from "./units.ts";
import type { UsageRecord } from "./usage-record.ts";

export interface RecordsQuestion {
  /** Milliseconds since 1970, of the requests' beginnings. */
  readonly from: number;
  /** Not part of it. */
  readonly to: number;
  readonly keyId?: string | undefined;
  readonly accountId?: string | undefined;
  /** Asked or served. */
  readonly model?: string | undefined;
  readonly outcome?: UsageRecord["outcome"] | undefined;
  readonly most: number;
  /** Of the page before. */
  readonly position?: string | undefined;
}

export interface RecordsAnswer {
  readonly records: readonly UsageRecord[];
  /** Where the list goes on; undefined at its end. A page may be short, or empty, and the list still go on. */
  readonly position: string | undefined;
}

export interface ListRecordsPorts {
  ofKey(keyId: string, range: { first: string; before: string; most: number }): Promise<RecordsPage>;
  ofHour(hour: Unit, range: { first: string; before: string; most: number }): Promise<RecordsPage>;
}

/** Of one call: 16 queries each for hours. */
const mostLooks = 48;
const recordsPerLook = 250;
const hour = 3_600_000;
/** An id is given a moment before its request begins; no moment is so long. */
const longestMoment = 10_000;
const noRandom = new Uint8Array(16);

export async function listRecords(question: RecordsQuestion, ports: ListRecordsPorts): Promise<RecordsAnswer> {
  const first = makeRequestId(Math.max(startOf(totalUnit), question.from - longestMoment), noRandom);
  const last = makeRequestId(question.to, noRandom);
  let before = question.position ?? last;
  const found: UsageRecord[] = [];
  for (let looks = 0; looks < mostLooks && before > first; looks += 1) {
    const range = { first, before, most: recordsPerLook };
    const [page, next] =
      question.keyId === undefined
        ? await lookAtHour(range, ports)
        : await ports.ofKey(question.keyId, range).then((read) => [read, first] as const);
    for (const record of page.records) {
      if (!isWanted(record, question)) continue;
      found.push(record);
      if (found.length === question.most) return { records: found, position: record.requestId };
    }
    before = page.after ?? next;
  }
  return { records: found, position: before > first ? before : undefined };
}

/** The hour that lies just before a position, and where it begins. */
async function lookAtHour(
  range: { first: string; before: string; most: number },
  { ofHour }: ListRecordsPorts,
): Promise<readonly [RecordsPage, string]> {
  const at = timeBefore(range.before);
  const beginning = makeRequestId(Math.floor(at / hour) * hour, noRandom);
  return [await ofHour(hourAt(at), range), beginning];
}

/** The latest millisecond that an id before this one can have. */
function timeBefore(position: string): number {
  const time = timeOfRequestId(position);
  return /^0+$/.test(position.slice(10)) ? time - 1 : time;
}

function isWanted(record: UsageRecord, { from, to, accountId, model, outcome }: RecordsQuestion): boolean {
  const startedAt = Date.parse(record.startedAt);
  return (
    startedAt >= from &&
    startedAt < to &&
    (accountId === undefined || record.accountId === accountId) &&
    (model === undefined || record.modelAsked === model || record.modelServed === model) &&
    (outcome === undefined || record.outcome === outcome)
  );
}
