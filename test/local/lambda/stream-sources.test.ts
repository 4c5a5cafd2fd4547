// Tables' streams that call functions: a real DynamoDB server written by the official client, functions of this file, cloud time.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  BatchWriteItemCommand,
  DeleteItemCommand,
  DynamoDBClient,
  PutItemCommand,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from "@aws-sdk/client-dynamodb";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DynamodbService, startDynamodbService } from "../../../local/dynamodb/dynamodb-service.ts";
import { type Gateway, startGateway } from "../../../local/gateway/gateway.ts";
import type { LambdaResult, StreamRecord } from "../../../local/gateway/ports.ts";
import { ServiceError } from "../../../local/gateway/service.ts";
import { EventSources } from "../../../local/lambda/event-sources.ts";
import { asynchronousDefaults, type FunctionDefinition } from "../../../local/lambda/function-definition.ts";
import { type StreamMapping, streamMappingFault } from "../../../local/lambda/stream-mapping.ts";
import { Clock } from "../../../local/rig/clock.ts";
import { Faults } from "../../../local/rig/faults.ts";
import { accountId, operator, region } from "../service-rig.ts";

const functionArn = `arn:aws:lambda:${region}:${accountId}:function:roll-up`;
const deadArn = `arn:aws:sqs:${region}:${accountId}:dead`;
const role = { ...operator, arn: `arn:aws:iam::${accountId}:role/roll-up` };
const hour = 3_600_000;

const stateDirectory = mkdtempSync(path.join(tmpdir(), "streams-"));
const clock = new Clock({ skipIdle: true });
const faults = new Faults();
const asked = new Set<string>();
const denied = new Set<string>();
const dead: Record<string, never>[] = [];
let dynamodb: DynamodbService;
let gateway: Gateway;
let tables = 0;
/** Each test has a table of its own. */
let table = { name: "", streamArn: "" };
let work: (records: readonly StreamRecord[], signal: AbortSignal) => unknown;
let calls: (readonly StreamRecord[])[];
let notices: string[];
let sources: EventSources;
const open: EventSources[] = [];

const authorize = (_principal: unknown, action: string, resource: string) => {
  asked.add(`${action} ${resource}`);
  if (denied.has(action)) throw new ServiceError(403, "AccessDenied", `may not ${action}`);
};

beforeAll(async () => {
  dynamodb = await startDynamodbService({ authorize, clock, region, accountId, stateDirectory });
  gateway = await startGateway({ services: [dynamodb], principalOf: () => operator, clock, faults });
});
afterAll(async () => {
  await gateway.close();
  clock.close();
  rmSync(stateDirectory, { recursive: true });
});

beforeEach(async () => {
  [calls, notices, work] = [[], [], () => undefined];
  tables += 1;
  const arn = `arn:aws:dynamodb:${region}:${accountId}:table/Usage${tables}`;
  table = { name: `Usage${tables}`, streamArn: `${arn}/stream/2026-01-01T00:00:00.000` };
  await addTable("NEW_AND_OLD_IMAGES");
  asked.clear();
});
afterEach(async () => {
  await stop();
  faults.clear();
  denied.clear();
  dead.length = 0;
});

async function addTable(streamViewType: string | undefined): Promise<void> {
  await dynamodb.addTable({
    tableName: table.name,
    arn: table.streamArn.replace(/\/stream.*/, ""),
    keySchema: [
      { AttributeName: "pk", KeyType: "HASH" },
      { AttributeName: "sk", KeyType: "RANGE" },
    ],
    attributeDefinitions: [
      { AttributeName: "pk", AttributeType: "S" },
      { AttributeName: "sk", AttributeType: "N" },
    ],
    globalSecondaryIndexes: [],
    localSecondaryIndexes: [],
    timeToLiveAttribute: undefined,
    streamViewType,
    streamArn: table.streamArn,
  });
}

async function stop(): Promise<void> {
  for (const each of open.splice(0)) await each.close();
}

function definition(change: Partial<StreamMapping> = {}): StreamMapping {
  return {
    ...{ functionArn, streamArn: table.streamArn, startingPosition: "TRIM_HORIZON", batchSize: 100, windowSeconds: 0 },
    ...{ reportsItemFailures: false, bisects: false, retryAttempts: -1, recordAgeSeconds: -1, filters: [] },
    ...{ parallelizationFactor: 1, enabled: true, ...change },
  };
}

async function map(change: Partial<StreamMapping> = {}): Promise<EventSources> {
  sources = new EventSources({
    host: {
      find: (): FunctionDefinition => ({
        ...{ name: "roll-up", arn: functionArn, handler: "index.handler", codeDirectory: "", environment: {} },
        ...{ memoryMb: 128, timeoutSeconds: 60, credentials: role, logGroupName: "" },
        asynchronous: asynchronousDefaults,
      }),
      async invoke(_arn, payload, signal): Promise<LambdaResult> {
        const { Records: records } = JSON.parse(payload) as { Records: StreamRecord[] };
        calls.push(records);
        try {
          const answer = await work(records, signal ?? new AbortController().signal);
          return { payload: JSON.stringify(answer ?? null) };
        } catch (error) {
          if (error instanceof ServiceError || signal?.aborted) throw error;
          return { payload: "{}", error: { errorType: "Error", errorMessage: String(error) } };
        }
      },
    },
    source: {} as never,
    streams: {
      source: dynamodb.streams,
      queues: { sendMessage: (queueArn, body) => void dead.push({ queueArn, ...JSON.parse(body) }) },
      stateDirectory,
    },
    clock,
    faults,
    authorize,
    region,
    onNotice: (sentence) => notices.push(sentence),
  });
  open.push(sources);
  expect(sources.addStream(definition(change))).toBeUndefined();
  await sources.prepare();
  sources.start();
  return sources;
}

/** Signatures carry the cloud's time. */
const client = () => {
  const systemClockOffset = Math.round(clock.now() - Date.now());
  return new DynamoDBClient({ region, endpoint: gateway.url, credentials: operator, systemClockOffset });
};
const item = (pk: string, sk: number, value = "x") => ({ pk: { S: pk }, sk: { N: String(sk) }, value: { S: value } });
const put = (pk: string, sk: number, value?: string) =>
  client().send(new PutItemCommand({ TableName: table.name, Item: item(pk, sk, value) }));
/** `pk/sk` of each record of each call. */
const keysOf = (records: readonly StreamRecord[]) =>
  records.map(({ dynamodb: { Keys } }) => {
    const { pk, sk } = Keys as { pk: { S: string }; sk: { N: string } };
    return `${pk.S}/${sk.N}`;
  });
const seen = () => calls.map(keysOf);
const numbers = (count: number) => Array.from({ length: count }, (_none, number) => number);

describe("a stream", () => {
  test("brings inserts, changes and removals as Lambda hands them to a function", async () => {
    await map();
    await put("a", 1);
    await client().send(
      new UpdateItemCommand({
        ...{ TableName: table.name, Key: { pk: { S: "a" }, sk: { N: "1" } } },
        ...{ UpdateExpression: "SET #v = :v", ExpressionAttributeNames: { "#v": "value" } },
        ExpressionAttributeValues: { ":v": { S: "y" } },
      }),
    );
    await client().send(new DeleteItemCommand({ TableName: table.name, Key: { pk: { S: "a" }, sk: { N: "1" } } }));
    await sources.settled();
    const records = calls.flat();
    expect(records.map(({ eventName }) => eventName)).toEqual(["INSERT", "MODIFY", "REMOVE"]);
    expect(records[1]).toEqual({
      eventID: expect.stringMatching(/^[0-9a-f]{32}$/),
      eventName: "MODIFY",
      eventVersion: "1.1",
      eventSource: "aws:dynamodb",
      awsRegion: region,
      dynamodb: {
        ApproximateCreationDateTime: expect.any(Number),
        Keys: { pk: { S: "a" }, sk: { N: "1" } },
        NewImage: item("a", 1, "y"),
        OldImage: item("a", 1, "x"),
        SequenceNumber: expect.stringMatching(/^\d{21,40}$/),
        SizeBytes: expect.any(Number),
        StreamViewType: "NEW_AND_OLD_IMAGES",
      },
      eventSourceARN: table.streamArn,
    });
    const sequence = records.map(({ dynamodb }) => BigInt(dynamodb.SequenceNumber));
    expect(sequence).toEqual([...sequence].sort((left, right) => (left < right ? -1 : 1)));
  });

  test("has no record of a write that changes nothing, and one for each item of a batch or transaction", async () => {
    await map();
    await put("a", 1);
    await put("a", 1);
    await client().send(
      new TransactWriteItemsCommand({
        TransactItems: [2, 3].map((sk) => ({ Put: { TableName: table.name, Item: item("a", sk) } })),
      }),
    );
    await client().send(
      new BatchWriteItemCommand({ RequestItems: { [table.name]: [{ PutRequest: { Item: item("a", 4) } }] } }),
    );
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["a/1", "a/2", "a/3", "a/4"]);
  });

  test("shows what its view shows", async () => {
    await addTable("NEW_IMAGE");
    await map();
    await put("a", 1, "x");
    await put("a", 1, "y");
    await sources.settled();
    const last = calls.flat().at(-1)?.dynamodb;
    expect([last?.StreamViewType, last?.NewImage]).toEqual(["NEW_IMAGE", item("a", 1, "y")]);
    expect(last).not.toHaveProperty("OldImage");
  });

  test("keeps the order of a partition key, and tells sequence numbers that only compare as numbers", async () => {
    await map({ batchSize: 7 });
    for (const sk of numbers(25)) for (const pk of ["a", "b", "c"]) await put(pk, sk);
    await sources.settled();
    for (const pk of ["a", "b", "c"]) {
      const own = calls.flatMap(keysOf).filter((key) => key.startsWith(`${pk}/`));
      expect(own).toEqual(numbers(25).map((sk) => `${pk}/${sk}`));
    }
    const lengths = calls.flat().map(({ dynamodb }) => dynamodb.SequenceNumber.length);
    expect(new Set(lengths)).toEqual(new Set([21, 22]));
  });

  test("is switched on for a table that was made without one", async () => {
    table = { name: "Plain", streamArn: `arn:aws:dynamodb:${region}:${accountId}:table/Plain/stream/x` };
    await addTable(undefined);
    await put("before", 1);
    await addTable("KEYS_ONLY");
    await map();
    await put("after", 1);
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["after/1"]);
  });

  test("keeps its records for a day of cloud time", async () => {
    await map({ enabled: false });
    await put("old", 1);
    clock.advance(25 * hour);
    await put("young", 1);
    const at = Math.floor(clock.now() / 1000);
    sources.enable("roll-up");
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["young/1"]);
    expect(Math.abs((calls.flat()[0]?.dynamodb.ApproximateCreationDateTime ?? 0) - at)).toBeLessThan(60);
  });
});

describe("a mapping", () => {
  test("begins with what is there or with what comes", async () => {
    await put("a", 1);
    await map({ startingPosition: "LATEST" });
    await put("a", 2);
    await sources.settled();
    expect(seen()).toEqual([["a/2"]]);
    await stop();
    calls.length = 0;
    await map({ functionArn: `${functionArn}-other` });
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["a/1", "a/2"]);
  });

  test("goes on where it was after a restart, and at most repeats what was cut off", async () => {
    await map({ batchSize: 1 });
    let begun: () => void = () => undefined;
    const isAtWork = new Promise<void>((resolve) => {
      begun = resolve;
    });
    work = (records, signal) => {
      if (!keysOf(records).includes("a/2")) return undefined;
      begun();
      return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    for (const sk of [1, 2, 3]) await put("a", sk);
    await isAtWork;
    await stop();
    work = () => undefined;
    await map({ batchSize: 1 });
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["a/1", "a/2", "a/2", "a/3"]);
  });

  test("gathers a batch as long as its window is, and not longer", async () => {
    await map({ batchSize: 4, windowSeconds: 60 });
    const awake = clock.hold();
    for (const sk of [1, 2, 3]) await put("a", sk);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toEqual([]);
    await put("a", 4);
    awake.release();
    await sources.settled();
    expect(seen()).toEqual([["a/1", "a/2", "a/3", "a/4"]]);
    await put("a", 5);
    await sources.settled();
    expect(seen().at(-1)).toEqual(["a/5"]);
  });

  test("passes over what no filter matches", async () => {
    const filters = [
      JSON.stringify({ eventName: ["INSERT"], dynamodb: { NewImage: { value: { S: [{ prefix: "keep" }] } } } }),
      JSON.stringify({ eventName: ["REMOVE"] }),
    ];
    await map({ filters });
    await put("a", 1, "keep it");
    await put("a", 2, "drop it");
    await put("a", 1, "keep it too");
    await client().send(new DeleteItemCommand({ TableName: table.name, Key: { pk: { S: "a" }, sk: { N: "2" } } }));
    await sources.settled();
    expect(calls.flat().map(({ eventName }) => eventName)).toEqual(["INSERT", "REMOVE"]);
  });

  test("cuts a batch whose event would be larger than Lambda takes", async () => {
    await map({ enabled: false });
    for (const sk of numbers(16)) await put("a", sk, "x".repeat(380_000));
    await put("a", 0, "y".repeat(380_000));
    sources.enable("roll-up");
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual([...numbers(16), 0].map((sk) => `a/${sk}`));
    expect(calls.length).toBeGreaterThan(1);
  });

  test("tries a failed batch again until it is taken, and lets nothing overtake it", async () => {
    let failures = 3;
    work = (records) => {
      failures -= keysOf(records).includes("a/1") ? 1 : 0;
      if (failures > 0) throw new Error("not yet");
    };
    await map({ batchSize: 1 });
    await put("a", 1);
    await put("a", 2);
    await sources.settled();
    expect(seen()).toEqual([["a/1"], ["a/1"], ["a/1"], ["a/2"]]);
  });

  test("halves a batch to find what cannot be taken, tells of it, and goes on", async () => {
    work = (records) => {
      if (keysOf(records).includes("a/2")) throw new Error("never");
    };
    await map({ enabled: false, bisects: true, retryAttempts: 1, onFailureQueueArn: deadArn });
    for (const sk of numbers(4)) await put("a", sk);
    sources.enable("roll-up");
    await sources.settled();
    expect(seen()).toEqual([["a/0", "a/1", "a/2", "a/3"], ["a/0", "a/1"], ["a/2", "a/3"], ["a/2"], ["a/2"], ["a/3"]]);
    expect(dead).toEqual([
      {
        queueArn: deadArn,
        requestContext: {
          requestId: expect.any(String),
          functionArn: `${functionArn}:$LATEST`,
          condition: "RetryAttemptsExhausted",
          approximateInvokeCount: 2,
        },
        responseContext: { statusCode: 200, executedVersion: "$LATEST", functionError: "Unhandled" },
        version: "1.0",
        timestamp: expect.any(String),
        DDBStreamBatchInfo: {
          shardId: expect.stringMatching(/^shardId-\d{20}-[0-9a-f]{8}$/),
          startSequenceNumber: calls[3]?.[0]?.dynamodb.SequenceNumber,
          endSequenceNumber: calls[3]?.[0]?.dynamodb.SequenceNumber,
          approximateArrivalOfFirstRecord: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          approximateArrivalOfLastRecord: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          batchSize: 1,
          streamArn: table.streamArn,
        },
      },
    ]);
  });

  test("begins again at the first record that a function reports, and at the beginning for a strange report", async () => {
    const answers: unknown[] = [
      (records: readonly StreamRecord[]) => ({
        batchItemFailures: [3, 1].map((at) => ({ itemIdentifier: records[at]?.dynamodb.SequenceNumber })),
      }),
      () => ({ batchItemFailures: [{ itemIdentifier: "0" }] }),
      () => ({ batchItemFailures: [] }),
    ];
    work = (records) => (answers.shift() as (given: readonly StreamRecord[]) => unknown)(records);
    await map({ enabled: false, reportsItemFailures: true });
    for (const sk of numbers(4)) await put("a", sk);
    sources.enable("roll-up");
    await sources.settled();
    expect(seen()).toEqual([
      ["a/0", "a/1", "a/2", "a/3"],
      ["a/1", "a/2", "a/3"],
      ["a/1", "a/2", "a/3"],
    ]);
  });

  test("gives up what has become too old", async () => {
    await map({ enabled: false, recordAgeSeconds: 3600, onFailureQueueArn: deadArn });
    await put("a", 1);
    clock.advance(2 * hour);
    await put("a", 2);
    sources.enable("roll-up");
    await sources.settled();
    expect(seen()).toEqual([["a/2"]]);
    expect(dead.map((message) => message.requestContext)).toEqual([
      expect.objectContaining({ condition: "RecordAgeExceeded" }),
    ]);
  });

  test("asks for the permissions that Lambda needs in the function's name, and stops without them", async () => {
    await map();
    await put("a", 1);
    await sources.settled();
    const needed = ["DescribeStream", "GetShardIterator", "GetRecords", "ListStreams"];
    expect(needed.filter((action) => !asked.has(`dynamodb:${action} ${table.streamArn}`))).toEqual([]);
    denied.add("dynamodb:GetRecords");
    await put("a", 2);
    await expect.poll(() => sources.list()[0]?.state).toBe("stopped");
    expect(notices.join()).toContain("may not dynamodb:GetRecords");
    denied.clear();
    sources.enable("roll-up");
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["a/1", "a/2"]);
  });

  test.each<[Partial<StreamMapping>, string]>([
    [{ batchSize: 0 }, "BatchSize"],
    [{ startingPosition: "AT_TIMESTAMP" }, "StartingPosition"],
    [{ parallelizationFactor: 2 }, "ParallelizationFactor"],
    [{ recordAgeSeconds: 10 }, "MaximumRecordAgeInSeconds"],
    [{ retryAttempts: 20_000 }, "MaximumRetryAttempts"],
    [{ filters: ['{"eventName":"INSERT"}'] }, "eventName"],
    [{ filters: ["no JSON"] }, "FilterCriteria"],
    [{ onFailureQueueArn: "arn:aws:sns:eu-central-1:1:topic" }, "queues only"],
  ])("with %o is refused by name", (change, named) => {
    expect(streamMappingFault(definition(change))).toContain(named);
  });
});

describe("the fault rig", () => {
  const rule = { service: "dynamodb-stream", operation: "roll-up" };

  test("delivers a batch again at once, or later from an earlier place", async () => {
    await map({ batchSize: 1 });
    faults.add({ ...rule, effect: { kind: "duplicate-event", deliveries: 2 } });
    faults.add({ ...rule, fromCall: 3, effect: { kind: "rewind", records: 2 } });
    for (const sk of [1, 2, 3, 4]) await put("a", sk);
    await sources.settled();
    expect(calls.flatMap(keysOf)).toEqual(["a/1", "a/1", "a/2", "a/3", "a/2", "a/3", "a/4"]);
  });

  test("loses the function's answer, so that the same comes again, and keeps calls from being made", async () => {
    await map();
    faults.add({ ...rule, effect: { kind: "fail-after-work" } });
    faults.add({ ...rule, fromCall: 2, effect: { kind: "throttle" } });
    await put("a", 1);
    await sources.settled();
    expect(seen()).toEqual([["a/1"], ["a/1"]]);
    expect(faults.fired.slice(-2).map(({ effect }) => effect.kind)).toEqual(["fail-after-work", "throttle"]);
    expect(faults.fired.at(-1)?.resource).toMatch(new RegExp(`^${table.name} \\d+$`));
  });
});
