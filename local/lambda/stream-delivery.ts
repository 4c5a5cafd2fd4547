// Hands one shard's batches to a function in order: retries, halves, and gives up as the mapping says.
// Source: "How Lambda processes records from stream and queue-based event sources" in the AWS Lambda Developer Guide.
import { randomUUID } from "node:crypto";
import type { StreamRecord } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Hold } from "../rig/clock.ts";
import type { FaultEffect } from "../rig/faults.ts";
import { firstFailure, type StreamMapping } from "./stream-mapping.ts";
import type { StreamPollerOptions } from "./stream-poller.ts";

export interface PlacedRecord {
  readonly record: StreamRecord;
  /** Behind it in the stream. */
  readonly place: number;
}

interface Segment {
  readonly records: readonly PlacedRecord[];
  /** Times that the function failed on these records. */
  readonly failures: number;
}

/** Lambda's own pauses are not documented; these keep a broken function from being called without end. */
const retryDelayMilliseconds = { first: 1000, longest: 60_000 };
/** The rig's mistakes must stay finite too. */
const mostDuplicates = 100;

export class StreamDelivery {
  readonly #mapping: StreamMapping;
  readonly #shardId: string;
  readonly #options: StreamPollerOptions;
  readonly #closing: AbortSignal;

  constructor(mapping: StreamMapping, shardId: string, options: StreamPollerOptions, closing: AbortSignal) {
    this.#mapping = mapping;
    this.#shardId = shardId;
    this.#options = options;
    this.#closing = closing;
  }

  /**
   * Resolves when every record was taken or given up; `passed` hears of each part as soon as it is behind us, and the rest
   * of a batch is tried again before that. Resolves to how many records the rig wants to see again. Throws what stops the
   * mapping: AccessDenied, and a fault that it cannot do.
   */
  async deliver(batch: readonly PlacedRecord[], passed: (place: number) => void): Promise<number> {
    const hold = this.#options.clock.hold();
    const waiting: Segment[] = [{ records: batch, failures: 0 }];
    let delay = retryDelayMilliseconds.first;
    let rewind = 0;
    try {
      for (let segment = waiting.shift(); segment; segment = waiting.shift()) {
        const young = this.#giveUpOldOnes(segment, passed);
        if (young.records.length === 0) continue;
        const fault = this.#drawFault(young.records);
        if (fault?.kind === "rewind") rewind = Math.max(rewind, fault.records);
        const outcome = await this.#attempt(young.records, fault, hold);
        if (outcome === "throttled") waiting.unshift(young);
        else waiting.unshift(...this.#remainder(young, outcome, passed));
        const isOver = waiting[0] === undefined || (outcome !== "throttled" && outcome.failedFrom !== 0);
        if (isOver) {
          delay = retryDelayMilliseconds.first;
          continue;
        }
        await hold.sleep(delay, this.#closing);
        delay = Math.min(delay * 2, retryDelayMilliseconds.longest);
      }
    } finally {
      hold.release();
    }
    return rewind;
  }

  /** What is left to be done of a segment; tells how far it came, and gives up what failed too often. */
  #remainder(segment: Segment, { failedFrom, isError }: Outcome, passed: (place: number) => void): Segment[] {
    const { records, failures } = segment;
    const done = records.slice(0, failedFrom ?? records.length).at(-1);
    if (done) passed(done.place);
    if (failedFrom === undefined) return [];
    const left = records.slice(failedFrom);
    if (this.#mapping.bisects && left.length > 1) {
      const middle = Math.ceil(left.length / 2);
      // Halving does not count as a retry.
      return [left.slice(0, middle), left.slice(middle)].map((half) => ({ records: half, failures }));
    }
    // Whoever came a part of the way begins to count anew.
    const count = failedFrom > 0 ? 1 : failures + 1;
    const { retryAttempts } = this.#mapping;
    if (retryAttempts === -1 || count <= retryAttempts) return [{ records: left, failures: count }];
    this.#giveUp(left, "RetryAttemptsExhausted", count, { isError });
    passed(left.at(-1)?.place ?? 0);
    return [];
  }

  #giveUpOldOnes(segment: Segment, passed: (place: number) => void): Segment {
    const { recordAgeSeconds } = this.#mapping;
    if (recordAgeSeconds === -1) return segment;
    const oldest = Math.floor(this.#options.clock.now() / 1000) - recordAgeSeconds;
    const firstYoung = segment.records.findIndex(({ record }) => record.dynamodb.ApproximateCreationDateTime >= oldest);
    if (firstYoung === 0) return segment;
    const old = firstYoung === -1 ? segment.records : segment.records.slice(0, firstYoung);
    this.#giveUp(old, "RecordAgeExceeded", segment.failures, undefined);
    passed(old.at(-1)?.place ?? 0);
    return { ...segment, records: firstYoung === -1 ? [] : segment.records.slice(firstYoung) };
  }

  /** One call of the function, or what the rig makes of it. */
  async #attempt(
    records: readonly PlacedRecord[],
    fault: FaultEffect | undefined,
    hold: Hold,
  ): Promise<Outcome | "throttled"> {
    switch (fault?.kind) {
      case "throttle":
      case "error":
      case "reset":
        return "throttled";
      case "delay":
        await hold.sleep(fault.milliseconds, this.#closing);
        return this.#invoke(records);
      case "fail-after-work":
      case "reset-after-work":
        await this.#invoke(records);
        return "throttled";
      case "duplicate-event": {
        const times = Math.max(1, Math.min(fault.deliveries, mostDuplicates));
        for (let time = 1; time < times; time += 1) await this.#invoke(records);
        return this.#invoke(records);
      }
      case undefined:
      case "rewind":
        return this.#invoke(records);
      default:
        throw new Error(`A stream's event source mapping cannot do the fault ${fault?.kind}.`);
    }
  }

  async #invoke(placed: readonly PlacedRecord[]): Promise<Outcome | "throttled"> {
    const { host } = this.#options;
    const records = placed.map(({ record }) => record);
    try {
      const payload = JSON.stringify({ Records: records });
      const { payload: answer, error } = await host.invoke(this.#mapping.functionArn, payload, this.#closing);
      if (error) return { failedFrom: 0, isError: true };
      const failedFrom = this.#mapping.reportsItemFailures ? firstFailure(answer, records) : undefined;
      return { failedFrom, isError: false };
    } catch (error) {
      // Nothing ran, or nobody knows whether it did: that is not the function's failure.
      if (error instanceof ServiceError && (error.status === 429 || error.status >= 500)) return "throttled";
      throw error;
    }
  }

  /** The function's own role must be allowed to send to the queue, as in AWS. */
  #giveUp(
    records: readonly PlacedRecord[],
    condition: "RetryAttemptsExhausted" | "RecordAgeExceeded",
    approximateInvokeCount: number,
    last: Pick<Outcome, "isError"> | undefined,
  ): void {
    const { functionArn, onFailureQueueArn, streamArn } = this.#mapping;
    const { host, authorize, queues, clock, onNotice } = this.#options;
    onNotice?.(`${lastPart(functionArn)} is not called any more for ${records.length} stream records: ${condition}.`);
    if (onFailureQueueArn === undefined) return;
    authorize(host.find(functionArn).credentials, "sqs:SendMessage", onFailureQueueArn);
    const [first, final] = [records[0]?.record.dynamodb, records.at(-1)?.record.dynamodb];
    const arrival = (seconds = 0) => new Date(seconds * 1000).toISOString().replace(".000", "");
    const message = {
      requestContext: {
        requestId: randomUUID(),
        functionArn: `${functionArn}:$LATEST`,
        condition,
        approximateInvokeCount,
      },
      ...(last ? { responseContext: responseContext(last.isError) } : {}),
      version: "1.0",
      timestamp: new Date(clock.now()).toISOString(),
      DDBStreamBatchInfo: {
        shardId: this.#shardId,
        startSequenceNumber: first?.SequenceNumber,
        endSequenceNumber: final?.SequenceNumber,
        approximateArrivalOfFirstRecord: arrival(first?.ApproximateCreationDateTime),
        approximateArrivalOfLastRecord: arrival(final?.ApproximateCreationDateTime),
        batchSize: records.length,
        streamArn,
      },
    };
    queues.sendMessage(onFailureQueueArn, JSON.stringify(message));
  }

  #drawFault(records: readonly PlacedRecord[]): FaultEffect | undefined {
    const { functionArn, streamArn } = this.#mapping;
    const table = /table\/([^/]+)\//.exec(streamArn)?.[1] ?? "";
    return this.#options.faults.next({
      service: "dynamodb-stream",
      operation: lastPart(functionArn),
      resource: `${table} ${records[0]?.record.dynamodb.SequenceNumber}`,
    });
  }
}

interface Outcome {
  /** Index of the first record to be delivered again; undefined: all were taken. */
  readonly failedFrom: number | undefined;
  readonly isError: boolean;
}

function responseContext(isError: boolean): object {
  return { statusCode: 200, executedVersion: "$LATEST", ...(isError ? { functionError: "Unhandled" } : {}) };
}

function lastPart(arn: string): string {
  return arn.slice(arn.lastIndexOf(":") + 1);
}
