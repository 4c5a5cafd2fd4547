// A source in memory, for rules: it brings ranges of one object, and fails where a test tells it to.
import { addAbortSignal, Readable } from "node:stream";
import { crc64Xz } from "../../../lambdas/replication/checksums/crc64.ts";
import type { ByteRange } from "../../../lambdas/replication/plan-parts.ts";
import type { RangedSource, SourceFacts } from "../../../lambdas/replication/sources/source.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";

export interface OpenedRange {
  readonly address: string;
  readonly range: ByteRange;
  readonly stream: Readable;
}

const chunkBytes = 1000;

export class MemorySource implements RangedSource {
  content: Buffer;
  /** Null: the source states none. */
  etag: string | null = '"memory-1"';
  statesCrc = true;
  /** Every range that was opened, in order. */
  readonly opened: OpenedRange[] = [];
  /** Called before a range is opened, with the number of the call (from 1): throws what is to go wrong. */
  beforeOpen: (range: ByteRange, call: number, signal: AbortSignal) => void | Promise<void> = () => undefined;
  /** What becomes of the bytes of a range. */
  onBytes: (bytes: Buffer, range: ByteRange) => Readable = (bytes) => streamOf(bytes);
  #calls = 0;

  constructor(content: Buffer) {
    this.content = content;
  }

  get facts(): SourceFacts {
    const running = crc64Xz.start();
    running.update(this.content);
    const crc64 = this.statesCrc ? crc64Xz.format(running.digest()) : null;
    return { sizeBytes: this.content.length, etag: this.etag, crc64 };
  }

  /** Ranges whose stream is still open. */
  get openNow(): number {
    return this.opened.filter(({ stream }) => !stream.destroyed).length;
  }

  async probe(): Promise<SourceFacts> {
    return this.facts;
  }

  async open(address: string, range: ByteRange, pinned: SourceFacts, signal: AbortSignal): Promise<Readable> {
    this.#calls += 1;
    await this.beforeOpen(range, this.#calls, signal);
    if (signal.aborted) throw signal.reason;
    if (pinned.etag !== this.etag) throw new CausewayError("SourceChanged", "the ETag is another");
    const stream = this.onBytes(this.content.subarray(range.first, range.last + 1), range);
    stream.on("error", () => undefined);
    addAbortSignal(signal, stream);
    this.opened.push({ address, range, stream });
    return stream;
  }

  close(): void {}
}

/** The bytes in chunks of a thousand; they are copies, as from a socket. */
export function streamOf(bytes: Buffer): Readable {
  function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield Buffer.from(bytes.subarray(at, at + chunkBytes));
  }
  return Readable.from(chunks(), { objectMode: false });
}

/** A stream that never brings a byte and never ends. */
export function silence(): Readable {
  return new Readable({ read() {} });
}
