// Takes a request's body in: length and MD5 verified and both sums taken while the bytes stream to where they belong.
import { createHash } from "node:crypto";
import { ServiceError } from "../gateway/service.ts";
import type { BodyWriter } from "../s3/body-files.ts";
import { Crc64 } from "./crc64.ts";
import type { OssCall } from "./oss-call.ts";
import { invalidArgument } from "./oss-error.ts";

/** OSS's limit for one PutObject or UploadPart: 5 GiB. */
export const largestBodyBytes = 5 * 1024 ** 3;

export interface ReceivedBody {
  readonly bytes: number;
  /** Upper-case hexadecimal. */
  readonly md5: string;
  /** CRC-64/XZ, unsigned decimal. */
  readonly crc64: string;
}

interface DeclaredBody {
  /** Undefined: chunked, of any length. */
  readonly bytes: number | undefined;
  readonly md5: Buffer | undefined;
}

/** Throws 400, 411 or 501 where the declaration is wrong; the body is untouched then. */
export function declaredBody(headers: OssCall["headers"]): DeclaredBody {
  const text = headers["content-length"];
  if (text === undefined && headers["transfer-encoding"] === undefined) {
    throw new ServiceError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
  }
  const bytes = text === undefined ? undefined : Number(text);
  if (bytes !== undefined && bytes > largestBodyBytes) throw entityTooLarge();
  const md5 = headers["content-md5"] === undefined ? undefined : Buffer.from(headers["content-md5"], "base64");
  if (md5 && md5.length !== 16) throw invalidDigest();
  return { bytes, md5 };
}

/**
 * Streams the body into a new file, which the caller then names in the index or discards.
 * Throws 400 InvalidDigest or EntityTooLarge, or the connection's own error when it breaks.
 */
export async function receiveBody(call: OssCall, declared: DeclaredBody, writer: BodyWriter): Promise<ReceivedBody> {
  const md5 = createHash("md5");
  const crc64 = new Crc64();
  const flip = call.fault?.kind === "flip-stored-bit" ? call.fault.when : undefined;
  const flipAt = Math.floor((declared.bytes ?? 0) / 2);
  let bytes = 0;
  // Not destroyed on failure: the connection must live on to carry the answer.
  for await (const piece of call.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    const stored = flip ? flipped(piece, flipAt - bytes) : piece;
    bytes += piece.length;
    if (bytes > largestBodyBytes) throw entityTooLarge();
    const writing = writer.write(stored);
    // The disk works while the sums are computed.
    const summed = flip === "in-transit" ? stored : piece;
    md5.update(summed);
    crc64.update(summed);
    await writing;
  }
  await writer.close();
  const digest = md5.digest();
  if (declared.md5 && !declared.md5.equals(digest)) throw invalidDigest();
  return { bytes, md5: digest.toString("hex").toUpperCase(), crc64: crc64.decimal() };
}

function flipped(bytes: Buffer, at: number): Buffer {
  if (at < 0 || at >= bytes.length) return bytes;
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** Bodies that are documents: 10,000 parts are about 1 MB. */
const largestDocumentBytes = 4 * 1024 * 1024;

/** The text of a request's XML body. */
export async function receiveDocument(call: OssCall): Promise<string> {
  const declared = declaredBody(call.headers);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of call.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > largestDocumentBytes) throw entityTooLarge();
    pieces.push(piece);
  }
  const body = Buffer.concat(pieces);
  if (declared.md5 && !declared.md5.equals(createHash("md5").update(body).digest())) throw invalidDigest();
  return body.toString("utf8");
}

function entityTooLarge(): ServiceError {
  return new ServiceError(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.", {
    MaxSizeAllowed: String(largestBodyBytes),
  });
}

function invalidDigest(): ServiceError {
  return new ServiceError(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
}

/** Throws 400 for names that OSS does not take: 1 to 1,023 bytes, neither "/" nor "\" in front. */
export function checkKey(key: string): void {
  const bytes = Buffer.byteLength(key);
  if (bytes >= 1 && bytes <= 1_023 && !/^[/\\]/.test(key)) return;
  throw new ServiceError(400, "InvalidObjectName", "The specified object is not valid.", { ObjectName: key });
}

/** 1 to 10,000. Throws 400 InvalidArgument. */
export function partNumberOf(call: OssCall): number {
  const text = call.query.get("partNumber") ?? "";
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= 1 && number <= 10_000) return number;
  throw invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive.");
}
