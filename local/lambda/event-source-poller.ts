// One event source mapping at work: waits until a message is visible, gathers a batch, and hands it to the function.
// It sleeps without a timer while its queue is empty; a message that is hidden is waited for in cloud time.
import type { QueueSourcePort, SourceMessage } from "../gateway/ports.ts";
import { type Authorize, ServiceError } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { Faults } from "../rig/faults.ts";
import { Bell } from "./event-source-bell.ts";
import { EventSourceDelivery } from "./event-source-delivery.ts";
import { concurrencyOf, type EventSourceMapping } from "./event-source-mapping.ts";
import type { LambdaHost } from "./lambda-host.ts";

export interface PollerOptions {
  readonly host: Pick<LambdaHost, "find" | "invoke">;
  readonly source: QueueSourcePort;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly authorize: Authorize;
  readonly region: string;
  readonly onNotice?: (sentence: string) => void;
}

type PollerState = "enabled" | "disabled" | "stopped";

/** Messages of one receive; a larger batch takes several. */
const mostPerReceive = 10;
/** After a receive that failed or brought nothing although something seemed to be there. */
const pauseMilliseconds = 1000;

export class EventSourcePoller {
  readonly mapping: EventSourceMapping;
  state: PollerState = "disabled";
  /** Why it stopped. */
  problem: string | undefined;
  readonly #options: PollerOptions;
  readonly #delivery: EventSourceDelivery;
  readonly #bell = new Bell();
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #onIdle: () => void;
  #watch: AbortController | undefined;
  #looping: Promise<void> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;

  /** `onIdle` is called whenever nothing is left to do. */
  constructor(mapping: EventSourceMapping, options: PollerOptions, onIdle: () => void) {
    this.mapping = mapping;
    this.#options = options;
    this.#onIdle = onIdle;
    this.#delivery = new EventSourceDelivery(mapping, options, this.#closing.signal);
  }

  get functionArn(): string {
    return this.mapping.functionArn;
  }

  get sourceArn(): string {
    return this.mapping.queueArn;
  }

  get concurrency(): number {
    return concurrencyOf(this.mapping);
  }

  get isIdle(): boolean {
    if (this.state !== "enabled") return this.#running.size === 0;
    const { source } = this.#options;
    return this.#running.size === 0 && source.nextVisibleAt(this.mapping.queueArn) === undefined;
  }

  enable(): void {
    if (this.state === "enabled" || this.#closing.signal.aborted) return;
    this.state = "enabled";
    this.problem = undefined;
    const watch = new AbortController();
    this.#watch = watch;
    this.#unsubscribe = this.#options.source.onChange(this.mapping.queueArn, () => this.#bell.ring());
    this.#looping = this.#loop(watch.signal).catch((error: unknown) => {
      if (!watch.signal.aborted) this.#stop(error);
    });
  }

  /** What runs is finished; nothing new is taken. */
  disable(): void {
    this.#end("disabled");
  }

  /** Kills what runs, and gives its messages back to the queue. */
  async close(): Promise<void> {
    this.#end("disabled");
    this.#closing.abort(new Error("the local cloud stops"));
    await this.#looping;
    await Promise.allSettled(this.#running);
  }

  #end(state: PollerState): void {
    this.state = state;
    this.#unsubscribe();
    this.#watch?.abort(new Error(`the event source mapping is ${state}`));
  }

  /** As AWS's mapping with a problem: it stands still until somebody mends what is wrong and enables it again. */
  #stop(error: unknown): void {
    this.#end("stopped");
    this.problem = error instanceof Error ? error.message : String(error);
    const { functionArn, queueArn } = this.mapping;
    this.#options.onNotice?.(`The event source mapping from ${queueArn} to ${functionArn} stops: ${this.problem}`);
    this.#noticeIdle();
  }

  async #loop(signal: AbortSignal): Promise<void> {
    const { clock, source } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const next = source.nextVisibleAt(this.mapping.queueArn);
      if (next === undefined || this.#running.size >= concurrencyOf(this.mapping)) {
        this.#noticeIdle();
        await this.#bell.rung(signal);
        continue;
      }
      const wait = next - clock.now();
      if (wait > 0) {
        await this.#bell.rungWithin(clock, wait, signal);
        continue;
      }
      const batch = await this.#gather(signal);
      if (batch.length > 0) this.#launch(batch);
    }
  }

  /** Up to a batch; with a window it waits for more, until the batch is full or the window is over. */
  async #gather(signal: AbortSignal): Promise<SourceMessage[]> {
    const { clock } = this.#options;
    const { batchSize, windowSeconds } = this.mapping;
    const batch = await this.#take(batchSize, signal);
    if (batch.length === 0) return batch;
    const windowEnd = clock.now() + windowSeconds * 1000;
    while (batch.length < batchSize && clock.now() < windowEnd && !signal.aborted) {
      // Whoever disables the mapping meanwhile still gets what was taken already.
      await this.#bell.rungWithin(clock, windowEnd - clock.now(), signal).catch(() => undefined);
      if (!signal.aborted) batch.push(...this.#takeNow(batchSize - batch.length));
    }
    return batch;
  }

  async #take(most: number, signal: AbortSignal): Promise<SourceMessage[]> {
    const { clock } = this.#options;
    try {
      const taken = this.#takeNow(most);
      if (taken.length > 0) return taken;
    } catch (error) {
      if (!(error instanceof ServiceError) || isRefusal(error)) throw error;
      this.#options.onNotice?.(`${this.mapping.queueArn} cannot be read: ${error.message}`);
    }
    // It was moved to the dead-letter queue or had expired, or the queue has too many messages in flight.
    const next = this.#options.source.nextVisibleAt(this.mapping.queueArn);
    if (next !== undefined && next <= clock.now()) {
      await clock.sleep(pauseMilliseconds, { signal, background: true });
    }
    return [];
  }

  #takeNow(most: number): SourceMessage[] {
    const { source } = this.#options;
    const taken: SourceMessage[] = [];
    while (taken.length < most) {
      this.#authorize("sqs:ReceiveMessage");
      this.#authorize("sqs:GetQueueAttributes");
      const received = source.take(this.mapping.queueArn, Math.min(mostPerReceive, most - taken.length));
      if (received.length === 0) break;
      taken.push(...received);
    }
    return taken;
  }

  #authorize(action: string): void {
    const { host, authorize } = this.#options;
    authorize(host.find(this.mapping.functionArn).credentials, action, this.mapping.queueArn);
  }

  #launch(batch: readonly SourceMessage[]): void {
    const work = this.#delivery
      .deliver(batch)
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#stop(error);
      })
      .finally(() => {
        this.#running.delete(work);
        this.#bell.ring();
        this.#noticeIdle();
      });
    this.#running.add(work);
  }

  #noticeIdle(): void {
    if (this.isIdle) this.#onIdle();
  }
}

function isRefusal(error: ServiceError): boolean {
  return error.code === "AccessDenied" || error.code === "QueueDoesNotExist";
}
