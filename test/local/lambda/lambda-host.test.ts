// The Lambda host: real worker threads, each failure as Lambda shows it.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ServiceError } from "../../../local/gateway/service.ts";
import { EventInvocations } from "../../../local/lambda/event-invocations.ts";
import { asynchronousDefaults, type FunctionDefinition } from "../../../local/lambda/function-definition.ts";
import { LambdaHost, type LambdaHostOptions } from "../../../local/lambda/lambda-host.ts";
import { Clock, type ClockOptions } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const functionArn = "arn:aws:lambda:eu-central-1:111122223333:function:basic";
const temporary = mkdtempSync(path.join(tmpdir(), "lambda-"));
const hosts: LambdaHost[] = [];

afterEach(async () => {
  for (const host of hosts.splice(0)) await host.close();
});
afterAll(() => rmSync(temporary, { recursive: true }));

const basic: FunctionDefinition = {
  name: "basic",
  arn: functionArn,
  handler: "index.handler",
  codeDirectory: path.resolve("test/fixtures/local/functions/basic"),
  environment: { GREETING: "hello" },
  memoryMb: 64,
  timeoutSeconds: 20,
  credentials: { arn: "role", accessKeyId: "ASIATEST", secretAccessKey: "secret", sessionToken: "token" },
  logGroupName: "/aws/lambda/basic",
  asynchronous: asynchronousDefaults,
};

interface RigOptions extends Partial<LambdaHostOptions> {
  readonly clockOptions?: ClockOptions;
  readonly definition?: Partial<FunctionDefinition>;
}

function rig({ clockOptions, definition, ...options }: RigOptions = {}) {
  const clock = new Clock(clockOptions);
  const faults = new Faults();
  const lines: string[] = [];
  const host = new LambdaHost({
    clock,
    faults,
    region: "eu-central-1",
    accountId: "111122223333",
    endpointUrl: () => "http://127.0.0.1:4566",
    onLog: ({ name }, line) => lines.push(`${name}: ${line}`),
    ...options,
  });
  host.addFunction({ ...basic, ...definition });
  hosts.push(host);
  const invoke = async (event: object) => {
    const { payload, error } = await host.invoke(functionArn, JSON.stringify(event));
    return error ? { error: JSON.parse(payload) } : { result: JSON.parse(payload) };
  };
  return { clock, faults, lines, host, invoke };
}

describe("an invocation", () => {
  test("gets its event, and answers with what the handler returns", async () => {
    const { invoke } = rig();
    const event = { do: "echo", nested: [1, null, "ü"] };
    expect(await invoke(event)).toEqual({ result: event });
    expect(await invoke({ do: "log", lines: [] })).toEqual({ result: null });
  });

  test("sees its own environment only, nothing of the machine's", async () => {
    const { invoke } = rig();
    const { result } = await invoke({ do: "environment" });
    expect(result).toMatchObject({
      GREETING: "hello",
      AWS_REGION: "eu-central-1",
      AWS_ACCESS_KEY_ID: "ASIATEST",
      AWS_SESSION_TOKEN: "token",
      AWS_ENDPOINT_URL: "http://127.0.0.1:4566",
      AWS_LAMBDA_FUNCTION_NAME: "basic",
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "64",
    });
    for (const name of ["PATH", "HOME", "NODE_ENV", "NODE_OPTIONS", "VITEST"]) expect(result).not.toHaveProperty(name);
  });

  test("gets Lambda's context", async () => {
    const { invoke } = rig();
    const { result } = await invoke({ do: "context" });
    expect(result).toMatchObject({
      functionName: "basic",
      functionVersion: "$LATEST",
      invokedFunctionArn: functionArn,
      memoryLimitInMB: "64",
      logGroupName: "/aws/lambda/basic",
    });
    expect(result.remaining).toBeGreaterThan(0);
    expect(result.remaining).toBeLessThanOrEqual(20_000);
  });

  test("hands its output to the log, line by line", async () => {
    const { host, invoke, lines } = rig();
    await invoke({ do: "log", lines: ["one", '{"level":"INFO"}\nthree'] });
    expect(lines).toEqual(["basic: one", 'basic: {"level":"INFO"}', "basic: three", "basic: to stderr"]);
    const { logTail } = await host.run("basic", JSON.stringify({ do: "log", lines: ["tail"] }));
    expect(logTail).toBe("tail\nto stderr\n");
  });

  test("is known by name, by ARN and with the qualifier $LATEST", async () => {
    const { host } = rig();
    for (const name of ["basic", functionArn, `${functionArn}:$LATEST`, "111122223333:function:basic"]) {
      expect((await host.run(name, '{"do":"count"}')).error).toBeUndefined();
    }
    await expect(host.run("nobody", "{}")).rejects.toMatchObject({ code: "ResourceNotFoundException", status: 404 });
  });
});

describe("threads", () => {
  test("are used again one after the other, and never by two at once", async () => {
    const { invoke, host } = rig();
    expect([await invoke({ do: "count" }), await invoke({ do: "count" })]).toEqual([{ result: 1 }, { result: 2 }]);
    const together = await Promise.all([1, 2].map(() => invoke({ do: "wait", milliseconds: 50 })));
    expect(together).toHaveLength(2);
    expect(host.warmThreads).toBe(2);
  });

  test("are at most as many as the machine is given; the rest waits and is served", async () => {
    const { invoke, host } = rig({ mostThreads: 2 });
    const counts = await Promise.all([1, 2, 3, 4, 5, 6].map(() => invoke({ do: "count" })));
    expect(counts.every(({ error }) => error === undefined)).toBe(true);
    expect(host.warmThreads).toBeLessThanOrEqual(2);
  });

  test("make room for another function when all are warm for one", async () => {
    const { invoke, host } = rig({ mostThreads: 1 });
    host.addFunction({ ...basic, name: "second", arn: host.arnOf("second") });
    await invoke({ do: "count" });
    expect((await host.run("second", '{"do":"count"}')).payload).toBe("1");
    expect(await invoke({ do: "count" })).toEqual({ result: 1 });
  });

  test("without work end after a while", async () => {
    const { invoke, host } = rig({ idleRealMilliseconds: 20 });
    await invoke({ do: "count" });
    await expect.poll(() => host.warmThreads).toBe(0);
    expect(await invoke({ do: "count" })).toEqual({ result: 1 });
  });
});

describe("a failure looks as in Lambda:", () => {
  test("a thrown error, with its type and trace, in a thread that lives on", async () => {
    const { invoke } = rig();
    const { error } = await invoke({ do: "throw" });
    expect(error).toMatchObject({ errorType: "TypeError", errorMessage: "not like this" });
    expect(error.trace[0]).toBe("TypeError: not like this");
    expect((await invoke({ do: "throwText" })).error).toEqual({
      errorType: "string",
      errorMessage: "a text",
      trace: [],
    });
    expect(await invoke({ do: "count" })).toEqual({ result: 3 });
  });

  test("an exit", async () => {
    const { invoke } = rig();
    const { error } = await invoke({ do: "exit", code: 3 });
    expect(error.errorType).toBe("Runtime.ExitError");
    expect(error.errorMessage).toMatch(/^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$/);
    expect((await invoke({ do: "exit", code: 0 })).error.errorMessage).toMatch(
      /Runtime exited without providing a reason$/,
    );
    expect(await invoke({ do: "count" })).toEqual({ result: 1 });
  });

  test("an exception that nobody catches, and a rejection that nobody awaits", async () => {
    const { invoke } = rig();
    expect((await invoke({ do: "uncaught" })).error).toMatchObject({
      errorType: "RangeError",
      errorMessage: "nobody catches this",
    });
    expect((await invoke({ do: "unhandled" })).error).toMatchObject({
      errorType: "Runtime.UnhandledPromiseRejection",
      errorMessage: "Error: nobody awaits this",
    });
    expect(await invoke({ do: "count" })).toEqual({ result: 1 });
  });

  test("a timeout, even of a handler that never yields", async () => {
    const { invoke } = rig({ clockOptions: { speed: 20 }, definition: { timeoutSeconds: 3 } });
    for (const event of [{ do: "spin" }, { do: "wait", milliseconds: 60_000 }]) {
      const { error } = await invoke(event);
      expect(error.errorType).toBe("Sandbox.Timedout");
      expect(error.errorMessage).toMatch(/^RequestId: [0-9a-f-]{36} Error: Task timed out after 3.00 seconds$/);
    }
  });

  test("memory that runs out", async () => {
    const { invoke } = rig();
    const { error } = await invoke({ do: "fill" });
    expect(error).toMatchObject({ errorType: "Runtime.ExitError" });
    expect(error.errorMessage).toMatch(/signal: killed$/);
  });

  test("code that cannot be loaded, is not there, or lacks the handler", async () => {
    const broken = (definition: Partial<FunctionDefinition>) => rig({ definition }).invoke({});
    const directory = path.resolve("test/fixtures/local/functions/broken");
    expect((await broken({ codeDirectory: directory })).error).toMatchObject({
      errorType: "Runtime.InitError",
      errorMessage: "Error: this module never loads",
    });
    expect((await broken({ handler: "nowhere.handler" })).error.errorType).toBe("Runtime.ImportModuleError");
    expect((await broken({ handler: "index.other" })).error).toMatchObject({
      errorType: "Runtime.HandlerNotFound",
      errorMessage: "index.other is undefined or not exported",
    });
  });

  test("payloads that are too large, either way", async () => {
    const { host, invoke } = rig({ definition: { memoryMb: 256 } });
    const large = JSON.stringify({ do: "count", filling: "x".repeat(6_291_456) });
    await expect(host.invoke(functionArn, large)).rejects.toMatchObject({
      code: "RequestTooLargeException",
      status: 413,
    });
    expect((await invoke({ do: "large", bytes: 6_291_456 })).error.errorType).toBe("Function.ResponseSizeTooLarge");
    expect((await invoke({ do: "large", bytes: 6_291_454 })).error).toBeUndefined();
  });

  test("too many at once, by the function's own limit and by the account's", async () => {
    const tooMany = (reason: string) => ({
      code: "TooManyRequestsException",
      status: 429,
      details: { Reason: reason },
    });
    const reserved = rig({ definition: { reservedConcurrency: 1 } });
    const running = reserved.invoke({ do: "wait", milliseconds: 50 });
    await expect(reserved.invoke({ do: "count" })).rejects.toMatchObject(
      tooMany("ReservedFunctionConcurrentInvocationLimitExceeded"),
    );
    await running;
    expect((await reserved.invoke({ do: "count" })).error).toBeUndefined();
    const account = rig({ accountConcurrency: 0, clockOptions: { skipIdle: true } });
    await expect(account.invoke({ do: "count" })).rejects.toMatchObject(tooMany("ConcurrentInvocationLimitExceeded"));
    // A refused call holds nothing: the clock can go on.
    await account.clock.sleep(3_600_000);
  });

  test("an aborted call ends the thread and rejects with the reason", async () => {
    const { host, invoke } = rig();
    await invoke({ do: "count" });
    const abort = new AbortController();
    const call = host.invoke(functionArn, '{"do":"wait","milliseconds":60000}', abort.signal);
    setTimeout(() => abort.abort(new Error("never mind")), 20);
    await expect(call).rejects.toThrow("never mind");
    expect(await invoke({ do: "count" })).toEqual({ result: 1 });
  });
});

describe("time in a function", () => {
  const startAtMilliseconds = Date.parse("2031-05-06T07:08:09Z");

  test("is the cloud's, in every form of Date", async () => {
    const { invoke, clock } = rig({ clockOptions: { startAtMilliseconds } });
    clock.advance(3_600_000);
    const before = Math.floor(clock.now());
    const { result } = await invoke({ do: "now" });
    const [now, fromDate, parsed, isDate] = result;
    for (const time of [now, fromDate, parsed]) {
      expect(time).toBeGreaterThanOrEqual(before);
      expect(time).toBeLessThanOrEqual(clock.now());
    }
    expect(before).toBeGreaterThanOrEqual(startAtMilliseconds + 3_600_000);
    expect(isDate).toBe(true);
  });

  test("runs faster with the clock, timers included", async () => {
    // At this speed, the usual timeout would be over in a fifth of a second.
    const definition = { timeoutSeconds: 6000 };
    const { invoke } = rig({ clockOptions: { speed: 100, startAtMilliseconds }, definition });
    const { result } = await invoke({ do: "wait", milliseconds: 15_000 });
    expect(result).toBeGreaterThanOrEqual(14_900);
  });

  test("does not jump while a function works", async () => {
    const { invoke, clock } = rig({ clockOptions: { skipIdle: true } });
    let jumped = false;
    const hour = clock.sleep(3_600_000).then(() => {
      jumped = true;
    });
    const before = clock.now();
    expect((await invoke({ do: "wait", milliseconds: 30 })).result).toBeLessThan(60_000);
    expect(clock.now() - before).toBeLessThan(3_600_000);
    expect(jumped).toBe(false);
    await hour;
  });
});

describe("the fault rig", () => {
  let server: http.Server;
  let url: string;
  const requests: string[] = [];

  beforeAll(async () => {
    server = http.createServer((request, response) => {
      requests.push(request.url ?? "");
      response.end("here");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  const threeCalls = () => ({ do: "call", urls: [1, 2, 3].map((number) => `${url}/${number}`) });

  test("counts outgoing calls, by node:http and by fetch", async () => {
    const { invoke, host } = rig();
    await invoke(threeCalls());
    await invoke({ do: "fetch", url });
    await invoke({ do: "count" });
    expect(host.lastInvocations.map(({ outgoingCalls }) => outgoingCalls)).toEqual([3, 1, 0]);
  });

  test("kills a function before its n-th call is sent, or after its answer came", async () => {
    const { invoke, faults, host } = rig();
    for (const [when, atCall, arrived] of [
      ["before", 1, []],
      ["before", 3, ["/1", "/2"]],
      ["after", 1, ["/1"]],
      ["after", 3, ["/1", "/2", "/3"]],
    ] as const) {
      requests.length = 0;
      faults.add({ service: "lambda", operation: "basic", effect: { kind: "kill", atCall, when } });
      const { error } = await invoke(threeCalls());
      expect(error.errorType).toBe("Runtime.ExitError");
      expect(error.errorMessage).toMatch(/Runtime exited with error: signal: killed$/);
      expect(requests).toEqual(arrived);
      expect(host.lastInvocations.at(-1)?.outgoingCalls).toBe(atCall);
    }
    faults.add({ service: "lambda", effect: { kind: "kill", atCall: 1, when: "before" } });
    requests.length = 0;
    expect((await invoke({ do: "fetch", url })).error.errorType).toBe("Runtime.ExitError");
    expect(requests).toEqual([]);
    expect((await invoke(threeCalls())).result).toEqual([200, 200, 200]);
  });

  test("throttles, delays and breaks calls that come from inside the cloud", async () => {
    const { invoke, faults, clock, host } = rig({ clockOptions: { skipIdle: true } });
    const fault = (effect: Parameters<Faults["add"]>[0]["effect"]) => faults.add({ service: "lambda", effect });
    fault({ kind: "throttle" });
    await expect(invoke({ do: "count" })).rejects.toMatchObject({ code: "TooManyRequestsException" });
    fault({ kind: "error", status: 503, code: "ServiceUnavailableException" });
    await expect(invoke({ do: "count" })).rejects.toMatchObject({ code: "ServiceUnavailableException", status: 503 });
    expect(host.lastInvocations).toHaveLength(0);
    fault({ kind: "fail-after-work" });
    await expect(invoke({ do: "count" })).rejects.toMatchObject({ code: "ServiceException", status: 500 });
    expect(host.lastInvocations).toHaveLength(1);
    fault({ kind: "delay", milliseconds: 50 });
    const before = clock.now();
    expect(await invoke({ do: "count" })).toEqual({ result: 2 });
    expect(clock.now() - before).toBeGreaterThanOrEqual(50);
    fault({ kind: "wrong-range" });
    await expect(invoke({ do: "count" })).rejects.toThrow("cannot do the fault wrong-range");
  });
});

describe("asynchronous events", () => {
  function eventRig(stateDirectory: string, definition: Partial<FunctionDefinition> = {}) {
    const inner = rig({ clockOptions: { skipIdle: true }, definition });
    const sent: { queueArn: string; body: unknown }[] = [];
    const refused: string[] = [];
    const events = new EventInvocations({
      host: inner.host,
      clock: inner.clock,
      stateDirectory,
      authorize: (_principal, action) => {
        if (refused.includes(action)) throw new ServiceError(403, "AccessDenied", action);
      },
      queues: { sendMessage: (queueArn, body) => void sent.push({ queueArn, body: JSON.parse(body) }) },
    });
    return { ...inner, events, sent, refused };
  }
  const attemptsIn = (file: string) => readFileSync(file, "utf8").trim().split("\n").length;

  test("are tried again after errors, and then are done", async () => {
    const file = path.join(temporary, "attempts");
    const { events, host, clock } = eventRig(mkdtempSync(path.join(temporary, "state-")));
    const before = clock.now();
    events.accept("basic", JSON.stringify({ do: "failUntil", attempt: 3, file }));
    await expect.poll(() => host.lastInvocations.length).toBe(3);
    expect(attemptsIn(file)).toBe(3);
    expect(host.lastInvocations.map(({ error }) => error?.errorMessage)).toEqual(["attempt 1", "attempt 2", undefined]);
    expect(clock.now() - before).toBeGreaterThanOrEqual(180_000);
    await events.close();
  });

  test("that keep failing go to the function's queue, with what happened", async () => {
    const queueArn = "arn:aws:sqs:eu-central-1:111122223333:lost";
    const asynchronous = { ...asynchronousDefaults, retryAttempts: 1, onFailureQueueArn: queueArn };
    const { events, sent } = eventRig(mkdtempSync(path.join(temporary, "state-")), { asynchronous });
    events.accept("basic", '{"do":"throw"}');
    await expect.poll(() => sent).toHaveLength(1);
    expect(sent[0]).toMatchObject({
      queueArn,
      body: {
        requestContext: {
          functionArn: `${functionArn}:$LATEST`,
          condition: "RetriesExhausted",
          approximateInvokeCount: 2,
        },
        requestPayload: { do: "throw" },
        responseContext: { functionError: "Unhandled" },
        responsePayload: { errorType: "TypeError" },
      },
    });
    await events.close();
  });

  test("wait out a throttle for as long as they are young", async () => {
    const { events, host, faults } = eventRig(mkdtempSync(path.join(temporary, "state-")));
    faults.add({ service: "lambda", times: 4, effect: { kind: "throttle" } });
    events.accept("basic", '{"do":"count"}');
    await expect.poll(() => host.lastInvocations.length).toBe(1);
    await events.close();
  });

  test("that were not through survive a restart", async () => {
    const stateDirectory = mkdtempSync(path.join(temporary, "state-"));
    const first = eventRig(stateDirectory, { reservedConcurrency: 0 });
    first.events.accept("basic", '{"do":"count"}');
    await first.events.close();
    expect(first.host.lastInvocations).toHaveLength(0);
    const second = eventRig(stateDirectory);
    second.events.resume();
    await expect.poll(() => second.host.lastInvocations.length).toBe(1);
    await second.events.close();
    const third = eventRig(stateDirectory);
    third.events.resume();
    await third.events.close();
    expect(third.host.lastInvocations).toHaveLength(0);
  });
});
