// The two local services together: a Distributed Map reads its items from the local S3 and writes its results there.
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DescribeExecutionCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createS3Service, type S3Service } from "../../../local/s3/s3-service.ts";
import { createStepFunctionsService, type StepFunctionsService } from "../../../local/step-functions/step-functions.ts";
import { operator, type ServiceRig, startServiceRig } from "../service-rig.ts";
import { functionArn, machineArn, task } from "./rig.ts";

let rig: ServiceRig<{ s3: S3Service; states: StepFunctionsService }>;
let url = "";

beforeAll(async () => {
  rig = await startServiceRig((context) => ({
    s3: createS3Service(context),
    states: createStepFunctionsService(context, {
      endpointUrl: () => url,
      lambda: {
        invoke: async (arn, payload) => {
          if (arn !== functionArn("echo")) throw new Error(`no such function: ${arn}`);
          return { payload };
        },
      },
    }),
  }));
  url = rig.url;
});
afterAll(() => rig.close());

test("items in, results out, with keys that need encoding, in spite of a storm of SlowDown", async () => {
  rig.services.s3.createBucket({ name: "work", versioned: true, eventBridge: false });
  const s3 = new S3Client({ ...rig.clientSettings(), forcePathStyle: true });
  const sfn = new SFNClient(rig.clientSettings());
  const items = Array.from({ length: 2000 }, (_, n) => ({ n, text: `备份 ${n} "quoted"` }));
  const Key = "lists/run 1+2%&'(ü).jsonl";
  const Body = items.map((item) => `${JSON.stringify(item)}\n`).join("");
  await s3.send(new PutObjectCommand({ Bucket: "work", Key, Body }));
  rig.services.states.createStateMachine({
    arn: machineArn("both"),
    name: "both",
    role: operator,
    definition: JSON.stringify({
      QueryLanguage: "JSONata",
      StartAt: "Each",
      States: {
        Each: {
          Type: "Map",
          ItemReader: {
            Resource: "arn:aws:states:::s3:getObject",
            ReaderConfig: { InputType: "JSONL" },
            Arguments: { Bucket: "work", Key: "{% $states.input.key %}" },
          },
          ItemBatcher: { MaxItemsPerBatch: 100 },
          ItemProcessor: {
            ProcessorConfig: { Mode: "DISTRIBUTED", ExecutionType: "STANDARD" },
            StartAt: "Echo",
            States: { Echo: task("echo", { Output: "{% $states.result.Items %}", End: true }) },
          },
          ResultWriter: {
            Resource: "arn:aws:states:::s3:putObject",
            Arguments: { Bucket: "work", Prefix: "results/ü" },
            WriterConfig: { Transformation: "FLATTEN", OutputType: "JSON" },
          },
          End: true,
        },
      },
    }),
  });
  rig.faults.add({ service: "s3", times: 2, effect: { kind: "throttle" } });
  const call = new StartExecutionCommand({ stateMachineArn: machineArn("both"), input: JSON.stringify({ key: Key }) });
  const { executionArn } = await sfn.send(call);
  let execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
  while (execution.status === "RUNNING") {
    await new Promise((resolve) => setTimeout(resolve, 10));
    execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
  }
  expect(execution).toMatchObject({ status: "SUCCEEDED" });
  const read = async (key: string) => {
    const object = await s3.send(new GetObjectCommand({ Bucket: "work", Key: key }));
    return JSON.parse((await object.Body?.transformToString()) ?? "null");
  };
  const { ResultWriterDetails } = JSON.parse(execution.output ?? "null");
  expect(ResultWriterDetails.Key).toMatch(/^results\/ü\/[0-9a-f-]{36}\/manifest\.json$/);
  const manifest = await read(ResultWriterDetails.Key);
  expect(await read(manifest.ResultFiles.SUCCEEDED[0].Key)).toEqual(items);
  expect(rig.faults.fired).toHaveLength(2);
  expect(rig.defects).toEqual([]);
  s3.destroy();
  sfn.destroy();
});
