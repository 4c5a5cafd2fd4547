// Waits, retries and timeouts in cloud time, on a clock that skips idle time. Cloud times are exact; real ones do not matter.
import { StopExecutionCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { Clock } from "../../../local/rig/clock.ts";
import { retryDelayMilliseconds } from "../../../local/step-functions/retry.ts";
import { closeRigs, FunctionError, openRig, outputOf, type Rig, task } from "./rig.ts";

const hour = 3600;
/** So slow a clock moves by its jumps alone: a machine that stalls for a moment lengthens no wait. */
const jumpsAlone = 1e-6;
let rig: Rig;
beforeEach(() => open(jumpsAlone));

async function open(speed: number): Promise<void> {
  rig = await openRig({ clock: new Clock({ skipIdle: true, startAtMilliseconds: Date.UTC(2030, 0, 1), speed }) });
  rig.functions.fail = () => {
    throw new FunctionError("Torn");
  };
  rig.functions.endless = (_: unknown, signal: AbortSignal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("killed"))));
}
afterAll(closeRigs);

const machine = (StartAt: string, States: object, more: object = {}) => ({
  QueryLanguage: "JSONata",
  StartAt,
  States,
  ...more,
});

/** Whole seconds between the events of a type, in cloud time. */
async function gaps(executionArn: string | undefined, type: string): Promise<number[]> {
  const times = (await rig.history(executionArn ?? ""))
    .filter((event) => event.type === type)
    .map((event) => event.timestamp?.getTime() ?? 0);
  return times.slice(1).map((time, index) => Math.floor((time - (times[index] ?? 0)) / 1000));
}

describe("Wait", () => {
  test("Seconds and Timestamp last as long as they say, hours in no time", async () => {
    const done = await rig.run(
      machine("Long", {
        Long: { Type: "Wait", Seconds: "{% $states.input.hours * 3600 %}", Next: "Until" },
        Until: { Type: "Wait", Timestamp: "2030-01-02T00:00:00Z", Output: "{% $now() %}", End: true },
      }),
      { hours: 5 },
    );
    expect(outputOf(done)).toMatch(/^2030-01-02T00:00:0/);
    const [until] = await gaps(done.executionArn, "WaitStateExited");
    // From five o'clock, and what little time it took to get there, to midnight.
    expect(until).toBeGreaterThan(18.9 * hour);
    expect(until).toBeLessThanOrEqual(19 * hour);
  });

  test("a Timestamp in the past does not wait", async () => {
    const Past = { Type: "Wait", Timestamp: "2020-01-01T00:00:00Z", End: true };
    expect((await rig.run(machine("Past", { Past }))).status).toBe("SUCCEEDED");
  });

  test("waits of parallel branches and Map children overlap", async () => {
    const nap = { StartAt: "Nap", States: { Nap: { Type: "Wait", Seconds: "{% $states.input %}", End: true } } };
    const done = await rig.run(
      machine("Each", {
        Each: {
          Type: "Map",
          ItemProcessor: { ...nap, ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" } },
          End: true,
        },
      }),
      [3 * hour, 1 * hour, 2 * hour],
    );
    const hours = ((done.stopDate?.getTime() ?? 0) - (done.startDate?.getTime() ?? 0)) / hour / 1000;
    expect(Math.round(hours)).toBe(3);
  });
});

describe("Retry", () => {
  test("IntervalSeconds grows by BackoffRate up to MaxDelaySeconds, and then the error goes on", async () => {
    const Retry = [{ ErrorEquals: ["Torn"], IntervalSeconds: 10, BackoffRate: 3, MaxDelaySeconds: 60, MaxAttempts: 5 }];
    const done = await rig.run(machine("Fail", { Fail: task("fail", { Retry, End: true }) }));
    expect(done).toMatchObject({ status: "FAILED", error: "Torn" });
    expect(await gaps(done.executionArn, "LambdaFunctionScheduled")).toEqual([10, 30, 60, 60, 60]);
  });

  test("each retrier counts for itself, and the state sees its retry count", async () => {
    const errors = ["A", "B", "A", "B"];
    rig.functions.alternate = () => {
      const error = errors.shift();
      if (error) throw new FunctionError(error);
      return "done";
    };
    const Retry = [
      { ErrorEquals: ["A"], IntervalSeconds: 1, BackoffRate: 5, MaxAttempts: 2 },
      { ErrorEquals: ["States.ALL"], IntervalSeconds: 100, BackoffRate: 2, MaxAttempts: 2 },
    ];
    const Output = "{% $states.context.State.RetryCount %}";
    const done = await rig.run(machine("Go", { Go: task("alternate", { Retry, Output, End: true }) }));
    expect(outputOf(done)).toBe(4);
    expect(await gaps(done.executionArn, "LambdaFunctionScheduled")).toEqual([1, 100, 5, 200]);
  });

  test("a retrier whose attempts are used up leaves the error to the catchers", async () => {
    const done = await rig.run(
      machine("Fail", {
        Fail: task("fail", {
          Retry: [{ ErrorEquals: ["States.TaskFailed"], MaxAttempts: 1 }],
          Catch: [{ ErrorEquals: ["Torn"], Output: "caught", Next: "Done" }],
          End: true,
        }),
        Done: { Type: "Succeed" },
      }),
    );
    expect(outputOf(done)).toBe("caught");
    expect(await gaps(done.executionArn, "LambdaFunctionScheduled")).toEqual([1]);
  });

  test("FULL jitter stays between nothing and the delay, and the same seed gives the same pauses", () => {
    const retrier = { ErrorEquals: ["A"], IntervalSeconds: 10, JitterStrategy: "FULL" as const };
    expect(retryDelayMilliseconds(retrier, 0, () => 0)).toBe(0);
    expect(retryDelayMilliseconds(retrier, 2, () => 0.5)).toBe(20_000);
    expect(retryDelayMilliseconds({ ...retrier, JitterStrategy: "NONE" }, 2, () => 0.5)).toBe(40_000);
  });
});

describe("timeouts", () => {
  test("a Task's TimeoutSeconds is States.Timeout, kills the function, and States.TaskFailed does not match it", async () => {
    await open(1);
    const timed = (errorName: string) =>
      machine("Endless", {
        Endless: task("endless", {
          TimeoutSeconds: 1,
          Catch: [{ ErrorEquals: [errorName], Output: "caught", Next: "Done" }],
          End: true,
        }),
        Done: { Type: "Succeed" },
      });
    const caught = await rig.run(timed("States.Timeout"));
    expect(outputOf(caught)).toBe("caught");
    expect((await rig.history(caught.executionArn ?? "")).map((event) => event.type)).toContain(
      "LambdaFunctionTimedOut",
    );
    expect(await rig.run(timed("States.TaskFailed"))).toMatchObject({ status: "FAILED", error: "States.Timeout" });
  });

  test("a running function's timeout is never jumped to: its time passes as real time does", async () => {
    await open(1);
    const { clock } = rig;
    rig.functions.brief = () => new Promise((resolve) => setTimeout(() => resolve(clock.now()), 20));
    const done = await rig.run(
      machine("Both", {
        Both: {
          Type: "Parallel",
          Branches: [
            { StartAt: "Brief", States: { Brief: task("brief", { TimeoutSeconds: 600, End: true }) } },
            { StartAt: "Nap", States: { Nap: { Type: "Wait", Seconds: 5 * hour, End: true } } },
          ],
          End: true,
        },
      }),
    );
    expect(done.status).toBe("SUCCEEDED");
  });

  test("the machine's TimeoutSeconds ends a wait at its very second, with everything below", async () => {
    const nap = { StartAt: "Nap", States: { Nap: { Type: "Wait", Seconds: 10 * hour, End: true } } };
    const done = await rig.run(
      machine(
        "Each",
        {
          Each: {
            Type: "Map",
            ItemProcessor: { ...nap, ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" } },
            End: true,
          },
        },
        { TimeoutSeconds: 2 * hour },
      ),
      [1, 2],
    );
    expect(done.status).toBe("TIMED_OUT");
    expect(Math.round(((done.stopDate?.getTime() ?? 0) - (done.startDate?.getTime() ?? 0)) / 1000)).toBe(2 * hour);
    const types = (await rig.history(done.executionArn ?? "")).map((event) => event.type);
    expect(types.slice(-3)).toEqual(["MapRunAborted", "MapStateAborted", "ExecutionTimedOut"]);
  });

  test("a stopped execution's wait holds nothing up", async () => {
    const arn = rig.machine("nap", machine("Call", { Call: task("endless") }));
    const executionArn = await rig.start(arn);
    await rig.client.send(new StopExecutionCommand({ executionArn, error: "Enough", cause: "by hand" }));
    expect(await rig.ended(executionArn)).toMatchObject({ status: "ABORTED", error: "Enough", cause: "by hand" });
    expect((await rig.run(machine("Nap", { Nap: { Type: "Wait", Seconds: hour, End: true } }))).status).toBe(
      "SUCCEEDED",
    );
  });
});
