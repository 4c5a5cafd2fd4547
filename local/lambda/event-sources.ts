// All event source mappings of the local cloud: queues that call functions.
import { concurrencyOf, type EventSourceMapping, mappingFault } from "./event-source-mapping.ts";
import { EventSourcePoller, type PollerOptions } from "./event-source-poller.ts";

export interface EventSourceView {
  readonly functionName: string;
  readonly queueArn: string;
  readonly state: "enabled" | "disabled" | "stopped";
  readonly maximumConcurrency: number;
  /** Why it stopped. */
  readonly problem?: string;
}

export class EventSources {
  readonly #options: PollerOptions;
  readonly #pollers: EventSourcePoller[] = [];
  readonly #waiting: (() => void)[] = [];

  constructor(options: PollerOptions) {
    this.#options = options;
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

  /** Begins to poll. Call once everything that the functions use is there. */
  start(): void {
    for (const poller of this.#pollers) if (poller.mapping.enabled) poller.enable();
  }

  list(): EventSourceView[] {
    return this.#pollers.map(({ mapping, state, problem }) => ({
      functionName: lastPart(mapping.functionArn),
      queueArn: mapping.queueArn,
      state,
      maximumConcurrency: concurrencyOf(mapping),
      ...(problem === undefined ? {} : { problem }),
    }));
  }

  /** By the function's name or its ending. Throws when no mapping calls such a function. */
  enable(functionName: string): void {
    for (const poller of this.#of(functionName)) poller.enable();
  }

  /** What runs is finished; messages wait in the queue. */
  disable(functionName: string): void {
    for (const poller of this.#of(functionName)) poller.disable();
  }

  /** Resolves when no function runs for a queue, and the queue of every enabled mapping is empty, hidden messages too. */
  settled(): Promise<void> {
    return this.#areIdle() ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.close()));
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #of(functionName: string): EventSourcePoller[] {
    const found = this.#pollers.filter(({ mapping }) => lastPart(mapping.functionArn).endsWith(functionName));
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
