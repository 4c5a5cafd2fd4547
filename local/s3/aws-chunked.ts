// Takes the framing off aws-chunked bodies: chunk sizes, chunk signatures, and the trailers behind the last chunk.
// Source: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" (with and
// without trailing headers) in the S3 API reference.
import { S3Error } from "./s3-error.ts";

/** A chunk's head is a hex size and a signature of about 90 characters; trailers are a few short headers. */
const longestLineBytes = 1_024;
const mostTrailers = 16;

/** Told about each chunk when signatures are to be checked. */
export interface ChunkObserver {
  chunkStarts(signature: string | undefined): void;
  chunkData(bytes: Buffer): void;
  chunkEnds(): void;
  trailersEnd(lines: readonly string[], signature: string | undefined): void;
}

type State = "head" | "data" | "data-end" | "trailers" | "done";

export class AwsChunkedDecoder {
  readonly trailers: Record<string, string> = {};
  readonly #observer: ChunkObserver | undefined;
  #state: State = "head";
  #pending: Buffer = Buffer.alloc(0);
  #left = 0;
  #trailerLines: string[] = [];
  #trailerSignature: string | undefined;

  constructor(observer?: ChunkObserver) {
    this.#observer = observer;
  }

  /** The payload bytes within this piece of the body. Throws 400 IncompleteBody where the framing is broken. */
  *push(piece: Buffer): Generator<Buffer> {
    let rest = this.#pending.length > 0 ? Buffer.concat([this.#pending, piece]) : piece;
    this.#pending = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.#state === "data") {
        const data = rest.subarray(0, this.#left);
        rest = rest.subarray(data.length);
        this.#left -= data.length;
        this.#observer?.chunkData(data);
        yield data;
        if (this.#left === 0) {
          this.#observer?.chunkEnds();
          this.#state = "data-end";
        }
        continue;
      }
      if (this.#state === "done") throw brokenFraming("bytes follow the end of the body");
      const end = rest.indexOf("\r\n");
      if (end < 0) {
        if (rest.length > longestLineBytes) throw brokenFraming("a line is too long");
        this.#pending = rest;
        return;
      }
      this.#line(rest.subarray(0, end).toString("latin1"));
      rest = rest.subarray(end + 2);
    }
  }

  /** To be called when the body has ended. */
  finish(): void {
    // Some clients leave out the empty line behind the trailers.
    if (this.#state === "trailers" && this.#pending.length > 0) {
      this.#line(this.#pending.toString("latin1"));
    }
    if (this.#state === "trailers") this.#line("");
    if (this.#state !== "done") throw brokenFraming("the body ends within a chunk");
  }

  #line(line: string): void {
    if (this.#state === "head") this.#head(line);
    else if (this.#state === "data-end") {
      if (line !== "") throw brokenFraming("a chunk is longer than it says");
      this.#state = "head";
    } else this.#trailer(line);
  }

  #head(line: string): void {
    const match = /^([0-9a-f]{1,12})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(line);
    if (!match) throw brokenFraming("a chunk's head is not of its form");
    this.#left = Number.parseInt(match[1] ?? "0", 16);
    this.#observer?.chunkStarts(match[2]);
    if (this.#left > 0) {
      this.#state = "data";
      return;
    }
    this.#observer?.chunkEnds();
    this.#state = "trailers";
  }

  #trailer(line: string): void {
    if (line === "") {
      this.#observer?.trailersEnd(this.#trailerLines, this.#trailerSignature);
      this.#state = "done";
      return;
    }
    const colon = line.indexOf(":");
    if (colon < 1 || this.#trailerLines.length >= mostTrailers) {
      throw new S3Error(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed.");
    }
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "x-amz-trailer-signature") {
      this.#trailerSignature = value;
      return;
    }
    this.#trailerLines.push(`${name}:${value}\n`);
    this.trailers[name] = value;
  }
}

function brokenFraming(why: string): S3Error {
  return new S3Error(400, "IncompleteBody", `The aws-chunked request body is broken: ${why}.`);
}
