// CSV as RFC 4180 says, safe to open in a spreadsheet: no cell of ours is taken for a formula.

export type CsvCell = string | number | boolean | null;

/** Lines end in CR LF, the last one too. */
export function csvLine(cells: readonly CsvCell[]): string {
  return `${cells.map(cellOf).join(",")}\r\n`;
}

/**
 * What a spreadsheet would compute is marked as text; names of models and clients come from outside. East Asian editions
 * of Excel take the wide signs for the narrow ones.
 */
function cellOf(cell: CsvCell): string {
  if (cell === null) return "";
  if (typeof cell !== "string") return String(cell);
  const safe = /^[=+\-@\t\r\n＝＋－＠]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
