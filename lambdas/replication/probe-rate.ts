// How fast one connection to the source is, from the first few mebibytes.
import { CausewayError, messageOf } from "../shared/errors.ts";
import type { RangedSource, SourceFacts } from "./sources/source.ts";

/** Enough for TCP to get going, little enough not to matter on any bill. */
export const probeBytes = 4 * 1024 * 1024;
/** A source that has not sent the probe by then is judged by what it did send. */
const longestProbeMilliseconds = 5_000;

/** A source that stops in the middle of the probe is asked again later. */
const longestStallMilliseconds = 60_000;

/** Bytes per second, at least 1. Errors are the source's. */
export async function probeRate(
  source: RangedSource,
  address: string,
  facts: SourceFacts,
  now: () => number,
): Promise<number> {
  const last = Math.min(probeBytes, facts.sizeBytes) - 1;
  const startedAt = now();
  let bytes = 0;
  const stream = await source.open(address, { first: 0, last }, facts, AbortSignal.timeout(longestStallMilliseconds));
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (now() - startedAt >= longestProbeMilliseconds) break;
    }
  } catch (error) {
    if (error instanceof CausewayError) throw error;
    throw new CausewayError("SourceUnavailable", `The source broke off: ${messageOf(error)}`, { cause: error });
  } finally {
    stream.destroy();
  }
  const seconds = Math.max(0.001, (now() - startedAt) / 1000);
  return Math.max(1, bytes / seconds);
}
