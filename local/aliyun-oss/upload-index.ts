// Which multipart uploads are under way, and the parts they have so far.
import type { DatabaseSync } from "node:sqlite";
import type { ObjectMetadata } from "./object-metadata.ts";

export interface Upload {
  readonly uploadId: string;
  readonly bucket: string;
  readonly key: string;
  /** Milliseconds since 1970, in cloud time. */
  readonly startedAt: number;
  readonly metadata: ObjectMetadata;
}

export interface UploadedPart {
  /** 1 to 10,000. */
  readonly number: number;
  readonly bytes: number;
  /** Upper-case hexadecimal: the part's ETag. */
  readonly md5: string;
  /** Unsigned decimal. */
  readonly crc64: string;
  readonly modifiedAt: number;
  readonly file: string;
}

type Row = Readonly<Record<string, unknown>>;

/** What changes rows must be called in a transaction. */
export class UploadIndex {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  insert({ uploadId, bucket, key, startedAt, metadata }: Upload): void {
    this.#statements.insert.run(uploadId, bucket, Buffer.from(key), startedAt, JSON.stringify(metadata));
  }

  /** Only where it belongs to this bucket and key: an upload id alone is no right. */
  find(bucket: string, key: string, uploadId: string): Upload | undefined {
    const row = this.#statements.find.get(uploadId, bucket, Buffer.from(key));
    return row ? uploadOf(row) : undefined;
  }

  /** The next upload in listing order (by key, then id) behind this id of this key; "" stands before every id. */
  next(bucket: string, key: Uint8Array, behindUploadId: string): Upload | undefined {
    const row =
      this.#statements.nextOfKey.get(bucket, key, behindUploadId) ?? this.#statements.nextKey.get(bucket, key);
    return row ? uploadOf(row) : undefined;
  }

  /** Returns the file of the part that had this number before. */
  savePart(uploadId: string, part: UploadedPart): string | undefined {
    const before = this.#statements.findPart.get(uploadId, part.number);
    this.#statements.savePart.run(uploadId, part.number, part.bytes, part.md5, part.crc64, part.modifiedAt, part.file);
    return before ? String(before.file) : undefined;
  }

  parts(uploadId: string, behindNumber = 0, limit = -1): UploadedPart[] {
    return this.#statements.parts.all(uploadId, behindNumber, limit).map(partOf);
  }

  /** Removes the upload and its parts; returns the parts' files. */
  remove(uploadId: string): string[] {
    const files = this.#statements.filesOf.all(uploadId).map((row) => String(row.file));
    this.#statements.removeParts.run(uploadId);
    this.#statements.remove.run(uploadId);
    return files;
  }
}

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => database.prepare(sql);
  return {
    insert: statement("INSERT INTO uploads (uploadId, bucket, key, startedAt, metadata) VALUES (?, ?, ?, ?, ?)"),
    find: statement("SELECT * FROM uploads WHERE uploadId = ? AND bucket = ? AND key = ?"),
    nextOfKey: statement(
      "SELECT * FROM uploads WHERE bucket = ? AND key = ? AND uploadId > ? ORDER BY uploadId LIMIT 1",
    ),
    nextKey: statement("SELECT * FROM uploads WHERE bucket = ? AND key > ? ORDER BY key, uploadId LIMIT 1"),
    findPart: statement("SELECT file FROM parts WHERE uploadId = ? AND number = ?"),
    savePart: statement(
      `INSERT OR REPLACE INTO parts (uploadId, number, bytes, md5, crc64, modifiedAt, file)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    parts: statement("SELECT * FROM parts WHERE uploadId = ? AND number > ? ORDER BY number LIMIT ?"),
    filesOf: statement("SELECT file FROM parts WHERE uploadId = ?"),
    removeParts: statement("DELETE FROM parts WHERE uploadId = ?"),
    remove: statement("DELETE FROM uploads WHERE uploadId = ?"),
  };
}

function uploadOf(row: Row): Upload {
  return {
    uploadId: String(row.uploadId),
    bucket: String(row.bucket),
    key: Buffer.from(row.key as Uint8Array).toString("utf8"),
    startedAt: Number(row.startedAt),
    metadata: JSON.parse(String(row.metadata)) as ObjectMetadata,
  };
}

function partOf(row: Row): UploadedPart {
  return {
    number: Number(row.number),
    bytes: Number(row.bytes),
    md5: String(row.md5),
    crc64: String(row.crc64),
    modifiedAt: Number(row.modifiedAt),
    file: String(row.file),
  };
}
