// The bytes of one part as a stream: from one connection, or from several that are read ahead and joined in order.
import { Readable } from "node:stream";
import type { ByteRange, PartPlan } from "./plan-parts.ts";
import { rangeOfPart } from "./plan-parts.ts";
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
  return Readable.from(segments(source, address, plan, range, signal), { objectMode: false });
}

async function* segments(
  source: RangedSource,
  address: string,
  plan: Pick<PartPlan, "rangesPerPart"> & { readonly sourceFacts: SourceFacts },
  range: ByteRange,
  outer: AbortSignal,
): AsyncGenerator<Buffer> {
  const stop = new AbortController();
  const signal = AbortSignal.any([outer, stop.signal]);
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
  try {
    for (let started = 0; started < plan.rangesPerPart; started += 1) fetchNext();
    for (let waiting = ahead.shift(); waiting !== undefined; waiting = ahead.shift()) {
      const bytes = await waiting;
      fetchNext();
      yield bytes;
    }
  } finally {
    stop.abort(new Error("the part is done or given up"));
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
  return Buffer.concat(chunks);
}
