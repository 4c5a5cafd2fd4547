// Runs in a worker thread in the place of Lambda's Node.js runtime: loads one handler, then answers invocations.
import { enableCompileCache, flushCompileCache } from "node:module";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { adoptCloudTime } from "./cloud-time.ts";
import type { HostMessage, InvocationError, InvokeMessage, WorkerMessage, WorkerSetup } from "./messages.ts";
import { type KillOrder, watchOutgoingCalls } from "./outgoing-calls.ts";
import { isStreaming, provideStreaming, runStreaming } from "./response-stream.ts";

type Handler = (event: unknown, ...contextOrStream: object[]) => unknown;

const setup = workerData as WorkerSetup;
let killOrder: KillOrder | undefined;
let chunkTaken: (() => void) | undefined;

captureOutput();
// Threads come and go, and many local clouds run the same bundles: compiling them once saves a third of each start.
enableCompileCache();
adoptCloudTime(setup.clock);
provideStreaming();
watchOutgoingCalls(setup.outgoingCalls, () => killOrder);
process.on("uncaughtException", (error) => crash(describe(error)));
process.on("unhandledRejection", (reason) => {
  const { errorType, errorMessage, trace } = describe(reason);
  const message = `${errorType}: ${errorMessage}`;
  crash({ errorType: "Runtime.UnhandledPromiseRejection", errorMessage: message, trace: trace ?? [] });
});
loadHandler().then(
  (handler) => {
    flushCompileCache();
    parentPort?.on("message", (message: HostMessage) => {
      if ("kind" in message) chunkTaken?.();
      else void answer(handler, message);
    });
    send({ kind: "ready" });
  },
  (error: unknown) => send({ kind: "init-error", error: describeInitError(error) }),
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

async function answer(handler: Handler, message: InvokeMessage): Promise<void> {
  killOrder = message.kill;
  process.env._X_AMZN_TRACE_ID = message.traceId;
  try {
    const [event, context]: [unknown, object] = [JSON.parse(message.payload), contextOf(message)];
    if (isStreaming(handler)) {
      await runStreaming(handler, event, context, sendChunk);
      send({ kind: "result", payload: undefined });
    } else {
      send({ kind: "result", payload: JSON.stringify(await handler(event, context)) ?? "null" });
    }
  } catch (thrown) {
    const error = describe(thrown);
    process.stderr.write(`${JSON.stringify({ level: "ERROR", requestId: message.requestId, ...error })}\n`);
    send({ kind: "error", error });
  }
  killOrder = undefined;
}

/** Source: "Using the Lambda context object" for Node.js in the AWS Lambda Developer Guide. */
function contextOf(message: InvokeMessage): object {
  // performance.now is scaled like every clock here, and does not jump when the cloud's clock is moved by hand.
  const deadline = performance.now() + message.timeoutCloudMilliseconds;
  return {
    awsRequestId: message.requestId,
    callbackWaitsForEmptyEventLoop: true,
    functionName: setup.functionName,
    functionVersion: "$LATEST",
    invokedFunctionArn: setup.functionArn,
    memoryLimitInMB: String(setup.memoryMb),
    logGroupName: setup.logGroupName,
    logStreamName: "local",
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
  };
}

function captureOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
      send({ kind: "log", text: typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8") });
      const done = rest.at(-1);
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    };
  }
}

function crash(error: InvocationError): void {
  send({ kind: "crash", error });
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

/** One chunk at a time is under way: a slow reader slows the handler down. */
function sendChunk(bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    chunkTaken = resolve;
    send({ kind: "chunk", bytes });
  });
}

function send(message: WorkerMessage): void {
  parentPort?.postMessage(message);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
