// The functions' output on disk: one file per function, begun anew when it grows too long.
import { appendFileSync, existsSync, mkdirSync, renameSync, statSync } from "node:fs";
import path from "node:path";

/** One older file of the same length is kept beside it. */
const longestFileBytes = 32 * 1024 * 1024;
/** Lines are written together after this long, or when so many wait. */
const flushRealMilliseconds = 100;
const mostWaitingLines = 1000;

export class LogFiles {
  readonly #directory: string;
  readonly #waiting = new Map<string, string[]>();
  readonly #bytes = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  /** The directory is made when missing. */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#directory = directory;
  }

  /** `name` is a function's: letters, digits, `-` and `_`. */
  write(name: string, line: string): void {
    const lines = this.#waiting.get(name) ?? [];
    lines.push(line);
    this.#waiting.set(name, lines);
    if (lines.length >= mostWaitingLines) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), flushRealMilliseconds).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [name, lines] of this.#waiting) this.#append(name, `${lines.join("\n")}\n`);
    this.#waiting.clear();
  }

  #append(name: string, text: string): void {
    const file = path.join(this.#directory, `${name}.log`);
    const before = this.#bytes.get(name) ?? (existsSync(file) ? statSync(file).size : 0);
    const startsAnew = before > longestFileBytes;
    if (startsAnew) renameSync(file, `${file}.1`);
    appendFileSync(file, text, { mode: 0o600 });
    this.#bytes.set(name, (startsAnew ? 0 : before) + Buffer.byteLength(text));
  }
}
