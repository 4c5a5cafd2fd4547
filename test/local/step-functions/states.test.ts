// The states one by one, and what flows between them.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeRigs, FunctionError, functionArn, openRig, outputOf, type Rig, task } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
  rig.functions.double = ({ n }: { n: number }) => ({ n: n * 2 });
  rig.functions.echo = (payload: unknown) => payload;
  rig.functions.fail = ({ error }: { error: string }) => {
    throw new FunctionError(error, `it is ${error}`);
  };
});
afterAll(closeRigs);

const machine = (StartAt: string, States: object) => ({ QueryLanguage: "JSONata", StartAt, States });

describe("data", () => {
  test("Arguments, Output and Assign see $states and the variables", async () => {
    const done = await rig.run(
      machine("Double", {
        Double: task("double", {
          Arguments: { n: "{% $states.input.start + 1 %}" },
          Assign: { doubled: "{% $states.result.n %}", given: "{% $states.input.start %}" },
          Output: { was: "{% $states.input.start %}", list: [1, "{% $states.result.n %}", "plain"] },
          Next: "Sum",
        }),
        Sum: { Type: "Pass", Output: "{% $doubled + $given + $states.input.list[1] %}", End: true },
      }),
      { start: 20 },
    );
    expect(outputOf(done)).toBe(42 + 20 + 42);
  });

  test("Output sees the variables from before the state's own Assign", async () => {
    const done = await rig.run(
      machine("One", {
        One: { Type: "Pass", Assign: { v: 1 }, Next: "Two" },
        Two: { Type: "Pass", Assign: { v: 2, w: "{% $v %}" }, Output: "{% $v %}", Next: "Three" },
        Three: { Type: "Pass", Output: { v: "{% $v %}", w: "{% $w %}", before: "{% $states.input %}" }, End: true },
      }),
    );
    expect(outputOf(done)).toEqual({ v: 2, w: 1, before: 1 });
  });

  test("the context names execution, machine, state and role", async () => {
    const done = await rig.run(
      machine("Look", { Look: { Type: "Pass", Output: "{% $states.context %}", End: true } }),
      {
        a: 1,
      },
    );
    expect(outputOf(done)).toMatchObject({
      Execution: {
        Id: done.executionArn,
        Name: done.name,
        Input: { a: 1 },
        RoleArn: expect.stringContaining(":role/"),
      },
      StateMachine: { Id: done.stateMachineArn },
      State: { Name: "Look", RetryCount: 0, EnteredTime: expect.stringMatching(/^\d{4}-.*Z$/) },
    });
  });

  test("AWS's own JSONata functions", async () => {
    const Output = {
      partition: "{% $partition([1,2,3,4,5], 2) %}",
      range: "{% $range(0, 10, 5) %}",
      down: "{% $range(3, 1, -1) %}",
      hash: "{% $hash('abc', 'SHA-256') %}",
      sameSeed: "{% $random(5) = $random(5) %}",
      fresh: "{% $random() >= 0 and $random() < 1 %}",
      uuid: "{% $length($uuid()) %}",
      parsed: "{% $parse('{\"a\":[1]}').a[0] %}",
      time: "{% $toMillis($now()) = $millis() or $millis() - $toMillis($now()) < 1000 %}",
    };
    expect(outputOf(await rig.run(machine("Go", { Go: { Type: "Pass", Output, End: true } })))).toEqual({
      partition: [[1, 2], [3, 4], [5]],
      range: [0, 5, 10],
      down: [3, 2, 1],
      hash: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      sameSeed: true,
      fresh: true,
      uuid: 36,
      parsed: 1,
      time: true,
    });
  });

  test("an expression without a value fails with States.QueryEvaluationError, which can be caught", async () => {
    const failed = await rig.run(
      machine("Go", { Go: { Type: "Pass", Output: "{% $states.input.none %}", End: true } }),
    );
    expect(failed).toMatchObject({ status: "FAILED", error: "States.QueryEvaluationError" });
    expect(failed.cause).toContain("returned nothing (undefined)");
    const events = await rig.history(failed.executionArn ?? "");
    expect(events.find((event) => event.type === "EvaluationFailed")?.evaluationFailedEventDetails).toMatchObject({
      location: "Output",
      state: "Go",
    });
    const caught = await rig.run(
      machine("Go", {
        Go: task("echo", {
          Output: "{% $states.result.none %}",
          Catch: [{ ErrorEquals: ["States.QueryEvaluationError"], Output: "caught", Next: "End" }],
          End: true,
        }),
        End: { Type: "Succeed" },
      }),
    );
    expect(outputOf(caught)).toBe("caught");
  });
});

describe("flow", () => {
  const choice = machine("Which", {
    Which: {
      Type: "Choice",
      Choices: [
        { Condition: "{% $states.input.n > 10 %}", Assign: { size: "big" }, Output: { big: true }, Next: "Tell" },
        { Condition: "{% $states.input.n > 5 %}", Next: "Tell" },
      ],
      Default: "Tell",
      Assign: { size: "small" },
      Output: { by: "default" },
    },
    Tell: {
      Type: "Pass",
      Output: { in: "{% $states.input %}", size: "{% $exists($size) ? $size : 'none' %}" },
      End: true,
    },
  });

  test.each([
    [11, { in: { big: true }, size: "big" }],
    [6, { in: { n: 6 }, size: "none" }],
    [1, { in: { by: "default" }, size: "small" }],
  ])("Choice with %d", async (n, expected) => {
    expect(outputOf(await rig.run(choice, { n }))).toEqual(expected);
  });

  test("Choice without a match and without Default fails, and so does a Condition that is no boolean", async () => {
    const rule = (Condition: string) =>
      machine("Which", { Which: { Type: "Choice", Choices: [{ Condition, Next: "End" }] }, End: { Type: "Succeed" } });
    expect(await rig.run(rule("{% false %}"))).toMatchObject({ status: "FAILED", error: "States.NoChoiceMatched" });
    expect(await rig.run(rule("{% 1 %}"))).toMatchObject({ status: "FAILED", error: "States.QueryEvaluationError" });
  });

  test("Fail computes its Error and Cause", async () => {
    const done = await rig.run(
      machine("No", { No: { Type: "Fail", Error: "{% 'Not' & 'Today' %}", Cause: "{% $states.input.why %}" } }),
      { why: "rain" },
    );
    expect(done).toMatchObject({ status: "FAILED", error: "NotToday", cause: "rain" });
  });

  test("lambda:invoke wraps the payload, and takes a function by name", async () => {
    const invoke = (FunctionName: string) =>
      machine("Go", {
        Go: {
          Type: "Task",
          Resource: "arn:aws:states:::lambda:invoke",
          Arguments: { FunctionName, Payload: { n: 4 } },
          End: true,
        },
      });
    for (const name of ["double", functionArn("double"), `${functionArn("double")}:$LATEST`]) {
      expect(outputOf(await rig.run(invoke(name)))).toEqual({
        ExecutedVersion: "$LATEST",
        Payload: { n: 8 },
        StatusCode: 200,
      });
    }
  });

  test("a function's error is caught by its type, with Lambda's error object as the cause", async () => {
    const done = await rig.run(
      machine("Go", {
        Go: task("fail", {
          Catch: [
            { ErrorEquals: ["Other"], Next: "End" },
            {
              ErrorEquals: ["Torn"],
              Assign: { why: "{% $parse($states.errorOutput.Cause).errorMessage %}" },
              Output: { error: "{% $states.errorOutput.Error %}", in: "{% $states.input.error %}" },
              Next: "Tell",
            },
          ],
          End: true,
        }),
        Tell: { Type: "Pass", Output: "{% $merge([$states.input, {'why': $why}]) %}", Next: "End" },
        End: { Type: "Succeed" },
      }),
      { error: "Torn" },
    );
    expect(outputOf(done)).toEqual({ error: "Torn", in: "Torn", why: "it is Torn" });
  });

  test("a catcher without Output hands on the error output, and States.ALL catches what others do not", async () => {
    const done = await rig.run(
      machine("Go", {
        Go: task("fail", { Catch: [{ ErrorEquals: ["States.ALL"], Next: "End" }], End: true }),
        End: { Type: "Succeed" },
      }),
      { error: "Odd" },
    );
    expect(outputOf(done)).toMatchObject({ Error: "Odd", Cause: expect.stringContaining("it is Odd") });
  });

  test("errors of the Lambda API are named as Step Functions names them", async () => {
    rig.denied.push(`lambda:InvokeFunction ${functionArn("secret")}`);
    expect(await rig.run(machine("Go", { Go: task("nowhere") }))).toMatchObject({
      error: "Lambda.ResourceNotFoundException",
    });
    const denied = await rig.run(machine("Go", { Go: task("secret") }));
    expect(denied).toMatchObject({ error: "Lambda.AWSLambdaException" });
    expect(denied.cause).toContain("lambda:InvokeFunction");
  });
});

describe("Parallel and inline Map", () => {
  test("branches read outer variables, and their outputs come in order", async () => {
    const branch = (name: string, Output: unknown) => ({
      StartAt: name,
      States: { [name]: { Type: "Pass", Output, End: true } },
    });
    const done = await rig.run(
      machine("Set", {
        Set: { Type: "Pass", Assign: { outer: 5 }, Next: "Both" },
        Both: {
          Type: "Parallel",
          Arguments: { from: "{% $states.input.n %}" },
          Branches: [branch("A", "{% $outer + $states.input.from %}"), branch("B", "{% $states.input %}")],
          Assign: { first: "{% $states.result[0] %}" },
          Next: "Tell",
        },
        Tell: { Type: "Pass", Output: { first: "{% $first %}", all: "{% $states.input %}" }, End: true },
      }),
      { n: 3 },
    );
    expect(outputOf(done)).toEqual({ first: 8, all: [8, { from: 3 }] });
  });

  test("a failing branch stops the others and fails the state with its own error", async () => {
    let aborted = false;
    rig.functions.endless = (_: unknown, signal: AbortSignal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          aborted = true;
          reject(new Error("killed"));
        });
      });
    const done = await rig.run(
      machine("Both", {
        Both: {
          Type: "Parallel",
          Branches: [
            { StartAt: "Wait", States: { Wait: task("endless") } },
            { StartAt: "Fail", States: { Fail: task("fail") } },
          ],
          Catch: [{ ErrorEquals: ["Torn"], Output: "caught", Next: "End" }],
          End: true,
        },
        End: { Type: "Succeed" },
      }),
      { error: "Torn" },
    );
    expect(outputOf(done)).toBe("caught");
    expect(aborted).toBe(true);
    const types = (await rig.history(done.executionArn ?? "")).map((event) => event.type);
    expect(types).toContain("TaskStateAborted");
    expect(types).toContain("ParallelStateFailed");
  });

  test("an inline Map selects its items, bounds its concurrency, and keeps the order", async () => {
    let atOnce = 0;
    let most = 0;
    rig.functions.slow = async ({ n }: { n: number }) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setTimeout(resolve, 2));
      atOnce -= 1;
      return n * 10;
    };
    const done = await rig.run(
      machine("Each", {
        Each: {
          Type: "Map",
          Items: "{% $states.input.ns %}",
          ItemSelector: { n: "{% $states.context.Map.Item.Value + $states.context.Map.Item.Index %}" },
          MaxConcurrency: 2,
          ItemProcessor: {
            ProcessorConfig: { Mode: "INLINE" },
            StartAt: "Slow",
            States: {
              Slow: task("slow", { Assign: { own: "{% $states.result %}" }, Next: "Tell" }),
              Tell: { Type: "Pass", Output: "{% [$own, $states.context.Map.Item.Index] %}", End: true },
            },
          },
          End: true,
        },
      }),
      { ns: [5, 5, 5, 5, 5] },
    );
    expect(outputOf(done)).toEqual([
      [50, 0],
      [60, 1],
      [70, 2],
      [80, 3],
      [90, 4],
    ]);
    expect(most).toBe(2);
  });

  test("the members of an object are items with a key", async () => {
    const Each = {
      Type: "Map",
      Items: "{% $states.input %}",
      ItemProcessor: {
        ProcessorConfig: { Mode: "INLINE" },
        StartAt: "P",
        States: { P: { Type: "Pass", Output: "{% [$states.input, $states.context.Map.Item.Key] %}", End: true } },
      },
      End: true,
    };
    expect(outputOf(await rig.run(machine("Each", { Each }), { a: 1, b: 2 }))).toEqual([
      [{ Key: "a", Value: 1 }, "a"],
      [{ Key: "b", Value: 2 }, "b"],
    ]);
  });

  test("a Map without items succeeds with an empty list", async () => {
    const ItemProcessor = {
      ProcessorConfig: { Mode: "INLINE" },
      StartAt: "P",
      States: { P: { Type: "Pass", End: true } },
    };
    expect(outputOf(await rig.run(machine("M", { M: { Type: "Map", Items: [], ItemProcessor, End: true } })))).toEqual(
      [],
    );
  });
});
