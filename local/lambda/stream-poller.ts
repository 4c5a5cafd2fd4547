// One shard of a table's stream at work for a function: reads what is new, gathers a batch, hands it over, notes the place.
// It sleeps without a timer while nothing was written.
import type { QueuePort, StreamSourcePort } from "../gateway/ports.ts";
import type { Authorize } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import { Bell } from "./event-source-bell.ts";
import type { LambdaHost } from "./lambda-host.ts";
import { type PlacedRecord, StreamDelivery } from "./stream-delivery.ts";
import { compileFilters, type StreamMapping } from "./stream-mapping.ts";

export interface StreamPollerOptions {
  readonly host: Pick<LambdaHost, "find" | "invoke">;
  readonly streams: StreamSourcePort;
  readonly queues: QueuePort;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly authorize: Authorize;
  readonly onNotice?: (sentence: string) => void;
}

/** Where the shard was left; survives a restart. */
export interface KeptPlace {
  get(): number | undefined;
  set(place: number): void;
}

/** Lambda asks each shard four times a second. */
const pollEveryMilliseconds = 250;
/** Bytes of a synchronous invocation's payload. Source: "Lambda quotas". */
const largestPayloadBytes = 6_291_456;
const aroundRecordsBytes = Buffer.byteLength('{"Records":[]}');
/** Places of delivered records, for the rig to go back to. */
const mostPlacesKept = 10_000;

interface Gathered {
  readonly records: readonly PlacedRecord[];
  /** Behind everything that was looked at for it. */
  readonly place: number;
}

export class ShardPoller {
  readonly #mapping: StreamMapping;
  readonly #shardId: string;
  readonly #options: StreamPollerOptions;
  readonly #kept: KeptPlace;
  readonly #matches: ReturnType<typeof compileFilters>;
  readonly #delivery: StreamDelivery;
  readonly #bell = new Bell();
  readonly #delivered: number[] = [];
  /** Something may be there that was not read yet. */
  #isBehind = true;
  #isBusy = false;
  #readAt = Number.NEGATIVE_INFINITY;

  constructor(
    mapping: StreamMapping,
    shardId: string,
    kept: KeptPlace,
    options: StreamPollerOptions,
    closing: AbortSignal,
  ) {
    this.#mapping = mapping;
    this.#shardId = shardId;
    this.#kept = kept;
    this.#options = options;
    this.#matches = compileFilters(mapping.filters);
    this.#delivery = new StreamDelivery(mapping, shardId, options, closing);
  }

  get isCaughtUp(): boolean {
    return !this.#isBehind && !this.#isBusy;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** The stream may have got something new. */
  ring(): void {
    this.#isBehind = true;
    this.#bell.ring();
  }

  /** Notes where a new mapping begins. */
  async prepare(): Promise<void> {
    const { streams } = this.#options;
    const { startingPosition, streamArn } = this.#mapping;
    if (this.#kept.get() !== undefined) return;
    this.#kept.set(startingPosition === "LATEST" ? await streams.latestPlace(streamArn) : 0);
  }

  /** Runs until aborted. Throws what stops the mapping. `onIdle` is called whenever it has caught up. */
  async run(signal: AbortSignal, onIdle: () => void): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      if (!this.#isBehind) {
        onIdle();
        await this.#bell.rung(signal);
        continue;
      }
      const wait = this.#readAt + pollEveryMilliseconds - clock.now();
      if (wait > 0) await clock.sleep(wait, { signal });
      this.#isBusy = true;
      try {
        await this.#turn(signal);
      } finally {
        this.#isBusy = false;
      }
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { records, place } = await this.#gather(signal);
    if (records.length > 0) {
      for (const record of records) this.#delivered.push(record.place);
      const rewind = await this.#delivery.deliver(records, (passed) => this.#kept.set(passed));
      if (rewind > 0) return this.#goBack(rewind);
      this.#delivered.splice(0, Math.max(0, this.#delivered.length - mostPlacesKept));
    }
    this.#kept.set(place);
  }

  /** Up to a batch; with a window it waits for more, until the batch is full or the window is over. */
  async #gather(signal: AbortSignal): Promise<Gathered> {
    const { clock } = this.#options;
    const { batchSize, windowSeconds } = this.#mapping;
    const records: PlacedRecord[] = [];
    let place = this.#kept.get() ?? 0;
    let bytes = aroundRecordsBytes;
    let windowEnd = Number.POSITIVE_INFINITY;
    for (;;) {
      const page = await this.#read(place);
      for (const found of page.records) {
        if (!this.#matches(found.record)) continue;
        bytes += Buffer.byteLength(JSON.stringify(found.record)) + 1;
        if (records.length === batchSize || (bytes > largestPayloadBytes && records.length > 0)) {
          this.#isBehind = true;
          return { records, place: records.at(-1)?.place ?? place };
        }
        records.push(found);
      }
      place = page.place;
      if (records.length > 0) windowEnd = Math.min(windowEnd, clock.now() + windowSeconds * 1000);
      if (!page.isEnd) continue;
      const isWaiting = records.length > 0 && records.length < batchSize && clock.now() < windowEnd;
      if (!isWaiting || signal.aborted) return { records, place };
      // Whoever disables the mapping meanwhile still gets what was read already.
      await this.#bell.rungWithin(clock, windowEnd - clock.now(), signal).catch(() => undefined);
      if (signal.aborted) return { records, place };
    }
  }

  async #read(place: number): ReturnType<StreamSourcePort["read"]> {
    const { host, streams, clock } = this.#options;
    const { functionArn, streamArn } = this.#mapping;
    streams.authorizeReading(host.find(functionArn).credentials, streamArn);
    const hold = clock.hold();
    this.#readAt = clock.now();
    this.#isBehind = false;
    try {
      const page = await streams.read(streamArn, this.#shardId, place);
      if (!page.isEnd) this.#isBehind = true;
      return page;
    } finally {
      hold.release();
    }
  }

  #goBack(records: number): void {
    const from = Math.max(0, this.#delivered.length - records);
    const first = this.#delivered[from] ?? 1;
    this.#delivered.length = from;
    this.#kept.set(first - 1);
    this.ring();
  }
}
