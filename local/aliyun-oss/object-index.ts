// Which buckets and objects there are, and the files that hold their bytes.
import type { DatabaseSync } from "node:sqlite";
import type { ObjectMetadata } from "./object-metadata.ts";

export interface Bucket {
  readonly name: string;
  /** Milliseconds since 1970, in cloud time. */
  readonly createdAt: number;
}

export interface NewObject {
  readonly bucket: string;
  readonly key: string;
  readonly bytes: number;
  /** Upper-case, without quotes. */
  readonly etag: string;
  /** CRC-64/XZ of the whole object, unsigned decimal. */
  readonly crc64: string;
  readonly type: "Normal" | "Multipart";
  readonly modifiedAt: number;
  readonly metadata: ObjectMetadata;
}

export interface StoredObject extends NewObject {
  readonly id: number;
}

export interface Segment {
  readonly startByte: number;
  readonly bytes: number;
  readonly file: string;
}

type Row = Readonly<Record<string, unknown>>;

/** What changes objects must be called in a transaction. */
export class ObjectIndex {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  /** Leaves an existing one alone. */
  ensureBucket(name: string, now: number): void {
    this.#statements.ensureBucket.run(name, Math.floor(now));
  }

  findBucket(name: string): Bucket | undefined {
    const row = this.#statements.findBucket.get(name);
    return row ? { name: String(row.name), createdAt: Number(row.createdAt) } : undefined;
  }

  bucketNames(): string[] {
    return this.#statements.bucketNames.all().map((row) => String(row.name));
  }

  find(bucket: string, key: string): StoredObject | undefined {
    return objectOf(this.#statements.find.get(bucket, Buffer.from(key)));
  }

  /** The first object, by key, at or behind this key. */
  next(bucket: string, from: Uint8Array): StoredObject | undefined {
    return objectOf(this.#statements.next.get(bucket, from));
  }

  /** Puts the object in the place of one of the same key, whose files it returns: nobody needs them any more. */
  replace(object: NewObject, segments: readonly Segment[]): string[] {
    const files = this.remove(object.bucket, object.key);
    const { lastInsertRowid: id } = this.#statements.insert.run(
      object.bucket,
      Buffer.from(object.key),
      object.bytes,
      object.etag,
      object.crc64,
      object.type,
      object.modifiedAt,
      JSON.stringify(object.metadata),
    );
    for (const { startByte, bytes, file } of segments) this.#statements.insertSegment.run(id, startByte, bytes, file);
    return files;
  }

  /** Same bytes, other metadata. */
  changeMetadata(id: number, metadata: ObjectMetadata, modifiedAt: number): void {
    this.#statements.changeMetadata.run(JSON.stringify(metadata), modifiedAt, id);
  }

  /** Removes the rows and returns the files that nobody needs any more. */
  remove(bucket: string, key: string): string[] {
    const found = this.find(bucket, key);
    if (!found) return [];
    const files = this.#statements.filesOf.all(found.id).map((row) => String(row.file));
    this.#statements.removeSegments.run(found.id);
    this.#statements.remove.run(found.id);
    return files;
  }

  /** Those that hold bytes from `from` up to, not including, `end`. */
  segmentsBetween(id: number, from: number, end: number): Segment[] {
    return this.#statements.segmentsBetween.all(id, id, from, end).map((row) => ({
      startByte: Number(row.startByte),
      bytes: Number(row.bytes),
      file: String(row.file),
    }));
  }

  /** Of objects and of parts. */
  namedFiles(): Set<string> {
    const rows = this.#database.prepare("SELECT file FROM segments UNION ALL SELECT file FROM parts").all();
    return new Set(rows.map((row) => String(row.file)));
  }
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => database.prepare(sql);
  return {
    ensureBucket: statement("INSERT OR IGNORE INTO buckets (name, createdAt) VALUES (?, ?)"),
    findBucket: statement("SELECT * FROM buckets WHERE name = ?"),
    bucketNames: statement("SELECT name FROM buckets ORDER BY name"),
    find: statement("SELECT * FROM objects WHERE bucket = ? AND key = ?"),
    next: statement("SELECT * FROM objects WHERE bucket = ? AND key >= ? ORDER BY key LIMIT 1"),
    insert: statement(
      `INSERT INTO objects (bucket, key, bytes, etag, crc64, type, modifiedAt, metadata)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertSegment: statement("INSERT INTO segments (objectId, startByte, bytes, file) VALUES (?, ?, ?, ?)"),
    changeMetadata: statement("UPDATE objects SET metadata = ?, modifiedAt = ? WHERE id = ?"),
    remove: statement("DELETE FROM objects WHERE id = ?"),
    removeSegments: statement("DELETE FROM segments WHERE objectId = ?"),
    filesOf: statement("SELECT file FROM segments WHERE objectId = ?"),
    segmentsBetween: statement(
      `SELECT * FROM segments WHERE objectId = ? AND startByte >=
       (SELECT max(startByte) FROM segments WHERE objectId = ? AND startByte <= ?) AND startByte < ? ORDER BY startByte`,
    ),
  };
}

function objectOf(row: Row | undefined): StoredObject | undefined {
  if (!row) return undefined;
  return {
    id: Number(row.id),
    bucket: String(row.bucket),
    key: Buffer.from(row.key as Uint8Array).toString("utf8"),
    bytes: Number(row.bytes),
    etag: String(row.etag),
    crc64: String(row.crc64),
    type: row.type === "Multipart" ? "Multipart" : "Normal",
    modifiedAt: Number(row.modifiedAt),
    metadata: JSON.parse(String(row.metadata)) as ObjectMetadata,
  };
}
