// A part's body whose memory is handed back as soon as it is sent, instead of when the garbage collector finds it.
import { ClientRequest } from "node:http";
import type { Readable } from "node:stream";

/**
 * The same stream, except that piping it into an HTTP request (which is what the SDK does with a body) frees each
 * chunk's memory once it is on its way. A copy makes 16,000 chunks of 64 KiB for each GiB; left to the collector, they
 * hold some 100 MiB and cost more processor time than both checksums. Whoever else listens must not keep the chunks.
 */
export function handingBack(body: Readable): Readable {
  const pipe = body.pipe.bind(body);
  body.pipe = (destination, options) => {
    // Only a request is done with a chunk when it says so: another stream may just have put it into its own queue.
    if (!(destination instanceof ClientRequest)) return pipe(destination, options);
    pour(body, destination);
    return destination;
  };
  return body;
}

function pour(body: Readable, request: ClientRequest): void {
  const pass = (chunk: Buffer) => {
    if (!request.write(chunk, () => handBack(chunk))) body.pause();
  };
  const goOn = () => body.resume();
  const finish = () => request.end();
  body.on("data", pass);
  body.once("end", finish);
  request.on("drain", goOn);
  request.once("close", () => {
    body.off("data", pass);
    body.off("end", finish);
    request.off("drain", goOn);
    body.pause();
  });
  body.resume();
}

/** What a socket read lies in a buffer of its own; small buffers share Node's pool, and that must stay. */
function handBack({ buffer }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && !buffer.detached) buffer.transfer(0);
}
