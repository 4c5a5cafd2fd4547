// Takes a request's body in: framing off, checksums and lengths verified while the bytes stream to where they belong.
// Source: "Checking object integrity in Amazon S3"; the error codes from the S3 API's list of error responses.
import { createHash, type Hash } from "node:crypto";
import type { ServiceRequest } from "../gateway/service.ts";
import { AwsChunkedDecoder } from "./aws-chunked.ts";
import {
  algorithmOfHeader,
  type ChecksumAlgorithm,
  checksumHeader,
  checksumInHeaders,
  isWellFormed,
  parseAlgorithm,
  type RunningChecksum,
  startChecksum,
} from "./checksums.ts";
import { verifyChunkSignatures } from "./chunk-signature.ts";
import { badDigest, invalidRequest, notImplemented, S3Error } from "./s3-error.ts";

/** S3's limit for one PutObject or UploadPart: 5 GiB. */
const largestBodyBytes = 5 * 1024 ** 3;

/** What the client says about its body before it sends it. */
export interface DeclaredBody {
  /** Bytes without framing. */
  readonly bytes: number;
  /** The algorithm of the client's own checksum, in a header or a trailer. */
  readonly algorithm: ChecksumAlgorithm | undefined;
  /** Undefined for a checksum that comes in a trailer. */
  readonly checksum: string | undefined;
  readonly contentMd5: Buffer | undefined;
  readonly sha256Hex: string | undefined;
  readonly framing: "none" | "signed" | "signed-trailer" | "unsigned-trailer";
}

export interface ReceivedBody {
  readonly bytes: number;
  readonly md5: Buffer;
  /** The client's own and those asked for. */
  readonly digests: ReadonlyMap<ChecksumAlgorithm, Buffer>;
}

/** Where the bytes go. `write` is not called again before it has resolved. */
export interface BodySink {
  write(bytes: Buffer): Promise<void>;
}

/** Reads the declaration. Throws 400 or 411 where it contradicts itself; the body is untouched then. */
export function declaredBody(headers: Readonly<Record<string, string>>): DeclaredBody {
  const given = checksumInHeaders(headers);
  if (given && !isWellFormed(given)) {
    throw invalidRequest(`Value for ${checksumHeader(given.algorithm)} header is invalid.`);
  }
  const trailer = (headers["x-amz-trailer"] ?? "").trim();
  const trailerAlgorithm = trailer === "" ? undefined : algorithmOfHeader(trailer);
  if (trailer !== "" && !trailerAlgorithm)
    throw invalidRequest("The value specified in the x-amz-trailer header is not supported");
  if (given && trailerAlgorithm) throw invalidRequest("Expecting a single x-amz-checksum- header");
  const algorithm = given?.algorithm ?? trailerAlgorithm;
  const announced = headers["x-amz-sdk-checksum-algorithm"];
  if (announced !== undefined) {
    const named = parseAlgorithm(announced);
    if (algorithm === undefined) {
      throw invalidRequest(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
      );
    }
    if (named !== algorithm) throw invalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.");
  }
  const payload = headers["x-amz-content-sha256"] ?? "";
  const framing = framingOf(payload);
  return {
    bytes: declaredBytes(headers, framing),
    algorithm,
    checksum: given?.value,
    contentMd5: declaredMd5(headers),
    sha256Hex: /^[0-9a-f]{64}$/.test(payload) ? payload : undefined,
    framing,
  };
}

function framingOf(payload: string): DeclaredBody["framing"] {
  if (!payload.startsWith("STREAMING-")) return "none";
  if (payload === "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return "unsigned-trailer";
  if (payload === "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return "signed";
  if (payload === "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") return "signed-trailer";
  throw notImplemented(`the payload form ${payload}`);
}

function declaredBytes(headers: Readonly<Record<string, string>>, framing: DeclaredBody["framing"]): number {
  const header = framing === "none" ? "content-length" : "x-amz-decoded-content-length";
  const text = headers[header];
  if (text === undefined) {
    throw new S3Error(411, "MissingContentLength", `You must provide the ${header} HTTP header.`);
  }
  const bytes = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(bytes)) throw invalidRequest(`The value of the ${header} header is no number of bytes.`);
  if (bytes > largestBodyBytes) {
    throw new S3Error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", {
      details: { ProposedSize: text, MaxSizeAllowed: String(largestBodyBytes) },
    });
  }
  return bytes;
}

function declaredMd5(headers: Readonly<Record<string, string>>): Buffer | undefined {
  const text = headers["content-md5"];
  if (text === undefined) return undefined;
  const digest = Buffer.from(text, "base64");
  if (digest.length !== 16) throw new S3Error(400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
  return digest;
}

export interface ReceiveOptions {
  readonly declared: DeclaredBody;
  /** Checksums to take besides the client's own. */
  readonly algorithms?: readonly ChecksumAlgorithm[];
  /** The rig's flipped bit, in the middle of the body: before the checksums are taken, or behind their back. */
  readonly flipBit?: "in-transit" | "at-rest" | undefined;
}

/**
 * Streams the body into the sink and verifies all that was declared. What the sink holds is worth nothing when this
 * throws: 400 BadDigest, IncompleteBody, XAmzContentSHA256Mismatch, MalformedTrailerError; 403 for a chunk's signature.
 */
export async function receiveBody(
  request: ServiceRequest,
  sink: BodySink,
  options: ReceiveOptions,
): Promise<ReceivedBody> {
  const { declared } = options;
  const tally = new Tally(options);
  const decoder =
    declared.framing === "none"
      ? undefined
      : new AwsChunkedDecoder(
          declared.framing === "unsigned-trailer"
            ? undefined
            : verifyChunkSignatures(request, { signedTrailers: declared.framing === "signed-trailer" }),
        );
  try {
    // Not destroyed on failure: the connection must live on to carry the answer.
    for await (const piece of request.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (const bytes of decoder ? decoder.push(piece) : [piece]) await tally.take(bytes, sink);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNRESET") throw incompleteBody();
    throw error;
  }
  decoder?.finish();
  return tally.verified(decoder?.trailers ?? {});
}

class Tally {
  readonly #declared: DeclaredBody;
  readonly #flipBit: ReceiveOptions["flipBit"];
  readonly #md5 = createHash("md5");
  readonly #sha256: Hash | undefined;
  readonly #running: ReadonlyMap<ChecksumAlgorithm, RunningChecksum>;
  #bytes = 0;

  constructor({ declared, algorithms = [], flipBit }: ReceiveOptions) {
    this.#declared = declared;
    this.#flipBit = flipBit;
    this.#sha256 = declared.sha256Hex === undefined ? undefined : createHash("sha256");
    const wanted = new Set(declared.algorithm ? [declared.algorithm, ...algorithms] : algorithms);
    this.#running = new Map([...wanted].map((algorithm) => [algorithm, startChecksum(algorithm)]));
  }

  async take(given: Buffer, sink: BodySink): Promise<void> {
    if (this.#bytes + given.length > this.#declared.bytes) throw incompleteBody();
    const flipped = this.#flipBit ? this.#flip(given) : given;
    this.#bytes += given.length;
    const writing = sink.write(flipped);
    // The disk works while the checksums are computed.
    this.#hash(this.#flipBit === "in-transit" ? flipped : given);
    await writing;
  }

  #hash(bytes: Buffer): void {
    this.#md5.update(bytes);
    this.#sha256?.update(bytes);
    for (const running of this.#running.values()) running.update(bytes);
  }

  #flip(bytes: Buffer): Buffer {
    const at = Math.floor(this.#declared.bytes / 2) - this.#bytes;
    if (at < 0 || at >= bytes.length) return bytes;
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    return flipped;
  }

  verified(trailers: Readonly<Record<string, string>>): ReceivedBody {
    const { bytes, algorithm, checksum, contentMd5, sha256Hex } = this.#declared;
    if (this.#bytes !== bytes) throw incompleteBody();
    if (sha256Hex !== undefined && this.#sha256?.digest("hex") !== sha256Hex) {
      throw new S3Error(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
      );
    }
    const md5 = this.#md5.digest();
    if (contentMd5 && !contentMd5.equals(md5)) throw badDigest("Content-MD5");
    const digests = new Map([...this.#running].map(([name, running]) => [name, running.digest()]));
    if (algorithm !== undefined) {
      const claimed = checksum ?? trailers[checksumHeader(algorithm)];
      if (claimed === undefined) {
        throw new S3Error(400, "MalformedTrailerError", `The trailer ${checksumHeader(algorithm)} did not come.`);
      }
      if (claimed !== digests.get(algorithm)?.toString("base64")) throw badDigest(algorithm);
    }
    return { bytes: this.#bytes, md5, digests };
  }
}

function incompleteBody(): S3Error {
  return new S3Error(
    400,
    "IncompleteBody",
    "You did not provide the number of bytes specified by the Content-Length HTTP header",
  );
}

/** Bodies of requests that are documents: 10,000 parts with checksums are about 2 MB. */
const largestDocumentBytes = 8 * 1024 * 1024;

/** The text of a request's XML body, verified like any other body. */
export async function receiveDocument(request: ServiceRequest, declared: DeclaredBody): Promise<string> {
  if (declared.bytes > largestDocumentBytes) {
    throw new S3Error(400, "MaxMessageLengthExceeded", "Your request was too big.");
  }
  const pieces: Buffer[] = [];
  await receiveBody(request, { write: async (bytes) => void pieces.push(bytes) }, { declared });
  return Buffer.concat(pieces).toString("utf8");
}
