// Executions survive the end of the process, at any moment: by a clean close, and by a crash that loses the last instants.
import { copyFileSync, existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DescribeMapRunCommand, ListMapRunsCommand, RedriveExecutionCommand } from "@aws-sdk/client-sfn";
import { afterEach, describe, expect, test } from "vitest";
import { Clock } from "../../../local/rig/clock.ts";
import {
  closeRigs,
  type FakeFunction,
  FunctionError,
  gate,
  machineArn,
  openRig,
  outputOf,
  type Rig,
  task,
} from "./rig.ts";

afterEach(closeRigs);

const distributed = { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" };
const block = (name: string, state: object) => ({ StartAt: name, States: { [name]: state } });

/** A bit of everything that has a checkpoint of its own. */
const everything = {
  QueryLanguage: "JSONata",
  StartAt: "First",
  States: {
    First: task("step", { Arguments: { at: "first" }, Assign: { first: "{% $states.result %}" }, Next: "Nap" }),
    Nap: { Type: "Wait", Seconds: 600, Next: "Flaky" },
    Flaky: task("flaky", { Retry: [{ ErrorEquals: ["Torn"], IntervalSeconds: 60 }], Next: "Both" }),
    Both: {
      Type: "Parallel",
      Branches: [
        block("Left", task("step", { Arguments: { at: "left" }, End: true })),
        {
          StartAt: "Doze",
          States: {
            Doze: { Type: "Wait", Seconds: 5, Next: "Right" },
            Right: task("step", { Arguments: { at: "right" }, End: true }),
          },
        },
      ],
      Next: "Inline",
    },
    Inline: {
      Type: "Map",
      Items: [1, 2, 3],
      MaxConcurrency: 2,
      ItemProcessor: {
        ProcessorConfig: { Mode: "INLINE" },
        ...block("Each", task("step", { Arguments: { at: "{% 'inline ' & $states.input %}" }, End: true })),
      },
      Next: "Outer",
    },
    Outer: {
      Type: "Map",
      Label: "Outer",
      Items: [1, 2, 3],
      MaxConcurrency: 2,
      ItemProcessor: {
        ProcessorConfig: distributed,
        ...block("Inner", {
          Type: "Map",
          Label: "Inner",
          Items: "{% $range(1, $states.input, 1) %}",
          ItemProcessor: {
            ProcessorConfig: distributed,
            ...block("Leaf", task("step", { Arguments: { at: "{% 'leaf ' & $states.input %}" }, End: true })),
          },
          End: true,
        }),
      },
      Output: { outer: "{% $states.result %}", first: "{% $first %}" },
      End: true,
    },
  },
};
const everythingsOutput = {
  outer: [["leaf 1"], ["leaf 1", "leaf 2"], ["leaf 1", "leaf 2", "leaf 3"]],
  first: "first",
};

/** Shared by the processes of a test: what was called, over all of them. */
function worldOfFunctions(): { functions: Record<string, FakeFunction>; calls: string[] } {
  const calls: string[] = [];
  let flaky = 0;
  const functions: Record<string, FakeFunction> = {
    step: async ({ at }: { at: string }) => {
      calls.push(at);
      await new Promise((resolve) => setImmediate(resolve));
      return at;
    },
    flaky: () => {
      flaky += 1;
      if (flaky === 1) throw new FunctionError("Torn");
      return "mended";
    },
  };
  return { functions, calls };
}

async function open(
  directory: string | undefined,
  functions: Record<string, FakeFunction>,
  machine: object = everything,
): Promise<Rig> {
  const clock = new Clock({ skipIdle: true });
  const rig = await openRig({ clock, ...(directory === undefined ? {} : { directory }) });
  Object.assign(rig.functions, functions);
  rig.machine("survivor", machine);
  return rig;
}

/** What is on the disk at this moment, as kill -9 would leave it. */
function copyOfDisk(directory: string): string {
  const copy = mkdtempSync(join(tmpdir(), "sfn-crash-"));
  for (const ending of ["", "-wal"]) {
    const file = `step-functions.sqlite${ending}`;
    if (existsSync(join(directory, file))) copyFileSync(join(directory, file), join(copy, file));
  }
  return copy;
}

/** Runs `everything`, ends the process after this many events, continues in another; returns the second. */
async function interruptedAfter(
  eventCount: number,
  how: "close" | "crash",
): Promise<{ rig: Rig; executionArn: string; calls: string[]; interrupted: boolean }> {
  const { functions, calls } = worldOfFunctions();
  const first = await open(undefined, functions);
  let seen = 0;
  const interruption = gate();
  const ending = gate();
  first.service.onEvent(({ type, executionArn }) => {
    seen += 1;
    if (seen === eventCount) interruption.open();
    if (type === "ExecutionSucceeded" && executionArn.endsWith(":survivor:run")) ending.open();
  });
  const executionArn = await first.start(machineArn("survivor"), {}, "run");
  const interrupted = await Promise.race([interruption.opened.then(() => true), ending.opened.then(() => false)]);
  const directory = how === "crash" ? copyOfDisk(first.directory) : first.directory;
  await first.close();
  const rig = await open(directory, functions);
  rig.service.resume();
  return { rig, executionArn, calls, interrupted };
}

describe("an execution with everything in it", () => {
  test.each(["close", "crash"] as const)("ends as if nothing had happened, wherever a %s cuts it", async (how) => {
    let interruptions = 0;
    for (let eventCount = 2; ; eventCount += 7) {
      const { rig, executionArn, calls, interrupted } = await interruptedAfter(eventCount, how);
      expect(outputOf(await rig.ended(executionArn)), `after ${eventCount} events`).toEqual(everythingsOutput);
      const history = await rig.history(executionArn);
      expect(history.map((event) => event.id)).toEqual(history.map((_, index) => index + 1));
      expect(history.filter((event) => event.type === "ExecutionSucceeded")).toHaveLength(1);
      // At least once each; what had ended before the cut is not called again, so little more than once.
      expect(new Set(calls)).toEqual(
        new Set(["first", "left", "right", "inline 1", "inline 2", "inline 3", "leaf 1", "leaf 2", "leaf 3"]),
      );
      expect(calls.length).toBeLessThanOrEqual(12 + (how === "close" ? 6 : 12));
      await closeRigs();
      if (!interrupted) break;
      interruptions += 1;
    }
    expect(interruptions).toBeGreaterThan(10);
  });
});

describe("a restart", () => {
  test("waits out the rest of a wait, not the whole again", async () => {
    const nap = { QueryLanguage: "JSONata", ...block("Nap", { Type: "Wait", Seconds: 3600, End: true }) };
    // Clocks that hardly move by themselves: a stalled machine lengthens nothing.
    const speed = 1e-6;
    const first = await openRig({ clock: new Clock({ speed, startAtMilliseconds: Date.UTC(2030, 0, 1, 0, 0) }) });
    const executionArn = await first.start(first.machine("survivor", nap));
    await first.close();
    const clock = new Clock({ speed, skipIdle: true, startAtMilliseconds: Date.UTC(2030, 0, 1, 0, 50) });
    const second = await openRig({ clock, directory: first.directory });
    second.machine("survivor", nap);
    expect(second.service.resume()).toEqual({ resumed: 1, withoutMachine: [] });
    const done = await second.ended(executionArn);
    expect(Math.round(((done.stopDate?.getTime() ?? 0) - (done.startDate?.getTime() ?? 0)) / 1000)).toBe(3600);
  });

  test("keeps the definition of a running execution although the machine has a new one, and names what has none", async () => {
    const { opened, open: release } = gate();
    const held: FakeFunction = () => opened;
    const version = (Output: string) => ({
      QueryLanguage: "JSONata",
      StartAt: "Held",
      States: { Held: task("held", { Next: "Tell" }), Tell: { Type: "Pass", Output, End: true } },
    });
    const first = await open(undefined, { held }, version("{% 'old' %}"));
    const executionArn = await first.start(machineArn("survivor"));
    const orphan = await first.start(first.machine("orphan", version("{% 1 %}")));
    await first.close();
    const second = await open(first.directory, { held }, version("{% 'new' %}"));
    expect(second.service.resume()).toEqual({ resumed: 1, withoutMachine: [orphan] });
    expect(second.service.resume().resumed).toBe(0);
    release();
    expect(outputOf(await second.ended(executionArn))).toBe("old");
  });

  test("does not run finished children again, and counts failures from before it", async () => {
    const calls: number[] = [];
    const { opened, open: release } = gate();
    const work: FakeFunction = async (n: number) => {
      calls.push(n);
      if (n === 1) throw new FunctionError("Torn");
      if (n === 3) await opened;
      return n;
    };
    const machine = {
      QueryLanguage: "JSONata",
      ...block("Each", {
        Type: "Map",
        Label: "Each",
        MaxConcurrency: 1,
        ToleratedFailureCount: 1,
        ItemProcessor: { ProcessorConfig: distributed, ...block("Work", task("work")) },
        End: true,
      }),
    };
    const first = await open(undefined, { work }, machine);
    const executionArn = await first.start(machineArn("survivor"), [0, 1, 2, 3, 4]);
    while (!calls.includes(3)) await new Promise((resolve) => setTimeout(resolve, 2));
    await first.close();
    const second = await open(first.directory, { work }, machine);
    release();
    second.service.resume();
    const result = outputOf(await second.ended(executionArn)) as unknown[];
    expect(result).toEqual([0, expect.objectContaining({ Status: "FAILED", Error: "Torn" }), 2, 3, 4]);
    expect(calls).toEqual([0, 1, 2, 3, 3, 4]);
    const runs = await second.client.send(new ListMapRunsCommand({ executionArn }));
    const run = await second.client.send(new DescribeMapRunCommand({ mapRunArn: runs.mapRuns?.[0]?.mapRunArn }));
    expect(run.executionCounts).toMatchObject({ succeeded: 4, failed: 1, running: 0, pending: 0 });
  });

  test("a failed execution can be redriven by a later process", async () => {
    const calls: string[] = [];
    let broken = true;
    const log: FakeFunction = ({ name }: { name: string }) => {
      calls.push(name);
      if (broken && name === "second") throw new FunctionError("Torn");
      return name;
    };
    const machine = {
      QueryLanguage: "JSONata",
      StartAt: "One",
      States: {
        One: task("log", { Arguments: { name: "first" }, Next: "Two" }),
        Two: task("log", { Arguments: { name: "second" }, End: true }),
      },
    };
    const first = await open(undefined, { log }, machine);
    const executionArn = await first.start(machineArn("survivor"));
    expect((await first.ended(executionArn)).status).toBe("FAILED");
    await first.close();
    broken = false;
    const second = await open(first.directory, { log }, machine);
    expect(second.service.resume().resumed).toBe(0);
    await second.client.send(new RedriveExecutionCommand({ executionArn }));
    expect(outputOf(await second.ended(executionArn))).toBe("second");
    expect(calls).toEqual(["first", "second", "second"]);
  });

  test("what StartExecution answered is never forgotten, even by a crash right after", async () => {
    const { functions } = worldOfFunctions();
    const first = await open(undefined, functions);
    const executionArn = await first.start(machineArn("survivor"), {}, "told");
    const directory = copyOfDisk(first.directory);
    await first.close();
    const second = await open(directory, functions);
    expect(second.service.resume().resumed).toBe(1);
    expect(outputOf(await second.ended(executionArn))).toEqual(everythingsOutput);
  });
});
