// Counts the HTTP requests that each invocation sends, and lets it die at the n-th one when the fault rig asks for that.
import { subscribe } from "node:diagnostics_channel";

export interface KillOrder {
  /** 1-based, within one invocation. */
  readonly atCall: number;
  /** Before the request is sent, or once its answer's head has arrived. */
  readonly when: "before" | "after";
  /** Default: the whole environment. */
  readonly scope?: "environment" | "invocation";
}

/** What a process reports that the kernel killed (128 + SIGKILL). */
export const killedExitCode = 137;

/** An invocation, as far as its requests are concerned. */
export interface CallingInvocation {
  readonly slot: number;
  readonly kill: KillOrder | undefined;
  /** It was killed alone: nothing that it still sends gets out. */
  isDead: boolean;
}

export interface CallWatch {
  /** One number for each slot, shared with the host, which sets it to 0 before each invocation. */
  readonly counts: Int32Array;
  /** On whose behalf the code runs that has just sent a request; undefined when nobody can tell. */
  current(): CallingInvocation | undefined;
  /** Carries out the order; does not return where the environment dies. */
  kill(invocation: CallingInvocation): void;
}

interface NumberedCall {
  readonly invocation: CallingInvocation;
  readonly number: number;
}

export function watchOutgoingCalls({ counts, current, kill }: CallWatch): void {
  const calls = new WeakMap<object, NumberedCall>();
  const onRequest = (message: unknown) => {
    const invocation = current();
    if (!invocation) return;
    const number = Atomics.add(counts, invocation.slot, 1) + 1;
    const request = memberOf(message, "request");
    if (request) calls.set(request, { invocation, number });
    const order = invocation.kill;
    if (order?.when === "before" && order.atCall === number) kill(invocation);
    // undici's requests have no method of this name: they meet their end at the socket.
    if (invocation.isDead) destroy(request);
  };
  const onAnswer = (message: unknown) => {
    const call = calls.get(memberOf(message, "request") ?? {});
    const order = call?.invocation.kill;
    if (call && order?.when === "after" && order.atCall === call.number) kill(call.invocation);
  };
  const onHeadersToSend = (message: unknown) => {
    if (calls.get(memberOf(message, "request") ?? {})?.invocation.isDead) destroy(memberOf(message, "socket"));
  };
  // node:http(s), which the AWS SDK uses. Despite its name the second event comes when an answer's head was parsed.
  subscribe("http.client.request.created", onRequest);
  subscribe("http.client.response.finish", onAnswer);
  // fetch and undici
  subscribe("undici:request:create", onRequest);
  subscribe("undici:client:sendHeaders", onHeadersToSend);
  subscribe("undici:request:headers", onAnswer);
}

function destroy(thing: object | undefined): void {
  if (thing && "destroy" in thing && typeof thing.destroy === "function") {
    thing.destroy(new Error("The invocation was killed."));
  }
}

function memberOf(message: unknown, name: "request" | "socket"): object | undefined {
  if (typeof message !== "object" || message === null || !(name in message)) return undefined;
  const member = (message as Readonly<Record<string, unknown>>)[name];
  return typeof member === "object" && member !== null ? member : undefined;
}
