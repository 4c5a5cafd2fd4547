// The xbstream container, as Percona XtraBackup and MariaDB's mbstream write it: files cut into chunks, in one stream.
// Layout (all integers little-endian): magic, flags, type, path length and path; a payload chunk goes on with payload
// length, offset in the file, CRC-32 of the payload, payload. An end chunk closes its file and has nothing more.
import { crc32 } from "node:zlib";

export interface ContainedFile {
  /** Relative, with "/" between folders. */
  readonly path: string;
  readonly sizeBytes: number;
  bytesAt(offset: number, length: number): Buffer;
}

const magic = Buffer.from("XBSTCK01");
/** XtraBackup's own chunks are of 10 MiB; readers take any size. */
const payloadBytes = 10 * 1024 * 1024;

/** The container piece by piece, never more than one chunk in memory. */
export function* xbstream(files: readonly ContainedFile[]): Generator<Buffer> {
  for (const file of files) {
    for (let offset = 0; offset < file.sizeBytes; offset += payloadBytes) {
      const payload = file.bytesAt(offset, Math.min(payloadBytes, file.sizeBytes - offset));
      const place = Buffer.alloc(20);
      place.writeBigUInt64LE(BigInt(payload.length), 0);
      place.writeBigUInt64LE(BigInt(offset), 8);
      place.writeUInt32LE(crc32(payload), 16);
      yield Buffer.concat([chunkHead("P", file.path), place]);
      yield payload;
    }
    yield chunkHead("E", file.path);
  }
}

/** What `xbstream` yields in all, without making it. */
export function xbstreamSize(files: readonly Pick<ContainedFile, "path" | "sizeBytes">[]): number {
  let total = 0;
  for (const { path, sizeBytes } of files) {
    const headBytes = chunkHead("E", path).length;
    total += headBytes + Math.ceil(sizeBytes / payloadBytes) * (headBytes + 20) + sizeBytes;
  }
  return total;
}

function chunkHead(type: "P" | "E", path: string): Buffer {
  const name = Buffer.from(path);
  const head = Buffer.alloc(14);
  magic.copy(head, 0);
  head.writeUInt8(0, 8);
  head.write(type, 9, "latin1");
  head.writeUInt32LE(name.length, 10);
  return Buffer.concat([head, name]);
}
