// Hands a batch of messages to a function, removes what it took, and lets the fault rig deliver badly.
import type { LambdaResult, SourceMessage } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Hold } from "../rig/clock.ts";
import type { FaultEffect } from "../rig/faults.ts";
import { type EventSourceMapping, failedMessages, recordOf } from "./event-source-mapping.ts";
import type { PollerOptions } from "./event-source-poller.ts";

/** Bytes of a synchronous invocation's payload. Source: "Lambda quotas". */
const largestPayloadBytes = 6_291_456;
const throttleDelayMilliseconds = { first: 1000, longest: 60_000 };
/** A message that is to be overtaken goes out after this even if none overtakes it. */
const longestReorderMilliseconds = 10_000;
/** The rig's mistakes must stay finite too. */
const mostDuplicates = 100;
/** So much of a body is searched by a fault rule's `resourceIncludes`. */
const bodyInResourceLetters = 1000;

export class EventSourceDelivery {
  readonly #mapping: EventSourceMapping;
  readonly #options: PollerOptions;
  readonly #closing: AbortSignal;
  /** Messages held back, to be woken when another one got through. */
  readonly #heldBack = new Set<() => void>();

  constructor(mapping: EventSourceMapping, options: PollerOptions, closing: AbortSignal) {
    this.#mapping = mapping;
    this.#options = options;
    this.#closing = closing;
  }

  /** Throws what stops the mapping: AccessDenied, and a fault that it cannot do. */
  async deliver(batch: readonly SourceMessage[]): Promise<void> {
    const until = this.#options.clock.now() + this.#visibilityMilliseconds();
    const plain: SourceMessage[] = [];
    const odd: Promise<void>[] = [];
    for (const message of batch) {
      const fault = this.#drawFault(message);
      if (fault === undefined) plain.push(message);
      else odd.push(this.#deliverOddly(message, fault, until));
    }
    const outcomes = await Promise.allSettled([this.#deliverPlainly(plain, until), ...odd]);
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (!failure) return;
    // What was removed by then stays removed.
    if (this.#closing.aborted) this.#giveBack(batch);
    throw failure.reason;
  }

  /** As many invocations as the payload's limit demands, one after another. */
  async #deliverPlainly(messages: readonly SourceMessage[], until: number): Promise<void> {
    const hold = this.#options.clock.hold();
    try {
      for (const part of cutByBytes(messages, (message) => JSON.stringify(this.#record(message)))) {
        await this.#invokeAndRemove(part, hold, until);
      }
    } finally {
      hold.release();
    }
  }

  async #invokeAndRemove(messages: readonly SourceMessage[], hold: Hold, until: number): Promise<void> {
    const result = await this.#invoke(messages, hold, until);
    if (result) this.#remove(messages, result);
  }

  #remove(messages: readonly SourceMessage[], result: LambdaResult): void {
    if (result.error) return;
    const { functionArn, queueArn, reportsItemFailures } = this.#mapping;
    const { host, authorize, source } = this.#options;
    const ids = messages.map(({ messageId }) => messageId);
    const failed = reportsItemFailures ? failedMessages(result.payload, ids) : [];
    const done = messages.filter(({ messageId }) => !failed.includes(messageId));
    if (done.length === 0) return;
    authorize(host.find(functionArn).credentials, "sqs:DeleteMessage", queueArn);
    for (const { receiptHandle } of done) source.remove(queueArn, receiptHandle);
    for (const wake of this.#heldBack) wake();
  }

  /** Undefined when the function could not be called: the messages come back by themselves. */
  async #invoke(messages: readonly SourceMessage[], hold: Hold, until: number): Promise<LambdaResult | undefined> {
    const payload = JSON.stringify({ Records: messages.map((message) => this.#record(message)) });
    const { host, clock } = this.#options;
    let wait = throttleDelayMilliseconds.first;
    for (;;) {
      try {
        return await host.invoke(this.#mapping.functionArn, payload, this.#closing);
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        // Lambda tries a throttled batch again until its messages are visible anyway.
        if (error.status !== 429 || clock.now() + wait >= until) return undefined;
        await hold.sleep(wait, this.#closing);
        wait = Math.min(wait * 2, throttleDelayMilliseconds.longest);
      }
    }
  }

  /** In AWS a poller does not end with somebody's laptop: what was cut off goes on at the next boot, at once and uncounted. */
  #giveBack(messages: readonly SourceMessage[]): void {
    const { queueArn } = this.#mapping;
    for (const { receiptHandle } of messages) this.#options.source.giveBack(queueArn, receiptHandle);
  }

  /** A message with a fault goes alone, so that the rest of its batch stays as it is. */
  async #deliverOddly(message: SourceMessage, fault: FaultEffect, until: number): Promise<void> {
    const hold = this.#options.clock.hold();
    try {
      switch (fault.kind) {
        case "throttle":
        case "error":
        case "reset":
          return;
        case "fail-after-work":
        case "reset-after-work":
          await this.#invoke([message], hold, until);
          return;
        case "delay":
          await hold.sleep(fault.milliseconds, this.#closing);
          await this.#invokeAndRemove([message], hold, until);
          return;
        case "reorder-event":
          await this.#waitToBePassed(hold);
          await this.#invokeAndRemove([message], hold, until);
          return;
        case "duplicate-event": {
          const times = Math.max(1, Math.min(fault.deliveries, mostDuplicates));
          await Promise.all(Array.from({ length: times }, () => this.#invokeAndRemove([message], hold, until)));
          return;
        }
        default:
          throw new Error(`An event source mapping cannot do the fault ${fault.kind}.`);
      }
    } finally {
      hold.release();
    }
  }

  async #waitToBePassed(hold: Hold): Promise<void> {
    const passed = new AbortController();
    const wake = () => passed.abort();
    this.#heldBack.add(wake);
    try {
      await hold.sleep(longestReorderMilliseconds, AbortSignal.any([passed.signal, this.#closing]));
    } catch (error) {
      if (this.#closing.aborted) throw error;
    } finally {
      this.#heldBack.delete(wake);
    }
  }

  #drawFault(message: SourceMessage): FaultEffect | undefined {
    const { functionArn, queueArn } = this.#mapping;
    return this.#options.faults.next({
      service: "sqs-delivery",
      operation: lastPart(functionArn),
      resource: `${lastPart(queueArn)} ${message.body.slice(0, bodyInResourceLetters)}`,
    });
  }

  #record(message: SourceMessage): object {
    return recordOf(message, this.#mapping.queueArn, this.#options.region);
  }

  #visibilityMilliseconds(): number {
    return this.#options.source.visibilityTimeoutSeconds(this.#mapping.queueArn) * 1000;
  }
}

function cutByBytes(messages: readonly SourceMessage[], textOf: (message: SourceMessage) => string): SourceMessage[][] {
  const parts: SourceMessage[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  const aroundRecords = Buffer.byteLength('{"Records":[]}');
  for (const message of messages) {
    const messageBytes = Buffer.byteLength(textOf(message)) + 1;
    if (bytes + messageBytes > largestPayloadBytes) {
      parts.push([]);
      bytes = aroundRecords;
    }
    parts.at(-1)?.push(message);
    bytes += messageBytes;
  }
  return parts;
}

function lastPart(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}
