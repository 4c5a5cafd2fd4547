// DynamoDB behind the permission check, driven by the official client over the gateway.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DynamodbService, startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import { requiredPermissions } from "../../../local/dynamodb/required-permissions.ts";
import type { TableDefinition } from "../../../local/dynamodb/tables.ts";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import { type Principal, ServiceError } from "../../../local/gateway/service.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";

const tableArn = "arn:aws:dynamodb:eu-central-1:111122223333:table/Notes";
const principal: Principal = { arn: "arn:aws:iam::1:role/r", accessKeyId: "ASIATEST", secretAccessKey: "secret" };
const notes: TableDefinition = {
  tableName: "Notes",
  arn: tableArn,
  keySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
  attributeDefinitions: [
    { AttributeName: "pk", AttributeType: "S" },
    { AttributeName: "state", AttributeType: "S" },
  ],
  globalSecondaryIndexes: [
    {
      IndexName: "by-state",
      KeySchema: [{ AttributeName: "state", KeyType: "HASH" }],
      Projection: { ProjectionType: "ALL" },
    },
  ],
  localSecondaryIndexes: [],
  timeToLiveAttribute: "expires",
  streamViewType: undefined,
};

const stateDirectory = mkdtempSync(path.join(tmpdir(), "dynamodb-"));
const asked: string[] = [];
const faults = new Faults();
let forbidden = "";
let service: DynamodbService;
let gateway: Gateway;
let client: DynamoDBClient;

async function start() {
  service = await startDynamodbService({
    region: "eu-central-1",
    accountId: "111122223333",
    stateDirectory,
    authorize: (_principal, action, resource, context) => {
      asked.push([action, resource, ...Object.values(context ?? {})].join(" "));
      if (action === forbidden) throw new ServiceError(403, "AccessDenied", `not authorized to perform: ${action}`);
    },
  });
  await service.addTable(notes);
  gateway = await startGateway({ services: [service], principalOf: () => principal, clock: new Clock(), faults });
  client = new DynamoDBClient({ region: "eu-central-1", endpoint: gateway.url, credentials: principal });
}

beforeAll(start);
afterAll(async () => {
  await gateway.close();
  rmSync(stateDirectory, { recursive: true });
});

async function askedBy(call: () => Promise<unknown>): Promise<string[]> {
  asked.length = 0;
  await call();
  return [...asked];
}

const item = (pk: string) => ({ pk: { S: pk }, state: { S: "new" } });

describe("a call", () => {
  test("asks for its action on the table or the index, with the partition key it touches", async () => {
    const put = new PutItemCommand({ TableName: "Notes", Item: item("a") });
    expect(await askedBy(() => client.send(put))).toEqual([`dynamodb:PutItem ${tableArn} a`]);
    const query = new QueryCommand({
      TableName: "Notes",
      IndexName: "by-state",
      KeyConditionExpression: "#s = :s",
      ExpressionAttributeNames: { "#s": "state" },
      ExpressionAttributeValues: { ":s": { S: "new" } },
    });
    expect(await askedBy(() => client.send(query))).toEqual([`dynamodb:Query ${tableArn}/index/by-state new`]);
  });

  test("in a batch asks for each item, and in a transaction for each item's own action", async () => {
    const batch = new BatchWriteItemCommand({
      RequestItems: { Notes: [{ PutRequest: { Item: item("b") } }, { DeleteRequest: { Key: { pk: { S: "c" } } } }] },
    });
    expect(await askedBy(() => client.send(batch))).toEqual([
      `dynamodb:BatchWriteItem ${tableArn} b`,
      `dynamodb:BatchWriteItem ${tableArn} c`,
    ]);
    const reading = new BatchGetItemCommand({ RequestItems: { Notes: { Keys: [{ pk: { S: "b" } }] } } });
    expect(await askedBy(() => client.send(reading))).toEqual([`dynamodb:BatchGetItem ${tableArn} b`]);
    const transaction = new TransactWriteItemsCommand({
      TransactItems: [
        { Put: { TableName: "Notes", Item: item("d") } },
        {
          ConditionCheck: { TableName: "Notes", Key: { pk: { S: "b" } }, ConditionExpression: "attribute_exists(pk)" },
        },
      ],
    });
    expect(await askedBy(() => client.send(transaction))).toEqual([
      `dynamodb:PutItem ${tableArn} d`,
      `dynamodb:ConditionCheckItem ${tableArn} b`,
    ]);
  });

  test("on a table under a customer's key asks for that key as well, but not to look at the table", async () => {
    const kmsKeyArn = "arn:aws:kms:eu-central-1:111122223333:key/1";
    const sealedArn = tableArn.replace("Notes", "Sealed");
    const pk = { pk: { S: "a" } };
    await service.addTable({ ...notes, tableName: "Sealed", arn: sealedArn, kmsKeyArn });
    const get = new GetItemCommand({ TableName: "Sealed", Key: pk });
    expect(await askedBy(() => client.send(get))).toEqual([
      `dynamodb:GetItem ${sealedArn} a`,
      `kms:Decrypt ${kmsKeyArn} dynamodb.eu-central-1.amazonaws.com 111122223333`,
    ]);
    const describeTable = new DescribeTableCommand({ TableName: "Sealed" });
    expect(await askedBy(() => client.send(describeTable))).toEqual([`dynamodb:DescribeTable ${sealedArn}`]);
  });

  test("that is refused changes nothing, and its error has AWS's name", async () => {
    forbidden = "dynamodb:PutItem";
    const put = client.send(new PutItemCommand({ TableName: "Notes", Item: item("never") }));
    await expect(put).rejects.toMatchObject({ name: "AccessDeniedException", $metadata: { httpStatusCode: 400 } });
    forbidden = "";
    const { Item } = await client.send(new GetItemCommand({ TableName: "Notes", Key: { pk: { S: "never" } } }));
    expect(Item).toBeUndefined();
  });

  test("that the local cloud does not know is refused by name", async () => {
    const create = client.send(
      new CreateTableCommand({
        TableName: "Other",
        KeySchema: [],
        AttributeDefinitions: [],
        BillingMode: "PAY_PER_REQUEST",
      }),
    );
    await expect(create).rejects.toThrow("does not know dynamodb:CreateTable");
  });
});

test("conditions keep their meaning, with the old item in the refusal", async () => {
  const write = new PutItemCommand({
    TableName: "Notes",
    Item: item("once"),
    ConditionExpression: "attribute_not_exists(pk)",
    ReturnValuesOnConditionCheckFailure: "ALL_OLD",
  });
  await client.send(write);
  await expect(client.send(write)).rejects.toMatchObject({
    name: "ConditionalCheckFailedException",
    Item: item("once"),
  });
});

test("a table tells its ARN in this account and region, and its time to live", async () => {
  const { Table } = await client.send(new DescribeTableCommand({ TableName: "Notes" }));
  expect(Table?.TableArn).toBe(tableArn);
  expect(Table?.GlobalSecondaryIndexes?.[0]?.IndexArn).toBe(`${tableArn}/index/by-state`);
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName: "Notes" }));
  expect(TimeToLiveDescription).toMatchObject({ AttributeName: "expires", TimeToLiveStatus: "ENABLED" });
});

test("throttling by the fault rig is DynamoDB's own error, and the client gets over it", async () => {
  faults.add({ service: "dynamodb", operation: "GetItem", effect: { kind: "throttle" } });
  const read = new GetItemCommand({ TableName: "Notes", Key: { pk: { S: "a" } } });
  const { Item, $metadata } = await client.send(read);
  expect(Item).toEqual(item("a"));
  expect($metadata.attempts).toBe(2);
});

test("items survive a restart, and a table with other keys is not mistaken for the old one", async () => {
  await client.send(new PutItemCommand({ TableName: "Notes", Item: item("kept") }));
  await gateway.close();
  await start();
  const { Item } = await client.send(new GetItemCommand({ TableName: "Notes", Key: { pk: { S: "kept" } } }));
  expect(Item).toEqual(item("kept"));
  const changed = {
    ...notes,
    keySchema: [{ AttributeName: "state", KeyType: "HASH" as const }],
    attributeDefinitions: [{ AttributeName: "state", AttributeType: "S" }],
    globalSecondaryIndexes: [],
  };
  await expect(service.addTable(changed)).rejects.toThrow("of an earlier run has other keys");
});

test("the server ends when its owner is killed", async () => {
  const script = path.join(stateDirectory, "owner.ts");
  const module = path.resolve("local/dynamodb/dynoxide-process.ts");
  writeFileSync(
    script,
    `import { startDynoxide } from ${JSON.stringify(module)};
     const { url } = await startDynoxide(${JSON.stringify(path.join(stateDirectory, "other.sqlite"))}, () => undefined);
     console.log(url);
     setInterval(() => undefined, 1000);`,
  );
  const owner = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise<string>((resolve) => owner.stdout.once("data", (text) => resolve(String(text).trim())));
  const answers = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  expect(await answers()).toBe(true);
  owner.kill("SIGKILL");
  await expect.poll(answers, { timeout: 10_000, interval: 20 }).toBe(false);
});

test("an endpoint where nothing answers is reported in a sentence", async () => {
  const nowhere = await startDynamodbService({
    region: "eu-central-1",
    accountId: "111122223333",
    stateDirectory,
    authorize: () => undefined,
    endpoint: "http://127.0.0.1:1",
  });
  await expect(nowhere.addTable(notes)).rejects.toThrow("No DynamoDB server answers at http://127.0.0.1:1");
  await nowhere.close?.();
});

test("the leading key of a query is found whatever its place and its names", () => {
  const leadingKey = (KeyConditionExpression: string) =>
    requiredPermissions(
      "Query",
      {
        TableName: tableArn,
        KeyConditionExpression,
        ExpressionAttributeNames: { "#p": "pk" },
        ExpressionAttributeValues: { ":v": { S: "here" }, ":from": { S: "x" } },
      },
      () => "pk",
    )?.[0];
  const expected = { action: "dynamodb:Query", tableName: "Notes", leadingKey: "here" };
  expect(leadingKey("pk = :v")).toEqual(expected);
  expect(leadingKey("begins_with(sk, :from) AND #p=:v")).toEqual(expected);
});
