// Runs in a worker thread in the place of Lambda's Node.js runtime: loads one handler, then answers invocations, several at
// the same time where the function allows that.
import { enableCompileCache, flushCompileCache } from "node:module";
import { pathToFileURL } from "node:url";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { adoptCloudTime } from "./cloud-time.ts";
import { currentInvocation, provideInvokeStore, type RunningInvocation, runApart } from "./invoke-store.ts";
import type { HostMessage, InvocationError, InvokeMessage, WorkerSetup } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { killedExitCode, watchOutgoingCalls } from "./outgoing-calls.ts";
import { isStreaming, provideStreaming, runStreaming, type SendPiece } from "./response-stream.ts";

type Handler = (event: unknown, ...contextOrStream: object[]) => unknown;

const setup = workerData as WorkerSetup;
const isShared = setup.slots > 1;
const outbox = new Outbox(parentPort as MessagePort);
const running = new Map<number, RunningInvocation>();

captureOutput();
// Threads come and go, and many local clouds run the same bundles: compiling them once saves a third of each start.
enableCompileCache();
adoptCloudTime(setup.clock);
provideStreaming();
if (isShared) provideInvokeStore();
watchOutgoingCalls({ counts: setup.outgoingCalls, current: onWhoseBehalf, kill });
process.on("exit", () => outbox.flush());
process.on("uncaughtException", (error) => crash(describe(error)));
process.on("unhandledRejection", (reason) => {
  const { errorType, errorMessage, trace } = describe(reason);
  const message = `${errorType}: ${errorMessage}`;
  crash({ errorType: "Runtime.UnhandledPromiseRejection", errorMessage: message, trace: trace ?? [] });
});
loadHandler().then(
  (handler) => {
    flushCompileCache();
    parentPort?.on("message", (messages: readonly HostMessage[]) => {
      for (const message of messages) {
        if (message.kind === "taken") outbox.taken(message.slot, message.bytes);
        else begin(handler, message);
      }
    });
    outbox.say({ kind: "ready" });
    outbox.flush();
  },
  (error: unknown) => {
    outbox.say({ kind: "init-error", error: describeInitError(error) });
    outbox.flush();
  },
);

async function loadHandler(): Promise<Handler> {
  const loaded: Record<string, unknown> = await import(pathToFileURL(setup.handlerFile).href);
  const { default: defaultExport } = loaded;
  const inDefault = isRecord(defaultExport) ? defaultExport[setup.handlerExport] : undefined;
  const handler = loaded[setup.handlerExport] ?? inDefault;
  if (typeof handler === "function") return handler as Handler;
  const error = new Error(`${setup.handler} is undefined or not exported`);
  error.name = "Runtime.HandlerNotFound";
  throw error;
}

function begin(handler: Handler, message: InvokeMessage): void {
  const { slot, requestId, traceId, kill: order } = message;
  const invocation: RunningInvocation = { slot, requestId, traceId, kill: order, isDead: false };
  running.set(slot, invocation);
  outbox.forget(slot);
  if (isShared) {
    void runApart(invocation, () => answer(handler, message, invocation));
    return;
  }
  process.env._X_AMZN_TRACE_ID = traceId;
  void answer(handler, message, invocation);
}

async function answer(handler: Handler, message: InvokeMessage, invocation: RunningInvocation): Promise<void> {
  const { slot } = message;
  try {
    const [event, context]: [unknown, object] = [JSON.parse(message.payload), contextOf(message)];
    if (isStreaming(handler)) {
      const send: SendPiece = (bytes, done) => {
        // A handler whose invocation is dead writes into nothing.
        if (invocation.isDead) done();
        else outbox.piece(slot, bytes, done);
      };
      await runStreaming(handler, event, context, send, () => {
        if (!invocation.isDead) outbox.say({ kind: "ended", slot });
      });
      outbox.say({ kind: "result", slot, payload: undefined });
    } else {
      outbox.say({ kind: "result", slot, payload: JSON.stringify(await handler(event, context)) ?? "null" });
    }
  } catch (thrown) {
    const error = describe(thrown);
    if (!invocation.isDead) {
      process.stderr.write(`${JSON.stringify({ level: "ERROR", requestId: message.requestId, ...error })}\n`);
    }
    outbox.say({ kind: "error", slot, error });
  }
  running.delete(slot);
}

/** By the async context, or because nobody else is there. */
function onWhoseBehalf(): RunningInvocation | undefined {
  const current = currentInvocation();
  if (current) return current;
  if (running.size !== 1) return undefined;
  const [only] = running.values();
  return only;
}

function kill(invocation: { readonly slot: number; readonly kill: RunningInvocation["kill"]; isDead: boolean }): void {
  if (invocation.kill?.scope === "invocation") {
    if (invocation.isDead) return;
    invocation.isDead = true;
    outbox.say({ kind: "killed", slot: invocation.slot });
    return;
  }
  process.exit(killedExitCode);
}

/** Source: "Using the Lambda context object" for Node.js in the AWS Lambda Developer Guide. */
function contextOf(message: InvokeMessage): object {
  // performance.now is scaled like every clock here, and does not jump when the cloud's clock is moved by hand.
  const deadline = performance.now() + message.timeoutCloudMilliseconds;
  // Managed Instances let the code run on behind its deadline, and tell it so by a number below 0.
  const least = isShared ? Number.NEGATIVE_INFINITY : 0;
  return {
    awsRequestId: message.requestId,
    callbackWaitsForEmptyEventLoop: true,
    functionName: setup.functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: setup.functionArn,
    memoryLimitInMB: String(setup.memoryMb),
    logGroupName: setup.logGroupName,
    logStreamName: "local",
    getRemainingTimeInMillis: () => Math.max(least, Math.floor(deadline - performance.now())),
  };
}

function captureOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      const invocation = onWhoseBehalf();
      const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
      if (!invocation?.isDead) outbox.say({ kind: "log", slot: invocation?.slot, text });
      // Where only one runs there is time to tell at once, even if its code then never gives the event loop a turn.
      if (!isShared) outbox.flush();
      const done = rest.at(-1);
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    };
  }
}

function crash(error: InvocationError): void {
  outbox.say({ kind: "crash", error });
  process.exit(1);
}

function describe(thrown: unknown): InvocationError {
  if (thrown instanceof Error) {
    return { errorType: thrown.name, errorMessage: thrown.message, trace: (thrown.stack ?? "").split("\n") };
  }
  const errorMessage = typeof thrown === "object" ? JSON.stringify(thrown) : String(thrown);
  return { errorType: typeof thrown, errorMessage, trace: [] };
}

function describeInitError(thrown: unknown): InvocationError {
  const error = describe(thrown);
  if (error.errorType === "Runtime.HandlerNotFound") return error;
  return { ...error, errorType: "Runtime.InitError", errorMessage: `${error.errorType}: ${error.errorMessage}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
