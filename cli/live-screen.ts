// The lower end of a terminal: a block of lines that is drawn anew in place, with lines that stay above it.
import { cellsOf } from "./terminal-text.ts";

/** What of a terminal is used: `process.stdout`, or a stand-in of a test. */
export interface Terminal {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

const hideCursor = "\x1b[?25l";
const showCursor = "\x1b[?25h";
const clearToLineEnd = "\x1b[K";
const clearBelow = "\x1b[J";

/** Where there is no terminal, nothing is drawn, and lines are lines. */
export class LiveScreen {
  readonly #terminal: Terminal;
  #drawn: readonly string[] = [];

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  get isTerminal(): boolean {
    return this.#terminal.isTTY === true;
  }

  /** Cells that a line may fill: the last column stays free, for some terminals break the line after it. */
  get columns(): number {
    return this.isTerminal ? Math.max(20, (this.#terminal.columns ?? 80) - 1) : Number.POSITIVE_INFINITY;
  }

  /** Lines that a block may have: the cursor cannot go back above the screen's top. */
  get blockRows(): number {
    return Math.max(3, (this.#terminal.rows ?? 24) - 2);
  }

  /** A line that stays, above the block. */
  say(line: string): void {
    this.#write(`${this.#toBlockStart()}${this.isTerminal ? `${line}${clearToLineEnd}` : line}\n`, this.#drawn);
  }

  /** Replaces the block; lines must fit. */
  draw(lines: readonly string[]): void {
    if (!this.isTerminal) return;
    const unchanged = lines.length === this.#drawn.length && lines.every((line, at) => line === this.#drawn[at]);
    if (!unchanged) this.#write(this.#toBlockStart(), lines);
  }

  /** Takes the block away. */
  clear(): void {
    if (this.#drawn.length === 0) return;
    this.#terminal.write(`${this.#toBlockStart()}${clearBelow}${showCursor}`);
    this.#drawn = [];
  }

  /** In one write: a terminal that shows half of it would flicker. */
  #write(before: string, block: readonly string[]): void {
    const lines = block.map((line) => `${line}${clearToLineEnd}\n`).join("");
    this.#terminal.write(block.length === 0 ? before : `${hideCursor}${before}${lines}${clearBelow}`);
    this.#drawn = block;
  }

  /** A terminal made narrower has broken the drawn lines: they fill more rows than they were. */
  #toBlockStart(): string {
    if (this.#drawn.length === 0) return "";
    const columns = Math.max(1, this.#terminal.columns ?? 80);
    const rows = this.#drawn.reduce((total, line) => total + Math.max(1, Math.ceil(cellsOf(line) / columns)), 0);
    return `\x1b[${rows}A\r`;
  }
}
