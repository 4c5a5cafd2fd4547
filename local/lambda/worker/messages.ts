// What the Lambda host and its worker threads say to each other.
import type { KillOrder } from "./outgoing-calls.ts";

/** Lambda's error object, as it stands in a failed invocation's payload. */
export interface InvocationError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
}

/** Given to a worker when it starts. */
export interface WorkerSetup {
  /** As the template writes it: `index.handler`. */
  readonly handler: string;
  readonly handlerFile: string;
  readonly handlerExport: string;
  readonly functionName: string;
  readonly functionArn: string;
  readonly memoryMb: number;
  readonly logGroupName: string;
  /** `Clock.shared` */
  readonly clock: Float64Array;
  readonly outgoingCalls: Int32Array;
}

export interface InvokeMessage {
  readonly requestId: string;
  /** JSON text. */
  readonly payload: string;
  readonly timeoutCloudMilliseconds: number;
  readonly traceId: string;
  readonly kill: KillOrder | undefined;
}

/** The chunk sent last was taken: the next one may come. */
export interface TakenMessage {
  readonly kind: "taken";
}

export type HostMessage = InvokeMessage | TakenMessage;

export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "init-error"; readonly error: InvocationError }
  /** A piece of a streamed response; the next one waits for TakenMessage. */
  | { readonly kind: "chunk"; readonly bytes: Uint8Array }
  /** `payload` is undefined when the response was streamed. */
  | { readonly kind: "result"; readonly payload: string | undefined }
  | { readonly kind: "error"; readonly error: InvocationError }
  /** The function's process is about to end: an uncaught exception or an unhandled rejection. */
  | { readonly kind: "crash"; readonly error: InvocationError }
  | { readonly kind: "log"; readonly text: string };
