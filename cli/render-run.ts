// A run as text: live lines while it works, one line where nobody watches, and the table at its end.
import type { JobView, UnitView } from "../lambdas/shared/jobs.ts";

const barCells = 24;
/** Units shown while a run works; a larger run shows the ones under way. */
const mostUnitLines = 12;

export function humanBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let index = 0;
  while (value >= 1024 && index < units.length - 1) {
    value /= 1024;
    index += 1;
  }
  return `${index === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[index]}`;
}

export function humanSeconds(seconds: number | undefined): string {
  if (seconds === undefined) return "--:--";
  const hours = Math.floor(seconds / 3600);
  const rest = [Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)].map((part) =>
    String(part).padStart(2, "0"),
  );
  return hours > 0 ? `${hours}:${rest.join(":")}` : rest.join(":");
}

/** The whole run in one line. */
export function summaryLine(view: JobView): string {
  const open = view.units.filter((unit) => unit.finishedAt === undefined);
  const current = open.find((unit) => unit.phase === "copying") ?? open[0];
  return [
    `${String(view.percent).padStart(3)}%`,
    `${humanBytes(view.bytesDone)} of ${humanBytes(view.bytesTotal)}`,
    `${humanBytes(view.bytesPerSecond)}/s`,
    `${humanSeconds(view.secondsLeft)} left`,
    `${view.units.length - open.length} of ${view.units.length} backups settled`,
    current ? `${current.phase}: ${current.title}` : view.phase,
  ].join("  ");
}

/** One line a backup under way, then the sum. At most `mostUnitLines + 1` lines, none wider than `columns`. */
export function liveLines(view: JobView, columns: number): string[] {
  const shown = view.units.filter((unit) => unit.outcome !== "refused" && unit.outcome !== "already-copied");
  const lines = shown.slice(0, mostUnitLines).map((unit) => unitLine(unit));
  return [...lines, summaryLine(view)].map((line) => clip(line, columns));
}

function unitLine(unit: UnitView): string {
  const share = unit.bytesTotal === 0 ? 0 : unit.bytesDone / unit.bytesTotal;
  const filled = Math.floor(share * barCells);
  const bar = `${"█".repeat(filled)}${"░".repeat(barCells - filled)}`;
  const parts = unit.partsTotal ? `${unit.partsDone}/${unit.partsTotal} parts` : "";
  const rate = unit.bytesPerSecond > 0 ? `${humanBytes(unit.bytesPerSecond)}/s` : "";
  const percent = `${String(Math.floor(share * 100)).padStart(3)}%`;
  return `  ${bar} ${percent} ${unit.phase.padEnd(11)} ${unit.title}  ${humanBytes(unit.bytesTotal)}  ${parts}  ${rate}`;
}

/** What became of every backup, with its proof or the reason against it. */
export function resultTable(view: JobView): string[] {
  const rows = view.units.map((unit) => [
    mark(unit),
    unit.title,
    unit.bytesTotal > 0 ? humanBytes(unit.bytesTotal) : "",
    unit.outcome ?? unit.phase,
    unit.proof ? proofWords(unit.proof) : (unit.reason ?? ""),
  ]);
  return layout([["", "backup", "size", "outcome", "proof, or the reason against it"], ...rows]);
}

function mark(unit: UnitView): string {
  const marks: Record<string, string> = {
    verified: "✓",
    "copied-unverified": "!",
    "already-copied": "=",
    refused: "–",
    failed: "✗",
  };
  return marks[unit.outcome ?? ""] ?? "?";
}

function proofWords(proof: string): string {
  const words: Record<string, string> = {
    "source-checksum": "Aliyun's checksum = bytes sent = S3's checksum",
    "source-crc-header": "the file's CRC header = bytes sent = S3's checksum",
    "length-and-etag": "length and ETag only: Aliyun states no checksum",
  };
  return words[proof] ?? proof;
}

/** Columns as wide as their widest cell, but for the last. Wide letters (Chinese) count as two cells. */
function layout(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cellsOf(cell));
  }
  return rows.map((row) =>
    row
      .map((cell, index) => (index === row.length - 1 ? cell : cell + " ".repeat((widths[index] ?? 0) - cellsOf(cell))))
      .join("  ")
      .trimEnd(),
  );
}

const wideLetter = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;

function cellsOf(text: string): number {
  let cells = 0;
  for (const letter of text) cells += wideLetter.test(letter) ? 2 : 1;
  return cells;
}

function clip(text: string, columns: number): string {
  if (cellsOf(text) <= columns) return text;
  let kept = "";
  let cells = 0;
  for (const letter of text) {
    cells += wideLetter.test(letter) ? 2 : 1;
    if (cells >= columns) break;
    kept += letter;
  }
  return `${kept}…`;
}
