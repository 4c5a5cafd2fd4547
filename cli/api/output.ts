// What commands say: a table for people, one JSON document for programs; and the width that a line may have.
import { type Column, cellsOf, padEnd, plain, setInColumns, wrap } from "../terminal-text.ts";

/** Cells of a line on a terminal, without its last one; Infinity elsewhere. */
export function lineCells(): number {
  return process.stdout.isTTY ? Math.max(20, process.stdout.columns - 1) : Number.POSITIVE_INFINITY;
}

export function sayLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** For programs: stable, and nothing else on standard output. */
export function sayJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export interface TableColumn<Row> extends Column {
  readonly title: string;
  readonly text: (row: Row) => string | number | null | undefined;
}

/** Titles and rows; one line that says so where there are none. */
export function sayTable<Row>(columns: readonly TableColumn<Row>[], rows: readonly Row[], none: string): void {
  if (rows.length === 0) {
    sayLine(none);
    return;
  }
  const texts = rows.map((row) => columns.map(({ text }) => plain(String(text(row) ?? ""))));
  const titles = columns.map(({ title }) => title);
  for (const line of setInColumns(columns, [titles, ...texts], lineCells())) sayLine(line);
}

/** Names and values below each other; what is null is left out. Addresses stay whole: somebody will copy them. */
export function sayFacts(facts: Readonly<Record<string, string | number | null | undefined>>): void {
  const rows = Object.entries(facts).flatMap(([name, value]) =>
    value === null || value === undefined ? [] : [[name, plain(String(value))] as const],
  );
  const nameCells = Math.max(0, ...rows.map(([name]) => cellsOf(name)));
  for (const [name, value] of rows) {
    const lines = value.startsWith("s3://") ? [value] : wrap(value, lineCells() - nameCells - 2);
    for (const [at, line] of lines.entries()) sayLine(`${padEnd(at === 0 ? name : "", nameCells)}  ${line}`);
  }
}

export function sayMore(hasMore: boolean, shown: number): void {
  if (hasMore) sayLine(`… and more than these ${shown}; --limit shows more of them.`);
}

/** `2026-11-20 03:30:00Z` */
export function shortTime(time: string | null | undefined): string {
  return time?.replace("T", " ").replace(/\.\d+Z$/, "Z") ?? "";
}
