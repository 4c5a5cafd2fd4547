// Runs the functions of the templates: admission as Lambda does it, worker threads, faults, and what became of each call.
import { randomUUID } from "node:crypto";
import type { LambdaPort, LambdaResult } from "../gateway/ports.ts";
import { ServiceError } from "../gateway/service.ts";
import type { Clock } from "../rig/clock.ts";
import type { FaultEffect, Faults } from "../rig/faults.ts";
import { type FunctionDefinition, findHandler, type HandlerPlace, processEnvironment } from "./function-definition.ts";
import { LineLog } from "./line-log.ts";
import { type PoolLimits, ThreadPool } from "./thread-pool.ts";
import type { KillOrder } from "./worker/outgoing-calls.ts";
import { workerCode } from "./worker-code.ts";
import { type Outcome, type TakeChunk, WorkerThread } from "./worker-thread.ts";

export interface LambdaHostOptions extends PoolLimits {
  readonly clock: Clock;
  readonly faults: Faults;
  readonly region: string;
  readonly accountId: string;
  /** Base URL of the gateway; asked for when a thread starts, since the gateway starts after its services. */
  readonly endpointUrl: () => string;
  /** One line of a function's output. */
  readonly onLog?: (definition: FunctionDefinition, line: string) => void;
  /** Told of every invocation that ended. Must not throw. */
  readonly onFinished?: (invocation: FinishedInvocation) => void;
  /** Concurrent invocations in the account. Default 1,000, as AWS grants to begin with. */
  readonly accountConcurrency?: number;
}

export interface FinishedInvocation {
  readonly functionName: string;
  readonly requestId: string;
  /** HTTP requests that it sent: the points where the fault rig can kill it. */
  readonly outgoingCalls: number;
  readonly error?: { readonly errorType: string; readonly errorMessage: string };
}

export interface HostedInvocation {
  readonly signal?: AbortSignal;
  /** A fault that the caller has drawn already; else the host asks the rig itself. */
  readonly fault?: FaultEffect | undefined;
  readonly faultIsDrawn?: boolean;
  /** Takes a streamed response while the function writes it; the payload is empty then. */
  readonly onChunk?: TakeChunk;
  /**
   * The streamed response is whole. The function may go on, and its result comes when it has returned. Source: "Running code
   * after returning a response from an AWS Lambda function", AWS Compute Blog.
   */
  readonly onStreamEnd?: () => void;
}

export interface HostedResult extends LambdaResult {
  /** The end of the invocation's log, at most 4 KB, as LogType Tail gives it. */
  readonly logTail: string;
}

interface HostedFunction {
  readonly definition: FunctionDefinition;
  readonly handlerPlace: HandlerPlace | undefined;
  running: number;
}

const defaultAccountConcurrency = 1000;
/** Limits of a synchronous invocation, in bytes. Source: "Lambda quotas" in the AWS Lambda Developer Guide. */
const largestPayloadBytes = 6_291_456;
/** Finished invocations kept for a test to read; older ones are dropped. */
const mostInvocationsKept = 10_000;

export class LambdaHost implements LambdaPort {
  readonly lastInvocations: FinishedInvocation[] = [];
  readonly #options: LambdaHostOptions;
  readonly #functions = new Map<string, HostedFunction>();
  readonly #pool: ThreadPool;
  #runningUnreserved = 0;

  constructor(options: LambdaHostOptions) {
    this.#options = options;
    this.#pool = new ThreadPool(options);
  }

  /** Warm threads, for a test or a curious operator. */
  get warmThreads(): number {
    return this.#pool.warmCount;
  }

  addFunction(definition: FunctionDefinition): void {
    const handlerPlace = findHandler(definition);
    this.#functions.set(definition.arn, { definition, handlerPlace, running: 0 });
  }

  /** Accepts an ARN, with `:$LATEST` too, or a name. Throws ResourceNotFoundException, 404. */
  find(nameOrArn: string): FunctionDefinition {
    return this.#find(nameOrArn).definition;
  }

  /** The ARN of a function that may or may not exist. */
  arnOf(nameOrArn: string): string {
    const bare = nameOrArn.replace(/:\$LATEST$/, "");
    if (bare.startsWith("arn:")) return bare;
    return `arn:aws:lambda:${this.#options.region}:${this.#options.accountId}:function:${bare.replace(/^.*:/, "")}`;
  }

  async invoke(functionArn: string, payload: string, signal?: AbortSignal): Promise<LambdaResult> {
    const { payload: answer, error } = await this.run(functionArn, payload, signal ? { signal } : {});
    return error ? { payload: answer, error } : { payload: answer };
  }

  /** As `invoke`, with what only Lambda's own API shows. Throws what a caller of the API would get. */
  async run(nameOrArn: string, payload: string, how: HostedInvocation = {}): Promise<HostedResult> {
    const hosted = this.#find(nameOrArn);
    if (isTooLarge(payload)) {
      const message = `${Buffer.byteLength(payload)} byte payload is too large for the RequestResponse invocation type (limit ${largestPayloadBytes} bytes)`;
      throw new ServiceError(413, "RequestTooLargeException", message);
    }
    const release = this.#admit(hosted);
    const hold = this.#options.clock.hold();
    try {
      const name = hosted.definition.name;
      const call = { service: "lambda", operation: name, resource: name };
      const fault = how.faultIsDrawn ? how.fault : this.#options.faults.next(call);
      await this.#misbehaveBefore(fault, how.signal);
      const result = await this.#runAdmitted(hosted, payload, fault, how);
      if (fault?.kind === "fail-after-work" || fault?.kind === "reset-after-work") throw brokenAnswer();
      return result;
    } finally {
      release();
      hold.release();
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #runAdmitted(
    hosted: HostedFunction,
    payload: string,
    fault: FaultEffect | undefined,
    { signal, onChunk, onStreamEnd }: HostedInvocation,
  ): Promise<HostedResult> {
    const { definition, handlerPlace } = hosted;
    const { clock } = this.#options;
    const requestId = randomUUID();
    const log = new LineLog((line) => this.#options.onLog?.(definition, line));
    if (!handlerPlace) {
      const [module] = definition.handler.split(".");
      const errorMessage = `Error: Cannot find module '${module}'`;
      return this.#finish(
        hosted,
        requestId,
        0,
        { error: { errorType: "Runtime.ImportModuleError", errorMessage } },
        log,
      );
    }
    const code = await workerCode();
    const startThread = () =>
      new WorkerThread({
        definition,
        handlerPlace,
        code,
        environment: processEnvironment(definition, {
          region: this.#options.region,
          endpointUrl: this.#options.endpointUrl(),
        }),
        clock: clock.shared,
        onLog: (text) => this.#logUnattributed(definition, text),
      });
    const thread = await this.#pool.borrow(definition.arn, startThread, signal);
    const timeoutCloudMilliseconds = definition.timeoutSeconds * 1000;
    const { outcome, outgoingCalls } = await thread.invoke(
      {
        requestId,
        payload,
        timeoutCloudMilliseconds,
        timeoutRealMilliseconds: timeoutCloudMilliseconds / clock.speed,
        traceId: traceId(clock.now()),
        kill: fault?.kind === "kill" ? killOrder(fault) : undefined,
        signal,
        onLog: (text) => log.write(text),
        onChunk,
        onStreamEnd,
      },
      () => this.#pool.giveBack(definition.arn, thread),
    );
    return this.#finish(hosted, requestId, outgoingCalls, limitAnswer(outcome), log);
  }

  /** What a shared environment prints between its invocations, or on behalf of one that nobody waits for any more. */
  #logUnattributed(definition: FunctionDefinition, text: string): void {
    for (const line of text.split("\n")) if (line !== "") this.#options.onLog?.(definition, line);
  }

  #finish(
    hosted: HostedFunction,
    requestId: string,
    outgoingCalls: number,
    outcome: Outcome,
    log: LineLog,
  ): HostedResult {
    const functionName = hosted.definition.name;
    if ("error" in outcome && outcome.error.trace === undefined) log.write(`${outcome.error.errorMessage}\n`);
    log.flush();
    const error =
      "error" in outcome ? { errorType: outcome.error.errorType, errorMessage: outcome.error.errorMessage } : undefined;
    const finished = { functionName, requestId, outgoingCalls, ...(error ? { error } : {}) };
    this.lastInvocations.push(finished);
    this.#options.onFinished?.(finished);
    if (this.lastInvocations.length > mostInvocationsKept) this.lastInvocations.shift();
    const payload = "error" in outcome ? JSON.stringify(outcome.error) : outcome.payload;
    return { payload, logTail: log.tail, ...(error ? { error } : {}) };
  }

  #find(nameOrArn: string): HostedFunction {
    const found = this.#functions.get(this.arnOf(nameOrArn));
    if (found) return found;
    throw new ServiceError(404, "ResourceNotFoundException", `Function not found: ${nameOrArn}`, { Type: "User" });
  }

  #admit(hosted: HostedFunction): () => void {
    const { reservedConcurrency } = hosted.definition;
    if (reservedConcurrency !== undefined) {
      if (hosted.running >= reservedConcurrency) {
        throw throttled("ReservedFunctionConcurrentInvocationLimitExceeded");
      }
    } else if (this.#runningUnreserved >= this.#unreservedConcurrency()) {
      throw throttled("ConcurrentInvocationLimitExceeded");
    }
    const isUnreserved = reservedConcurrency === undefined;
    hosted.running += 1;
    if (isUnreserved) this.#runningUnreserved += 1;
    return () => {
      hosted.running -= 1;
      if (isUnreserved) this.#runningUnreserved -= 1;
    };
  }

  #unreservedConcurrency(): number {
    const account = this.#options.accountConcurrency ?? defaultAccountConcurrency;
    let reserved = 0;
    for (const { definition } of this.#functions.values()) reserved += definition.reservedConcurrency ?? 0;
    return account - reserved;
  }

  /** The gateway does these for calls over HTTP; other services of the local cloud call the host directly. */
  async #misbehaveBefore(fault: FaultEffect | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (fault === undefined) return;
    switch (fault.kind) {
      case "kill":
      case "fail-after-work":
      case "reset-after-work":
        return;
      case "throttle":
        throw throttled("CallerRateLimitExceeded");
      case "delay":
        await this.#options.clock.sleep(fault.milliseconds, signal ? { signal } : {});
        return;
      case "error":
        throw new ServiceError(fault.status, fault.code, "asked for by the fault rig");
      case "reset":
        throw brokenAnswer();
      default:
        throw new Error(`The Lambda host cannot do the fault ${fault.kind}.`);
    }
  }
}

/** What a caller inside AWS sees when the call to Lambda itself broke; state machines retry it by this name. */
function brokenAnswer(): ServiceError {
  return new ServiceError(500, "ServiceException", "The Lambda service encountered an internal error.");
}

function throttled(reason: string): ServiceError {
  return new ServiceError(429, "TooManyRequestsException", "Rate Exceeded.", { Reason: reason, Type: "User" });
}

function killOrder(fault: KillOrder): KillOrder {
  return { atCall: fault.atCall, when: fault.when, ...(fault.scope ? { scope: fault.scope } : {}) };
}

/** No text has more bytes than three for each of its letters: most payloads need no counting. */
function isTooLarge(payload: string): boolean {
  return payload.length * 3 > largestPayloadBytes && Buffer.byteLength(payload) > largestPayloadBytes;
}

function limitAnswer(outcome: Outcome): Outcome {
  if ("error" in outcome || !isTooLarge(outcome.payload)) return outcome;
  const errorMessage = `Response payload size exceeded maximum allowed payload size (${largestPayloadBytes} bytes).`;
  return { error: { errorType: "Function.ResponseSizeTooLarge", errorMessage } };
}

/** An X-Ray root: version, seconds in hex, 96 random bits. Not sampled: nobody collects traces here. */
function traceId(nowMilliseconds: number): string {
  const seconds = Math.floor(nowMilliseconds / 1000).toString(16);
  return `Root=1-${seconds}-${randomUUID().replaceAll("-", "").slice(0, 24)};Sampled=0`;
}
