// The bytes of objects and parts: one file each, written once, read in ranges, deleted only when nobody reads them.
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";

const readChunkBytes = 256 * 1024;

/** A piece of an object: a whole file. */
export interface BodySegment {
  readonly file: string;
  readonly bytes: number;
}

/** Part of a segment's file. */
export interface BodySlice {
  readonly file: string;
  /** Offset within the file. */
  readonly from: number;
  readonly bytes: number;
}

export interface BodyWriter {
  readonly file: string;
  write(bytes: Buffer): Promise<void>;
  /** Must be called before an index row names the file. */
  close(): Promise<void>;
  /** Closes and deletes. */
  discard(): Promise<void>;
}

export class BodyFiles {
  readonly #directory: string;
  readonly #readers = new Map<string, number>();
  readonly #doomed = new Set<string>();
  readonly #removals = new Set<Promise<void>>();

  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  async create(): Promise<BodyWriter> {
    const file = randomUUID();
    const path = join(this.#directory, file);
    const handle = await open(path, "wx");
    let isOpen = true;
    const close = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      await handle.close();
    };
    return {
      file,
      write: (bytes) => writeAll(handle, bytes),
      close,
      discard: async () => {
        await close().catch(() => undefined);
        await rm(path, { force: true });
      },
    };
  }

  /** Reads the slices one after the other. Their files stay until the stream is closed. */
  read(slices: readonly BodySlice[]): Readable {
    const release = this.#pin(slices);
    const stream = Readable.from(readSlices(this.#directory, slices), {
      objectMode: false,
      highWaterMark: readChunkBytes,
    });
    stream.once("close", release);
    return stream;
  }

  /** Deletes in the background; a file that is being read goes when its last reader has finished. */
  remove(files: Iterable<string>): void {
    for (const file of files) {
      if (this.#readers.has(file)) this.#doomed.add(file);
      else this.#unlink(file);
    }
  }

  /** Deletes every file that is not named, and returns how many. For the start, when nothing is written or read. */
  sweep(named: ReadonlySet<string>): number {
    const orphans = readdirSync(this.#directory).filter((file) => !named.has(file));
    for (const file of orphans) rmSync(join(this.#directory, file), { force: true });
    return orphans.length;
  }

  /** Resolves when every deletion under way has finished. */
  async settle(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #pin(slices: readonly BodySlice[]): () => void {
    for (const { file } of slices) this.#readers.set(file, (this.#readers.get(file) ?? 0) + 1);
    return () => {
      for (const { file } of slices) {
        const left = (this.#readers.get(file) ?? 1) - 1;
        if (left > 0) {
          this.#readers.set(file, left);
          continue;
        }
        this.#readers.delete(file);
        if (this.#doomed.delete(file)) this.#unlink(file);
      }
    };
  }

  #unlink(file: string): void {
    // A file that cannot be deleted now is an orphan, and the next start sweeps it.
    const removal = rm(join(this.#directory, file), { force: true })
      .catch(() => undefined)
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

/** The slices that make up bytes `from` to `from + bytes` of the segments, which start at `segmentsFrom`. */
export function sliceSegments(
  segments: readonly BodySegment[],
  segmentsFrom: number,
  from: number,
  bytes: number,
): BodySlice[] {
  const slices: BodySlice[] = [];
  let offset = segmentsFrom;
  for (const segment of segments) {
    const start = Math.max(from, offset);
    const end = Math.min(from + bytes, offset + segment.bytes);
    if (start < end) slices.push({ file: segment.file, from: start - offset, bytes: end - start });
    offset += segment.bytes;
  }
  return slices;
}

async function* readSlices(directory: string, slices: readonly BodySlice[]): AsyncGenerator<Buffer> {
  for (const slice of slices) {
    const handle = await open(join(directory, slice.file), "r");
    try {
      let done = 0;
      while (done < slice.bytes) {
        const wanted = Math.min(readChunkBytes, slice.bytes - done);
        const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, slice.from + done);
        if (bytesRead === 0) throw new Error(`The body file ${slice.file} is shorter than its index row says.`);
        done += bytesRead;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await handle.close();
    }
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written);
    written += bytesWritten;
  }
}
