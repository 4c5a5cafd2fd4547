// Response streaming as Lambda's Node.js runtime offers it: `awslambda.streamifyResponse` and the stream that a handler writes.
// Source: "Response streaming for Lambda functions" in the AWS Lambda Developer Guide: metadata as JSON, eight NUL bytes, body.
import { Writable } from "node:stream";

export type StreamingHandler = (event: unknown, responseStream: ResponseStream, context: object) => unknown;

/** Takes a piece that may not be changed any more; calls `done` when there is room for the next one. */
export type SendPiece = (bytes: Buffer, done: () => void) => void;

/** By this the runtime tells a streaming handler from another. */
const mark = Symbol.for("aws.lambda.runtime.handler.streaming");
const delimiter = Buffer.alloc(8);
/** Bytes that may wait in the worker before a handler is asked to slow down. */
const highWaterMark = 65_536;

export class ResponseStream extends Writable {
  contentType: string | undefined;
  readonly #send: SendPiece;
  readonly #ended: () => void;
  #prelude: string | undefined;

  constructor(send: SendPiece, ended: () => void) {
    super({ highWaterMark });
    this.#send = send;
    this.#ended = ended;
  }

  setContentType(contentType: string): void {
    this.contentType = contentType;
  }

  /** Goes out before the first write, and not at all without one: so does Lambda. */
  setPrelude(prelude: unknown): void {
    this.#prelude = JSON.stringify(prelude);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#prelude === undefined) {
      this.#send(chunk, done);
      return;
    }
    const head = Buffer.from(this.#prelude);
    this.#prelude = undefined;
    this.#send(Buffer.concat([head, delimiter, chunk]), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#ended();
    done();
  }
}

/** Puts `awslambda` where handlers look for it. Call before any of the function's code is loaded. */
export function provideStreaming(): void {
  const awslambda = {
    streamifyResponse: (handler: StreamingHandler) => Object.assign(handler, { [mark]: "response" }),
    HttpResponseStream: {
      from(stream: ResponseStream, metadata: unknown) {
        stream.setContentType("application/vnd.awslambda.http-integration-response");
        stream.setPrelude(metadata);
        return stream;
      },
    },
  };
  Object.assign(globalThis, { awslambda });
}

export function isStreaming(handler: object): boolean {
  return (handler as Readonly<Record<symbol, unknown>>)[mark] === "response";
}

/** Runs the handler until it has returned and all that it wrote is sent. `ended`: that was all of it. */
export async function runStreaming(
  handler: StreamingHandler,
  event: unknown,
  context: object,
  send: SendPiece,
  ended: () => void,
): Promise<void> {
  const stream = new ResponseStream(send, ended);
  const closed = new Promise<void>((resolve, reject) => {
    stream.once("finish", resolve).once("error", reject);
  });
  // A stream that breaks before the handler returns shall not be an unhandled rejection.
  closed.catch(() => undefined);
  await handler(event, stream, context);
  if (!stream.writableEnded) stream.end();
  await closed;
}
