// A run as text: live lines while it works, one line where nobody watches, and the table at its end.
import type { JobView, UnitView } from "../lambdas/shared/jobs.ts";
import { type Column, clip, padStart, plain, setInColumns } from "./terminal-text.ts";

/** Backups shown while a run works, where the screen has room; a larger run shows the ones under way. */
const mostUnitLines = 12;
/** Lines below the backups: an empty one, the sum, what is settled. */
const linesBelowUnits = 3;
/** From here on a backup's own rate has room beside the rest. */
const columnsForRates = 100;
const leastColumnsForBars = 70;

export function humanBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let index = 0;
  // What would round up to 1024.0 is one of the next unit.
  while (value >= 1023.95 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${index === 0 ? value : value.toFixed(value < 9.995 ? 2 : 1)} ${units[index]}`;
}

/** Minutes and seconds, with hours before them from one hour on. */
export function humanSeconds(seconds: number | undefined): string {
  if (seconds === undefined || !Number.isFinite(seconds)) return "--:--";
  const hours = Math.floor(seconds / 3600);
  const rest = [Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)].map((part) =>
    String(part).padStart(2, "0"),
  );
  return hours > 0 ? `${hours}:${rest.join(":")}` : rest.join(":");
}

/** Everything of a run in one line, however long. */
export function summaryLine(view: JobView): string {
  const current = underWay(view)[0];
  return [
    ...(view.bytesTotal > 0 ? sumCells(view) : []),
    settledWords(view),
    ...(current ? [`${current.phase}: ${plain(current.title)}`] : []),
  ].join("  ");
}

export interface Space {
  /** Cells in a line. */
  readonly columns: number;
  /** Lines in all, at least 4. */
  readonly rows: number;
}

/** One line a backup that is to be copied, then the sum: never wider or higher than the space. */
export function liveLines(view: JobView, { columns, rows }: Space): string[] {
  const units = view.units.filter(isToCopy);
  const room = Math.max(1, Math.min(mostUnitLines, rows - linesBelowUnits));
  const shown = units.length <= room ? units : chooseUnits(units, Math.max(1, room - 1));
  const lines = unitLines(shown, columns);
  if (shown.length < units.length) lines.push(`  … and ${units.length - shown.length} more`);
  if (lines.length > 0 && rows > linesBelowUnits) lines.push("");
  if (view.bytesTotal > 0) lines.push(`  ${sumCells(view).join("   ")}`);
  lines.push(`  ${settledWords(view)}`);
  return lines.map((line) => clip(line, columns));
}

function sumCells(view: JobView): string[] {
  const partsTotal = sum(view.units.map((unit) => unit.partsTotal ?? 0));
  const partsDone = sum(view.units.map((unit) => unit.partsDone));
  return [
    `${padStart(String(view.percent), 3)}%`,
    `${humanBytes(view.bytesDone)} of ${humanBytes(view.bytesTotal)}`,
    ...(view.bytesPerSecond > 0 ? [`${humanBytes(view.bytesPerSecond)}/s`] : []),
    ...(view.secondsLeft === undefined || view.percent === 100 ? [] : [`${humanSeconds(view.secondsLeft)} left`]),
    ...(partsTotal > 0 ? [`${partsDone} of ${partsTotal} parts`] : []),
  ];
}

function settledWords(view: JobView): string {
  if (view.units.length === 0) return view.finishedAt === undefined ? "listing the backups" : "no backup in the window";
  const toCopy = view.units.filter(isToCopy);
  const settled = toCopy.filter((unit) => unit.finishedAt !== undefined);
  const count = (outcome: string) => view.units.filter((unit) => unit.outcome === outcome).length;
  const others = (["failed", "already-copied", "refused"] as const).filter((outcome) => count(outcome) > 0);
  return [
    toCopy.length > 0 ? `${settled.length} of ${toCopy.length} backups settled` : "nothing to copy",
    ...others.map((outcome) => `${count(outcome)} ${outcome}`),
  ].join(", ");
}

function isToCopy(unit: UnitView): boolean {
  return unit.outcome !== "refused" && unit.outcome !== "already-copied";
}

function underWay(view: JobView): UnitView[] {
  const open = view.units.filter((unit) => unit.finishedAt === undefined);
  return [...open.filter((unit) => unit.phase === "copying"), ...open.filter((unit) => unit.phase !== "copying")];
}

/** Those at work before those that wait, and these before those that are settled; else in their own order. */
function chooseUnits(units: readonly UnitView[], count: number): UnitView[] {
  const rank = (unit: UnitView) => (unit.finishedAt !== undefined ? 2 : unit.phase === "waiting" ? 1 : 0);
  const chosen = new Set([...units].sort((left, right) => rank(left) - rank(right)).slice(0, count));
  return units.filter((unit) => chosen.has(unit));
}

function unitLines(units: readonly UnitView[], columns: number): string[] {
  const barCells = columns < leastColumnsForBars ? 0 : columns < columnsForRates ? 10 : 20;
  const withRates = columns >= columnsForRates;
  const layout: Column[] = [
    { tooLong: "middle" },
    { leastCells: "unverified".length },
    { leastCells: barCells > 0 ? barCells + 5 : 4, align: "right" },
    { leastCells: 9, align: "right" },
    { leastCells: "38/38 parts".length, align: "right" },
    ...(withRates ? [{ leastCells: 12, align: "right" } as const] : []),
  ];
  const rows = units.map((unit) => {
    const share = unit.bytesTotal === 0 ? 0 : unit.bytesDone / unit.bytesTotal;
    return [
      `  ${plain(unit.title)}`,
      unit.phase === "copied-unverified" ? "unverified" : unit.phase,
      `${bar(share, barCells)} ${padStart(String(Math.floor(share * 100)), 3)}%`.trimStart(),
      humanBytes(unit.bytesTotal),
      unit.partsTotal ? `${unit.partsDone}/${unit.partsTotal} parts` : "",
      ...(withRates ? [unit.bytesPerSecond > 0 ? `${humanBytes(unit.bytesPerSecond)}/s` : ""] : []),
    ];
  });
  return setInColumns(layout, rows, columns);
}

function bar(share: number, cells: number): string {
  const filled = Math.floor(share * cells);
  return "█".repeat(filled) + "░".repeat(cells - filled);
}

/** What became of every backup, with its proof or the reason against it. `columns`: Infinity leaves every text whole. */
export function resultTable(view: JobView, columns: number): string[] {
  const rows = view.units.map((unit) => [
    mark(unit),
    plain(unit.title),
    unit.bytesTotal > 0 ? humanBytes(unit.bytesTotal) : "",
    unit.outcome ?? unit.phase,
    plain(unit.proof ? proofWords(unit.proof) : (unit.reason ?? "")),
  ]);
  const layout: Column[] = [{}, { tooLong: "middle" }, { align: "right" }, {}, { tooLong: "wrap" }];
  return setInColumns(layout, [["", "backup", "size", "outcome", "proof, or reason against it"], ...rows], columns);
}

/** What this run itself carried, and how fast; undefined when it copied nothing. */
export function carriedSentence(view: JobView): string | undefined {
  const copied = view.units.filter((unit) => unit.outcome === "verified" || unit.outcome === "copied-unverified");
  if (copied.length === 0 || view.finishedAt === undefined) return undefined;
  const bytes = sum(copied.map((unit) => unit.bytesTotal));
  const seconds = Math.max(0.001, (Date.parse(view.finishedAt) - Date.parse(view.startedAt)) / 1000);
  return `${humanBytes(bytes)} in ${seconds.toFixed(1)} s from the listing to the last receipt, ${humanBytes(Math.round(bytes / seconds))}/s.`;
}

const marks: Readonly<Record<string, string>> = {
  verified: "✓",
  "copied-unverified": "!",
  "already-copied": "=",
  refused: "–",
  failed: "✗",
};

function mark(unit: UnitView): string {
  return marks[unit.outcome ?? ""] ?? "?";
}

const proofs: Readonly<Record<string, string>> = {
  "source-checksum": "Aliyun's checksum = bytes sent = S3's checksum",
  "source-crc-header": "the file's CRC header = bytes sent = S3's checksum",
  "length-and-etag": "length and ETag only: Aliyun states no checksum",
};

function proofWords(proof: string): string {
  return proofs[proof] ?? proof;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
