// Roles that may touch only some partition keys of a table: real policies, the official client.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BatchGetItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactWriteItemsCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type DynamodbService, startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import { Iam } from "../../../local/iam/iam.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { accountId, region } from "../service-rig.ts";

const stateDirectory = mkdtempSync(path.join(tmpdir(), "leading-keys-"));
const arn = `arn:aws:dynamodb:${region}:${accountId}:table/Accounts`;
const clock = new Clock();
let service: DynamodbService;
let gateway: Gateway;
let client: DynamoDBClient;

beforeAll(async () => {
  const iam = new Iam({ accountId, region, stateDirectory });
  const roleArn = `arn:aws:iam::${accountId}:role/relay`;
  iam.addRoles([
    {
      arn: roleArn,
      trust: {
        Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Principal: { Service: "lambda.amazonaws.com" } }],
      },
      policies: [
        {
          name: "own",
          document: {
            Statement: [
              {
                ...{ Effect: "Allow", Action: ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"] },
                ...{
                  Resource: arn,
                  Condition: { "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["cred#*", "relay"] } },
                },
              },
              {
                ...{ Effect: "Allow", Action: "dynamodb:PutItem", Resource: arn },
                Condition: { "ForAllValues:StringEquals": { "dynamodb:LeadingKeys": ["relay"] } },
              },
              {
                ...{ Effect: "Allow", Action: "dynamodb:Scan", Resource: arn },
                Condition: {
                  "ForAllValues:StringLike": { "dynamodb:LeadingKeys": ["relay"] },
                  Null: { "dynamodb:LeadingKeys": "false" },
                },
              },
            ],
          },
        },
      ],
    },
  ]);
  service = await startDynamodbService({ authorize: iam.authorize, clock, region, accountId, stateDirectory });
  await service.addTable({
    ...{ tableName: "Accounts", arn },
    keySchema: [{ AttributeName: "partition", KeyType: "HASH" }],
    attributeDefinitions: [{ AttributeName: "partition", AttributeType: "S" }],
    ...{
      globalSecondaryIndexes: [],
      localSecondaryIndexes: [],
      timeToLiveAttribute: undefined,
      streamViewType: undefined,
    },
  });
  gateway = await startGateway({ services: [service], principalOf: iam.principalOf, clock, faults: new Faults() });
  const { accessKeyId, secretAccessKey, sessionToken = "" } = iam.assumeRole(roleArn, "lambda.amazonaws.com");
  client = new DynamoDBClient({
    ...{ region, endpoint: gateway.url, credentials: { accessKeyId, secretAccessKey, sessionToken }, maxAttempts: 1 },
  });
});
afterAll(async () => {
  await gateway.close();
  clock.close();
  rmSync(stateDirectory, { recursive: true });
});

const Key = (text: string) => ({ partition: { S: text } });
const query = (text: string) =>
  client.send(
    new QueryCommand({
      ...{ TableName: "Accounts", KeyConditionExpression: "#p = :p" },
      ...{ ExpressionAttributeNames: { "#p": "partition" }, ExpressionAttributeValues: { ":p": { S: text } } },
    }),
  );
const refused = { name: "AccessDeniedException" };

describe("leading keys in a role's conditions", () => {
  test("let calls through that touch only them", async () => {
    await client.send(new GetItemCommand({ TableName: "Accounts", Key: Key("cred#a") }));
    await client.send(new PutItemCommand({ TableName: "Accounts", Item: Key("relay") }));
    await query("relay");
  });

  test("refuse every other key, also one among several", async () => {
    await expect(
      client.send(new GetItemCommand({ TableName: "Accounts", Key: Key("errors#a") })),
    ).rejects.toMatchObject(refused);
    await expect(client.send(new PutItemCommand({ TableName: "Accounts", Item: Key("cred#a") }))).rejects.toMatchObject(
      refused,
    );
    await expect(query("sticky#k")).rejects.toMatchObject(refused);
    const keys = { RequestItems: { Accounts: { Keys: [Key("cred#a"), Key("errors#a")] } } };
    await expect(client.send(new BatchGetItemCommand(keys))).rejects.toMatchObject(refused);
    const writes = ["relay", "other"].map((name) => ({ Put: { TableName: "Accounts", Item: Key(name) } }));
    await expect(client.send(new TransactWriteItemsCommand({ TransactItems: writes }))).rejects.toMatchObject(refused);
  });

  test("do not hold for a scan, which names none, where a policy demands one", async () => {
    await expect(client.send(new ScanCommand({ TableName: "Accounts" }))).rejects.toMatchObject(refused);
  });
});
