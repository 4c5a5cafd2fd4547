// Compresses a body piece by piece, so that what was written so far can be read by whoever decodes it.
import type { Transform } from "node:stream";
import zlib from "node:zlib";
import type { Encoding } from "./behaviour.ts";

export interface StreamEncoder {
  /** The bytes that carry the piece, flushed. */
  encode(piece: Buffer): Promise<Buffer>;
  finish(): Promise<Buffer>;
}

type Compressor = Transform & { flush(callback: () => void): void };

const compressors: Readonly<Record<Encoding, () => Compressor>> = {
  gzip: () => zlib.createGzip(),
  deflate: () => zlib.createDeflate(),
  br: () => zlib.createBrotliCompress({ params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } }),
  zstd: () => zlib.createZstdCompress(),
};

export function encoderOf(encoding: Encoding): StreamEncoder {
  const compressor = compressors[encoding]();
  let chunks: Buffer[] = [];
  compressor.on("data", (chunk: Buffer) => chunks.push(chunk));
  const taken = () => {
    const bytes = Buffer.concat(chunks);
    chunks = [];
    return bytes;
  };
  return {
    encode: (piece) =>
      new Promise((resolve) => {
        compressor.write(piece);
        compressor.flush(() => resolve(taken()));
      }),
    finish: () =>
      new Promise((resolve) => {
        compressor.once("end", () => resolve(taken()));
        compressor.end();
      }),
  };
}
