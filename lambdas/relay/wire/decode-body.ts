// Decode body: the request's bytes without their content-encoding, for reading; the upstream gets them as they came.
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { Refusal } from "../refusal.ts";

/** The largest request that any of the vendors takes (Anthropic: 32 MB). A small body that unfolds to more is a bomb. */
const mostDecodedBytes = 32 * 1024 * 1024;

type Decode = (body: Buffer, options: { readonly maxOutputLength: number }) => Buffer;

const decoders: Readonly<Record<string, Decode>> = {
  gzip: (body, options) => gunzipSync(body, options),
  "x-gzip": (body, options) => gunzipSync(body, options),
  // "deflate" is zlib's form by the standard, and bare in some clients.
  deflate: (body, options) =>
    ((body[0] ?? 0) & 0x0f) === 8 ? inflateSync(body, options) : inflateRawSync(body, options),
  br: (body, options) => brotliDecompressSync(body, options),
  zstd: (body, options) => zstdDecompressSync(body, options),
};

/**
 * `encoding`: the header content-encoding, or undefined. Several encodings over each other are not taken: no client sends
 * them. Throws `Refusal` BodyTooLarge or BodyInvalid.
 */
export function decodeBody(body: Buffer, encoding: string | undefined): Buffer {
  const name = encoding?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return body;
  const decode = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (decode === undefined) {
    throw new Refusal("BodyInvalid", "The body's content-encoding is none of gzip, deflate, br and zstd.");
  }
  try {
    return decode(body, { maxOutputLength: mostDecodedBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      const message = `The body has more than ${mostDecodedBytes} bytes when it is decoded.`;
      throw new Refusal("BodyTooLarge", message, { limit: mostDecodedBytes });
    }
    throw new Refusal("BodyInvalid", `The body is not ${name}, as its content-encoding says.`);
  }
}
