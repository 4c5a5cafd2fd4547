// One execution environment of a function: a worker thread that answers one invocation at a time.
import { Worker } from "node:worker_threads";
import type { FunctionDefinition, HandlerPlace } from "./function-definition.ts";
import type { HostMessage, InvocationError, InvokeMessage, WorkerMessage, WorkerSetup } from "./worker/messages.ts";
import { killedExitCode } from "./worker/outgoing-calls.ts";

export type Outcome = { readonly payload: string } | { readonly error: InvocationError };

export interface ThreadOptions {
  readonly definition: FunctionDefinition;
  readonly handlerPlace: HandlerPlace;
  readonly code: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Float64Array;
}

export interface ThreadInvocation extends InvokeMessage {
  readonly timeoutRealMilliseconds: number;
  readonly signal: AbortSignal | undefined;
  readonly onLog: (text: string) => void;
  /** Takes a streamed response piece by piece; the next one comes when it has resolved. Absent: it becomes the payload. */
  readonly onChunk: ((bytes: Uint8Array) => Promise<void>) | undefined;
}

/** Loading a bundle is the processor's work, which no faster clock shortens: this wait is real time. */
const longestInitRealMilliseconds = 30_000;

export class WorkerThread {
  /** Requests sent in the present or last invocation. */
  readonly #outgoingCalls = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  /** Why the code could not be loaded: an error, or the code with which the process ended meanwhile. */
  readonly #ready: Promise<InvocationError | number | undefined>;
  #onMessage: ((message: WorkerMessage) => void) | undefined;
  #onExit: ((exitCode: number) => void) | undefined;
  #onLog: (text: string) => void = () => undefined;
  #exitCode: number | undefined;
  #outOfMemory = false;

  constructor(options: ThreadOptions) {
    const { definition, handlerPlace } = options;
    const setup: WorkerSetup = {
      handler: definition.handler,
      handlerFile: handlerPlace.file,
      handlerExport: handlerPlace.exportName,
      functionName: definition.name,
      functionArn: definition.arn,
      memoryMb: definition.memoryMb,
      logGroupName: definition.logGroupName,
      clock: options.clock,
      outgoingCalls: this.#outgoingCalls,
    };
    this.#worker = new Worker(options.code, {
      eval: true,
      name: definition.name,
      env: { ...options.environment },
      // Not this process's own flags (a test runner's, say).
      execArgv: [],
      workerData: setup,
      resourceLimits: { maxOldGenerationSizeMb: definition.memoryMb },
    });
    this.#worker.on("error", (error: NodeJS.ErrnoException) => {
      this.#outOfMemory = error.code === "ERR_WORKER_OUT_OF_MEMORY";
    });
    this.#worker.on("message", (message: WorkerMessage) => {
      if (message.kind === "log") this.#onLog(message.text);
      else this.#onMessage?.(message);
    });
    this.#worker.on("exit", (exitCode) => {
      this.#exitCode = this.#outOfMemory ? killedExitCode : exitCode;
      this.#onExit?.(this.#exitCode);
    });
    this.#ready = this.#initialise();
  }

  get hasExited(): boolean {
    return this.#exitCode !== undefined;
  }

  get outgoingCalls(): number {
    return Atomics.load(this.#outgoingCalls, 0);
  }

  /** A thread that waits for work does not keep the program alive. */
  rest(): void {
    this.#onLog = () => undefined;
    this.#worker.unref();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /** Rejects only when aborted. After an error that is not the handler's own the thread has ended. */
  async invoke(invocation: ThreadInvocation): Promise<Outcome> {
    this.#worker.ref();
    this.#onLog = invocation.onLog;
    const failure = await this.#ready;
    if (failure !== undefined) {
      await this.end();
      return { error: typeof failure === "number" ? exitError(invocation.requestId, failure) : failure };
    }
    invocation.signal?.throwIfAborted();
    Atomics.store(this.#outgoingCalls, 0, 0);
    return await this.#answer(invocation);
  }

  #initialise(): Promise<InvocationError | number | undefined> {
    return new Promise((resolve) => {
      const late = setTimeout(
        () =>
          resolve({ errorType: "Runtime.InitError", errorMessage: "Error: the function's code did not load in time" }),
        longestInitRealMilliseconds,
      );
      const settle = (failure?: InvocationError | number) => {
        clearTimeout(late);
        resolve(failure);
      };
      this.#onExit = settle;
      this.#onMessage = (message) => {
        if (message.kind === "ready") settle();
        else if (message.kind === "init-error" || message.kind === "crash") settle(message.error);
      };
    });
  }

  #answer(invocation: ThreadInvocation): Promise<Outcome> {
    const { requestId, payload, timeoutCloudMilliseconds, traceId, kill, signal } = invocation;
    const streamed: Uint8Array[] = [];
    const take = invocation.onChunk ?? (async (bytes) => void streamed.push(bytes));
    return new Promise((resolve, reject) => {
      let crash: InvocationError | undefined;
      const settle = (outcome: Outcome) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#onMessage = undefined;
        this.#onExit = undefined;
        resolve(outcome);
      };
      const endFirst = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#onExit = undefined;
        return this.end();
      };
      const onAbort = () => {
        endFirst().then(() => reject(signal?.reason), reject);
      };
      const timer = setTimeout(() => {
        const seconds = (timeoutCloudMilliseconds / 1000).toFixed(2);
        const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${seconds} seconds`;
        endFirst().then(() => settle({ error: { errorType: "Sandbox.Timedout", errorMessage } }), reject);
      }, invocation.timeoutRealMilliseconds);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#onMessage = (message) => {
        if (message.kind === "result") settle({ payload: message.payload ?? Buffer.concat(streamed).toString("utf8") });
        else if (message.kind === "chunk") {
          // Who does not want more of it does not keep the function from going on.
          const taken: HostMessage = { kind: "taken" };
          const goOn = () => this.#worker.postMessage(taken);
          take(message.bytes).then(goOn, goOn);
        } else if (message.kind === "error") settle({ error: message.error });
        else if (message.kind === "crash") crash = message.error;
      };
      this.#onExit = (exitCode) => settle({ error: crash ?? exitError(requestId, exitCode) });
      if (this.#exitCode !== undefined) this.#onExit(this.#exitCode);
      else {
        const message: InvokeMessage = { requestId, payload, timeoutCloudMilliseconds, traceId, kill };
        this.#worker.postMessage(message);
      }
    });
  }
}

/** In Lambda's words. */
function exitError(requestId: string, exitCode: number): InvocationError {
  const cause =
    exitCode === 0
      ? "Runtime exited without providing a reason"
      : `Runtime exited with error: ${exitCode === killedExitCode ? "signal: killed" : `exit status ${exitCode}`}`;
  return { errorType: "Runtime.ExitError", errorMessage: `RequestId: ${requestId} Error: ${cause}` };
}
