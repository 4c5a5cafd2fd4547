// The API around executions: names, idempotency, lists, histories, stopping, redriving, limits, what is refused.
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  RedriveExecutionCommand,
  SendTaskSuccessCommand,
  StartExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import {
  closeRigs,
  FunctionError,
  functionArn,
  gate,
  machineArn,
  openRig,
  outputOf,
  type Rig,
  role,
  task,
} from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await openRig({ historyLimit: 60 });
  rig.functions.echo = (payload: unknown) => payload;
});
afterAll(closeRigs);

const machine = (StartAt: string, States: object) => ({ QueryLanguage: "JSONata", StartAt, States });
const pass = machine("Go", { Go: { Type: "Pass", End: true } });
const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing",
    (error: Error) => error.name,
  );

describe("StartExecution", () => {
  test("the same name and input while it runs is the same execution; anything else is ExecutionAlreadyExists", async () => {
    const { opened, open } = gate();
    let calls = 0;
    rig.functions.held = async () => {
      calls += 1;
      await opened;
    };
    const arn = rig.machine("held", machine("Held", { Held: task("held") }));
    const first = await rig.start(arn, { a: 1 }, "once");
    expect(first).toBe(`arn:aws:states:eu-central-1:123456789012:execution:held:once`);
    expect(await rig.start(arn, { a: 1 }, "once")).toBe(first);
    expect(await failing(rig.start(arn, { a: 2 }, "once"))).toBe("ExecutionAlreadyExists");
    open();
    await rig.ended(first);
    expect(await failing(rig.start(arn, { a: 1 }, "once"))).toBe("ExecutionAlreadyExists");
    expect(calls).toBe(1);
  });

  test.each(["", "x".repeat(81), "a:b", "a b", "a/b", "a*", "a?", "a<", "a{", "a[", 'a"', "a#", "a\u0007", "😀"])(
    "the name %j is InvalidName",
    async (name) => {
      const stateMachineArn = rig.machine("names", pass);
      // The client refuses nothing by itself; the empty name is for the in-process port.
      const attempt = async () => rig.service.startExecution({ stateMachineArn, name, input: "{}" });
      expect(await failing(attempt())).toBe("InvalidName");
    },
  );

  test("eighty characters with dots, dashes, umlauts and Chinese are a name", async () => {
    const arn = rig.machine("names", pass);
    for (const name of ["x".repeat(80), "run-2026-11-20T12.00.00Z_ü=(1)'备份'"]) {
      expect(await rig.start(arn, {}, name)).toContain(name);
    }
  });

  test("input that is not JSON or too large is InvalidExecutionInput, an unknown machine StateMachineDoesNotExist", async () => {
    const stateMachineArn = rig.machine("inputs", pass);
    const start = (input: string) => failing(rig.client.send(new StartExecutionCommand({ stateMachineArn, input })));
    expect(await start("{")).toBe("InvalidExecutionInput");
    expect(await start(JSON.stringify("x".repeat(262_143)))).toBe("InvalidExecutionInput");
    expect(await start(JSON.stringify("x".repeat(262_142)))).toBe("nothing");
    expect(await failing(rig.start(machineArn("none")))).toBe("StateMachineDoesNotExist");
  });

  test("a changed definition is for new executions; running ones keep theirs", async () => {
    const { opened, open } = gate();
    rig.functions.held = () => opened;
    const version = (Output: string) =>
      machine("Held", { Held: task("held", { Next: "Tell" }), Tell: { Type: "Pass", Output, End: true } });
    const arn = rig.machine("versions", version("{% 'old' %}"));
    const old = await rig.start(arn);
    rig.machine("versions", version("{% 'new' %}"));
    const fresh = await rig.start(arn);
    open();
    expect(outputOf(await rig.ended(old))).toBe("old");
    expect(outputOf(await rig.ended(fresh))).toBe("new");
  });
});

describe("lists and histories", () => {
  test("executions are listed newest first, by pages and by status", async () => {
    rig.functions.fail = () => {
      throw new FunctionError("Torn");
    };
    const stateMachineArn = rig.machine(
      "listed",
      machine("Which", {
        Which: { Type: "Choice", Choices: [{ Condition: "{% $states.input.ok %}", Next: "Done" }], Default: "Bad" },
        Bad: task("fail"),
        Done: { Type: "Succeed" },
      }),
    );
    for (const [index, ok] of [true, false, true, true, false].entries()) {
      await rig.ended(await rig.start(stateMachineArn, { ok }, `run-${index}`));
    }
    const names: (string | undefined)[] = [];
    let nextToken: string | undefined;
    do {
      const page = await rig.client.send(new ListExecutionsCommand({ stateMachineArn, maxResults: 2, nextToken }));
      expect(page.executions?.length).toBeLessThanOrEqual(2);
      names.push(...(page.executions ?? []).map((execution) => execution.name));
      nextToken = page.nextToken;
    } while (nextToken);
    expect(names).toEqual(["run-4", "run-3", "run-2", "run-1", "run-0"]);
    const failed = await rig.client.send(new ListExecutionsCommand({ stateMachineArn, statusFilter: "FAILED" }));
    expect(failed.executions?.map((execution) => execution.name)).toEqual(["run-4", "run-1"]);
    const bad = new ListExecutionsCommand({ stateMachineArn, nextToken: "nonsense" });
    expect(await failing(rig.client.send(bad))).toBe("InvalidToken");
  });

  test("a history has consecutive ids, AWS's types and details, and pages both ways", async () => {
    const arn = rig.machine(
      "told",
      machine("Call", {
        Call: {
          Type: "Task",
          Resource: "arn:aws:states:::lambda:invoke",
          Arguments: { FunctionName: functionArn("echo"), Payload: { a: 1 } },
          TimeoutSeconds: 60,
          Assign: { x: "{% $states.result.Payload.a %}" },
          End: true,
        },
      }),
    );
    const executionArn = await rig.start(arn, { in: 1 });
    await rig.ended(executionArn);
    const events = await rig.history(executionArn);
    expect(events.map((event) => [event.id, event.previousEventId, event.type])).toEqual([
      [1, 0, "ExecutionStarted"],
      [2, 0, "TaskStateEntered"],
      [3, 2, "TaskScheduled"],
      [4, 3, "TaskStarted"],
      [5, 4, "TaskSucceeded"],
      [6, 5, "TaskStateExited"],
      [7, 6, "ExecutionSucceeded"],
    ]);
    const called = { resourceType: "lambda", resource: "invoke" };
    expect(events[0]?.executionStartedEventDetails).toMatchObject({ input: '{"in":1}', roleArn: role.arn });
    expect(events[1]?.stateEnteredEventDetails).toMatchObject({ name: "Call", input: '{"in":1}' });
    expect(events[2]?.taskScheduledEventDetails).toMatchObject({
      ...called,
      region: "eu-central-1",
      timeoutInSeconds: 60,
    });
    expect(events[4]?.taskSucceededEventDetails).toMatchObject({ ...called, outputDetails: { truncated: false } });
    expect(events[5]?.stateExitedEventDetails).toMatchObject({ name: "Call", assignedVariables: { x: "1" } });
    const reversed = await rig.client.send(
      new GetExecutionHistoryCommand({ executionArn, reverseOrder: true, maxResults: 3 }),
    );
    expect(reversed.events?.map((event) => event.id)).toEqual([7, 6, 5]);
    const rest = await rig.client.send(
      new GetExecutionHistoryCommand({ executionArn, reverseOrder: true, nextToken: reversed.nextToken }),
    );
    expect(rest.events?.map((event) => event.id)).toEqual([4, 3, 2, 1]);
    const bare = await rig.client.send(new GetExecutionHistoryCommand({ executionArn, includeExecutionData: false }));
    expect(bare.events?.[1]?.stateEnteredEventDetails).toEqual({ name: "Call" });
  });

  test("state machines are listed and described", async () => {
    const stateMachineArn = rig.machine("one", pass);
    rig.machine("two", pass);
    const { stateMachines } = await rig.client.send(new ListStateMachinesCommand({}));
    expect(stateMachines?.map((entry) => entry.name)).toEqual(["one", "two"]);
    const described = await rig.client.send(new DescribeStateMachineCommand({ stateMachineArn }));
    expect(JSON.parse(described.definition ?? "")).toEqual(pass);
    expect(described).toMatchObject({ status: "ACTIVE", type: "STANDARD", roleArn: role.arn });
  });

  test("listeners in the process see every event with the state's name", async () => {
    const seen: string[] = [];
    const stop = rig.service.onEvent(({ type, name }) => seen.push(name ? `${type} ${name}` : type));
    await rig.run(pass);
    stop();
    await rig.run(pass);
    expect(seen).toEqual(["ExecutionStarted", "PassStateEntered Go", "PassStateExited Go", "ExecutionSucceeded"]);
  });
});

describe("stopping and redriving", () => {
  test("StopExecution kills running functions and children, and closes the execution at once", async () => {
    let killed = 0;
    let started = 0;
    rig.functions.endless = (_: unknown, signal: AbortSignal) => {
      started += 1;
      return new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => {
          killed += 1;
          reject(new Error("killed"));
        }),
      );
    };
    const ItemProcessor = {
      ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
      StartAt: "Endless",
      States: { Endless: task("endless") },
    };
    const arn = rig.machine(
      "many",
      machine("Each", { Each: { Type: "Map", MaxConcurrency: 3, ItemProcessor, End: true } }),
    );
    const executionArn = await rig.start(arn, [1, 2, 3, 4]);
    while (started < 3) await new Promise((resolve) => setTimeout(resolve, 2));
    await rig.client.send(new StopExecutionCommand({ executionArn, error: "Enough" }));
    const stopped = await rig.client.send(new DescribeExecutionCommand({ executionArn }));
    expect(stopped).toMatchObject({ status: "ABORTED", error: "Enough", redriveStatus: "REDRIVABLE" });
    expect(killed).toBe(3);
    const types = (await rig.history(executionArn)).map((event) => event.type);
    expect(types.slice(-3)).toEqual(["MapRunAborted", "MapStateAborted", "ExecutionAborted"]);
    rig.functions.endless = () => "ok";
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    expect(outputOf(await rig.ended(executionArn))).toEqual(["ok", "ok", "ok", "ok"]);
  });

  test("a redrive goes on at the failed state, with its variables, retries counted anew, and successful branches kept", async () => {
    const calls: string[] = [];
    let broken = true;
    rig.functions.log = ({ name }: { name: string }) => {
      calls.push(name);
      if (broken && name === "bad") throw new FunctionError("Torn");
      return name;
    };
    const call = (name: string) =>
      task("log", { Arguments: { name }, Retry: [{ ErrorEquals: ["Torn"], MaxAttempts: 1 }], End: true });
    const branch = (name: string) => ({ StartAt: name, States: { [name]: call(name) } });
    const arn = rig.machine(
      "again",
      machine("First", {
        First: task("log", { Arguments: { name: "first" }, Assign: { kept: 7 }, Next: "Both" }),
        Both: {
          Type: "Parallel",
          Branches: [branch("good"), branch("bad")],
          Output: "{% $append($states.result, $kept) %}",
          End: true,
        },
      }),
    );
    const executionArn = await rig.start(arn);
    expect(await rig.ended(executionArn)).toMatchObject({ status: "FAILED", error: "Torn" });
    expect(calls.toSorted()).toEqual(["bad", "bad", "first", "good"]);
    calls.length = 0;
    const redrive = () => rig.client.send(new RedriveExecutionCommand({ executionArn }));
    await redrive();
    expect((await rig.ended(executionArn)).status).toBe("FAILED");
    expect(calls).toEqual(["bad", "bad"]);
    broken = false;
    await redrive();
    const done = await rig.ended(executionArn);
    expect(outputOf(done)).toEqual(["good", "bad", 7]);
    expect(done).toMatchObject({ redriveCount: 2, redriveStatus: "NOT_REDRIVABLE" });
    const ids = (await rig.history(executionArn)).map((event) => event.id);
    expect(ids).toEqual(ids.map((_, index) => index + 1));
    expect(await failing(redrive())).toBe("ExecutionNotRedrivable");
  });

  test("a redrive repeated with the same token while it runs is the same redrive", async () => {
    const { opened, open } = gate();
    let broken = true;
    rig.functions.held = async () => {
      if (broken) throw new FunctionError("Torn");
      await opened;
    };
    const executionArn = await rig.start(rig.machine("tokens", machine("Held", { Held: task("held") })));
    await rig.ended(executionArn);
    broken = false;
    const redrive = (clientToken: string) =>
      rig.client.send(new RedriveExecutionCommand({ executionArn, clientToken }));
    const first = await redrive("t1");
    expect((await redrive("t1")).redriveDate).toEqual(first.redriveDate);
    expect(await failing(redrive("t2"))).toBe("ExecutionNotRedrivable");
    open();
    expect((await rig.ended(executionArn)).redriveCount).toBe(1);
  });
});

describe("limits and permissions", () => {
  test("a result, an output and arguments above 262,144 bytes are States.DataLimitExceeded, which only its name catches", async () => {
    rig.functions.large = ({ bytes }: { bytes: number }) => "x".repeat(bytes - 2);
    const ask = (bytes: number, errorName = "States.ALL") =>
      rig.run(
        machine("Ask", {
          Ask: task("large", { Catch: [{ ErrorEquals: [errorName], Output: "caught", Next: "Done" }], End: true }),
          Done: { Type: "Succeed" },
        }),
        { bytes },
      );
    expect((await ask(262_144)).status).toBe("SUCCEEDED");
    expect(await ask(262_145)).toMatchObject({ status: "FAILED", error: "States.DataLimitExceeded" });
    expect(outputOf(await ask(262_145, "States.DataLimitExceeded"))).toBe("caught");
    const grown = machine("Grow", { Grow: { Type: "Pass", Output: "{% $pad('', 131072, 'ü') & 'x' %}", End: true } });
    expect(await rig.run(grown)).toMatchObject({ error: "States.DataLimitExceeded" });
    const sent = machine("Send", { Send: task("echo", { Arguments: "{% $pad('', 262143, 'x') %}", End: true }) });
    expect(await rig.run(sent)).toMatchObject({ error: "States.DataLimitExceeded" });
  });

  test("the event after the limit fails the execution, and nothing can catch it", async () => {
    const endless = machine("Loop", {
      Loop: task("echo", { Catch: [{ ErrorEquals: ["States.ALL"], Next: "Done" }], Next: "Again" }),
      Again: { Type: "Choice", Choices: [{ Condition: "{% true %}", Next: "Loop" }] },
      Done: { Type: "Succeed" },
    });
    const done = await rig.run(endless);
    expect(done).toMatchObject({ status: "FAILED", error: "States.Runtime" });
    expect(done.cause).toContain("maximum number of history events (60)");
    const events = await rig.history(done.executionArn ?? "");
    expect(events).toHaveLength(60);
    expect(events.at(-1)?.type).toBe("ExecutionFailed");
    const redrive = new RedriveExecutionCommand({ executionArn: done.executionArn });
    expect(await failing(rig.client.send(redrive))).toBe("ExecutionNotRedrivable");
  });

  test("the limit also ends an execution whose branches are all busy", async () => {
    const Wide = {
      Type: "Map",
      Items: "{% $range(1, 30, 1) %}",
      ItemProcessor: { StartAt: "Echo", States: { Echo: task("echo") }, ProcessorConfig: { Mode: "INLINE" } },
      End: true,
    };
    const done = await rig.run(machine("Wide", { Wide }));
    expect(done).toMatchObject({ status: "FAILED", error: "States.Runtime" });
    expect((await rig.history(done.executionArn ?? "")).length).toBeLessThanOrEqual(60);
  });

  test("operations that are not built are refused by name, and a caller needs permission", async () => {
    const unknown = rig.client.send(new SendTaskSuccessCommand({ taskToken: "t", output: "{}" }));
    expect(await failing(unknown)).toBe("UnknownOperationException");
    expect(await failing(rig.client.send(new DescribeExecutionCommand({ executionArn: "arn:none" })))).toBe(
      "ExecutionDoesNotExist",
    );
    expect(rig.defects).toEqual([]);
  });
});

describe("SDK integrations", () => {
  const sdk = (service: string, action: string, Arguments: object) =>
    machine("Call", {
      Call: { Type: "Task", Resource: `arn:aws:states:::aws-sdk:${service}:${action}`, Arguments, End: true },
    });

  test("a call is made with the role's credentials, Pascal-case both ways", async () => {
    rig.s3.objects.set("b/k", "hello");
    expect(outputOf(await rig.run(sdk("s3", "getObject", { Bucket: "b", Key: "k" })))).toMatchObject({ Body: "hello" });
    outputOf(await rig.run(sdk("s3", "putObject", { Bucket: "b", Key: "new", Body: { a: 1 } })));
    expect(rig.s3.objects.get("b/new")).toBe('{"a":1}');
    const StateMachineArn = rig.machine("target", pass);
    const started = outputOf(await rig.run(sdk("sfn", "startExecution", { StateMachineArn, Name: "from-workflow" })));
    expect(started).toMatchObject({
      ExecutionArn: expect.stringContaining(":from-workflow"),
      StartDate: expect.any(String),
    });
  });

  test("errors carry the service's prefix and the Java SDK's class", async () => {
    expect(await rig.run(sdk("s3", "getObject", { Bucket: "b", Key: "none" }))).toMatchObject({
      error: "S3.NoSuchKeyException",
    });
    expect(await rig.run(sdk("sfn", "describeExecution", { ExecutionArn: "arn:none" }))).toMatchObject({
      error: "Sfn.ExecutionDoesNotExistException",
    });
    rig.denied.push("s3:PutObject arn:aws:s3:::b/");
    const denied = await rig.run(sdk("s3", "putObject", { Bucket: "b", Key: "k", Body: "x" }));
    expect(denied).toMatchObject({ error: "S3.S3Exception" });
    expect(denied.cause).toContain("Status Code: 403");
    rig.faults.add({ service: "s3", operation: "GetObject", effect: { kind: "reset" } });
    expect(await rig.run(sdk("s3", "getObject", { Bucket: "b", Key: "k" }))).toMatchObject({
      error: "S3.SdkClientException",
    });
  });
});
