// The replication stack: who may do what, who is told when it fails, and that the workflow gets what its maps need.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import validate from "asl-validator";
import type { Template } from "aws-cdk-lib/assertions";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import * as environments from "../../../lambdas/replication/config.ts";
import { headingAnchor } from "../../../lib/constructs/failure-alarm.ts";
import { actionsOf, denialsOf, joinedText, statementsOf, synthesise } from "./template.ts";

const { replication, data } = synthesise("prod");

const functionIds = [
  "AbandonCopy",
  "CompleteCopy",
  "CopyBatch",
  "ListBackups",
  "PlanCopy",
  "RecordReceipt",
  "RefreshLink",
  "StartRun",
  "SummariseRun",
];

/** The function resource of a construct. */
function functionOf(template: Template, constructId: string) {
  const found = Object.entries(template.findResources("AWS::Lambda::Function")).find(([id]) =>
    id.startsWith(`${constructId}Function`),
  );
  if (found === undefined) throw new Error(`there is no function ${constructId}`);
  const [id, resource] = found;
  return { id, properties: resource.Properties as Record<string, unknown> };
}

describe("a function of replication", () => {
  it("has a role of its own, whichever workflow it belongs to", () => {
    const functions = Object.values(replication.findResources("AWS::Lambda::Function"));
    const roles = functions.map((resource) => JSON.stringify(resource.Properties.Role));
    expect(functions.length).toBeGreaterThanOrEqual(functionIds.length);
    expect(new Set(roles).size).toBe(functions.length);
  });

  it.each(functionIds)("runs on Node 24 and arm64, traced, with JSON logs that end: %s", (constructId) => {
    const { properties } = functionOf(replication, constructId);
    expect(properties).toMatchObject({
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      TracingConfig: { Mode: "Active" },
      LoggingConfig: { LogFormat: "JSON", LogGroup: { Ref: expect.stringMatching(new RegExp(`^${constructId}Logs`)) } },
    });
    const logs = Object.entries(replication.findResources("AWS::Logs::LogGroup"));
    const own = logs.find(([id]) => id.startsWith(`${constructId}Logs`));
    expect(own?.[1].Properties.RetentionInDays).toBe(365);
  });

  it.each(functionIds)("deletes nothing, and has no wildcard among its actions: %s", (constructId) => {
    const actions = actionsOf(replication, constructId);
    expect(actions.length).toBeGreaterThan(4);
    expect(actions.filter((action) => /Delete|Remove|PutBucket|PutLifecycle|\*/.test(action))).toEqual([]);
  });

  it("may write in batches, which could delete, only to note a run's backups among the jobs", () => {
    const writers = functionIds.filter((id) => actionsOf(replication, id).includes("dynamodb:BatchWriteItem"));
    expect(writers).toEqual(["ListBackups"]);
    const tables = statementsOf(replication, "ListBackups")
      .filter(({ actions }) => actions.includes("dynamodb:BatchWriteItem"))
      .flatMap(({ resources }) => resources);
    expect(tables).toEqual([expect.stringMatching(/ExportsOutputFnGetAttJobs/)]);
  });

  it.each(functionIds)("reaches no more than X-Ray without naming a resource: %s", (constructId) => {
    const boundless = statementsOf(replication, constructId).filter(({ resources }) => resources.includes("*"));
    expect(boundless.flatMap(({ actions }) => actions).sort()).toEqual([
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]);
  });

  it.each(functionIds)("is given an environment that its own schema accepts: %s", (constructId) => {
    const { properties } = functionOf(replication, constructId);
    const { Variables } = properties.Environment as { Variables: Record<string, unknown> };
    const defaults = replication.toJSON().Parameters as Record<string, { Default: string }>;
    const resolved = Object.fromEntries(
      Object.entries(Variables).map(([name, value]) => {
        if (typeof value === "string") return [name, value];
        const { Ref } = value as { Ref?: string };
        return [name, (Ref !== undefined && defaults[Ref]?.Default) || "resolved-by-cloudformation"];
      }),
    );
    const schemaName = `${constructId[0]?.toLowerCase()}${constructId.slice(1)}Environment`;
    const schema = (environments as Record<string, z.ZodType>)[schemaName];
    expect(schema?.safeParse(resolved).error?.issues).toBeUndefined();
    expect(schema).toBeDefined();
  });

  it("reads Aliyun's key pair, by its path, only where it asks Aliyun", () => {
    const readers = functionIds.filter((id) => actionsOf(replication, id).includes("secretsmanager:GetSecretValue"));
    expect(readers).toEqual(["ListBackups", "PlanCopy", "RefreshLink"]);
    for (const reader of readers) {
      const secrets = statementsOf(replication, reader).filter(({ actions }) =>
        actions.includes("secretsmanager:GetSecretValue"),
      );
      expect(secrets).toEqual([
        {
          actions: ["secretsmanager:GetSecretValue"],
          resources: ["arn:aws:secretsmanager:ap-southeast-1:222222222222:secret:/prod/replication/aliyun-*"],
        },
      ]);
    }
    replication.resourceCountIs("AWS::SecretsManager::Secret", 0);
  });

  it("signs only when it records receipts, and writes there only below receipts/", () => {
    expect(functionIds.filter((id) => actionsOf(replication, id).includes("kms:Sign"))).toEqual(["RecordReceipt"]);
    const writes = statementsOf(replication, "RecordReceipt").filter(({ actions }) => actions.includes("s3:PutObject"));
    expect(writes).toHaveLength(1);
    expect(writes[0]?.resources.every((resource) => resource.endsWith('"/receipts/*"]]}'))).toBe(true);
  });

  it("may not write below receipts/ where it copies, though copies may lie anywhere", () => {
    for (const id of ["PlanCopy", "CopyBatch", "CompleteCopy"]) {
      const denials = denialsOf(replication, id);
      expect(denials.map(({ actions }) => actions)).toEqual([["s3:PutObject"]]);
      expect(denials[0]?.resources.every((resource) => resource.endsWith('"/receipts/*"]]}'))).toBe(true);
    }
  });

  it("starts the workflow only as start-run, and calls of it that failed for good are kept", () => {
    expect(functionIds.filter((id) => actionsOf(replication, id).includes("states:StartExecution"))).toEqual([
      "StartRun",
    ]);
    replication.hasResourceProperties("AWS::Lambda::EventInvokeConfig", {
      FunctionName: { Ref: functionOf(replication, "StartRun").id },
      DestinationConfig: { OnFailure: { Destination: {} } },
    });
  });
});

describe("an alarm", () => {
  const alarms = Object.values(replication.findResources("AWS::CloudWatch::Alarm")).map(
    (resource) => resource.Properties as { AlarmDescription: string; Dimensions: object[]; AlarmActions: object[] },
  );

  it("watches every function, every workflow that fails or times out, and the missed runs", () => {
    const watching = (id: string) => alarms.filter(({ Dimensions }) => JSON.stringify(Dimensions).includes(`"${id}"`));
    for (const id of Object.keys(replication.findResources("AWS::Lambda::Function"))) {
      expect(watching(id), id).toHaveLength(1);
    }
    for (const id of Object.keys(replication.findResources("AWS::StepFunctions::StateMachine"))) {
      expect(watching(id), id).toHaveLength(2);
    }
    expect(alarms.filter(({ AlarmDescription }) => AlarmDescription.startsWith("Missed runs: "))).toHaveLength(1);
  });

  it("says what breaks, reaches the alarm topic, and links a heading that the runbook has", () => {
    const runbook = readFileSync(resolve(import.meta.dirname, "../../../docs/runbook.md"), "utf8");
    const anchors = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => headingAnchor(heading ?? ""));
    for (const { AlarmDescription, AlarmActions } of alarms) {
      const [, impact = "", anchor = ""] =
        /^[A-Za-z- ]+: (.+) Runbook: docs\/runbook\.md#(\S+)$/.exec(AlarmDescription) ?? [];
      expect(impact).toMatch(/^[A-Z].{20,}\.$/);
      expect(anchors).toContain(anchor);
      expect(AlarmActions).toHaveLength(1);
    }
  });
});

describe("the workflow", () => {
  const statements = statementsOf(replication, "ReplicateBackups");
  const stateMachine = Object.values(replication.findResources("AWS::StepFunctions::StateMachine"))[0];
  const properties = stateMachine?.Properties as Record<string, unknown>;
  const name = "causeway-prod-replicate-backups";
  const arnStart = "arn:aws:states:ap-southeast-1:222222222222";

  it("has a definition in the template that is valid, with a time limit", () => {
    const definition = JSON.parse(String(properties.DefinitionString)) as { TimeoutSeconds: number };
    expect(definition.TimeoutSeconds).toBe(7 * 24 * 3600);
    const verdict = validate(definition);
    expect(verdict.isValid, verdict.errorsText()).toBe(true);
  });

  it("may start itself, and stop, describe and redrive the children of its maps alone", () => {
    const states = statements.filter(({ actions }) => actions.some((action) => action.startsWith("states:")));
    expect(states).toEqual([
      { actions: ["states:StartExecution"], resources: [`${arnStart}:stateMachine:${name}`] },
      {
        actions: ["states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"],
        resources: [`${arnStart}:execution:${name}/*`, `${arnStart}:execution:${name}:*`],
      },
    ]);
  });

  it("reads and writes lists only below runs/ of the work bucket", () => {
    const onS3 = statements.filter(({ actions }) => actions.some((action) => action.startsWith("s3:")));
    expect(onS3).toHaveLength(1);
    expect(onS3[0]?.actions).toEqual([
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]);
    expect(onS3[0]?.resources).toEqual([expect.stringMatching(/WorkBucket.*"\/runs\/\*"/)]);
  });

  it("calls the functions that stand in it, and no other", () => {
    const invoked = statements.find(({ actions }) => actions.includes("lambda:InvokeFunction"))?.resources ?? [];
    const called = functionIds.filter((id) => id !== "StartRun");
    expect(invoked).toHaveLength(called.length);
    for (const id of called) expect(invoked.join()).toContain(functionOf(replication, id).id);
  });

  it("logs every event without its data, and is traced", () => {
    expect(properties).toMatchObject({
      LoggingConfiguration: { Level: "ALL", IncludeExecutionData: false },
      TracingConfiguration: { Enabled: true },
    });
  });
});

describe("the schedule", () => {
  it("runs by the stage's own clock, says which time it is for, and keeps what it could not deliver", () => {
    replication.hasResourceProperties("AWS::Scheduler::Schedule", {
      ScheduleExpression: "cron(30 6 * * ? *)",
      ScheduleExpressionTimezone: "Asia/Shanghai",
      FlexibleTimeWindow: { Mode: "OFF" },
      State: "ENABLED",
      Target: {
        Arn: { "Fn::GetAtt": [functionOf(replication, "StartRun").id, "Arn"] },
        RetryPolicy: { MaximumEventAgeInSeconds: 21600, MaximumRetryAttempts: 20 },
        DeadLetterConfig: {},
      },
    });
    const [schedule] = Object.values(
      replication.findResources("AWS::Scheduler::Schedule", {
        Properties: { Name: "causeway-prod-replicate-backups" },
      }),
    );
    expect(JSON.parse(joinedText(schedule?.Properties.Target.Input))).toEqual({
      schedule: "causeway-prod-replicate-backups",
      stateMachineArn: expect.stringMatching(/^<ReplicateBackupsStateMachine/),
      scheduledTime: "<aws.scheduler.scheduled-time>",
    });
  });

  it("is switched off where the stage says so", () => {
    synthesise("dev").replication.hasResourceProperties("AWS::Scheduler::Schedule", { State: "DISABLED" });
  });
});

describe("the two stacks", () => {
  it("need no custom resource, so that the local cloud runs the same template", () => {
    for (const template of [data, replication]) {
      const types = Object.values(template.toJSON().Resources as Record<string, { Type: string }>);
      expect(types.filter(({ Type }) => /^Custom::|CustomResource/.test(Type))).toEqual([]);
    }
  });

  it("take Aliyun's address as parameters, with the stage's settings as defaults", () => {
    replication.hasParameter("AliyunRdsEndpoint", { Default: "rds.aliyuncs.com" });
    replication.hasParameter("AliyunProtocol", { Default: "https", AllowedValues: ["https", "http"] });
    replication.hasParameter("SmallestPartBytes", { Default: "5242880" });
  });

  it("name what a person looks for", () => {
    for (const output of ["BackupsBucketName", "WorkBucketName", "JobsTableName", "CopiesTableName", "EventBusName"]) {
      data.hasOutput(output, {});
    }
    data.hasOutput("ReceiptSigningKeyAlias", { Value: "alias/causeway-prod/receipts" });
    replication.hasOutput("ReplicateBackupsArn", {});
  });
});
