// Small state that outlives the process: a map in memory whose every change is in SQLite before the call returns.
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

/**
 * Opens `<stateDirectory>/<name>.sqlite`, readable by the owner only (SQLite gives its side files the same mode).
 * A finished write survives kill -9; a power cut may lose the last ones, never tear them (WAL, synchronous = NORMAL).
 */
export function openDurableState(stateDirectory: string, name: string): DatabaseSync {
  const path = join(stateDirectory, `${name}.sqlite`);
  closeSync(openSync(path, "a", 0o600));
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
  return database;
}

/** Values are plain JSON; a value read is never changed in place, but replaced by `set`. */
export class DurableMap<Value> {
  readonly #values = new Map<string, Value>();
  readonly #write: StatementSync;
  readonly #remove: StatementSync;

  /** `table` is a fixed name of the caller's own, never input. */
  constructor(database: DatabaseSync, table: string) {
    database.exec(`CREATE TABLE IF NOT EXISTS ${table} (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`);
    this.#write = database.prepare(`INSERT OR REPLACE INTO ${table} (key, value) VALUES (?, ?)`);
    this.#remove = database.prepare(`DELETE FROM ${table} WHERE key = ?`);
    for (const row of database.prepare(`SELECT key, value FROM ${table} ORDER BY key`).all()) {
      this.#values.set(String(row.key), JSON.parse(String(row.value)) as Value);
    }
  }

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  set(key: string, value: Value): void {
    this.#write.run(key, JSON.stringify(value));
    this.#values.set(key, value);
  }

  delete(key: string): void {
    this.#remove.run(key);
    this.#values.delete(key);
  }

  values(): Value[] {
    return [...this.#values.values()];
  }

  entries(): [string, Value][] {
    return [...this.#values.entries()];
  }
}
