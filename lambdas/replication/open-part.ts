// The bytes of one part as a stream: from one connection, or from several that are read ahead and joined in order.
import { Readable } from "node:stream";
import { CausewayError } from "../shared/errors.ts";
import type { ByteRange, PartPlan } from "./plan-parts.ts";
import { lengthOfRange, rangeOfPart } from "./plan-parts.ts";
import type { RangedSource, SourceFacts } from "./sources/source.ts";

/** What one of several connections fetches at a time; with the most ranges (16) it bounds the memory of a part to 32 MiB. */
const segmentBytes = 2 * 1024 * 1024;

/** Destroying the stream closes every connection behind it. */
export async function openPart(
  source: RangedSource,
  address: string,
  plan: Pick<PartPlan, "sizeBytes" | "partBytes" | "rangesPerPart"> & { readonly sourceFacts: SourceFacts },
  partNumber: number,
  signal: AbortSignal,
): Promise<Readable> {
  const range = rangeOfPart(plan, partNumber);
  if (plan.rangesPerPart === 1) return source.open(address, range, plan.sourceFacts, signal);
  const stop = new AbortController();
  const joined = segments(source, address, plan, range, AbortSignal.any([signal, stop.signal]));
  return new Readable({
    read() {
      joined.next().then(
        ({ done, value }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, closed) {
      // Here, and not at the generator's end: while it waits for a connection that hangs, it never comes there.
      stop.abort(new Error("the part is done or given up"));
      closed(error);
    },
  });
}

async function* segments(
  source: RangedSource,
  address: string,
  plan: Pick<PartPlan, "rangesPerPart"> & { readonly sourceFacts: SourceFacts },
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void> {
  const ahead: Promise<Buffer>[] = [];
  let next = range.first;
  const fetchNext = () => {
    if (next > range.last) return;
    const segment = { first: next, last: Math.min(next + segmentBytes - 1, range.last) };
    next = segment.last + 1;
    const fetched = readSegment(source, address, segment, plan.sourceFacts, signal);
    // Its failure is met when its turn comes; until then it must not count as unhandled.
    fetched.catch(() => undefined);
    ahead.push(fetched);
  };
  for (let started = 0; started < plan.rangesPerPart; started += 1) fetchNext();
  for (let waiting = ahead.shift(); waiting !== undefined; waiting = ahead.shift()) {
    const bytes = await waiting;
    fetchNext();
    yield bytes;
  }
}

async function readSegment(
  source: RangedSource,
  address: string,
  segment: ByteRange,
  facts: SourceFacts,
  signal: AbortSignal,
): Promise<Buffer> {
  const stream = await source.open(address, segment, facts, signal);
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  if (bytes.length === lengthOfRange(segment)) return bytes;
  throw new CausewayError(
    "SourceUnavailable",
    `The source ended a range of ${lengthOfRange(segment)} bytes after ${bytes.length}.`,
  );
}
