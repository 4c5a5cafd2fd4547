// Roll up: makes one unit's rows anew from what they are the sum of, and says that the unit above has to follow.
//
// Exact under any delivery: rows are a function of the records alone, never of how often or in which order the stream told
// of them. A unit is marked before its batch is acknowledged, and its mark goes only when nobody marked it meanwhile. Who
// works on a unit holds its lease, which outlives the function; and a row is written only over an older generation.
import { areSame, type Figures, mostRowsPerUnit, noFigures, type Row, RowSums } from "./figures.ts";
import { endOf, parentOf, partsOf, type Unit } from "./units.ts";
import type { UsageRecord } from "./usage-record.ts";

export interface StoredRow extends Row {
  readonly item: string;
  readonly generation: number;
}

export interface StoredRows {
  readonly rows: readonly StoredRow[];
  /** Of a lane: when the first of its records is gone, milliseconds since 1970; undefined: it has never been counted. */
  readonly recordsUntil: number | undefined;
}

export interface LaneRecord extends UsageRecord {
  /** Seconds since 1970. */
  readonly expiresAt: number;
}

/** The right to work on a unit, and which of its marks are answered by that. */
export interface Claim {
  readonly unit: Unit;
  readonly marks: number;
}

export interface RollUpPorts {
  /** Undefined: it is not marked any more, or somebody else works on it. */
  claim(unit: Unit, now: number, until: number): Promise<Claim | undefined>;
  /** Takes the mark away unless it was renewed; then only the claim. */
  finish(claim: Claim): Promise<void>;
  mark(unit: Unit, now: number): Promise<void>;
  /** Strongly consistent, in the order of their ids. */
  records(lane: Unit): AsyncIterable<readonly LaneRecord[]>;
  /** Strongly consistent. */
  rows(unit: Unit): Promise<StoredRows>;
  /** Writes unless a row of this generation or a newer one is there: then false. `expiresAt`: seconds since 1970; undefined: kept. */
  writeRow(unit: Unit, row: StoredRow, expiresAt: number | undefined): Promise<boolean>;
  writeRecordsUntil(lane: Unit, recordsUntil: number, generation: number, expiresAt: number): Promise<void>;
  now(): number;
}

export type RollUpOutcome =
  | { readonly kind: "counted"; readonly changed: number }
  /** Not marked any more, or somebody else's. */
  | { readonly kind: "left" }
  /** Its records are gone: what was counted of them stands. */
  | { readonly kind: "expired" };

const day = 86_400_000;
/** Rows of hours are kept so long; of days, months, years for ever. */
const hourDays = 400;
/** Rows of lanes outlive their records by this: long enough for every correction. */
const laneDaysBeyondRecords = 35;

/** Longer than the function may live (5 minutes): whoever holds a claim that is over is dead. */
export const claimMilliseconds = 6 * 60_000;

const writesAtOnce = 16;

export async function rollUp(unit: Unit, ports: RollUpPorts): Promise<RollUpOutcome> {
  const now = ports.now();
  const claim = await ports.claim(unit, now, now + claimMilliseconds);
  if (claim === undefined) return { kind: "left" };
  const stored = await ports.rows(unit);
  if (stored.recordsUntil !== undefined && stored.recordsUntil <= now) {
    await ports.finish(claim);
    return { kind: "expired" };
  }
  const summed = unit.level === "lane" ? await sumRecords(unit, ports) : await sumParts(unit, ports);
  if (unit.level === "lane" && stored.rows.length === 0 && summed.sums.rows.size === 0) {
    // Never counted, or dropped together with its records: the hour knows better, and stays as it is.
    await ports.finish(claim);
    return { kind: "counted", changed: 0 };
  }
  // Leases follow one another: a later one has read later, and all that was written before it.
  const generation = 1 + stored.rows.reduce((most, row) => Math.max(most, row.generation), 0);
  const expiresAt = expiryOf(unit, summed.recordsUntil);
  if (unit.level === "lane" && summed.recordsUntil !== undefined && summed.recordsUntil !== stored.recordsUntil) {
    await ports.writeRecordsUntil(unit, summed.recordsUntil, generation, expiresAt ?? 0);
  }
  const changed = changesOf(stored.rows, summed.sums, generation);
  const isWritten = await writeAll(changed, (row) => ports.writeRow(unit, row, expiresAt));
  // Somebody wrote although the lease was ours: nothing of it can be trusted, so that all of it comes again.
  if (!isWritten) await ports.mark(unit, ports.now());
  const parent = parentOf(unit);
  // Also when nothing changed: an earlier attempt may have died before this.
  if (parent !== undefined) await ports.mark(parent, ports.now());
  await ports.finish(claim);
  return { kind: "counted", changed: changed.length };
}

interface Summed {
  readonly sums: RowSums;
  readonly recordsUntil: number | undefined;
}

async function sumRecords(lane: Unit, ports: RollUpPorts): Promise<Summed> {
  const sums = new RowSums();
  let until: number | undefined;
  for await (const records of ports.records(lane)) {
    for (const record of records) {
      sums.addRecord(record);
      until = Math.min(until ?? Number.POSITIVE_INFINITY, record.expiresAt * 1000);
    }
  }
  return { sums, recordsUntil: until };
}

async function sumParts(unit: Unit, ports: RollUpPorts): Promise<Summed> {
  const sums = new RowSums(mostRowsPerUnit);
  let until: number | undefined;
  for (const parts of chunked(partsOf(unit, ports.now()), writesAtOnce)) {
    for (const { rows, recordsUntil } of await Promise.all(parts.map((part) => ports.rows(part)))) {
      for (const { item: _item, generation: _generation, ...row } of rows)
        if (!isNothing(row.figures)) sums.addRow(row);
      if (recordsUntil !== undefined) until = Math.max(until ?? 0, recordsUntil);
    }
  }
  return { sums, recordsUntil: until };
}

/** A row whose records all became another's is set to nothing, not taken away: its generation stands guard. */
function changesOf(stored: readonly StoredRow[], sums: RowSums, generation: number): StoredRow[] {
  const before = new Map(stored.map((row) => [row.item, row]));
  const gone = stored.filter(({ item, figures }) => !sums.rows.has(item) && !isNothing(figures));
  return [
    ...[...sums.rows]
      .filter(([item, { figures }]) => !areSame(before.get(item)?.figures ?? noFigures, figures))
      .map(([item, row]) => ({ ...row, item, generation })),
    ...gone.map((row) => ({ ...row, figures: noFigures, generation })),
  ];
}

function isNothing(figures: Figures): boolean {
  return areSame(figures, noFigures);
}

function expiryOf(unit: Unit, recordsUntil = 0): number | undefined {
  const withRecords = recordsUntil + laneDaysBeyondRecords * day;
  if (unit.level === "lane") return Math.ceil(withRecords / 1000);
  if (unit.level === "hour") return Math.ceil(Math.max(withRecords, endOf(unit) + hourDays * day) / 1000);
  return undefined;
}

async function writeAll(rows: readonly StoredRow[], write: (row: StoredRow) => Promise<boolean>): Promise<boolean> {
  let areWritten = true;
  for (const some of chunked(rows, writesAtOnce)) {
    const written = await Promise.all(some.map(write));
    areWritten &&= written.every(Boolean);
  }
  return areWritten;
}

function chunked<Member>(all: readonly Member[], most: number): Member[][] {
  return Array.from({ length: Math.ceil(all.length / most) }, (_, index) =>
    all.slice(index * most, (index + 1) * most),
  );
}
