// Decoding of answers: gzip, deflate, brotli and zstd, piece by piece, so that a stream that is flushed stays a stream.
import { Transform, type TransformCallback } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from "node:zlib";

/** More codings than this, one around the other, are no honest answer. */
const mostCodings = 2;

/**
 * The decoders that undo a `content-encoding`, in the order in which bytes go through them; empty where there is nothing to
 * undo, undefined for a coding that is not known.
 */
export function decodersFor(contentEncoding: string | undefined): Transform[] | undefined {
  if (contentEncoding === undefined) return [];
  const codings = contentEncoding
    .split(",")
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== "" && coding !== "identity");
  if (codings.length > mostCodings) return undefined;
  const decoders = codings.reverse().map(decoderFor);
  return decoders.every((decoder) => decoder !== undefined) ? decoders : undefined;
}

function decoderFor(coding: string): Transform | undefined {
  if (coding === "gzip" || coding === "x-gzip") return new Decoder(() => createGunzip());
  if (coding === "deflate") return new Decoder(createInflateOfEither);
  if (coding === "br") return new Decoder(() => createBrotliDecompress());
  if (coding === "zstd") return new Decoder(() => createZstdDecompress());
  return undefined;
}

/** "deflate" is zlib's format (RFC 9110, 8.4.1.2), but some servers send it bare; the first byte tells: 8 is its method. */
function createInflateOfEither(firstByte: number): Transform {
  return (firstByte & 0x0f) === 8 ? createInflate() : createInflateRaw();
}

/** A decoder that is made by its first byte: an answer without a body has nothing to decode, and is no broken one. */
class Decoder extends Transform {
  readonly #create: (firstByte: number) => Transform;
  #inner: Transform | undefined;

  constructor(create: (firstByte: number) => Transform) {
    super();
    this.#create = create;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#inner ??= this.#open(chunk[0] ?? 0);
    if (this.#inner.write(chunk)) done();
    else this.#inner.once("drain", done);
  }

  override _flush(done: TransformCallback): void {
    if (this.#inner === undefined) done();
    else this.#inner.once("end", done).end();
  }

  override _read(size: number): void {
    this.#inner?.resume();
    super._read(size);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#inner?.destroy();
    done(error);
  }

  #open(firstByte: number): Transform {
    const inner = this.#create(firstByte);
    inner.on("data", (bytes: Buffer) => {
      if (!this.push(bytes)) inner.pause();
    });
    inner.on("error", (error) => this.destroy(error));
    return inner;
  }
}
