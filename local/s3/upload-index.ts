// Which multipart uploads are under way, and the parts they have so far.
import type { DatabaseSync } from "node:sqlite";
import type { ChecksumAlgorithm, ChecksumType } from "./checksums.ts";
import type { ObjectMetadata } from "./object-metadata.ts";

export interface UploadFacts {
  readonly metadata: ObjectMetadata;
  readonly algorithm: ChecksumAlgorithm;
  readonly type: ChecksumType;
  /** False: the client named no algorithm, and S3 uses its own without holding parts to it. */
  readonly algorithmChosen: boolean;
}

export interface Upload {
  readonly uploadId: string;
  readonly bucket: string;
  readonly key: string;
  /** Milliseconds since 1970, in cloud time. */
  readonly startedAt: number;
  readonly facts: UploadFacts;
}

export interface UploadedPart {
  /** 1 to 10,000. */
  readonly number: number;
  readonly bytes: number;
  readonly md5: Buffer;
  readonly modifiedAt: number;
  readonly file: string;
  /** Base64. */
  readonly checksums: Readonly<Partial<Record<ChecksumAlgorithm, string>>>;
}

/** What changes rows must be called in a transaction. */
export class UploadIndex {
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#statements = prepare(database);
  }

  insertUpload(upload: Upload): void {
    const { uploadId, bucket, key, startedAt, facts } = upload;
    this.#statements.insertUpload.run(uploadId, bucket, Buffer.from(key), startedAt, JSON.stringify(facts));
  }

  /** Only where it belongs to this bucket and key: an upload id alone is no right. */
  findUpload(bucket: string, key: string, uploadId: string): Upload | undefined {
    const row = this.#statements.findUpload.get(uploadId, bucket, Buffer.from(key));
    return row ? uploadOf(row) : undefined;
  }

  /** The next upload in listing order (by key, then id) behind this id of this key; "" stands before every id. */
  nextUpload(bucket: string, key: Uint8Array, behindUploadId: string): Upload | undefined {
    const row =
      this.#statements.nextOfKey.get(bucket, key, behindUploadId) ?? this.#statements.nextKey.get(bucket, key);
    return row ? uploadOf(row) : undefined;
  }

  startedBefore(bucket: string, milliseconds: number): Upload[] {
    return this.#statements.startedBefore.all(bucket, milliseconds).map(uploadOf);
  }

  /** Returns the file of the part that had this number before. */
  savePart(uploadId: string, part: UploadedPart): string | undefined {
    const before = this.#statements.findPart.get(uploadId, part.number);
    this.#statements.savePart.run(
      uploadId,
      part.number,
      part.bytes,
      part.md5,
      part.modifiedAt,
      part.file,
      JSON.stringify(part.checksums),
    );
    return before ? String(before.file) : undefined;
  }

  parts(uploadId: string, behindNumber = 0, limit = -1): UploadedPart[] {
    return this.#statements.parts.all(uploadId, behindNumber, limit).map(partOf);
  }

  /** Removes the upload and its parts; returns the parts' files. */
  deleteUpload(uploadId: string): string[] {
    const files = this.#statements.filesOf.all(uploadId).map((row) => String(row.file));
    this.#statements.deleteParts.run(uploadId);
    this.#statements.deleteUpload.run(uploadId);
    return files;
  }
}

type Row = Readonly<Record<string, unknown>>;

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => database.prepare(sql);
  return {
    insertUpload: statement("INSERT INTO uploads (uploadId, bucket, key, startedAt, facts) VALUES (?, ?, ?, ?, ?)"),
    findUpload: statement("SELECT * FROM uploads WHERE uploadId = ? AND bucket = ? AND key = ?"),
    nextOfKey: statement(
      "SELECT * FROM uploads WHERE bucket = ? AND key = ? AND uploadId > ? ORDER BY uploadId LIMIT 1",
    ),
    nextKey: statement("SELECT * FROM uploads WHERE bucket = ? AND key > ? ORDER BY key, uploadId LIMIT 1"),
    startedBefore: statement("SELECT * FROM uploads WHERE bucket = ? AND startedAt < ?"),
    findPart: statement("SELECT file FROM parts WHERE uploadId = ? AND number = ?"),
    savePart: statement(
      `INSERT OR REPLACE INTO parts (uploadId, number, bytes, md5, modifiedAt, file, checksums)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    ),
    parts: statement("SELECT * FROM parts WHERE uploadId = ? AND number > ? ORDER BY number LIMIT ?"),
    filesOf: statement("SELECT file FROM parts WHERE uploadId = ?"),
    deleteParts: statement("DELETE FROM parts WHERE uploadId = ?"),
    deleteUpload: statement("DELETE FROM uploads WHERE uploadId = ?"),
  };
}

function uploadOf(row: Row): Upload {
  return {
    uploadId: String(row.uploadId),
    bucket: String(row.bucket),
    key: Buffer.from(row.key as Uint8Array).toString("utf8"),
    startedAt: Number(row.startedAt),
    facts: JSON.parse(String(row.facts)) as UploadFacts,
  };
}

function partOf(row: Row): UploadedPart {
  return {
    number: Number(row.number),
    bytes: Number(row.bytes),
    md5: Buffer.from(row.md5 as Uint8Array),
    modifiedAt: Number(row.modifiedAt),
    file: String(row.file),
    checksums: JSON.parse(String(row.checksums)) as UploadedPart["checksums"],
  };
}
