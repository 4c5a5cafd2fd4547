// Remembers CRC-64 values across restarts, so that a file of many GiB is read once and not at every boot.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The oldest entry leaves when another one comes. */
const mostEntries = 1000;

export class ChecksumCache {
  readonly #file: string;
  readonly #entries: Map<string, string>;

  /** `directory` is made when it is missing. A damaged file counts as empty: every value can be computed again. */
  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.#file = path.join(directory, "checksums.json");
    this.#entries = new Map(readEntries(this.#file));
  }

  /** `key` names the content completely, e.g. path, size and modification time. */
  async get(key: string, compute: () => Promise<bigint>): Promise<bigint> {
    const known = this.#entries.get(key);
    if (known !== undefined) return BigInt(known);
    const value = await compute();
    this.#entries.set(key, value.toString());
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= mostEntries) break;
      this.#entries.delete(oldest);
    }
    writeFileSync(`${this.#file}.new`, JSON.stringify([...this.#entries]));
    renameSync(`${this.#file}.new`, this.#file);
    return value;
  }
}

function readEntries(file: string): [string, string][] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    return Array.isArray(parsed) ? parsed.filter(isEntry).slice(-mostEntries) : [];
  } catch {
    return [];
  }
}

function isEntry(entry: unknown): entry is [string, string] {
  return Array.isArray(entry) && typeof entry[0] === "string" && typeof entry[1] === "string" && /^\d+$/.test(entry[1]);
}
