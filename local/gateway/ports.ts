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
