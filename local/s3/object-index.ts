// Which buckets and objects there are: versions, delete markers, and the files that hold their bytes.
import type { DatabaseSync } from "node:sqlite";
import type { ChecksumAlgorithm, StoredChecksum } from "./checksums.ts";
import type { ObjectMetadata } from "./object-metadata.ts";

export interface Bucket {
  readonly name: string;
  readonly versioned: boolean;
  /** Its events go to EventBridge. */
  readonly eventBridge: boolean;
  /** Incomplete uploads are aborted after so many days. */
  readonly abortUploadsAfterDays: number | undefined;
  /** Default encryption with this KMS key. */
  readonly kmsKeyArn: string | undefined;
}

export interface ObjectFacts {
  readonly metadata: ObjectMetadata;
  readonly checksum: StoredChecksum;
  /** Multipart objects only. */
  readonly partCount?: number;
  /** The client chose the algorithm of the upload: GetObjectAttributes then tells the parts. */
  readonly partsTold?: boolean;
}

/** A version of an object, or a delete marker (without facts, with an empty ETag). */
export interface ObjectVersion {
  readonly sequence: number;
  readonly bucket: string;
  readonly key: string;
  /** "null" where the bucket has no versions. */
  readonly versionId: string;
  readonly latest: boolean;
  readonly deleteMarker: boolean;
  readonly bytes: number;
  /** Without quotes. */
  readonly etag: string;
  /** Milliseconds since 1970, in cloud time. */
  readonly modifiedAt: number;
  readonly facts: ObjectFacts | undefined;
}

export interface Segment {
  /** The part's number; 1 for an object put in one piece. */
  readonly number: number;
  readonly startByte: number;
  readonly bytes: number;
  readonly file: string;
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined;
}

export type NewVersion = Omit<ObjectVersion, "sequence" | "latest">;

interface VersionRow {
  sequence: number;
  bucket: string;
  key: Uint8Array;
  versionId: string;
  latest: number;
  deleteMarker: number;
  bytes: number;
  etag: string;
  modifiedAt: number;
  facts: string;
}

export class ObjectIndex {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  /** Creates the bucket, or gives an existing one these settings. */
  saveBucket(bucket: Bucket, createdAt: number): void {
    this.#statements.saveBucket.run(
      bucket.name,
      Number(bucket.versioned),
      Number(bucket.eventBridge),
      bucket.abortUploadsAfterDays ?? null,
      bucket.kmsKeyArn ?? null,
      createdAt,
    );
  }

  findBucket(name: string): Bucket | undefined {
    const row = this.#statements.findBucket.get(name);
    return row ? bucketOf(row) : undefined;
  }

  listBuckets(): Bucket[] {
    return this.#statements.listBuckets.all().map(bucketOf);
  }

  /** Rises with every change of any object; survives a restart. */
  nextSequence(): number {
    return Number(this.#statements.nextSequence.get()?.value);
  }

  findCurrent(bucket: string, key: string): ObjectVersion | undefined {
    return versionOf(this.#statements.findCurrent.get(bucket, Buffer.from(key)));
  }

  findVersion(bucket: string, key: string, versionId: string): ObjectVersion | undefined {
    return versionOf(this.#statements.findVersion.get(bucket, Buffer.from(key), versionId));
  }

  /** The first object, by key, at or behind this key; delete markers hide what they delete. */
  nextObject(bucket: string, from: Uint8Array): ObjectVersion | undefined {
    return versionOf(this.#statements.nextObject.get(bucket, from));
  }

  /** The next version in listing order: by key, newest first, behind this version of this key. */
  nextVersion(bucket: string, key: Uint8Array, sequence: number): ObjectVersion | undefined {
    return (
      versionOf(this.#statements.nextOfKey.get(bucket, key, sequence)) ??
      versionOf(this.#statements.nextKey.get(bucket, key))
    );
  }

  /** The newest version of the first key at or behind this one. */
  firstVersion(bucket: string, from: Uint8Array): ObjectVersion | undefined {
    return versionOf(this.#statements.firstVersion.get(bucket, from));
  }

  /** Inserts the newest version of its key. To be called in a transaction. */
  insertVersion(sequence: number, version: NewVersion, segments: readonly Segment[]): void {
    const key = Buffer.from(version.key);
    this.#statements.unsetLatest.run(version.bucket, key);
    this.#statements.insertVersion.run(
      sequence,
      version.bucket,
      key,
      version.versionId,
      Number(version.deleteMarker),
      version.bytes,
      version.etag,
      version.modifiedAt,
      JSON.stringify(version.facts ?? {}),
    );
    for (const segment of segments) {
      this.#statements.insertSegment.run(
        sequence,
        segment.number,
        segment.startByte,
        segment.bytes,
        segment.file,
        segment.checksum ? JSON.stringify(segment.checksum) : null,
      );
    }
  }

  /** Removes the rows and returns the files that nobody needs any more. To be called in a transaction. */
  deleteVersion(version: ObjectVersion): string[] {
    const files = this.#statements.filesOf.all(version.sequence).map((row) => String(row.file));
    const key = Buffer.from(version.key);
    this.#statements.deleteSegments.run(version.sequence);
    this.#statements.deleteVersion.run(version.sequence);
    if (version.latest) this.#statements.setLatest.run(version.bucket, key);
    return files;
  }

  segments(sequence: number, behindNumber = 0, limit = -1): Segment[] {
    return this.#statements.segments.all(sequence, behindNumber, limit).map(segmentOf);
  }

  /** Those that hold bytes from `from` up to, not including, `end`. */
  segmentsBetween(sequence: number, from: number, end: number): Segment[] {
    return this.#statements.segmentsBetween.all(sequence, sequence, from, end).map(segmentOf);
  }

  findSegment(sequence: number, number: number): Segment | undefined {
    const row = this.#statements.findSegment.get(sequence, number);
    return row ? segmentOf(row) : undefined;
  }

  /** Every file that an object or a part needs. */
  namedFiles(): Set<string> {
    const rows = this.#database.prepare("SELECT file FROM segments UNION ALL SELECT file FROM parts").all();
    return new Set(rows.map((row) => String(row.file)));
  }
}

type Row = Readonly<Record<string, unknown>>;

function prepare(database: DatabaseSync) {
  const statement = (sql: string) => database.prepare(sql);
  return {
    saveBucket: statement(
      `INSERT INTO buckets (name, versioned, eventBridge, abortUploadsAfterDays, kmsKeyArn, createdAt)
       VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET versioned = excluded.versioned,
       eventBridge = excluded.eventBridge, abortUploadsAfterDays = excluded.abortUploadsAfterDays,
       kmsKeyArn = excluded.kmsKeyArn`,
    ),
    findBucket: statement("SELECT * FROM buckets WHERE name = ?"),
    listBuckets: statement("SELECT * FROM buckets ORDER BY name"),
    nextSequence: statement("UPDATE counter SET value = value + 1 WHERE name = 'sequence' RETURNING value"),
    findCurrent: statement("SELECT * FROM versions WHERE bucket = ? AND key = ? AND latest = 1"),
    findVersion: statement("SELECT * FROM versions WHERE bucket = ? AND key = ? AND versionId = ?"),
    nextObject: statement(
      "SELECT * FROM versions WHERE bucket = ? AND key >= ? AND latest = 1 AND deleteMarker = 0 ORDER BY key LIMIT 1",
    ),
    nextOfKey: statement(
      "SELECT * FROM versions WHERE bucket = ? AND key = ? AND sequence < ? ORDER BY sequence DESC LIMIT 1",
    ),
    nextKey: statement("SELECT * FROM versions WHERE bucket = ? AND key > ? ORDER BY key, sequence DESC LIMIT 1"),
    firstVersion: statement("SELECT * FROM versions WHERE bucket = ? AND key >= ? ORDER BY key, sequence DESC LIMIT 1"),
    unsetLatest: statement("UPDATE versions SET latest = 0 WHERE bucket = ? AND key = ? AND latest = 1"),
    setLatest: statement(
      `UPDATE versions SET latest = 1 WHERE sequence =
       (SELECT sequence FROM versions WHERE bucket = ? AND key = ? ORDER BY sequence DESC LIMIT 1)`,
    ),
    insertVersion: statement(
      `INSERT INTO versions (sequence, bucket, key, versionId, latest, deleteMarker, bytes, etag, modifiedAt, facts)
       VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?)`,
    ),
    deleteVersion: statement("DELETE FROM versions WHERE sequence = ?"),
    insertSegment: statement(
      "INSERT INTO segments (sequence, number, startByte, bytes, file, checksum) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    deleteSegments: statement("DELETE FROM segments WHERE sequence = ?"),
    filesOf: statement("SELECT file FROM segments WHERE sequence = ?"),
    segments: statement("SELECT * FROM segments WHERE sequence = ? AND number > ? ORDER BY number LIMIT ?"),
    segmentsBetween: statement(
      `SELECT * FROM segments WHERE sequence = ? AND startByte >=
       (SELECT max(startByte) FROM segments WHERE sequence = ? AND startByte <= ?) AND startByte < ? ORDER BY number`,
    ),
    findSegment: statement("SELECT * FROM segments WHERE sequence = ? AND number = ?"),
  };
}

function bucketOf(row: Row): Bucket {
  return {
    name: String(row.name),
    versioned: row.versioned === 1,
    eventBridge: row.eventBridge === 1,
    abortUploadsAfterDays: typeof row.abortUploadsAfterDays === "number" ? row.abortUploadsAfterDays : undefined,
    kmsKeyArn: typeof row.kmsKeyArn === "string" ? row.kmsKeyArn : undefined,
  };
}

function versionOf(found: Row | undefined): ObjectVersion | undefined {
  if (!found) return undefined;
  const row = found as unknown as VersionRow;
  const deleteMarker = row.deleteMarker === 1;
  return {
    sequence: row.sequence,
    bucket: row.bucket,
    key: Buffer.from(row.key).toString("utf8"),
    versionId: row.versionId,
    latest: row.latest === 1,
    deleteMarker,
    bytes: row.bytes,
    etag: row.etag,
    modifiedAt: row.modifiedAt,
    facts: deleteMarker ? undefined : (JSON.parse(row.facts) as ObjectFacts),
  };
}

function segmentOf(row: Row): Segment {
  return {
    number: Number(row.number),
    startByte: Number(row.startByte),
    bytes: Number(row.bytes),
    file: String(row.file),
    checksum: typeof row.checksum === "string" ? (JSON.parse(row.checksum) as Segment["checksum"]) : undefined,
  };
}
