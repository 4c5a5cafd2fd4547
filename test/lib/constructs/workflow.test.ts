// The Workflow construct refuses what does not fit its definition, with a sentence, before anything is deployed.
import { App, Duration, Stack } from "aws-cdk-lib";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Topic } from "aws-cdk-lib/aws-sns";
import { describe, expect, it } from "vitest";
import { ServiceFunction } from "../../../lib/constructs/service-function.ts";
import { Workflow, type WorkflowProps } from "../../../lib/constructs/workflow.ts";

const called = [
  "ListBackups",
  "PlanCopy",
  "RefreshLink",
  "CopyBatch",
  "CompleteCopy",
  "RecordReceipt",
  "AbandonCopy",
  "SummariseRun",
];

const stack = new Stack(new App(), "Made-up");
const alarmTopic = new Topic(stack, "Topic");
const workBucket = { bucket: new Bucket(stack, "Work"), keys: "runs/*" };
const serviceFunction = new ServiceFunction(stack, "Any", {
  room: "replication",
  entry: "start-run",
  environment: {},
  impactOfFailure: "Nothing: it is made up.",
  permissions: [],
  memoryMebibytes: 128,
  timeout: Duration.seconds(3),
  logRetention: 1,
  alarmTopic,
});
const functions = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, serviceFunction]));

let number = 0;
function build(changes: Partial<WorkflowProps>): Workflow {
  number += 1;
  return new Workflow(stack, `Workflow${number}`, {
    name: `made-up-${number}`,
    definition: "replication/replicate-backups.asl.json",
    functions: functions(called),
    buckets: { WorkBucket: workBucket },
    timeout: Duration.hours(1),
    impactOfFailure: "Nothing: it is made up.",
    logRetention: 1,
    alarmTopic,
    ...changes,
  });
}

describe("a workflow", () => {
  it("is built when functions and buckets are just what its definition names", () => {
    expect(build({}).arn).toBeTypeOf("string");
  });

  it("names the function that is missing", () => {
    expect(() => build({ functions: functions(called.slice(1)) })).toThrow(
      /^state-machines\/replication\/replicate-backups\.asl\.json: \$\{ListBackups\} stands in it, but no function/,
    );
  });

  it("names what is given for nothing", () => {
    expect(() => build({ functions: functions([...called, "DeleteBackups"]) })).toThrow(/DeleteBackups is given, but/);
  });

  it("names a reader whose bucket is no bucket", () => {
    expect(() => build({ functions: functions([...called, "WorkBucket"]), buckets: {} })).toThrow(
      /the reader of "Copy backups" uses \$\{WorkBucket\}, which is no bucket/,
    );
  });
});
