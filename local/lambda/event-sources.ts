// All event source mappings of the local cloud: queues and tables' streams that call functions.
import type { DatabaseSync } from "node:sqlite";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import type { QueuePort, StreamSourcePort } from "../gateway/ports.ts";
import { type EventSourceMapping, mappingFault } from "./event-source-mapping.ts";
import { EventSourcePoller, type PollerOptions } from "./event-source-poller.ts";
import { type StreamMapping, streamMappingFault } from "./stream-mapping.ts";
import { StreamSource } from "./stream-source.ts";

export interface EventSourcesOptions extends PollerOptions {
  /** Absent: no mapping may read a stream. */
  readonly streams?: {
    readonly source: StreamSourcePort;
    /** Where it is told what was given up. */
    readonly queues: QueuePort;
    /** Exists already; how far each stream was read lies here. */
    readonly stateDirectory: string;
  };
}

export interface EventSourceView {
  readonly functionName: string;
  /** Of a queue or of a stream. */
  readonly sourceArn: string;
  readonly state: "enabled" | "disabled" | "stopped";
  /** Invocations at the same time. */
  readonly maximumConcurrency: number;
  /** Why it stopped. */
  readonly problem?: string;
}

export class EventSources {
  readonly #options: EventSourcesOptions;
  readonly #pollers: (EventSourcePoller | StreamSource)[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #database: DatabaseSync | undefined;
  readonly #places: DurableMap<number> | undefined;

  constructor(options: EventSourcesOptions) {
    this.#options = options;
    if (options.streams === undefined) return;
    this.#database = openDurableState(options.streams.stateDirectory, "stream-places");
    this.#places = new DurableMap<number>(this.#database, "places");
  }

  /** Returns a sentence when Lambda would refuse it; then it does not run. Throws when function or queue do not exist. */
  add(mapping: EventSourceMapping): string | undefined {
    const { host, source } = this.#options;
    const fault = mappingFault(mapping, {
      functionTimeoutSeconds: host.find(mapping.functionArn).timeoutSeconds,
      visibilityTimeoutSeconds: source.visibilityTimeoutSeconds(mapping.queueArn),
    });
    if (fault === undefined)
      this.#pollers.push(new EventSourcePoller(mapping, this.#options, () => this.#noticeIdle()));
    return fault;
  }

  /** As `add`, for a table's stream. Throws when function or stream do not exist. */
  addStream(mapping: StreamMapping): string | undefined {
    const { streams, ...common } = this.#options;
    if (streams === undefined || this.#places === undefined) return "no streams are read here.";
    common.host.find(mapping.functionArn);
    const fault = streamMappingFault(mapping);
    if (fault !== undefined) return fault;
    const options = { ...common, streams: streams.source, queues: streams.queues };
    this.#pollers.push(new StreamSource(mapping, this.#places, options, () => this.#noticeIdle()));
    return undefined;
  }

  /** Notes where new mappings of streams begin: what is written from now on reaches them. Call before `start`. */
  async prepare(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => (poller instanceof StreamSource ? poller.prepare() : undefined)));
  }

  /** Begins to poll. Call once everything that the functions use is there. */
  start(): void {
    for (const poller of this.#pollers) if (poller.mapping.enabled) poller.enable();
  }

  list(): EventSourceView[] {
    return this.#pollers.map(({ functionArn, sourceArn, concurrency, state, problem }) => ({
      functionName: lastPart(functionArn),
      sourceArn,
      state,
      maximumConcurrency: concurrency,
      ...(problem === undefined ? {} : { problem }),
    }));
  }

  /** By the function's name or its ending. Throws when no mapping calls such a function. */
  enable(functionName: string): void {
    for (const poller of this.#of(functionName)) poller.enable();
  }

  /** What runs is finished; messages wait in the queue, records in the stream. */
  disable(functionName: string): void {
    for (const poller of this.#of(functionName)) poller.disable();
  }

  /**
   * Resolves when no function runs for a queue or a stream, every queue of an enabled mapping is empty, hidden messages too,
   * and every stream of one is read to its end.
   */
  settled(): Promise<void> {
    return this.#areIdle() ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.close()));
    for (const resolve of this.#waiting.splice(0)) resolve();
    this.#database?.close();
  }

  #of(functionName: string): (EventSourcePoller | StreamSource)[] {
    const found = this.#pollers.filter(({ functionArn }) => lastPart(functionArn).endsWith(functionName));
    if (found.length === 0) throw new Error(`No event source mapping calls a function ${functionName}.`);
    return found;
  }

  #areIdle(): boolean {
    return this.#pollers.every((poller) => poller.isIdle);
  }

  #noticeIdle(): void {
    if (this.#waiting.length > 0 && this.#areIdle()) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function lastPart(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}
