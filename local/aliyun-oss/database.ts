// The SQLite file behind OSS's index.
import type { DatabaseSync } from "node:sqlite";
import { openDurableState } from "../gateway/durable-state.ts";

/** Keys are blobs: SQLite then orders them by their UTF-8 bytes, as OSS lists them, and takes any character. */
const schema = `
  CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, createdAt INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS objects (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    crc64 TEXT NOT NULL,
    type TEXT NOT NULL,
    modifiedAt INTEGER NOT NULL,
    metadata TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS objectByKey ON objects (bucket, key);
  CREATE TABLE IF NOT EXISTS segments (
    objectId INTEGER NOT NULL,
    startByte INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (objectId, startByte)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE IF NOT EXISTS uploads (
    uploadId TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    startedAt INTEGER NOT NULL,
    metadata TEXT NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS uploadOrder ON uploads (bucket, key, uploadId);
  CREATE TABLE IF NOT EXISTS parts (
    uploadId TEXT NOT NULL,
    number INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    md5 TEXT NOT NULL,
    crc64 TEXT NOT NULL,
    modifiedAt INTEGER NOT NULL,
    file TEXT NOT NULL,
    PRIMARY KEY (uploadId, number)
  ) WITHOUT ROWID, STRICT;
`;

/** SQLite's code for a file that somebody else has locked. */
const sqliteBusy = 5;

/** Throws where another process has it open: each would delete the other's files. */
export function openDatabase(stateDirectory: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = openDurableState(stateDirectory, "index");
    // An exclusive lock, held from the first write on until the database is closed.
    database.exec(`PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; ${schema} COMMIT;`);
    return database;
  } catch (error) {
    database?.close();
    if ((error as { errcode?: unknown }).errcode !== sqliteBusy) throw error;
    throw new Error(
      `Another local cloud is using ${stateDirectory}. Stop it first, or choose another state directory.`,
      {
        cause: error,
      },
    );
  }
}
