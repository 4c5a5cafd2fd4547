// A table's stream that calls a function: one poller for each shard, and what they have in common.
import type { DurableMap } from "../gateway/durable-state.ts";
import type { StreamMapping } from "./stream-mapping.ts";
import { ShardPoller, type StreamPollerOptions } from "./stream-poller.ts";

export class StreamSource {
  readonly mapping: StreamMapping;
  state: "enabled" | "disabled" | "stopped" = "disabled";
  /** Why it stopped. */
  problem: string | undefined;
  readonly #options: StreamPollerOptions;
  readonly #onIdle: () => void;
  readonly #shards: readonly ShardPoller[];
  readonly #closing = new AbortController();
  #watch = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;

  /** `places` hold where each shard was left. `onIdle` is called whenever nothing is left to do. Throws when there is no such stream. */
  constructor(mapping: StreamMapping, places: DurableMap<number>, options: StreamPollerOptions, onIdle: () => void) {
    this.mapping = mapping;
    this.#options = options;
    this.#onIdle = onIdle;
    this.#shards = options.streams.shardsOf(mapping.streamArn).map((shardId) => {
      const name = `${mapping.functionArn} ${mapping.streamArn} ${shardId}`;
      const kept = {
        get: () => places.get(name),
        set(place: number) {
          if (places.get(name) !== place) places.set(name, place);
        },
      };
      return new ShardPoller(mapping, shardId, kept, options, this.#closing.signal);
    });
  }

  get functionArn(): string {
    return this.mapping.functionArn;
  }

  get sourceArn(): string {
    return this.mapping.streamArn;
  }

  /** A shard calls its function once at a time. */
  get concurrency(): number {
    return this.#shards.length;
  }

  get isIdle(): boolean {
    return this.#shards.every((shard) => (this.state === "enabled" ? shard.isCaughtUp : !shard.isBusy));
  }

  /** Notes where a new mapping begins: what is written from now on is delivered. */
  async prepare(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.prepare()));
  }

  enable(): void {
    if (this.state === "enabled" || this.#closing.signal.aborted) return;
    this.state = "enabled";
    this.problem = undefined;
    const watch = new AbortController();
    this.#watch = watch;
    this.#unsubscribe = this.#options.streams.onChange(this.mapping.streamArn, () => {
      for (const shard of this.#shards) shard.ring();
    });
    for (const shard of this.#shards) shard.ring();
    // Whoever enables it at once after disabling it waits for what still runs: a shard is read by one at a time.
    const before = this.#running;
    this.#running = Promise.all(
      this.#shards.map(async (shard) => {
        await before;
        await shard
          .run(watch.signal, () => this.#noticeIdle())
          .catch((error: unknown) => {
            if (!watch.signal.aborted) this.#stop(error);
          });
        this.#noticeIdle();
      }),
    );
  }

  /** What runs is finished; nothing new is read. */
  disable(): void {
    this.#end("disabled");
  }

  /** Kills what runs; its batch comes again at the next boot. */
  async close(): Promise<void> {
    this.#end("disabled");
    this.#closing.abort(new Error("the local cloud stops"));
    await this.#running;
  }

  #end(state: StreamSource["state"]): void {
    this.state = state;
    this.#unsubscribe();
    this.#watch.abort(new Error(`the event source mapping is ${state}`));
  }

  /** As AWS's mapping with a problem: it stands still until somebody mends what is wrong and enables it again. */
  #stop(error: unknown): void {
    this.#end("stopped");
    this.problem = error instanceof Error ? error.message : String(error);
    const { functionArn, streamArn } = this.mapping;
    this.#options.onNotice?.(`The event source mapping from ${streamArn} to ${functionArn} stops: ${this.problem}`);
  }

  #noticeIdle(): void {
    if (this.isIdle) this.#onIdle();
  }
}
