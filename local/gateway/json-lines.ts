// A list that grows at its end and outlives the process: one JSON line per item, so that a person can read the file too.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";

export class JsonLines<Item> {
  readonly #file: string;
  readonly #most: number;
  #items: Item[];

  /** `file` is made when missing, readable by its owner only. Beyond `most` the oldest go, a tenth at a time. */
  constructor(file: string, most: number) {
    this.#file = file;
    this.#most = most;
    const text = existsSync(file) ? readFileSync(file, "utf8") : "";
    this.#items = readLines(text);
    // What a crash cut short must not run into the next line.
    if (text !== "" && !text.endsWith("\n")) this.#rewrite();
  }

  add(item: Item): void {
    this.#items.push(item);
    if (this.#items.length > this.#most) {
      this.#items = this.#items.slice(Math.ceil(this.#most / 10));
      this.#rewrite();
    } else appendFileSync(this.#file, `${JSON.stringify(item)}\n`, { mode: 0o600 });
  }

  /** Oldest first. */
  list(): readonly Item[] {
    return this.#items;
  }

  #rewrite(): void {
    writeFileSync(this.#file, this.#items.map((item) => `${JSON.stringify(item)}\n`).join(""), { mode: 0o600 });
  }
}

/** A last line that a crash cut short is left out. */
function readLines<Item>(text: string): Item[] {
  return text.split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as Item];
    } catch {
      return [];
    }
  });
}
