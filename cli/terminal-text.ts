// Text in terminal cells: how wide it is, and how it is cut, wrapped and set in columns. Chinese letters take two cells.

/** Letters that a terminal draws two cells wide (Unicode's East Asian Width W and F), emoji included. */
const wideLetter =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Combining marks, joiners and variation selectors: drawn over the letter before them. */
const noCell = /[\p{Mn}\p{Me}\p{Cf}]/u;
/** A file name may hold an escape sequence; it must not steer the terminal. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const controlLetter = /[\u0000-\u001f\u007f-\u009f]/gu;

const ellipsis = "…";

export function cellsOf(text: string): number {
  let cells = 0;
  for (const letter of text) cells += cellsOfLetter(letter);
  return cells;
}

function cellsOfLetter(letter: string): number {
  if (noCell.test(letter)) return 0;
  return wideLetter.test(letter) ? 2 : 1;
}

/** Control characters become `·`. */
export function plain(text: string): string {
  return text.replace(controlLetter, "·");
}

/** At most `cells` wide; what is too long loses its end. */
export function clip(text: string, cells: number): string {
  if (cellsOf(text) <= cells) return text;
  return cells < 1 ? "" : head(text, cells - 1) + ellipsis;
}

/** At most `cells` wide; what is too long loses its middle, for a file name's end tells most. */
export function shortenMiddle(text: string, cells: number): string {
  if (cellsOf(text) <= cells) return text;
  if (cells < 3) return clip(text, cells);
  const front = head(text, Math.floor((cells - 1) / 2));
  const back = [...head([...text].reverse().join(""), cells - 1 - cellsOf(front))].reverse().join("");
  return front + ellipsis + back;
}

function head(text: string, cells: number): string {
  let kept = "";
  let width = 0;
  for (const letter of text) {
    width += cellsOfLetter(letter);
    if (width > cells) break;
    kept += letter;
  }
  return kept;
}

/** Lines of at most `cells`, broken at spaces; a word that is longer than a line is broken anywhere. Never empty. */
export function wrap(text: string, cells: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const joined = line === "" ? word : `${line} ${word}`;
    if (cellsOf(joined) <= cells) {
      line = joined;
      continue;
    }
    if (line !== "") lines.push(line);
    let rest = word;
    while (cellsOf(rest) > cells) {
      const front = head(rest, Math.max(2, cells));
      lines.push(front);
      rest = rest.slice(front.length);
    }
    line = rest;
  }
  if (line !== "" || lines.length === 0) lines.push(line);
  return lines;
}

export function padEnd(text: string, cells: number): string {
  return text + " ".repeat(Math.max(0, cells - cellsOf(text)));
}

export function padStart(text: string, cells: number): string {
  return " ".repeat(Math.max(0, cells - cellsOf(text))) + text;
}

export interface Column {
  readonly align?: "right";
  /** Wide from the start, so that the columns after it stand still while numbers grow. */
  readonly leastCells?: number;
  /** `middle`: gives way by losing its middle. `wrap`: goes on in lines below, under itself. Absent: never narrower than its text. */
  readonly tooLong?: "middle" | "wrap";
}

const gap = "  ";
/** Of what the columns that may give way share, those that lose their middle get at most this much, if others need it. */
const middleShare = 0.5;
const leastMiddleCells = 16;
const leastWrapCells = 20;

/** Rows as lines of at most `cells`, as far as the columns can give way; `Infinity` leaves every text whole. */
export function setInColumns(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  cells: number,
): string[] {
  const widths = columns.map((column, index) =>
    Math.max(column.leastCells ?? 0, ...rows.map((row) => cellsOf(row[index] ?? ""))),
  );
  narrow(columns, widths, cells - gap.length * (columns.length - 1));
  return rows.flatMap((row) => {
    const texts = columns.map((column, index) => {
      const text = row[index] ?? "";
      const width = widths[index] ?? 0;
      return column.tooLong === "wrap" ? wrap(text, width) : [column.tooLong ? shortenMiddle(text, width) : text];
    });
    const height = Math.max(...texts.map((lines) => lines.length));
    return Array.from({ length: height }, (_, at) =>
      columns
        .map((column, index) =>
          (column.align === "right" ? padStart : padEnd)(texts[index]?.[at] ?? "", widths[index] ?? 0),
        )
        .join(gap)
        .trimEnd(),
    );
  });
}

/** Takes from the widths until they fit, or nothing more can give way. */
function narrow(columns: readonly Column[], widths: number[], cells: number): void {
  const sum = () => widths.reduce((total, width) => total + width, 0);
  const giveWay = (kind: Column["tooLong"], least: (before: number) => number) => {
    for (const [index, column] of columns.entries()) {
      const before = widths[index] ?? 0;
      const over = sum() - cells;
      if (column.tooLong === kind && over > 0) widths[index] = Math.max(Math.min(before, least(before)), before - over);
    }
  };
  const flexible = cells - sumWhere(columns, widths, (column) => column.tooLong === undefined);
  giveWay("middle", () => Math.max(leastMiddleCells, Math.floor(flexible * middleShare)));
  giveWay("wrap", () => leastWrapCells);
  giveWay("middle", () => leastMiddleCells);
}

function sumWhere(columns: readonly Column[], widths: readonly number[], chosen: (column: Column) => boolean): number {
  return columns.reduce((total, column, index) => total + (chosen(column) ? (widths[index] ?? 0) : 0), 0);
}
