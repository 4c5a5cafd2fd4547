// Log groups, their streams and their newest events, in SQLite; and one growing file with every line, for `tail -f`.
import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { DurableMap } from "../gateway/durable-state.ts";

export interface LogEvent {
  readonly eventId: string;
  readonly streamName: string;
  readonly timestampMilliseconds: number;
  readonly ingestedAtMilliseconds: number;
  readonly message: string;
}

export interface LogQuery {
  readonly groupName: string;
  readonly startMilliseconds: number;
  readonly endMilliseconds: number;
  /** Events up to and including this id are skipped. */
  readonly afterId: number;
  /** Undefined: all. */
  readonly streamNames: readonly string[] | undefined;
  readonly streamPrefix: string;
}

const mostEvents = 200_000;
const putsBetweenCleanings = 1000;

const schema = `
  CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    group_name TEXT NOT NULL,
    stream_name TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    ingested_at INTEGER NOT NULL,
    message TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS by_group ON events (group_name, id);
`;

const putting = "INSERT INTO events (group_name, stream_name, timestamp, ingested_at, message) VALUES (?, ?, ?, ?, ?)";

export class LogStore {
  readonly #database: DatabaseSync;
  readonly #groups: DurableMap<true>;
  /** By group and stream. */
  readonly #streams: DurableMap<true>;
  readonly #put: StatementSync;
  #puts = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
    database.exec(schema);
    this.#groups = new DurableMap(database, "log_groups");
    this.#streams = new DurableMap(database, "log_streams");
    this.#put = database.prepare(putting);
  }

  createGroup(name: string): void {
    if (!this.#groups.has(name)) this.#groups.set(name, true);
  }

  hasGroup(name: string): boolean {
    return this.#groups.has(name);
  }

  createStream(groupName: string, name: string): void {
    if (!this.hasStream(groupName, name)) this.#streams.set(`${groupName}:${name}`, true);
  }

  /** Neither name may hold a colon, so that the pair is one key. */
  hasStream(groupName: string, name: string): boolean {
    return this.#streams.has(`${groupName}:${name}`);
  }

  put(groupName: string, event: Omit<LogEvent, "eventId">): void {
    this.#put.run(
      groupName,
      event.streamName,
      Math.floor(event.timestampMilliseconds),
      Math.floor(event.ingestedAtMilliseconds),
      event.message,
    );
    this.#puts += 1;
    if (this.#puts % putsBetweenCleanings !== 0) return;
    this.#database.prepare("DELETE FROM events WHERE id <= (SELECT MAX(id) FROM events) - ?").run(mostEvents);
  }

  /** Oldest first, one after the other, so that a search may stop early. */
  *search(query: LogQuery): Generator<LogEvent> {
    const rows = this.#database
      .prepare(
        `SELECT * FROM events
         WHERE group_name = ? AND id > ? AND timestamp >= ? AND timestamp <= ? ORDER BY id`,
      )
      .iterate(query.groupName, query.afterId, query.startMilliseconds, query.endMilliseconds);
    for (const row of rows) {
      const streamName = String(row.stream_name);
      if (query.streamNames && !query.streamNames.includes(streamName)) continue;
      if (!streamName.startsWith(query.streamPrefix)) continue;
      yield {
        eventId: String(row.id),
        streamName,
        timestampMilliseconds: Number(row.timestamp),
        ingestedAtMilliseconds: Number(row.ingested_at),
        message: String(row.message),
      };
    }
  }
}

/** At this size the file is put aside as `<path>.1`, and a new one begun. */
const largestFileBytes = 64 * 1024 * 1024;

export class LogFile {
  readonly #path: string;
  #descriptor: number;
  #bytes: number;

  constructor(path: string) {
    this.#path = path;
    this.#descriptor = openSync(path, "a", 0o600);
    this.#bytes = fstatSync(this.#descriptor).size;
  }

  /** Written before this returns: the last lines before a crash are the ones that matter. */
  append(line: string): void {
    if (this.#bytes > largestFileBytes) {
      closeSync(this.#descriptor);
      renameSync(this.#path, `${this.#path}.1`);
      this.#descriptor = openSync(this.#path, "a", 0o600);
      this.#bytes = 0;
    }
    this.#bytes += writeSync(this.#descriptor, `${line}\n`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
