// The data of a database: one SQLite file, with a list in it of what its tables are called and typed in their engine.
import { existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import type { EngineFamily } from "./engines.ts";

export type SqlValue = null | number | bigint | string | Uint8Array;

export interface Column {
  readonly name: string;
  /** As the engine writes it: `bigint unsigned`, `decimal(12,2)`, `datetime(6)`, `timestamp with time zone` … */
  readonly type: string;
}

export interface NewTable {
  readonly database: string;
  /** PostgreSQL's; default `public`. MySQL and MariaDB have none. */
  readonly schema?: string;
  readonly name: string;
  readonly columns: readonly Column[];
  /** A column of integers; an export cuts the table by ranges of it. */
  readonly primaryKey?: string;
  /** Decimals, dates and times as text, booleans as 0 or 1. A function is only called when the data is written. */
  readonly rows: Iterable<readonly SqlValue[]> | (() => Iterable<readonly SqlValue[]>);
}

export interface SourceTable {
  /** In the SQLite file. */
  readonly sqliteName: string;
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly Column[];
  readonly primaryKey?: string;
  readonly rows: number;
}

/** Not `sqlite_…`, which SQLite keeps for itself. */
const listTable = "causeway_tables";

/** The file is whole or not there. Throws an Error for rows that don't fit, with the table's name. */
export function writeTables(file: string, tables: readonly NewTable[], family: EngineFamily): void {
  writeWhole(file, (database) => {
    for (const [index, table] of tables.entries()) {
      const sqliteName = `table_${index + 1}`;
      fillTable(database, sqliteName, table);
      list(database, {
        sqliteName,
        database: table.database,
        schema: family === "mysql" ? table.database : (table.schema ?? "public"),
        name: table.name,
        columns: table.columns,
        ...(table.primaryKey === undefined ? {} : { primaryKey: table.primaryKey }),
        rows: countRows(database, sqliteName),
      });
    }
  });
}

/**
 * Copies a SQLite file, whose tables are called `database.table` or `database.schema.table`; what is left out at the
 * front is `defaultDatabase` and `public`. Declared column types are taken as the engine's.
 */
export function adoptFile(file: string, source: string, family: EngineFamily, defaultDatabase: string): void {
  if (!existsSync(source)) throw new Error(`There is no SQLite file ${source}.`);
  const unfinished = `${file}.part`;
  rmSync(unfinished, { force: true });
  const original = new DatabaseSync(source, { readOnly: true });
  try {
    // Unlike a copy of the file it is consistent whatever still lies in the source's write-ahead log.
    original.prepare("VACUUM INTO ?").run(unfinished);
  } finally {
    original.close();
  }
  const database = new DatabaseSync(unfinished);
  try {
    createList(database);
    const names = database
      .prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
      )
      .all()
      .map(({ name }) => String(name))
      .filter((name) => name !== listTable);
    for (const name of names) list(database, describeTable(database, name, family, defaultDatabase));
  } finally {
    database.close();
  }
  renameSync(unfinished, file);
}

/** In the order in which they are exported. */
export function readTables(database: DatabaseSync): SourceTable[] {
  return database
    .prepare(`SELECT definition FROM ${listTable} ORDER BY rowid`)
    .all()
    .map(({ definition }) => JSON.parse(String(definition)) as SourceTable);
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function writeWhole(file: string, fill: (database: DatabaseSync) => void): void {
  const unfinished = `${file}.part`;
  rmSync(unfinished, { force: true });
  const database = new DatabaseSync(unfinished);
  try {
    // Nobody reads it before it has its name, so a crash costs nothing.
    database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
    createList(database);
    fill(database);
    database.exec("COMMIT");
  } finally {
    database.close();
  }
  renameSync(unfinished, file);
}

function createList(database: DatabaseSync): void {
  database.exec(`CREATE TABLE ${listTable} (definition TEXT NOT NULL)`);
}

function list(database: DatabaseSync, table: SourceTable): void {
  database.prepare(`INSERT INTO ${listTable} VALUES (?)`).run(JSON.stringify(table));
}

function fillTable(database: DatabaseSync, sqliteName: string, table: NewTable): void {
  // Without a declared type SQLite keeps each value as it is: with one, a long decimal would become a float.
  const columns = table.columns.map(({ name }) => quoteName(name));
  database.exec(`CREATE TABLE ${sqliteName} (${columns.join(", ")})`);
  const insert = database.prepare(`INSERT INTO ${sqliteName} VALUES (${columns.map(() => "?").join(", ")})`);
  const rows = typeof table.rows === "function" ? table.rows() : table.rows;
  for (const row of rows) {
    if (row.length !== columns.length) {
      throw new Error(`${table.name}: a row has ${row.length} values for ${columns.length} columns.`);
    }
    // A number would be stored as a float, whatever its value.
    insert.run(...row.map((value) => (Number.isSafeInteger(value) ? BigInt(Number(value)) : value)));
  }
  if (table.primaryKey === undefined) return;
  const key = quoteName(table.primaryKey);
  if (!table.columns.some(({ name }) => name === table.primaryKey) || !holdsIntegersOnly(database, sqliteName, key)) {
    throw new Error(`${table.name}: the primary key ${table.primaryKey} must be a column of integers.`);
  }
  database.exec(`CREATE UNIQUE INDEX ${sqliteName}_key ON ${sqliteName} (${key})`);
}

function describeTable(
  database: DatabaseSync,
  sqliteName: string,
  family: EngineFamily,
  defaultDatabase: string,
): SourceTable {
  const pieces = sqliteName.split(".");
  const name = pieces.pop() ?? sqliteName;
  const schemaName = family === "postgres" ? (pieces.pop() ?? "public") : undefined;
  const databaseName = pieces.length > 0 ? pieces.join(".") : defaultDatabase;
  const found = database.prepare(`SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid`).all(sqliteName);
  const keys = found.filter(({ pk }) => Number(pk) > 0).map((column) => String(column.name));
  const [key] = keys;
  const quoted = quoteName(sqliteName);
  const hasKey = keys.length === 1 && key !== undefined && holdsIntegersOnly(database, quoted, quoteName(key));
  return {
    sqliteName,
    database: databaseName,
    schema: schemaName ?? databaseName,
    name,
    columns: found.map((column) => ({ name: String(column.name), type: String(column.type) || "text" })),
    ...(hasKey ? { primaryKey: key } : {}),
    rows: countRows(database, quoted),
  };
}

function holdsIntegersOnly(database: DatabaseSync, quotedTable: string, quotedColumn: string): boolean {
  const other = database
    .prepare(`SELECT 1 FROM ${quotedTable} WHERE typeof(${quotedColumn}) <> 'integer' LIMIT 1`)
    .get();
  return other === undefined;
}

function countRows(database: DatabaseSync, quotedTable: string): number {
  return Number(database.prepare(`SELECT count(*) AS n FROM ${quotedTable}`).get()?.n ?? 0);
}
