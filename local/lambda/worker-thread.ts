// One execution environment of a function: a worker thread that answers one invocation at a time, or as many as its function
// allows (as Lambda Managed Instances do).
import { Worker } from "node:worker_threads";
import type { FunctionDefinition, HandlerPlace } from "./function-definition.ts";
import type { HostMessage, InvocationError, InvokeMessage, WorkerPost, WorkerSetup } from "./worker/messages.ts";
import { killedExitCode } from "./worker/outgoing-calls.ts";

export type Outcome = { readonly payload: string } | { readonly error: InvocationError };

export interface ThreadOptions {
  readonly definition: FunctionDefinition;
  readonly handlerPlace: HandlerPlace;
  readonly code: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly clock: Float64Array;
  /** What is printed on no invocation's behalf. */
  readonly onLog: (text: string) => void;
}

/** Undefined when there is room for more at once. */
export type TakeChunk = (bytes: Buffer) => Promise<void> | undefined;

export interface ThreadInvocation extends Omit<InvokeMessage, "kind" | "slot"> {
  readonly timeoutRealMilliseconds: number;
  readonly signal: AbortSignal | undefined;
  readonly onLog: (text: string) => void;
  /** Takes a streamed response piece by piece; the next one comes when there is room. Absent: it becomes the payload. */
  readonly onChunk: TakeChunk | undefined;
  /** The streamed response is whole, while the function may go on. */
  readonly onStreamEnd: (() => void) | undefined;
}

export interface ThreadOutcome {
  readonly outcome: Outcome;
  /** Requests that it sent. */
  readonly outgoingCalls: number;
}

interface Running {
  readonly requestId: string;
  readonly onLog: (text: string) => void;
  readonly onChunk: TakeChunk;
  readonly onStreamEnd: (() => void) | undefined;
  readonly settle: (outcome: Outcome) => void;
  /** Nobody waits for it any more, but its code runs on. */
  isAbandoned: boolean;
  readonly freed: () => void;
  /** Bytes that were taken and not yet reported. */
  takenBytes: number;
}

/** Loading a bundle is the processor's work, which no faster clock shortens: this wait is real time. */
const longestInitRealMilliseconds = 30_000;
/** A quarter of the window: a worker hears of room long before it has to wait. */
const reportTakenBytes = 16_384;

export class WorkerThread {
  readonly slots: number;
  readonly #outgoingCalls: Int32Array;
  readonly #worker: Worker;
  readonly #onLog: (text: string) => void;
  /** Why the code could not be loaded: an error, or the code with which the process ended meanwhile. */
  readonly #ready: Promise<InvocationError | number | undefined>;
  readonly #running = new Map<number, Running>();
  #settleInit: (failure?: InvocationError | number) => void = () => undefined;
  #outbox: HostMessage[] = [];
  #crash: InvocationError | undefined;
  #exitCode: number | undefined;
  #outOfMemory = false;

  constructor(options: ThreadOptions) {
    const { definition, handlerPlace } = options;
    this.slots = definition.concurrentInvocations ?? 1;
    this.#onLog = options.onLog;
    this.#outgoingCalls = new Int32Array(new SharedArrayBuffer(this.slots * Int32Array.BYTES_PER_ELEMENT));
    const setup: WorkerSetup = {
      handler: definition.handler,
      handlerFile: handlerPlace.file,
      handlerExport: handlerPlace.exportName,
      functionName: definition.name,
      functionArn: definition.arn,
      memoryMb: definition.memoryMb,
      logGroupName: definition.logGroupName,
      slots: this.slots,
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
    this.#worker.on("message", (post: WorkerPost) => this.#hear(post));
    this.#worker.on("exit", (exitCode) => this.#end(this.#outOfMemory ? killedExitCode : exitCode));
    this.#ready = this.#initialise();
  }

  get hasExited(): boolean {
    return this.#exitCode !== undefined;
  }

  /** A thread that waits for work does not keep the program alive. */
  rest(): void {
    this.#worker.unref();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  /**
   * Rejects only when aborted. After an error that is not the handler's own, an environment of one invocation has ended; a
   * shared one goes on, and this one's code with it. `freed` is called when its place can be taken by another.
   */
  async invoke(invocation: ThreadInvocation, freed: () => void): Promise<ThreadOutcome> {
    this.#worker.ref();
    let slot: number | undefined;
    try {
      const failure = await this.#ready;
      if (failure !== undefined) {
        await this.end();
        const error = typeof failure === "number" ? exitError(invocation.requestId, failure) : failure;
        return { outcome: { error }, outgoingCalls: 0 };
      }
      invocation.signal?.throwIfAborted();
      slot = this.#freeSlot();
      Atomics.store(this.#outgoingCalls, slot, 0);
      const outcome = await this.#answer(slot, invocation, freed);
      return { outcome, outgoingCalls: Atomics.load(this.#outgoingCalls, slot) };
    } finally {
      if (slot === undefined) freed();
    }
  }

  #freeSlot(): number {
    for (let slot = 0; slot < this.slots; slot += 1) if (!this.#running.has(slot)) return slot;
    throw new Error("The environment has no place for one more invocation.");
  }

  #initialise(): Promise<InvocationError | number | undefined> {
    return new Promise((resolve) => {
      const late = setTimeout(
        () =>
          resolve({ errorType: "Runtime.InitError", errorMessage: "Error: the function's code did not load in time" }),
        longestInitRealMilliseconds,
      );
      this.#settleInit = (failure) => {
        clearTimeout(late);
        resolve(failure);
      };
    });
  }

  #answer(slot: number, invocation: ThreadInvocation, freed: () => void): Promise<Outcome> {
    const { requestId, payload, timeoutCloudMilliseconds, traceId, kill, signal, onLog } = invocation;
    const streamed: Buffer[] = [];
    const keep: TakeChunk = (bytes) => void streamed.push(bytes);
    return new Promise((resolve, reject) => {
      const stopWaiting = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      const settle = (outcome: Outcome) => {
        stopWaiting();
        const isWhole = "payload" in outcome && invocation.onChunk === undefined && streamed.length > 0;
        resolve(isWhole ? { payload: Buffer.concat(streamed).toString("utf8") } : outcome);
      };
      const running: Running = {
        ...{ requestId, onLog, settle, freed },
        ...{ onChunk: invocation.onChunk ?? keep, onStreamEnd: invocation.onStreamEnd },
        ...{ isAbandoned: false, takenBytes: 0 },
      };
      const onAbort = () => {
        stopWaiting();
        this.#abandon(running).then(() => reject(signal?.reason), reject);
      };
      const timer = setTimeout(() => {
        const seconds = (timeoutCloudMilliseconds / 1000).toFixed(2);
        const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${seconds} seconds`;
        stopWaiting();
        const error = { errorType: "Sandbox.Timedout", errorMessage };
        this.#abandon(running).then(() => settle({ error }), reject);
      }, invocation.timeoutRealMilliseconds);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#running.set(slot, running);
      if (this.#exitCode !== undefined) this.#end(this.#exitCode);
      else this.#say({ kind: "invoke", slot, requestId, payload, timeoutCloudMilliseconds, traceId, kill });
    });
  }

  /** Where nobody else is left in the environment, it ends; else its code runs on, as in Managed Instances. */
  async #abandon(running: Running): Promise<void> {
    running.isAbandoned = true;
    if ([...this.#running.values()].every(({ isAbandoned }) => isAbandoned)) await this.end();
  }

  #say(message: HostMessage): void {
    this.#outbox.push(message);
    if (this.#outbox.length > 1) return;
    // All that a turn of the event loop brings goes out as one list.
    setImmediate(() => {
      this.#worker.postMessage(this.#outbox);
      this.#outbox = [];
    });
  }

  #hear({ messages, bytes }: WorkerPost): void {
    let at = 0;
    for (const message of messages) {
      switch (message.kind) {
        case "ready":
          this.#settleInit();
          break;
        case "init-error":
          this.#settleInit(message.error);
          break;
        case "log":
          this.#hearLog(message.slot, message.text);
          break;
        case "chunk": {
          const from = at;
          at += message.bytes;
          if (bytes) this.#take(message.slot, Buffer.from(bytes.buffer, bytes.byteOffset + from, message.bytes));
          break;
        }
        case "ended": {
          const running = this.#running.get(message.slot);
          if (running && !running.isAbandoned) running.onStreamEnd?.();
          break;
        }
        case "result":
          this.#finish(message.slot, { payload: message.payload ?? "" });
          break;
        case "error":
          this.#finish(message.slot, { error: message.error });
          break;
        case "killed": {
          const running = this.#running.get(message.slot);
          if (running && !running.isAbandoned) this.#kill(running);
          break;
        }
        case "crash":
          this.#crash = message.error;
          this.#settleInit(message.error);
          break;
      }
    }
  }

  #hearLog(slot: number | undefined, text: string): void {
    const running = slot === undefined ? undefined : this.#running.get(slot);
    if (running && !running.isAbandoned) running.onLog(text);
    else this.#onLog(text);
  }

  #take(slot: number, bytes: Buffer): void {
    const running = this.#running.get(slot);
    if (!running) return;
    const room = running.isAbandoned ? undefined : running.onChunk(bytes);
    const goOn = () => this.#reportTaken(slot, running, bytes.length);
    // Who does not want more of it does not keep the function from going on.
    if (room !== undefined) room.then(goOn, goOn);
    else goOn();
  }

  #reportTaken(slot: number, running: Running, bytes: number): void {
    running.takenBytes += bytes;
    if (running.takenBytes < reportTakenBytes || this.#running.get(slot) !== running || this.hasExited) return;
    this.#say({ kind: "taken", slot, bytes: running.takenBytes });
    running.takenBytes = 0;
  }

  #finish(slot: number, outcome: Outcome): void {
    const running = this.#running.get(slot);
    if (!running) return;
    this.#running.delete(slot);
    if (!running.isAbandoned) running.settle(outcome);
    running.freed();
    const left = [...this.#running.values()];
    // What is left was given up by everybody: its end is not waited for.
    if (left.length > 0 && left.every(({ isAbandoned }) => isAbandoned)) this.end().catch(() => undefined);
  }

  #kill(running: Running): void {
    this.#abandon(running).then(
      () => running.settle({ error: exitError(running.requestId, killedExitCode) }),
      () => undefined,
    );
  }

  #end(exitCode: number): void {
    this.#exitCode = exitCode;
    this.#settleInit(exitCode);
    for (const [slot, running] of [...this.#running]) {
      this.#running.delete(slot);
      if (!running.isAbandoned) running.settle({ error: this.#crash ?? exitError(running.requestId, exitCode) });
      running.freed();
    }
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
