// What one item can refuse: conflicts of transactions, throttles, lost answers; driven by the official client.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BatchWriteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type DynamodbService, startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { accountId, operator, region } from "../service-rig.ts";

const stateDirectory = mkdtempSync(path.join(tmpdir(), "item-limits-"));
/** It hardly moves by itself: no item's capacity comes back while a machine stalls. */
const clock = new Clock({ speed: 1e-6 });
const faults = new Faults();
let service: DynamodbService;
let gateway: Gateway;
/** Does not try again by itself. */
let client: DynamoDBClient;

beforeAll(async () => {
  service = await startDynamodbService({ authorize: () => undefined, clock, region, accountId, stateDirectory });
  for (const tableName of ["Keys", "Usage"]) {
    await service.addTable({
      tableName,
      arn: `arn:aws:dynamodb:${region}:${accountId}:table/${tableName}`,
      keySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      attributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
      ...{ globalSecondaryIndexes: [], localSecondaryIndexes: [] },
      ...{ timeToLiveAttribute: undefined, streamViewType: undefined },
    });
  }
  gateway = await startGateway({ services: [service], principalOf: () => operator, clock, faults });
  client = new DynamoDBClient({ region, endpoint: gateway.url, credentials: operator, maxAttempts: 1 });
});
afterEach(() => {
  faults.clear();
  service.simulate({});
});
afterAll(async () => {
  await gateway.close();
  clock.close();
  rmSync(stateDirectory, { recursive: true });
});

const item = (pk: string, text = "") => ({ pk: { S: pk }, text: { S: text } });
const put = (pk: string, text?: string, table = "Keys") =>
  client.send(new PutItemCommand({ TableName: table, Item: item(pk, text) }));
const add = (pk: string) =>
  client.send(
    new UpdateItemCommand({
      ...{ TableName: "Keys", Key: { pk: { S: pk } }, UpdateExpression: "ADD #n :one" },
      ...{ ExpressionAttributeNames: { "#n": "n" }, ExpressionAttributeValues: { ":one": { N: "1" } } },
    }),
  );
const transact = (...keys: string[]) =>
  client.send(
    new TransactWriteItemsCommand({
      TransactItems: keys.map((pk) => ({ Put: { TableName: "Keys", Item: item(pk) } })),
    }),
  );
const numberOf = async (pk: string) =>
  (await client.send(new GetItemCommand({ TableName: "Keys", Key: { pk: { S: pk } } }))).Item?.n?.N;
const reasonsOf = (error: unknown) =>
  error instanceof TransactionCanceledException ? error.CancellationReasons?.map(({ Code }) => Code) : error;

describe("a conflict put in by the rig", () => {
  const conflict = { service: "dynamodb", effect: { kind: "transaction-conflict" } } as const;

  test("is each call's own error, and nothing is done", async () => {
    faults.add({ ...conflict, operation: "UpdateItem" }, { ...conflict, operation: "TransactWriteItems" });
    await expect(add("a")).rejects.toMatchObject({ name: "TransactionConflictException" });
    await expect(transact("a", "b").catch(reasonsOf)).resolves.toEqual(["TransactionConflict", "None"]);
    expect(await numberOf("a")).toBeUndefined();
    await add("a");
    expect(await numberOf("a")).toBe("1");
  });

  test("leaves a batch undone, and an ordinary read alone", async () => {
    faults.add({ ...conflict, times: 2 });
    expect(await numberOf("nobody")).toBeUndefined();
    const requests = { Keys: [{ PutRequest: { Item: item("batch") } }] };
    const { UnprocessedItems } = await client.send(new BatchWriteItemCommand({ RequestItems: requests }));
    expect(UnprocessedItems).toEqual(requests);
  });

  test("can be meant for one item, wherever it stands in a call", async () => {
    faults.add({ ...conflict, resourceIncludes: "Keys hot", times: 2 });
    await put("cold");
    await expect(put("hot")).rejects.toMatchObject({ name: "TransactionConflictException" });
    await expect(transact("cold", "hot").catch(reasonsOf)).resolves.toContain("TransactionConflict");
  });
});

describe("answers lost after the work", () => {
  test.each(["UpdateItem", "PutItem", "TransactWriteItems"])(
    "%s is done, and its caller sees an error",
    async (operation) => {
      const pk = `lost-${operation}`;
      faults.add({ service: "dynamodb", operation, resourceIncludes: pk, effect: { kind: "reset-after-work" } });
      faults.add({
        service: "dynamodb",
        operation,
        resourceIncludes: pk,
        fromCall: 2,
        effect: { kind: "error", status: 500, code: "InternalServerError" },
      });
      const call = { UpdateItem: add, PutItem: put, TransactWriteItems: transact }[operation] ?? put;
      await expect(call(pk)).rejects.toThrow();
      const { Item } = await client.send(new GetItemCommand({ TableName: "Keys", Key: { pk: { S: pk } } }));
      expect(Item).toBeDefined();
      await expect(call(`${pk}-not-done`)).rejects.toMatchObject({ name: "InternalServerError" });
      expect(await numberOf(`${pk}-not-done`)).toBeUndefined();
    },
  );
});

describe("transactions that hold their items", () => {
  test("refuse other writers of them meanwhile, and nobody afterwards", async () => {
    service.simulate({ transactionHoldMilliseconds: 10_000 });
    const arrived = () => service.calls()["TransactWriteItems Keys"] ?? 0;
    const before = arrived();
    const first = transact("held", "other");
    await expect.poll(arrived).toBe(before + 1);
    const outcomes = await Promise.all([
      add("held").catch((error: Error) => error.name),
      transact("free", "held").catch(reasonsOf),
      client
        .send(
          new TransactGetItemsCommand({ TransactItems: [{ Get: { TableName: "Keys", Key: { pk: { S: "held" } } } }] }),
        )
        .catch(reasonsOf),
      numberOf("held"),
      put("free").then(() => "written"),
    ]);
    expect(outcomes).toEqual([
      "TransactionConflictException",
      ["None", "TransactionConflict"],
      ["TransactionConflict"],
      undefined,
      "written",
    ]);
    service.simulate({ transactionHoldMilliseconds: 1 });
    await first;
    await add("held");
    expect(await numberOf("held")).toBe("1");
  });
});

describe("an item that is written too fast", () => {
  test("is throttled, in transactions too, until time has passed; others are not", async () => {
    service.simulate({ itemWriteUnitsPerSecond: 10 });
    // 9,000 bytes are nine units, in a transaction twice as many.
    await put("hot", "x".repeat(9000));
    await put("hot", "x".repeat(9000));
    await expect(put("hot")).rejects.toMatchObject({ name: "ThrottlingException" });
    await expect(transact("cool", "hot").catch(reasonsOf)).resolves.toEqual(["None", "ThrottlingError"]);
    await put("cool");
    expect(await numberOf("hot")).toBeUndefined();
    clock.advance(2000);
    client = new DynamoDBClient({
      ...{ region, endpoint: gateway.url, credentials: operator, maxAttempts: 1 },
      systemClockOffset: Math.round(clock.now() - Date.now()),
    });
    const { ConsumedCapacity } = await put("hot");
    expect(ConsumedCapacity).toBeUndefined();
  });

  test("refuses settings that make no sense", () => {
    expect(() => service.simulate({ itemWriteUnitsPerSecond: 0 })).toThrow(RangeError);
    expect(() => service.simulate({ transactionHoldMilliseconds: -1 })).toThrow(RangeError);
  });
});

test("calls are counted by operation and tables", async () => {
  const before = service.calls();
  await put("counted");
  await put("counted", "again");
  await numberOf("counted");
  await client.send(
    new TransactWriteItemsCommand({
      TransactItems: ["Usage", "Keys"].map((TableName) => ({ Put: { TableName, Item: item("both") } })),
    }),
  );
  const after = service.calls();
  const more = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
  expect(["PutItem Keys", "GetItem Keys", "TransactWriteItems Usage+Keys"].map(more)).toEqual([2, 1, 1]);
});
