// The SQLite file behind the index: its tables, its durability, and transactions.
import { DatabaseSync } from "node:sqlite";

/**
 * Keys are blobs: SQLite then orders them by their UTF-8 bytes, as S3 lists them, and takes any character.
 * `versions` holds one row per version or delete marker; the greatest `sequence` of a key is its newest.
 */
const schema = `
  CREATE TABLE IF NOT EXISTS buckets (
    name TEXT PRIMARY KEY,
    versioned INTEGER NOT NULL,
    eventBridge INTEGER NOT NULL,
    abortUploadsAfterDays INTEGER,
    kmsKeyArn TEXT,
    createdAt INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
  INSERT OR IGNORE INTO counter VALUES ('sequence', 0);
  CREATE TABLE IF NOT EXISTS versions (
    sequence INTEGER PRIMARY KEY,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    versionId TEXT NOT NULL,
    latest INTEGER NOT NULL,
    deleteMarker INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    modifiedAt INTEGER NOT NULL,
    facts TEXT NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS versionById ON versions (bucket, key, versionId);
  CREATE INDEX IF NOT EXISTS versionOrder ON versions (bucket, key, sequence DESC);
  CREATE UNIQUE INDEX IF NOT EXISTS currentVersion ON versions (bucket, key) WHERE latest = 1;
  CREATE TABLE IF NOT EXISTS segments (
    sequence INTEGER NOT NULL,
    number INTEGER NOT NULL,
    startByte INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    file TEXT NOT NULL,
    checksum TEXT,
    PRIMARY KEY (sequence, number)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS segmentStart ON segments (sequence, startByte);
  CREATE TABLE IF NOT EXISTS uploads (
    uploadId TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    startedAt INTEGER NOT NULL,
    facts TEXT NOT NULL
  );
  CREATE INDEX IF NOT EXISTS uploadOrder ON uploads (bucket, key, uploadId);
  CREATE TABLE IF NOT EXISTS parts (
    uploadId TEXT NOT NULL,
    number INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    md5 BLOB NOT NULL,
    modifiedAt INTEGER NOT NULL,
    file TEXT NOT NULL,
    checksums TEXT NOT NULL,
    PRIMARY KEY (uploadId, number)
  ) WITHOUT ROWID;
`;

/** SQLite's code for a file that somebody else has locked. */
const sqliteBusy = 5;

/**
 * Opens or creates the file. A committed row survives the death of the process at any instant (write-ahead log); a
 * power cut may lose the last ones, but leaves the file whole. Throws where another process has it open.
 */
export function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;");
    database.exec(`BEGIN IMMEDIATE; ${schema} COMMIT;`);
    return database;
  } catch (error) {
    database.close();
    if ((error as { errcode?: unknown }).errcode !== sqliteBusy) throw error;
    throw new Error(`Another local cloud is using ${path}. Stop it first, or choose another state directory.`, {
      cause: error,
    });
  }
}

/** All or nothing. Not to be nested, and `work` must not wait for anything. */
export function inTransaction<Result>(database: DatabaseSync, work: () => Result): Result {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // A full disk rolls back by itself, and a second rollback would hide the cause.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}
