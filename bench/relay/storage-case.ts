// The storage calls of a request, counted at the store: of a stream that needs no further slice, and of one that does.
import { countedStream, loadCase, requestBody } from "./cases.ts";
import { startCauseway } from "./contestants.ts";
import type { CountedCalls } from "./count-calls.ts";
import { send, type Track } from "./run-case.ts";

export interface StorageCalls {
  readonly stream: CountedCalls;
  /** While a stream of `longTokens` output tokens runs: what extends its reservation. */
  readonly duringLongStream: CountedCalls["during"];
  readonly longTokens: number;
}

const requests = 5;
const longTokens = 16_000;
const { warmUp } = loadCase("json-16", 1);

export async function countStorageCalls(track: Track): Promise<StorageCalls> {
  const contestant = await startCauseway(track.address);
  try {
    const { url, headers } = contestant.target;
    const body = requestBody(true, track.bodyBytes);
    const order = { url, headers: headers[0] ?? {}, body, requests };
    // Every shard of slots is begun, the snapshot is read, the thread is warm.
    await send(track, contestant, warmUp);
    await track.upstream.ask("behave", countedStream);
    const stream = await contestant.helper.ask("count", order);
    await track.upstream.ask("behave", { ...countedStream, outputTokens: longTokens, events: 40 });
    const { during } = await contestant.helper.ask("count", { ...order, requests: 1 });
    return { stream, duringLongStream: during, longTokens };
  } finally {
    await contestant.stop();
  }
}
