// How the services of the local cloud reach one another inside the process. Whoever calls has checked permission first.
import type { Principal } from "./service.ts";

/** An event as EventBridge delivers it to a target. */
export interface CloudEvent {
  readonly version: "0";
  readonly id: string;
  /** "Object Created", "BackupReplicated" … */
  readonly "detail-type": string;
  /** `aws.s3`, `causeway.replication` … */
  readonly source: string;
  readonly account: string;
  /** RFC 3339, UTC, whole seconds, as EventBridge writes it. */
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface EventPort {
  /** Takes the event in; delivery happens later, at least once. `busName` defaults to "default". */
  publish(event: CloudEvent, busName?: string): void;
}

export interface LambdaResult {
  /** The handler's result as JSON text; with an error, Lambda's error object {errorType, errorMessage, trace}. */
  readonly payload: string;
  /** Set when the handler threw, timed out, or its process died. */
  readonly error?: { readonly errorType: string; readonly errorMessage: string };
}

export interface LambdaPort {
  /**
   * Runs the function once and waits for its answer. `payload` is JSON text.
   * Throws ServiceError: ResourceNotFoundException, TooManyRequestsException. Aborting kills the worker.
   */
  invoke(functionArn: string, payload: string, signal?: AbortSignal): Promise<LambdaResult>;
}

export interface WorkflowPort {
  /** Throws ServiceError: StateMachineDoesNotExist, ExecutionAlreadyExists, InvalidName, InvalidExecutionInput. */
  startExecution(call: { stateMachineArn: string; name?: string; input: string }): { executionArn: string };
}

export interface QueuePort {
  /** `attributes` become message attributes of type String. Throws ServiceError QueueDoesNotExist. */
  sendMessage(queueArn: string, body: string, attributes?: Readonly<Record<string, string>>): void;
}

/** A message as an event source mapping hands it to a function. */
export interface SourceMessage {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly md5OfBody: string;
  readonly md5OfMessageAttributes?: string;
  /** SenderId, SentTimestamp, ApproximateReceiveCount, ApproximateFirstReceiveTimestamp … */
  readonly attributes: Readonly<Record<string, string>>;
  readonly messageAttributes: Readonly<
    Record<
      string,
      {
        readonly DataType: string;
        readonly StringValue?: string | undefined;
        /** base64 */
        readonly BinaryValue?: string | undefined;
      }
    >
  >;
}

/** `arrival`: there may be something to take, or sooner than was thought. `departure`: messages were taken or removed. */
export type QueueChange = "arrival" | "departure";

/** A queue as a source of events. Every method throws ServiceError QueueDoesNotExist. */
export interface QueueSourcePort {
  visibilityTimeoutSeconds(queueArn: string): number;
  /** Receives up to `most` visible messages, which are hidden for the queue's visibility timeout. */
  take(queueArn: string, most: number): readonly SourceMessage[];
  /** Throws ServiceError ReceiptHandleIsInvalid. */
  remove(queueArn: string, receiptHandle: string): void;
  /** Makes a message visible again as if it had not been taken. Throws ServiceError ReceiptHandleIsInvalid. */
  giveBack(queueArn: string, receiptHandle: string): void;
  /** Cloud milliseconds, past or to come; undefined when the queue is empty. */
  nextVisibleAt(queueArn: string): number | undefined;
  /** The listener must not throw. Returns the function that ends it. */
  onChange(queueArn: string, listener: (change: QueueChange) => void): () => void;
}

/** A record of a table's stream as a function's event has it. */
export interface StreamRecord {
  readonly eventID: string;
  readonly eventName: "INSERT" | "MODIFY" | "REMOVE";
  readonly eventVersion: string;
  readonly eventSource: "aws:dynamodb";
  readonly awsRegion: string;
  readonly dynamodb: {
    /** Whole seconds since 1970, cloud time. */
    readonly ApproximateCreationDateTime: number;
    readonly Keys: object;
    readonly NewImage?: object;
    readonly OldImage?: object;
    /** A decimal number of 21 to 40 digits. */
    readonly SequenceNumber: string;
    readonly SizeBytes: number;
    readonly StreamViewType: string;
  };
  readonly eventSourceARN: string;
}

export interface StreamPage {
  /** Each with the place in the stream behind it. */
  readonly records: readonly { readonly record: StreamRecord; readonly place: number }[];
  /** Behind all that was looked at, records of other shards too. */
  readonly place: number;
  /** Nothing was behind it when it was read. */
  readonly isEnd: boolean;
}

/** The streams of DynamoDB's tables. A place is a number that grows; 0 is before the first record. */
export interface StreamSourcePort {
  /** Throws ServiceError ResourceNotFoundException. */
  shardsOf(streamArn: string): readonly string[];
  /** Throws AccessDenied unless the principal may read the stream, and decrypt it where the table has a key. */
  authorizeReading(principal: Principal, streamArn: string): void;
  /** Behind the newest record. */
  latestPlace(streamArn: string): Promise<number>;
  /** The shard's records behind a place, in order; none that is older than 24 hours. */
  read(streamArn: string, shardId: string, behind: number): Promise<StreamPage>;
  /** Called as soon as there may be something new, before whoever wrote it is answered. Must not throw. */
  onChange(streamArn: string, listener: () => void): () => void;
}
