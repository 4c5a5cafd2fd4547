// Agents whose connections read into one buffer again and again, instead of into a new one for every 64 KiB.
// Node's HTTP parser copies a body out of what was read before it returns, so what was read is done with at once; left
// to the garbage collector, it makes up most of the memory of a copy. A test holds Node to that copy.
import http from "node:http";
import https from "node:https";
import type { OnReadOpts } from "node:net";
import type { Duplex } from "node:stream";

type Connected = (error: Error | null, stream: Duplex) => void;

/** What Node reads at a time, and what fits into a socket's receive buffer without growing it. */
const readBytes = 65_536;

/** One for all connections: it is read out before the next read of any of them can begin. */
const buffer = Buffer.allocUnsafeSlow(readBytes);

export class OneBufferAgent extends http.Agent {
  override createConnection(options: http.ClientRequestArgs, connected?: Connected): Duplex | null | undefined {
    return readingIntoBuffer((reading) => super.createConnection({ ...options, ...reading }, connected));
  }
}

export class OneBufferTlsAgent extends https.Agent {
  override createConnection(options: https.RequestOptions, connected?: Connected): Duplex | null | undefined {
    return readingIntoBuffer((reading) => super.createConnection({ ...options, ...reading }, connected));
  }
}

/** With `onread` a socket emits no "data"; the HTTP client listens for just that. */
function readingIntoBuffer(
  connect: (reading: { onread: OnReadOpts }) => Duplex | null | undefined,
): Duplex | null | undefined {
  const socket = connect({
    onread: {
      buffer,
      callback(bytes) {
        socket?.emit("data", buffer.subarray(0, bytes));
        return true;
      },
    },
  });
  return socket;
}
