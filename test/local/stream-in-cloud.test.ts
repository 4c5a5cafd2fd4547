// A template's table whose stream calls a template's function: real permissions, a real worker, a restart in between.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DescribeTableCommand, DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, afterEach, expect, test } from "vitest";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { ref, writeAssembly } from "./api-gateway/small-assembly.ts";

const source = `export const handler = async (event) => {
  for (const { eventName, dynamodb } of event.Records) console.log(eventName + " " + dynamodb.Keys.pk.S);
  if (event.Records.some(({ dynamodb }) => dynamodb.Keys.pk.S === "bad")) throw new Error("cannot be counted");
};`;
const streamArn = { "Fn::GetAtt": ["Usage", "StreamArn"] };
const attach = (id: string, actions: readonly string[], resource: object) => ({
  Type: "AWS::IAM::Policy",
  Properties: {
    PolicyName: id,
    PolicyDocument: { Statement: [{ Effect: "Allow", Action: actions, Resource: resource }] },
    Roles: [ref("Role")],
  },
});
const readStream = ["DescribeStream", "GetRecords", "GetShardIterator", "ListStreams"].map(
  (name) => `dynamodb:${name}`,
);
const resources = (capacityProvider: object) => ({
  Usage: {
    Type: "AWS::DynamoDB::Table",
    Properties: {
      TableName: "Usage",
      KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
      BillingMode: "PAY_PER_REQUEST",
      StreamSpecification: { StreamViewType: "NEW_AND_OLD_IMAGES" },
    },
  },
  Dead: { Type: "AWS::SQS::Queue", Properties: { QueueName: "dead" } },
  MayRead: attach("read", readStream, streamArn),
  MaySend: attach("send", ["sqs:SendMessage"], { "Fn::GetAtt": ["Dead", "Arn"] }),
  Count: {
    Type: "AWS::Lambda::Function",
    Properties: {
      ...{ Code: { S3Bucket: "cdk-assets", S3Key: "Code.zip" }, FunctionName: "count", Handler: "index.handler" },
      ...{ Runtime: "nodejs24.x", Role: { "Fn::GetAtt": ["Role", "Arn"] }, Timeout: 60, ...capacityProvider },
    },
  },
  Mapping: {
    Type: "AWS::Lambda::EventSourceMapping",
    Properties: {
      ...{ EventSourceArn: streamArn, FunctionName: ref("Count"), StartingPosition: "TRIM_HORIZON", BatchSize: 10 },
      ...{ MaximumBatchingWindowInSeconds: 1, MaximumRetryAttempts: 1, BisectBatchOnFunctionError: true },
      ...{ ParallelizationFactor: 1, FilterCriteria: { Filters: [{ Pattern: '{"eventName":["INSERT","MODIFY"]}' }] } },
      DestinationConfig: { OnFailure: { Destination: { "Fn::GetAtt": ["Dead", "Arn"] } } },
    },
  },
});

const temporary = mkdtempSync(path.join(tmpdir(), "stream-cloud-"));
let lines: string[] = [];
let cloud: LocalCloud | undefined;

async function boot(capacityProvider: object = {}): Promise<LocalCloud> {
  lines = [];
  cloud = await bootCloud({
    assemblyDirectory: writeAssembly(mkdtempSync(path.join(temporary, "cdk-")), {
      functions: { Code: source },
      resources: resources(capacityProvider),
    }),
    stateDirectory: path.join(temporary, "state"),
    clock: new Clock({ skipIdle: true }),
    onLog: (_name, line) => lines.push(line),
  });
  return cloud;
}
const put = (booted: LocalCloud, pk: string) =>
  new DynamoDBClient(booted.clientConfig()).send(new PutItemCommand({ TableName: "Usage", Item: { pk: { S: pk } } }));

afterEach(async () => {
  await cloud?.close();
  cloud?.clock.close();
});
afterAll(() => rmSync(temporary, { recursive: true }));

test("a table's stream calls its function, with its role's permissions, and goes on after a restart", async () => {
  const first = await boot();
  expect(first.unknown).toEqual([]);
  const described = await new DynamoDBClient(first.clientConfig()).send(
    new DescribeTableCommand({ TableName: "Usage" }),
  );
  const [view] = first.eventSources.list();
  expect(view).toEqual({
    functionName: "count",
    sourceArn: described.Table?.LatestStreamArn,
    state: "enabled",
    maximumConcurrency: 2,
  });
  await put(first, "one");
  await first.eventSources.settled();
  expect(lines).toEqual(["INSERT one"]);
  first.eventSources.disable("count");
  await put(first, "two");
  await first.close();

  const second = await boot({
    CapacityProviderConfig: {
      LambdaManagedInstancesCapacityProviderConfig: {
        ...{ CapacityProviderArn: "arn:aws:lambda:eu-central-1:111122223333:capacity-provider:x" },
        PerExecutionEnvironmentMaxConcurrency: 10,
      },
    },
  });
  expect(second.unknown).toEqual([]);
  expect(second.lambda.find("count").concurrentInvocations).toBe(10);
  await put(second, "bad");
  await second.eventSources.settled();
  // Perhaps in one batch with the bad one, and then once more without it.
  expect(lines).toContain("INSERT two");
  expect(lines).not.toContain("INSERT one");
  expect(second.eventSources.list()[0]?.state).toBe("enabled");
  expect(second.dynamodb.calls()).toEqual({ "PutItem Usage": 1 });
  const queue = new SQSClient(second.clientConfig());
  const { Messages } = await queue.send(
    new ReceiveMessageCommand({ QueueUrl: `${second.url}/${second.accountId}/dead` }),
  );
  expect(Messages?.map(({ Body }) => JSON.parse(Body ?? "").DDBStreamBatchInfo.batchSize)).toEqual([1]);
});
