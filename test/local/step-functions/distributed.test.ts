// Distributed Maps: readers, batches, tolerance, results, Map Runs as the API shows them, and Maps within Maps.
import {
  DescribeExecutionCommand,
  DescribeMapRunCommand,
  ListExecutionsCommand,
  ListMapRunsCommand,
  RedriveExecutionCommand,
} from "@aws-sdk/client-sfn";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { closeRigs, FunctionError, machineArn, openRig, outputOf, type Rig, task } from "./rig.ts";

let rig: Rig;
beforeEach(async () => {
  rig = await openRig();
  rig.functions.echo = (payload: unknown) => payload;
  rig.functions.picky = ({ n }: { n: number }) => {
    if (n % 10 === 3) throw new FunctionError("Picky");
    return n;
  };
});
afterAll(closeRigs);

const children = (StartAt: string, States: object) => ({
  ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
  StartAt,
  States,
});
const mapOf = (fields: object) => ({
  QueryLanguage: "JSONata",
  StartAt: "Each",
  States: { Each: { Type: "Map", Label: "Each", End: true, ...fields } },
});
const echo = children("Echo", { Echo: task("echo") });
const jsonlReader = {
  Resource: "arn:aws:states:::s3:getObject",
  ReaderConfig: { InputType: "JSONL" },
  Arguments: { Bucket: "lists", Key: "{% $states.input.key %}" },
};
const writer = { Resource: "arn:aws:states:::s3:putObject", Arguments: { Bucket: "results", Prefix: "runs" } };

function putLines(key: string, items: readonly unknown[]): void {
  rig.s3.objects.set(`lists/${key}`, `${items.map((item) => JSON.stringify(item)).join("\n")}\n`);
}

async function mapRunOf(executionArn: string | undefined) {
  const runs = await rig.client.send(new ListMapRunsCommand({ executionArn }));
  const mapRunArn = runs.mapRuns?.[0]?.mapRunArn;
  return { runs, mapRunArn, description: await rig.client.send(new DescribeMapRunCommand({ mapRunArn })) };
}

function resultFile(path: string): unknown {
  return JSON.parse(rig.s3.objects.get(`results/${path}`) ?? "null");
}

describe("items", () => {
  test("JSON lines from S3, batched, with a selector and batch input; results in the order of the items", async () => {
    putLines("list.jsonl", [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }, { n: 5 }]);
    const done = await rig.run(
      mapOf({
        ItemReader: jsonlReader,
        ItemSelector: { n: "{% $states.context.Map.Item.Value.n %}", at: "{% $states.context.Map.Item.Index %}" },
        ItemBatcher: { MaxItemsPerBatch: 2, BatchInput: { from: "{% $states.input.key %}" } },
        ItemProcessor: echo,
      }),
      { key: "list.jsonl" },
    );
    const BatchInput = { from: "list.jsonl" };
    expect(outputOf(done)).toEqual([
      {
        BatchInput,
        Items: [
          { n: 1, at: 0 },
          { n: 2, at: 1 },
        ],
      },
      {
        BatchInput,
        Items: [
          { n: 3, at: 2 },
          { n: 4, at: 3 },
        ],
      },
      { BatchInput, Items: [{ n: 5, at: 4 }] },
    ]);
    const { description } = await mapRunOf(done.executionArn);
    expect(description.executionCounts).toMatchObject({ total: 3, succeeded: 3 });
    expect(description.itemCounts).toMatchObject({ total: 5, succeeded: 5 });
  });

  test("a JSON array from S3, cut by MaxItems", async () => {
    rig.s3.objects.set("lists/a.json", JSON.stringify([1, 2, 3, 4]));
    const ItemReader = {
      Resource: "arn:aws:states:::s3:getObject",
      ReaderConfig: { InputType: "JSON", MaxItems: 3 },
      Arguments: { Bucket: "lists", Key: "a.json" },
    };
    expect(outputOf(await rig.run(mapOf({ ItemReader, ItemProcessor: echo })))).toEqual([1, 2, 3]);
  });

  test("a listing of S3, over several pages", async () => {
    for (const key of ["x/1", "x/2", "x/3", "y/1"]) rig.s3.objects.set(`lists/${key}`, "");
    const ItemReader = { Resource: "arn:aws:states:::s3:listObjectsV2", Arguments: { Bucket: "lists", Prefix: "x/" } };
    const ItemSelector = "{% $states.context.Map.Item.Value.Key %}";
    expect(outputOf(await rig.run(mapOf({ ItemReader, ItemSelector, ItemProcessor: echo })))).toEqual([
      "x/1",
      "x/2",
      "x/3",
    ]);
  });

  test("items from the state's input; the members of an object become keys and values", async () => {
    expect(
      outputOf(await rig.run(mapOf({ Items: "{% $states.input.map %}", ItemProcessor: echo }), { map: { a: 1 } })),
    ).toEqual([{ Key: "a", Value: 1 }]);
    expect(outputOf(await rig.run(mapOf({ ItemProcessor: echo }), []))).toEqual([]);
  });

  test("batches by bytes never exceed their limit, and an item that fits into none fails the state", async () => {
    const item = "x".repeat(1000);
    const bounded = (MaxInputBytesPerBatch: number) =>
      mapOf({ ItemBatcher: { MaxInputBytesPerBatch }, ItemProcessor: echo });
    const batches = outputOf(await rig.run(bounded(2100), Array(5).fill(item))) as { Items: string[] }[];
    expect(batches.map((batch) => batch.Items.length)).toEqual([2, 2, 1]);
    expect(await rig.run(bounded(900), [item])).toMatchObject({ status: "FAILED", error: "States.DataLimitExceeded" });
  });

  test("a reader's failure is States.ItemReaderFailed, whether the object is missing, forbidden or not JSON", async () => {
    const definition = mapOf({ ItemReader: jsonlReader, ItemProcessor: echo });
    expect(await rig.run(definition, { key: "none" })).toMatchObject({ error: "States.ItemReaderFailed" });
    rig.s3.objects.set("lists/bad", '{"n":1}\n{"n":');
    expect(await rig.run(definition, { key: "bad" })).toMatchObject({ error: "States.ItemReaderFailed" });
    putLines("good", [1]);
    rig.denied.push("s3:GetObject");
    const denied = await rig.run(definition, { key: "good" });
    expect(denied).toMatchObject({ error: "States.ItemReaderFailed" });
    expect(denied.cause).toContain("S3.S3Exception");
  });
});

describe("children", () => {
  test("are executions of their own: ARNs, histories, no variable of the parent, own context", async () => {
    const done = await rig.run({
      QueryLanguage: "JSONata",
      StartAt: "Set",
      States: {
        Set: { Type: "Pass", Assign: { outer: 1 }, Next: "Each" },
        Each: {
          Type: "Map",
          Label: "Each",
          Items: [7],
          ItemProcessor: children("Look", {
            Look: {
              Type: "Pass",
              Output: { sees: "{% $exists($outer) %}", in: "{% $states.input %}", context: "{% $states.context %}" },
              End: true,
            },
          }),
          End: true,
        },
      },
    });
    const { mapRunArn, runs } = await mapRunOf(done.executionArn);
    const machine = done.stateMachineArn?.split(":").at(-1);
    expect(mapRunArn).toMatch(new RegExp(`:mapRun:${machine}/Each:[0-9a-f-]{36}$`));
    expect(runs.mapRuns?.[0]).toMatchObject({
      executionArn: done.executionArn,
      stateMachineArn: `${done.stateMachineArn}/Each`,
    });
    const listed = await rig.client.send(new ListExecutionsCommand({ mapRunArn }));
    const child = listed.executions?.[0];
    expect(child?.executionArn).toMatch(new RegExp(`:execution:${machine}/Each:[0-9a-f-]{36}$`));
    expect(child).toMatchObject({ status: "SUCCEEDED", mapRunArn, itemCount: 1 });
    const [output] = outputOf(done) as { sees: boolean; in: number; context: { Execution: { Id: string } } }[];
    expect(output).toMatchObject({ sees: false, in: 7, context: { Execution: { Id: child?.executionArn, Input: 7 } } });
    expect((await rig.history(child?.executionArn ?? "")).map((event) => event.type)).toEqual([
      "ExecutionStarted",
      "PassStateEntered",
      "PassStateExited",
      "ExecutionSucceeded",
    ]);
    expect((await rig.history(done.executionArn ?? "")).map((event) => event.type)).toEqual([
      "ExecutionStarted",
      "PassStateEntered",
      "PassStateExited",
      "MapStateEntered",
      "MapStateStarted",
      "MapRunStarted",
      "MapRunSucceeded",
      "MapStateSucceeded",
      "MapStateExited",
      "ExecutionSucceeded",
    ]);
  });

  test("MaxConcurrency holds", async () => {
    let atOnce = 0;
    let most = 0;
    rig.functions.slow = async () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await new Promise((resolve) => setTimeout(resolve, 2));
      atOnce -= 1;
    };
    const ItemProcessor = children("Slow", { Slow: task("slow") });
    outputOf(await rig.run(mapOf({ MaxConcurrency: 3, ItemProcessor }), Array(20).fill(0)));
    expect(most).toBe(3);
  });

  test("a role that may not start its own machine gets no Map Run", async () => {
    rig.denied.push("states:StartExecution");
    const done = await rig.run(mapOf({ ItemProcessor: echo }), [1]);
    expect(done).toMatchObject({ status: "FAILED", error: "States.Permissions" });
    expect((await rig.client.send(new ListMapRunsCommand({ executionArn: done.executionArn }))).mapRuns).toEqual([]);
  });

  test("a Distributed Map runs within a Distributed Map", async () => {
    const inner = { Type: "Map", Label: "Inner", Items: "{% $states.input %}", ItemProcessor: echo, End: true };
    const done = await rig.run(
      mapOf({ ItemProcessor: children("Inner", { Inner: { ...inner, Output: "{% $sum($states.result) %}" } }) }),
      [[1, 2], [3], [4, 5, 6]],
    );
    expect(outputOf(done)).toEqual([3, 3, 15]);
    const { mapRunArn } = await mapRunOf(done.executionArn);
    const outer = await rig.client.send(new ListExecutionsCommand({ mapRunArn }));
    const nested = await mapRunOf(outer.executions?.[0]?.executionArn);
    expect(nested.mapRunArn).toMatch(/\/Inner:/);
    expect(nested.description.executionCounts?.succeeded).toBe(3);
  });

  test("ten thousand small children run, each once", async () => {
    let calls = 0;
    rig.functions.count = (n: number) => {
      calls += 1;
      return n;
    };
    putLines(
      "many",
      Array.from({ length: 10_000 }, (_, n) => n),
    );
    const done = await rig.run(
      mapOf({
        ItemReader: jsonlReader,
        ItemProcessor: children("Count", { Count: task("count") }),
        ResultWriter: { ...writer, WriterConfig: { Transformation: "COMPACT", OutputType: "JSONL" } },
      }),
      { key: "many" },
    );
    const { ResultWriterDetails } = outputOf(done) as { ResultWriterDetails: { Key: string } };
    const manifest = resultFile(ResultWriterDetails.Key) as { ResultFiles: { SUCCEEDED: { Key: string }[] } };
    const lines = (rig.s3.objects.get(`results/${manifest.ResultFiles.SUCCEEDED[0]?.Key}`) ?? "").trimEnd().split("\n");
    expect(lines).toEqual(Array.from({ length: 10_000 }, (_, n) => String(n)));
    expect(calls).toBe(10_000);
  });
});

describe("results and failures", () => {
  const numbers = Array.from({ length: 20 }, (_, n) => ({ n }));
  const picky = children("Picky", { Picky: task("picky") });

  test("the result writer's manifest names a file per outcome, with every child's data", async () => {
    const done = await rig.run(
      mapOf({ ToleratedFailureCount: 2, MaxConcurrency: 4, ItemProcessor: picky, ResultWriter: writer }),
      numbers,
    );
    const { MapRunArn, ResultWriterDetails } = outputOf(done) as {
      MapRunArn: string;
      ResultWriterDetails: { Bucket: string; Key: string };
    };
    const folder = `runs/${MapRunArn.split(":").at(-1)}`;
    expect(ResultWriterDetails).toEqual({ Bucket: "results", Key: `${folder}/manifest.json` });
    expect(resultFile(`${folder}/manifest.json`)).toEqual({
      DestinationBucket: "results",
      MapRunArn,
      ResultFiles: {
        SUCCEEDED: [{ Key: `${folder}/SUCCEEDED_0.json`, Size: expect.any(Number) }],
        FAILED: [{ Key: `${folder}/FAILED_0.json`, Size: expect.any(Number) }],
        PENDING: [],
      },
    });
    const failed = resultFile(`${folder}/FAILED_0.json`) as { ExecutionArn: string }[];
    expect(failed).toHaveLength(2);
    expect(failed[0]).toMatchObject({ Status: "FAILED", Error: "Picky", Input: '{"n":3}', RedriveCount: 0 });
    const succeeded = resultFile(`${folder}/SUCCEEDED_0.json`) as object[];
    expect(succeeded).toHaveLength(18);
    expect(succeeded[0]).toMatchObject({ Status: "SUCCEEDED", Output: "0", Input: '{"n":0}' });
    const { description } = await mapRunOf(done.executionArn);
    expect(description).toMatchObject({ status: "SUCCEEDED", toleratedFailureCount: 2 });
    expect(description.executionCounts).toMatchObject({ succeeded: 18, failed: 2, total: 20, resultsWritten: 20 });
  });

  test("one failure beyond the tolerated count stops the run; what never ran is PENDING in the results", async () => {
    const done = await rig.run(
      mapOf({ ToleratedFailureCount: 1, MaxConcurrency: 1, ItemProcessor: picky, ResultWriter: writer }),
      numbers,
    );
    expect(done).toMatchObject({ status: "FAILED", error: "States.ExceedToleratedFailureThreshold" });
    const { description } = await mapRunOf(done.executionArn);
    expect(description.status).toBe("FAILED");
    expect(description.executionCounts).toMatchObject({ succeeded: 12, failed: 2, pending: 6 });
    const pending = [...rig.s3.objects.keys()].find((key) => key.endsWith("PENDING_0.json")) ?? "";
    expect(JSON.parse(rig.s3.objects.get(pending) ?? "")).toHaveLength(6);
    const types = (await rig.history(done.executionArn ?? "")).map((event) => event.type);
    expect(types.slice(-3)).toEqual(["MapRunFailed", "MapStateFailed", "ExecutionFailed"]);
  });

  test.each([
    [10, "SUCCEEDED"],
    [9, "FAILED"],
  ])("a tolerated percentage of %d ends in %s when a tenth fails", async (ToleratedFailurePercentage, status) => {
    const done = await rig.run(mapOf({ ToleratedFailurePercentage, MaxConcurrency: 1, ItemProcessor: picky }), numbers);
    expect(done.status).toBe(status);
  });

  test("without a bucket, FLATTEN joins the children's lists, and too much is States.DataLimitExceeded", async () => {
    const WriterConfig = { Transformation: "FLATTEN", OutputType: "JSON" };
    const flat = await rig.run(
      mapOf({
        ItemProcessor: echo,
        ResultWriter: { Resource: writer.Resource, Arguments: writer.Arguments, WriterConfig },
      }),
      [[1, 2], [3]],
    );
    const { ResultWriterDetails } = outputOf(flat) as { ResultWriterDetails: { Key: string } };
    expect(resultFile(ResultWriterDetails.Key.replace("manifest", "SUCCEEDED_0"))).toEqual([1, 2, 3]);
    rig.functions.large = () => "x".repeat(1000);
    const large = mapOf({ ItemProcessor: children("Large", { Large: task("large") }) });
    expect(await rig.run(large, Array(300).fill(0))).toMatchObject({ error: "States.DataLimitExceeded" });
  });

  test("a writer that may not write fails the state with States.ResultWriterFailed; a redrive only writes", async () => {
    let calls = 0;
    rig.functions.count = () => {
      calls += 1;
      return calls;
    };
    rig.denied.push("s3:PutObject");
    const arn = rig.machine(
      "count",
      mapOf({ ItemProcessor: children("Count", { Count: task("count") }), ResultWriter: writer }),
    );
    const executionArn = await rig.start(arn, [1, 2]);
    expect(await rig.ended(executionArn)).toMatchObject({ error: "States.ResultWriterFailed" });
    rig.denied.length = 0;
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    outputOf(await rig.ended(executionArn));
    expect(calls).toBe(2);
  });

  test("a redrive runs only the children that failed or never ran, in the same Map Run", async () => {
    const calls: number[] = [];
    let broken = true;
    rig.functions.mend = ({ n }: { n: number }) => {
      calls.push(n);
      if (broken && n % 4 === 1) throw new FunctionError("Broken");
      return n;
    };
    const arn = rig.machine(
      "mend",
      mapOf({ ToleratedFailureCount: 1, MaxConcurrency: 1, ItemProcessor: children("Mend", { Mend: task("mend") }) }),
    );
    const executionArn = await rig.start(arn, numbers.slice(0, 8));
    expect(await rig.ended(executionArn)).toMatchObject({
      error: "States.ExceedToleratedFailureThreshold",
      redriveStatus: "REDRIVABLE",
    });
    expect(calls).toEqual([0, 1, 2, 3, 4, 5]);
    const { mapRunArn } = await mapRunOf(executionArn);
    calls.length = 0;
    broken = false;
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    expect(outputOf(await rig.ended(executionArn))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(calls).toEqual([1, 5, 6, 7]);
    const after = await mapRunOf(executionArn);
    expect(after.mapRunArn).toBe(mapRunArn);
    expect(after.description).toMatchObject({ status: "SUCCEEDED", redriveCount: 1 });
    expect((await rig.history(executionArn)).map((event) => event.type)).toContain("MapRunRedriven");
    const childrenListed = await rig.client.send(new ListExecutionsCommand({ mapRunArn, statusFilter: "SUCCEEDED" }));
    expect(childrenListed.executions?.filter((child) => child.redriveCount === 1)).toHaveLength(2);
  });

  test("a role that may not redrive its children fails the redriven run, and nothing runs", async () => {
    let calls = 0;
    rig.functions.torn = () => {
      calls += 1;
      throw new FunctionError("Torn");
    };
    const arn = rig.machine("torn", mapOf({ ItemProcessor: children("Torn", { Torn: task("torn") }) }));
    const executionArn = await rig.start(arn, [1]);
    await rig.ended(executionArn);
    rig.denied.push("states:RedriveExecution arn:aws:states:eu-central-1:123456789012:execution:torn/Each:");
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    expect(await rig.ended(executionArn)).toMatchObject({ status: "FAILED", error: "States.Permissions" });
    expect(calls).toBe(1);
    rig.denied.length = 0;
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    await rig.ended(executionArn);
    expect(calls).toBe(2);
  });

  test("a redrive reaches into nested Map Runs", async () => {
    const calls: number[] = [];
    let broken = true;
    rig.functions.mend = (n: number) => {
      calls.push(n);
      if (broken && n === 3) throw new FunctionError("Broken");
      return n;
    };
    const inner = {
      Type: "Map",
      Label: "Inner",
      Items: "{% $states.input %}",
      MaxConcurrency: 1,
      ItemProcessor: children("Mend", { Mend: task("mend") }),
      End: true,
    };
    const arn = rig.machine("nested", mapOf({ MaxConcurrency: 1, ItemProcessor: children("Inner", { Inner: inner }) }));
    const executionArn = await rig.start(arn, [
      [1, 2],
      [3, 4],
    ]);
    expect((await rig.ended(executionArn)).status).toBe("FAILED");
    expect(calls).toEqual([1, 2, 3]);
    broken = false;
    calls.length = 0;
    await rig.client.send(new RedriveExecutionCommand({ executionArn }));
    expect(outputOf(await rig.ended(executionArn))).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(calls).toEqual([3, 4]);
  });

  test("a retrier on the Map starts a new Map Run", async () => {
    let calls = 0;
    rig.functions.second = () => {
      calls += 1;
      if (calls === 1) throw new FunctionError("First");
      return calls;
    };
    const done = await rig.run(
      mapOf({
        ItemProcessor: children("Second", { Second: task("second") }),
        Retry: [{ ErrorEquals: ["States.ExceedToleratedFailureThreshold"], IntervalSeconds: 1, MaxAttempts: 1 }],
      }),
      [0],
    );
    expect(outputOf(done)).toEqual([2]);
    expect((await mapRunOf(done.executionArn)).runs.mapRuns).toHaveLength(2);
    expect(machineArn("x")).toContain("stateMachine");
    const child = await rig.client.send(new DescribeExecutionCommand({ executionArn: done.executionArn }));
    expect(child.redriveCount).toBe(0);
  });
});
