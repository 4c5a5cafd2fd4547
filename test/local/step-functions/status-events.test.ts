// What the default bus hears of executions: the shape of AWS's event, when it comes, and when it does not.
import {
  ListExecutionsCommand,
  ListMapRunsCommand,
  RedriveExecutionCommand,
  StopExecutionCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { accountId, closeRigs, FunctionError, gate, machineArn, openRig, type Rig, region, task } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
});
afterAll(closeRigs);

const machine = (StartAt: string, States: object, others: object = {}) => ({
  QueryLanguage: "JSONata",
  StartAt,
  States,
  ...others,
});
const statuses = () => rig.events.map(({ detail }) => detail.status);
const each = (name: string) =>
  machine("Each", {
    Each: {
      Type: "Map",
      Label: "each",
      ItemProcessor: {
        ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
        StartAt: "One",
        States: { One: task(name) },
      },
      End: true,
    },
  });

describe("an execution's status", () => {
  test("is announced at its start and at its end, with input and output", async () => {
    const arn = rig.machine("greet", machine("Go", { Go: { Type: "Pass", Output: "{% 'hello' %}", End: true } }));
    const executionArn = await rig.start(arn, { a: 1 }, "first");
    await rig.ended(executionArn);
    const common = { executionArn, stateMachineArn: machineArn("greet"), name: "first", input: '{"a":1}', error: null };
    const event = {
      version: "0",
      source: "aws.states",
      "detail-type": "Step Functions Execution Status Change",
      account: accountId,
      region,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
      resources: [executionArn],
    };
    expect(rig.events).toMatchObject([
      { ...event, detail: { ...common, status: "RUNNING", stopDate: null, output: null, outputDetails: null } },
      {
        ...event,
        detail: {
          ...common,
          status: "SUCCEEDED",
          output: '"hello"',
          inputDetails: { included: true },
          outputDetails: { included: true },
          redriveStatus: "NOT_REDRIVABLE",
        },
      },
    ]);
    expect(rig.events[0]?.detail.startDate).toBe(rig.events[1]?.detail.startDate);
    expect(rig.events[1]?.detail.stopDate).toEqual(expect.any(Number));
  });

  test("names the error and its cause when it failed, and is announced again when it is redriven", async () => {
    let broken = true;
    rig.functions.work = () => {
      if (broken) throw new FunctionError("Torn", "in two");
    };
    const executionArn = await rig.start(rig.machine("work", machine("Work", { Work: task("work") })));
    await rig.ended(executionArn);
    expect(rig.events.at(-1)?.detail).toMatchObject({
      status: "FAILED",
      error: "Torn",
      cause: expect.stringContaining("in two"),
      output: null,
      redriveStatus: "REDRIVABLE",
    });
    broken = false;
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    await rig.ended(executionArn);
    expect(statuses()).toEqual(["RUNNING", "FAILED", "RUNNING", "SUCCEEDED"]);
    expect(rig.events.at(-1)?.detail).toMatchObject({ redriveCount: 1, redriveDate: expect.any(Number) });
  });

  test("tells a time limit and a stop apart from a failure", async () => {
    const states = { Wait: { Type: "Wait", Seconds: 3600, End: true } };
    const slow = await rig.start(rig.machine("slow", machine("Wait", states, { TimeoutSeconds: 60 })));
    rig.clock.advance(61_000);
    await rig.ended(slow);
    const stopped = await rig.start(rig.machine("stopped", machine("Wait", states)));
    await rig.client.send(new StopExecutionCommand({ executionArn: stopped, error: "Enough", cause: "by hand" }));
    expect(statuses()).toEqual(["RUNNING", "TIMED_OUT", "RUNNING", "ABORTED"]);
    expect(rig.events.at(-1)?.detail).toMatchObject({ error: "Enough", cause: "by hand" });
  });

  test("leaves the input out when there is too much to say", async () => {
    const arn = rig.machine("large", machine("Go", { Go: { Type: "Pass", End: true } }));
    await rig.ended(await rig.start(arn, "x".repeat(150_000)));
    expect(rig.events[0]?.detail.inputDetails).toEqual({ included: true });
    expect(rig.events[1]?.detail).toMatchObject({
      input: null,
      inputDetails: { included: false },
      outputDetails: { included: true },
    });
  });
});

describe("children of a Distributed Map", () => {
  test("are not announced, only the execution that started them", async () => {
    rig.functions.one = () => "done";
    await rig.ended(await rig.start(rig.machine("many", each("one")), [1, 2, 3]));
    expect(rig.events.map(({ detail }) => [detail.status, detail.stateMachineArn])).toEqual([
      ["RUNNING", machineArn("many")],
      ["SUCCEEDED", machineArn("many")],
    ]);
  });

  const childStatuses = async (service: Rig, executionArn: string) => {
    const { mapRuns } = await service.client.send(new ListMapRunsCommand({ executionArn }));
    const { executions } = await service.client.send(new ListExecutionsCommand({ mapRunArn: mapRuns?.[0]?.mapRunArn }));
    return executions?.map(({ status }) => status);
  };

  test("end with it when it is stopped, also when their state machine is gone since a restart", async () => {
    const { opened, open } = gate();
    rig.functions.held = () => opened;
    const arn = rig.machine("held", each("held"));
    const executionArn = await rig.start(arn, [1, 2]);
    await expect.poll(() => childStatuses(rig, executionArn).catch(() => [])).toEqual(["RUNNING", "RUNNING"]);
    const other = await rig.start(arn, [3]);
    await expect.poll(() => childStatuses(rig, other).catch(() => [])).toEqual(["RUNNING"]);
    await rig.client.send(new StopExecutionCommand({ executionArn }));
    expect(await childStatuses(rig, executionArn)).toEqual(["ABORTED", "ABORTED"]);
    await rig.close();
    open();
    const second = await openRig({ directory: rig.directory });
    expect(second.service.resume().withoutMachine).toEqual([other]);
    await second.client.send(new StopExecutionCommand({ executionArn: other }));
    expect(await childStatuses(second, other)).toEqual(["ABORTED"]);
    expect(second.events.map(({ detail }) => detail.status)).toEqual(["ABORTED"]);
  });
});
