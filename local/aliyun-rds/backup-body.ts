// The bytes behind a backup: a file, a buffer, or content computed by range. Sums and ETag belong to one version of them.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { ChecksumCache } from "./checksum-cache.ts";
import { Crc64Xz } from "./crc64-xz.ts";
import { seededContent } from "./seeded-content.ts";

/** What a backup consists of, as a caller gives it. */
export type BackupContent =
  /** Served from disk as it is; a change of size or time later on counts as a replaced object. */
  | { readonly file: string }
  | { readonly bytes: Buffer }
  /** Computed from the seed, see seeded-content.ts. */
  | { readonly seed: number; readonly sizeBytes: number }
  /** Computed by the caller; `identity` must change whenever the bytes do. */
  | {
      readonly identity: string;
      readonly sizeBytes: number;
      bytesAt(offset: number, length: number): Buffer;
    };

/** One unchanging version of an object. */
export interface BackupBody {
  readonly sizeBytes: number;
  /** Upper-case hex without quotes; "…-N" when the object counts as uploaded in N parts. */
  readonly etag: string;
  /** `x-oss-object-type`. */
  readonly objectType: "Normal" | "Multipart";
  /** Milliseconds since 1970 by the file's own date, where there is a file. */
  readonly modifiedAt: number | undefined;
  /** CRC-64/XZ of all bytes: computed at the first call, remembered in the state directory. */
  crc64(): Promise<bigint>;
  /** Pieces of at most `pieceBytes` of [offset, offset + length), one in memory at a time. */
  read(offset: number, length: number, pieceBytes: number): AsyncIterable<Buffer> | Iterable<Buffer>;
  /** False once the file on disk is no longer the one that was opened; undefined where it is gone. */
  isCurrent(): Promise<boolean | undefined>;
}

/** RDS uploads its backups in parts; OSS then appends their number to the ETag. */
const uploadedPartBytes = 64 * 1024 * 1024;
const crcPieceBytes = 1024 * 1024;

/** Throws a sentence when a file is missing, unreadable or a directory. */
export async function openBody(content: BackupContent, cache: ChecksumCache): Promise<BackupBody> {
  if ("file" in content) return openFile(content.file, cache);
  if ("bytes" in content) return bufferBody(content.bytes);
  if ("seed" in content) {
    const identity = `seeded:${content.seed}:${content.sizeBytes}`;
    return computedBody(identity, content.sizeBytes, seededContent(content.seed), cache);
  }
  return computedBody(
    `given:${content.identity}:${content.sizeBytes}`,
    content.sizeBytes,
    (offset, length) => content.bytesAt(offset, length),
    cache,
  );
}

async function openFile(file: string, cache: ChecksumCache): Promise<BackupBody> {
  const opened = await stat(file, { bigint: true });
  if (!opened.isFile()) throw new Error(`${file} is not a regular file.`);
  const sizeBytes = Number(opened.size);
  const identity = `file:${file}:${opened.size}:${opened.mtimeNs}`;
  const read: BackupBody["read"] = (offset, length, pieceBytes) =>
    length === 0 ? [] : createReadStream(file, { start: offset, end: offset + length - 1, highWaterMark: pieceBytes });
  return {
    sizeBytes,
    ...multipartEtag(identity, sizeBytes),
    modifiedAt: Number(opened.mtimeNs / 1_000_000n),
    crc64: once(() => cache.get(identity, () => sumOf(read, sizeBytes))),
    read,
    async isCurrent() {
      try {
        const now = await stat(file, { bigint: true });
        return now.size === opened.size && now.mtimeNs === opened.mtimeNs;
      } catch {
        return undefined;
      }
    },
  };
}

function bufferBody(bytes: Buffer): BackupBody {
  const read: BackupBody["read"] = (offset, length, pieceBytes) =>
    pieces(offset, length, pieceBytes, (start, count) => bytes.subarray(start, start + count));
  return {
    sizeBytes: bytes.length,
    etag: createHash("md5").update(bytes).digest("hex").toUpperCase(),
    objectType: "Normal",
    modifiedAt: undefined,
    crc64: once(async () => new Crc64Xz().update(bytes).value()),
    read,
    isCurrent: async () => true,
  };
}

function computedBody(
  identity: string,
  sizeBytes: number,
  bytesAt: (offset: number, length: number) => Buffer,
  cache: ChecksumCache,
): BackupBody {
  const read: BackupBody["read"] = (offset, length, pieceBytes) => pieces(offset, length, pieceBytes, bytesAt);
  return {
    sizeBytes,
    ...multipartEtag(identity, sizeBytes),
    modifiedAt: undefined,
    crc64: once(() => cache.get(identity, () => sumOf(read, sizeBytes))),
    read,
    isCurrent: async () => true,
  };
}

function* pieces(
  offset: number,
  length: number,
  pieceBytes: number,
  bytesAt: (offset: number, length: number) => Buffer,
): Iterable<Buffer> {
  for (let done = 0; done < length; done += pieceBytes) {
    yield bytesAt(offset + done, Math.min(pieceBytes, length - done));
  }
}

async function sumOf(read: BackupBody["read"], sizeBytes: number): Promise<bigint> {
  const sum = new Crc64Xz();
  for await (const piece of read(0, sizeBytes, crcPieceBytes)) {
    sum.update(piece);
    // Computed pieces never wait for a disk: let the servers answer in between.
    await setImmediate();
  }
  return sum.value();
}

/** OSS's ETag of a multipart object is no digest of its bytes, so any text that changes with the version will do. */
function multipartEtag(identity: string, sizeBytes: number): Pick<BackupBody, "etag" | "objectType"> {
  const digest = createHash("md5").update(identity).digest("hex").toUpperCase();
  return { etag: `${digest}-${Math.max(1, Math.ceil(sizeBytes / uploadedPartBytes))}`, objectType: "Multipart" };
}

/** One computation however many ask; a failed one may be tried again. */
function once(compute: () => Promise<bigint>): () => Promise<bigint> {
  let running: Promise<bigint> | undefined;
  return () => {
    running ??= compute().catch((error: unknown) => {
      running = undefined;
      throw error;
    });
    return running;
  };
}
