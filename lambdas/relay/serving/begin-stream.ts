// Begin stream: the first event is looked at before anything goes to the client, for an error in it may still fail over.
import type { AnswerReader, Call, Protocol } from "../protocols/protocol.ts";
import type { Exchange } from "../transports/transport.ts";
import { Arrivals } from "./arrivals.ts";
import type { ServingPorts } from "./ports.ts";

/** An answer that has begun. */
export interface Begun {
  readonly reader: AnswerReader;
  readonly arrivals: Arrivals;
  /** What may go to the client first; already pushed. */
  readonly first: Buffer;
  /** When the first bytes came; undefined: none yet. */
  readonly firstByteAt: number | undefined;
}

/** Waits for the first whole event, but no longer than `patience`: a silent upstream must not keep the client waiting for a sign. */
export async function beginStream(
  { protocol, call, exchange }: { readonly protocol: Protocol; readonly call: Call; readonly exchange: Exchange },
  patienceMilliseconds: number,
  ports: Pick<ServingPorts, "now" | "every">,
): Promise<Begun> {
  const reader = protocol.follow(call);
  const arrivals = new Arrivals(exchange.body);
  if (call.answers === "json") return { reader, arrivals, first: Buffer.alloc(0), firstByteAt: undefined };
  const until = ports.now() + patienceMilliseconds;
  const stop = ports.every(1000, () => arrivals.mailbox.wake());
  const first: Buffer[] = [];
  let firstByteAt: number | undefined;
  try {
    while (first.length === 0 && ports.now() < until) {
      arrivals.ask();
      await arrivals.mailbox.wait();
      const piece = arrivals.take();
      if (piece === undefined) continue;
      if (piece.kind === "cut") throw piece.error;
      if (piece.kind === "end") {
        first.push(reader.flush());
        break;
      }
      firstByteAt ??= ports.now();
      const bytes = reader.push(piece.bytes);
      if (bytes.length > 0) first.push(bytes);
    }
  } finally {
    stop();
  }
  return { reader, arrivals, first: Buffer.concat(first), firstByteAt };
}
