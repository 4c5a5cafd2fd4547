// A terminal as far as the live screen uses one: text, line ends, cursor up, clearing. It shows what a person would see.
import { cellsOf } from "../../cli/terminal-text.ts";

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is read
const known = /\x1b\[(\d*)([AKJ])|\x1b\[\?25[hl]|\r|\n|[^\x1b\r\n]+/g;

export class Screen {
  readonly isTTY = true;
  columns: number;
  rows: number;
  cursorHidden = false;
  writes = 0;
  readonly #lines: string[] = [""];
  #at = 0;

  constructor(columns: number, rows: number) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Lines with text on them, from the first to the last. */
  get lines(): string[] {
    return this.#lines.join("\n").trimEnd().split("\n");
  }

  write(text: string): void {
    this.writes += 1;
    for (const [piece, count = "", what] of text.matchAll(known)) {
      if (what === "A") this.#at = Math.max(0, this.#at - Number(count || 1));
      else if (what === "K") this.#lines[this.#at] = this.#lines[this.#at]?.slice(0, this.#column) ?? "";
      else if (what === "J") this.#lines.splice(this.#at);
      else if (piece === "\x1b[?25l") this.cursorHidden = true;
      else if (piece === "\x1b[?25h") this.cursorHidden = false;
      else if (piece === "\r") this.#column = 0;
      else if (piece === "\n") this.#newLine();
      else this.#print(piece);
    }
  }

  #column = 0;

  #newLine(): void {
    this.#at += 1;
    this.#column = 0;
    this.#lines[this.#at] ??= "";
  }

  /** A line that is too long breaks, which is what must not happen. */
  #print(text: string): void {
    for (const letter of text) {
      if (cellsOf(this.#lines[this.#at]?.slice(0, this.#column) ?? "") + cellsOf(letter) > this.columns)
        this.#newLine();
      const line = this.#lines[this.#at] ?? "";
      this.#lines[this.#at] = line.slice(0, this.#column) + letter + line.slice(this.#column + letter.length);
      this.#column += letter.length;
    }
  }
}
