// How the services of the local cloud reach one another inside the process. Whoever calls has checked permission first.

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
