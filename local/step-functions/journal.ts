// The durable record of every execution: one SQLite file, written in small batches so that thousands of steps are cheap.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

/** Writes are collected this long (real time) into one transaction; a crash loses them together, never in part. */
const batchMilliseconds = 4;

/** AWS keeps a closed execution, and with it its name, for 90 days. */
const retentionMilliseconds = 90 * 24 * 3600 * 1000;

const schema = `
  CREATE TABLE IF NOT EXISTS definitions (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS machines (
    arn TEXT PRIMARY KEY, name TEXT NOT NULL, roleArn TEXT NOT NULL, definitionHash TEXT NOT NULL, createdAt REAL NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS executions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT NULL UNIQUE, machineArn TEXT NOT NULL, label TEXT,
    name TEXT NOT NULL, status TEXT NOT NULL, input TEXT NOT NULL, output TEXT, error TEXT, cause TEXT,
    startedAt REAL, stoppedAt REAL, definitionHash TEXT NOT NULL, mapRunId INTEGER, itemIndex INTEGER, itemCount INTEGER,
    redriveCount INTEGER NOT NULL DEFAULT 0, redrivenAt REAL, redriveToken TEXT
  );
  CREATE INDEX IF NOT EXISTS executionsByMachine ON executions (machineArn, mapRunId, id);
  CREATE INDEX IF NOT EXISTS executionsByMapRun ON executions (mapRunId, itemIndex) WHERE mapRunId IS NOT NULL;
  CREATE TABLE IF NOT EXISTS events (
    executionId INTEGER NOT NULL, id INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (executionId, id)
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS scopes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, executionId INTEGER NOT NULL, parentId INTEGER, slot INTEGER NOT NULL,
    status TEXT NOT NULL, state TEXT NOT NULL, input TEXT NOT NULL, variables TEXT NOT NULL, position TEXT NOT NULL,
    work TEXT, output TEXT
  );
  CREATE INDEX IF NOT EXISTS scopesByExecution ON scopes (executionId);
  CREATE INDEX IF NOT EXISTS scopesByParent ON scopes (parentId) WHERE parentId IS NOT NULL;
  CREATE TABLE IF NOT EXISTS mapRuns (
    id INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT NULL UNIQUE, executionId INTEGER NOT NULL, label TEXT NOT NULL,
    status TEXT NOT NULL, loaded INTEGER NOT NULL, startedAt REAL NOT NULL, stoppedAt REAL,
    maxConcurrency INTEGER NOT NULL, toleratedFailureCount INTEGER NOT NULL, toleratedFailurePercentage REAL NOT NULL,
    resultsWritten INTEGER NOT NULL DEFAULT 0, redriveCount INTEGER NOT NULL DEFAULT 0, redrivenAt REAL
  );
  CREATE INDEX IF NOT EXISTS mapRunsByExecution ON mapRuns (executionId);
`;

export class Journal {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #timer: NodeJS.Timeout | undefined;
  #open = true;

  /** `now` in cloud milliseconds: what closed longer ago than AWS keeps it is dropped. */
  constructor(directory: string, now: number) {
    this.#database = new DatabaseSync(join(directory, "step-functions.sqlite"));
    // WAL without a sync per commit survives the death of the process, which is what the local cloud promises.
    this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    this.#database.exec(schema);
    this.#forgetBefore(now - retentionMilliseconds);
  }

  /** Runs a statement that changes something; it is on disk after the next `flush` at the latest. */
  write(sql: string, ...values: SQLInputValue[]): { lastInsertId: number; changes: number } {
    if (!this.#timer) {
      this.#database.exec("BEGIN");
      this.#timer = setTimeout(() => this.flush(), batchMilliseconds);
    }
    const { lastInsertRowid, changes } = this.#statement(sql).run(...values);
    return { lastInsertId: Number(lastInsertRowid), changes: Number(changes) };
  }

  /** `Row` names the selected columns; the schema above is its only source. */
  one<Row>(sql: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined;
  }

  /** All rows: for queries with a LIMIT, or over a set that is small by nature. */
  all<Row>(sql: string, ...values: SQLInputValue[]): Row[] {
    return this.#statement(sql).all(...values) as Row[];
  }

  flush(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#database.exec("COMMIT");
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.flush();
    this.#statements.clear();
    this.#database.close();
  }

  /** Keeps a definition's text once; returns its hash. */
  keepDefinition(text: string): string {
    const hash = createHash("sha256").update(text).digest("hex");
    this.write("INSERT OR IGNORE INTO definitions (hash, text) VALUES (?, ?)", hash, text);
    return hash;
  }

  definition(hash: string): string {
    const row = this.one<{ text: string }>("SELECT text FROM definitions WHERE hash = ?", hash);
    if (!row) throw new Error(`the journal has no definition ${hash}`);
    return row.text;
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #forgetBefore(time: number): void {
    const old = "SELECT id FROM executions WHERE stoppedAt < ? AND status NOT IN ('RUNNING', 'PENDING')";
    this.write(`DELETE FROM events WHERE executionId IN (${old})`, time);
    this.write(`DELETE FROM scopes WHERE executionId IN (${old})`, time);
    this.write(`DELETE FROM mapRuns WHERE executionId IN (${old})`, time);
    this.write("DELETE FROM executions WHERE stoppedAt < ? AND status NOT IN ('RUNNING', 'PENDING')", time);
    this.flush();
  }
}
