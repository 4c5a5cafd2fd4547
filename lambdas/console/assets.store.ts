// The files that lie beside the bundle: read once, and kept as long as the function lives.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export class AssetsStore {
  readonly #folder: string;
  readonly #kept = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Text in UTF-8. `name`: one that the code knows, never one that a caller sent. */
  read(name: string): string {
    const kept = this.#kept.get(name);
    if (kept !== undefined) return kept;
    const text = readFileSync(join(this.#folder, name), "utf8");
    this.#kept.set(name, text);
    return text;
  }
}
