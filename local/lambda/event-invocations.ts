// Asynchronous invocations (type Event): taken in, run at least once, tried again, and handed on when they keep failing.
// Source: "How Lambda handles errors and retries with asynchronous invocation" in the AWS Lambda Developer Guide.
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { DurableMap, openDurableState } from "../gateway/durable-state.ts";
import type { LambdaResult, QueuePort } from "../gateway/ports.ts";
import { type Authorize, ServiceError } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { FunctionDefinition } from "./function-definition.ts";
import type { LambdaHost } from "./lambda-host.ts";

export interface EventInvocationsOptions {
  readonly host: LambdaHost;
  readonly clock: Clock;
  readonly authorize: Authorize;
  /** Exists already; events that are not through yet survive a restart here. */
  readonly stateDirectory: string;
  /** Where failed events go when a function names a queue for them. */
  readonly queues: QueuePort;
  /** Something went wrong that no caller is left to hear of. */
  readonly onNotice?: (sentence: string) => void;
}

interface PendingEvent {
  readonly requestId: string;
  readonly functionArn: string;
  readonly payload: string;
  readonly acceptedAtMilliseconds: number;
}

/** Bytes of an asynchronous payload. Source: "Lambda quotas". */
const largestEventBytes = 1_048_576;
const mostPendingEvents = 10_000;
/** After a function error: one minute before the second attempt, two before the third. */
const errorDelaysMilliseconds = [60_000, 120_000];
/** After a throttle: from one second up to five minutes, until the event is too old. */
const throttleDelayMilliseconds = { first: 1000, longest: 300_000 };

export class EventInvocations {
  readonly #options: EventInvocationsOptions;
  readonly #database: DatabaseSync;
  readonly #pending: DurableMap<PendingEvent>;
  readonly #stop = new AbortController();
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: EventInvocationsOptions) {
    this.#options = options;
    this.#database = openDurableState(options.stateDirectory, "event-invocations");
    this.#pending = new DurableMap<PendingEvent>(this.#database, "pending");
  }

  /** Returns the request id once the event is kept. Throws ResourceNotFoundException, RequestTooLargeException. */
  accept(nameOrArn: string, payload: string): string {
    const { arn } = this.#options.host.find(nameOrArn);
    if (Buffer.byteLength(payload) > largestEventBytes) {
      const message = `${Buffer.byteLength(payload)} byte payload is too large for the Event invocation type (limit ${largestEventBytes} bytes)`;
      throw new ServiceError(413, "RequestTooLargeException", message);
    }
    if (this.#pending.size >= mostPendingEvents) {
      throw new ServiceError(429, "TooManyRequestsException", `${mostPendingEvents} events wait already.`);
    }
    const requestId = randomUUID();
    const event = { requestId, functionArn: arn, payload, acceptedAtMilliseconds: this.#options.clock.now() };
    this.#pending.set(requestId, event);
    this.#begin(event);
    return requestId;
  }

  /** Takes up what was not through when the process ended; call when all functions are there. */
  resume(): void {
    for (const event of this.#pending.values()) this.#begin(event);
  }

  async close(): Promise<void> {
    this.#stop.abort(new Error("the local cloud stops"));
    await Promise.all(this.#underWay);
    this.#database.close();
  }

  #begin(event: PendingEvent): void {
    const work = this.#deliver(event)
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted)
          this.#options.onNotice?.(`An event for ${event.functionArn} was lost: ${error}`);
      })
      .finally(() => this.#underWay.delete(work));
    this.#underWay.add(work);
  }

  async #deliver(event: PendingEvent): Promise<void> {
    const { host } = this.#options;
    const definition = host.find(event.functionArn);
    const { retryAttempts, maximumEventAgeSeconds } = definition.asynchronous;
    const tooOldAt = event.acceptedAtMilliseconds + maximumEventAgeSeconds * 1000;
    let failures = 0;
    let throttleDelay = throttleDelayMilliseconds.first;
    for (;;) {
      let wait: number;
      let result: LambdaResult | undefined;
      try {
        result = await host.invoke(event.functionArn, event.payload, this.#stop.signal);
        if (!result.error) break;
        failures += 1;
        wait = errorDelaysMilliseconds[failures - 1] ?? 0;
      } catch (error) {
        if (!(error instanceof ServiceError) || (error.status !== 429 && error.status < 500)) throw error;
        wait = throttleDelay;
        throttleDelay = Math.min(throttleDelay * 2, throttleDelayMilliseconds.longest);
      }
      const isTooOld = this.#options.clock.now() + wait > tooOldAt;
      if (failures > retryAttempts || isTooOld) {
        this.#handOn(
          definition,
          event,
          failures > retryAttempts ? "RetriesExhausted" : "EventAgeExceeded",
          failures,
          result,
        );
        break;
      }
      await this.#options.clock.sleep(wait, { signal: this.#stop.signal });
    }
    this.#pending.delete(event.requestId);
  }

  /** The function's own role must be allowed to send to the queue, as in AWS. */
  #handOn(
    definition: FunctionDefinition,
    event: PendingEvent,
    condition: string,
    approximateInvokeCount: number,
    result: LambdaResult | undefined,
  ): void {
    const { onFailureQueueArn } = definition.asynchronous;
    if (onFailureQueueArn === undefined) return;
    this.#options.authorize(definition.credentials, "sqs:SendMessage", onFailureQueueArn);
    const message = {
      version: "1.0",
      timestamp: new Date(this.#options.clock.now()).toISOString(),
      requestContext: {
        requestId: event.requestId,
        functionArn: `${definition.arn}:$LATEST`,
        condition,
        approximateInvokeCount,
      },
      requestPayload: JSON.parse(event.payload) as unknown,
      ...(result
        ? {
            responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
            responsePayload: JSON.parse(result.payload) as unknown,
          }
        : {}),
    };
    this.#options.queues.sendMessage(onFailureQueueArn, JSON.stringify(message));
  }
}
