// What the Lambda host and its worker threads say to each other. Each side collects what it has to say in one turn of its
// event loop and posts it as one list: a post costs more than most of what is in it.
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
  /** Invocations that may run in it at the same time. */
  readonly slots: number;
  /** `Clock.shared` */
  readonly clock: Float64Array;
  /** One number for each slot. */
  readonly outgoingCalls: Int32Array;
}

export interface InvokeMessage {
  readonly kind: "invoke";
  /** Names the invocation while it runs: 0 up to the setup's slots. */
  readonly slot: number;
  readonly requestId: string;
  /** JSON text. */
  readonly payload: string;
  readonly timeoutCloudMilliseconds: number;
  readonly traceId: string;
  readonly kill: KillOrder | undefined;
}

/** So many bytes of a streamed response were taken: there is room for as many more. */
export interface TakenMessage {
  readonly kind: "taken";
  readonly slot: number;
  readonly bytes: number;
}

export type HostMessage = InvokeMessage | TakenMessage;

export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "init-error"; readonly error: InvocationError }
  /** A piece of a streamed response: the next `bytes` of the list's own bytes. */
  | { readonly kind: "chunk"; readonly slot: number; readonly bytes: number }
  /** The streamed response is whole; what its function does after that is no part of it. */
  | { readonly kind: "ended"; readonly slot: number }
  /** `payload` is undefined when the response was streamed. */
  | { readonly kind: "result"; readonly slot: number; readonly payload: string | undefined }
  | { readonly kind: "error"; readonly slot: number; readonly error: InvocationError }
  /** The fault rig killed this invocation alone; its slot is free when its code has ended. */
  | { readonly kind: "killed"; readonly slot: number }
  /** The function's process is about to end: an uncaught exception or an unhandled rejection. */
  | { readonly kind: "crash"; readonly error: InvocationError }
  /** `slot` is undefined for what was printed on nobody's behalf. */
  | { readonly kind: "log"; readonly slot: number | undefined; readonly text: string };

/** What a worker posts. */
export interface WorkerPost {
  readonly messages: readonly WorkerMessage[];
  /** The pieces of all streamed responses in the list, one behind the other. */
  readonly bytes: Uint8Array | undefined;
}

/** Bytes of one streamed response that may be on their way to the host, before its handler has to wait. */
export const streamWindowBytes = 65_536;
