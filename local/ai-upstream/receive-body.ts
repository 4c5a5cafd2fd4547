// The body of a request, as it came and decoded.
import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import zlib from "node:zlib";

/** Anthropic takes 32 MB; more than this is a mistake of a test. */
const largestBodyBytes = 64 * 1024 * 1024;
const nothing = Buffer.alloc(0);

/** Undefined when the client went away before its end. Rejects when it is larger than 64 MiB. */
export function receiveBody(incoming: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    incoming.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > largestBodyBytes) {
        incoming.pause();
        reject(new Error("the body is larger than the upstream takes"));
      } else chunks.push(chunk);
    });
    // Copied: a chunk of a few bytes would keep the socket's whole buffer alive.
    const done = () => resolve(chunks.length > 0 ? Buffer.concat(chunks) : nothing);
    const gone = () => resolve(undefined);
    incoming.on("end", done);
    incoming.on("close", gone);
    incoming.on("error", gone);
  });
}

const decoders: Readonly<Record<string, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: (bytes) => promisify(zlib.gunzip)(bytes, { maxOutputLength: largestBodyBytes }),
  deflate: (bytes) => promisify(zlib.inflate)(bytes, { maxOutputLength: largestBodyBytes }),
  br: (bytes) => promisify(zlib.brotliDecompress)(bytes, { maxOutputLength: largestBodyBytes }),
  zstd: (bytes) => promisify(zlib.zstdDecompress)(bytes, { maxOutputLength: largestBodyBytes }),
};

/** Undefined when it is not what `content-encoding` says. */
export async function decodeBody(bytes: Buffer, encoding: string | undefined): Promise<Buffer | undefined> {
  if (encoding === undefined || encoding === "identity") return bytes;
  try {
    return await decoders[encoding.trim().toLowerCase()]?.(bytes);
  } catch {
    return undefined;
  }
}
