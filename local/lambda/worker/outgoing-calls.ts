// Counts the HTTP requests that a function sends, and lets it die at the n-th one when the fault rig asks for that.
import { subscribe } from "node:diagnostics_channel";

export interface KillOrder {
  /** 1-based, within one invocation. */
  readonly atCall: number;
  /** Before the request is sent, or once its answer's head has arrived. */
  readonly when: "before" | "after";
}

/** What a process reports that the kernel killed (128 + SIGKILL). */
export const killedExitCode = 137;

/** `count` holds one number, shared with the host, which sets it to 0 before each invocation. */
export function watchOutgoingCalls(count: Int32Array, currentOrder: () => KillOrder | undefined): void {
  const numbers = new WeakMap<object, number>();
  const onRequest = (message: unknown) => {
    const number = Atomics.add(count, 0, 1) + 1;
    const request = requestOf(message);
    if (request) numbers.set(request, number);
    const order = currentOrder();
    if (order?.when === "before" && order.atCall === number) process.exit(killedExitCode);
  };
  const onAnswer = (message: unknown) => {
    const request = requestOf(message);
    const order = currentOrder();
    if (request && order?.when === "after" && order.atCall === numbers.get(request)) process.exit(killedExitCode);
  };
  // node:http(s), which the AWS SDK uses. Despite its name the second event comes when an answer's head was parsed.
  subscribe("http.client.request.created", onRequest);
  subscribe("http.client.response.finish", onAnswer);
  // fetch
  subscribe("undici:request:create", onRequest);
  subscribe("undici:request:headers", onAnswer);
}

function requestOf(message: unknown): object | undefined {
  if (typeof message !== "object" || message === null || !("request" in message)) return undefined;
  return typeof message.request === "object" && message.request !== null ? message.request : undefined;
}
