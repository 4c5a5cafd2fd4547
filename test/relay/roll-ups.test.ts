// Counting on the local cloud: the table's real stream, the functions with their own rights, and figures equal to the records.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { DynamoDBDocumentClient, PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addFigures, figuresOf, noFigures, rowItemOf } from "../../lambdas/relay/counting/figures.ts";
import { listRecords } from "../../lambdas/relay/counting/list-records.ts";
import { hourAt, laneOf, totalUnit } from "../../lambdas/relay/counting/units.ts";
import { partitionOf } from "../../lambdas/relay/counting/usage-partition.ts";
import { queryUsage } from "../../lambdas/relay/counting/usage-query.ts";
import type { UsageRecord } from "../../lambdas/relay/counting/usage-record.ts";
import { TotalsStore } from "../../lambdas/relay/totals.store.ts";
import { UsageStore } from "../../lambdas/relay/usage.store.ts";
import { bootCloud, type LocalCloud } from "../../local/cloud.ts";
import { Clock } from "../../local/rig/clock.ts";
import { Faults } from "../../local/rig/faults.ts";
import { recordAt } from "../lambdas/relay/counting/sample-records.ts";
import { stopSchedules } from "../stop-schedules.ts";
import { testAssembly } from "../test-assembly.ts";

const hour = 3_600_000;
const folder = mkdtempSync(path.join(tmpdir(), "causeway-roll-ups-"));
const faults = new Faults(7);
const clock = new Clock({ skipIdle: true });
let cloud: LocalCloud;
let documents: DynamoDBDocumentClient;
let totals: TotalsStore;
let usage: UsageStore;
/** The beginning of the hour that the first records are in: five hours ago. */
let start = 0;
const records = new Map<string, UsageRecord>();

beforeAll(async () => {
  cloud = await bootCloud({
    assemblyDirectory: testAssembly,
    onlyStacks: ["data", "relay"],
    stateDirectory: folder,
    clock,
    faults,
    port: 0,
  });
  await stopSchedules(cloud);
  documents = DynamoDBDocumentClient.from(new DynamoDBClient(cloud.clientConfig()));
  totals = new TotalsStore(documents, cloud.output("RelayTotalsTableName"));
  usage = new UsageStore(documents, cloud.output("RelayUsageTableName"));
  start = Math.floor(clock.now() / hour) * hour - 5 * hour;
});
afterAll(async () => {
  await cloud.close();
  rmSync(folder, { recursive: true, force: true });
});

async function put(record: UsageRecord): Promise<void> {
  records.set(record.requestId, record);
  const expiresAt = Math.floor(clock.now() / 1000) + 90 * 86_400;
  const Item = { ...record, partition: partitionOf(record.requestId), expiresAt };
  await documents.send(new PutCommand({ TableName: cloud.output("RelayUsageTableName"), Item }));
}

/** Calls the function as its schedule does; throws with what it threw. */
async function call(name: string, event: object): Promise<unknown> {
  const { physicalName } = cloud.resource(`${name}/Function`);
  const answer = await new LambdaClient(cloud.clientConfig()).send(
    new InvokeCommand({ FunctionName: physicalName, Payload: JSON.stringify(event) }),
  );
  const text = Buffer.from(answer.Payload ?? []).toString();
  if (answer.FunctionError !== undefined) throw new Error(text);
  return JSON.parse(text) as unknown;
}

const tick = () => call("RollUpUsage", { scheduledTime: new Date(clock.now()).toISOString() });

/** Until nothing is marked any more: the stream's own calls may hold units that the schedule then leaves to them. */
async function counted(): Promise<void> {
  await cloud.eventSources.settled();
  for (let round = 0; round < 20; round += 1) {
    await tick();
    if ((await totals.countMarked()) === 0) return;
    clock.advance(7 * 60_000);
  }
  throw new Error("Units stay marked.");
}

async function expectEqual(): Promise<void> {
  const ports = { rows: (unit: Parameters<TotalsStore["rows"]>[0]) => totals.rows(unit), now: () => clock.now() };
  const { groups, total } = await queryUsage({ from: start, to: clock.now() + hour, groupBy: ["key", "hour"] }, ports);
  const sums = new Map<string, typeof noFigures>();
  for (const record of records.values()) {
    const at = new Date(Math.floor(Date.parse(record.startedAt) / hour) * hour).toISOString();
    const name = `${record.keyId} ${at}`;
    sums.set(name, addFigures(sums.get(name) ?? noFigures, figuresOf(record)));
  }
  expect(new Map(groups.map(({ values, figures }) => [values.join(" "), figures]))).toEqual(sums);
  const all = [...records.values()].map(figuresOf).reduce(addFigures, noFigures);
  expect(total).toEqual(all);
  const { rows } = await totals.rows(totalUnit);
  expect(rows.map(({ figures }) => figures).reduce(addFigures, noFigures)).toEqual(all);
}

describe("figures", () => {
  it("equal the records, though the stream repeats, rewinds and loses its answers", async () => {
    faults.add({
      service: "dynamodb-stream",
      effect: { kind: "duplicate-event", deliveries: 2 },
      probability: 0.3,
      times: 5,
    });
    faults.add({ service: "dynamodb-stream", effect: { kind: "fail-after-work" }, probability: 0.3, times: 3 });
    for (let index = 0; index < 60; index += 1) {
      const at = start + (index % 3) * hour + index * 1000;
      await put(recordAt(at, { keyId: `key-${index % 4}`, chargedNanoUsd: index, network: "" }));
    }
    await counted();
    await expectEqual();
  });

  it("follow a record that a late settlement corrected", async () => {
    const some = [...records.values()].slice(0, 7);
    for (const record of some) await put({ ...record, outcome: "ok", accountId: "acc-9", chargedNanoUsd: 12_345 });
    await counted();
    await expectEqual();
  });

  it("are the same after a rebuild", async () => {
    const range = { from: new Date(start).toISOString(), to: new Date(clock.now()).toISOString() };
    const before = await totals.rows(totalUnit);
    await call("RollUpUsage", { rebuild: range });
    await counted();
    expect((await totals.rows(totalUnit)).rows).toEqual(before.rows);
    await expectEqual();
  });
});

describe("the table of totals", () => {
  const unit = () => laneOf(hourAt(start - 48 * hour), 3);

  it("gives a unit to one at a time, and to the next when its time is over", async () => {
    const now = clock.now();
    await totals.mark(unit(), now);
    const first = await totals.claim(unit(), now, now + 1000);
    expect(first).toMatchObject({ marks: 1 });
    expect(await totals.claim(unit(), now, now + 1000)).toBeUndefined();
    expect(await totals.marked(10, now)).toEqual([]);
    const second = await totals.claim(unit(), now + 1001, now + 5000);
    expect(second).toBeDefined();
    if (first === undefined || second === undefined) return;
    // The first is late: what the second holds stays held.
    await totals.finish(first);
    expect(await totals.claim(unit(), now + 2000, now + 5000)).toBeUndefined();
    await totals.finish(second);
    expect(await totals.countMarked()).toBe(0);
    await totals.finish(second);
  });

  it("keeps a mark that was renewed while somebody worked on it", async () => {
    const now = clock.now();
    await totals.mark(unit(), now);
    const claim = await totals.claim(unit(), now, now + 1000);
    await totals.mark(unit(), now);
    if (claim === undefined) throw new Error("it was free");
    await totals.finish(claim);
    expect(await totals.marked(10, now)).toEqual([unit()]);
    const again = await totals.claim(unit(), now, now + 1000);
    if (again === undefined) throw new Error("it was given back");
    await totals.finish(again);
    expect(await totals.countMarked()).toBe(0);
  });

  it("takes a row only over an older generation, and knows a repetition of its own", async () => {
    const record = recordAt(start);
    const row = {
      ...{ keyId: "k", accountId: "a|b", provider: "p", platform: "openai", model: "m%", item: "k|a" },
      figures: figuresOf(record),
      generation: 5,
    };
    expect(await totals.writeRow(unit(), row)).toBe(true);
    expect(await totals.writeRow(unit(), row)).toBe(true);
    expect(await totals.writeRow(unit(), { ...row, figures: noFigures })).toBe(false);
    expect(await totals.writeRow(unit(), { ...row, generation: 4 })).toBe(false);
    expect(await totals.writeRow(unit(), { ...row, figures: noFigures, generation: 6 })).toBe(true);
    const kept = { ...row, figures: noFigures, generation: 6 };
    expect((await totals.rows(unit())).rows).toEqual([kept]);
    expect((await totals.rows(unit(), "k")).rows).toEqual([kept]);
  });

  it("gives the rows of one key, and none of a key whose name begins as its own does", async () => {
    const rowOf = (keyId: string) => {
      const key = { keyId, accountId: "a", provider: "p", platform: "openai", model: "m" };
      return { ...key, item: rowItemOf(key), figures: noFigures, generation: 1 };
    };
    const other = laneOf(hourAt(start - 48 * hour), 4);
    for (const keyId of ["k", "k2", "k|", "j"]) await totals.writeRow(other, rowOf(keyId));
    for (const keyId of ["k", "k|"]) expect((await totals.rows(other, keyId)).rows).toEqual([rowOf(keyId)]);
    expect((await totals.rows(other)).rows).toHaveLength(4);
  });
});

describe("records", () => {
  it("are found by their id, by key and by time, page by page", async () => {
    const all = [...records.values()].toSorted((one, other) => (one.requestId < other.requestId ? 1 : -1));
    const [newest] = all;
    expect(await usage.record(newest?.requestId ?? "")).toEqual(newest);
    const ports = {
      ofKey: (...asked: Parameters<UsageStore["ofKey"]>) => usage.ofKey(...asked),
      ofHour: (...asked: Parameters<UsageStore["ofHour"]>) => usage.ofHour(...asked),
    };
    for (const keyId of [undefined, "key-1"]) {
      const found: UsageRecord[] = [];
      let position: string | undefined;
      do {
        const page = await listRecords({ from: start, to: clock.now(), most: 7, position, keyId }, ports);
        found.push(...page.records);
        position = page.position;
      } while (position !== undefined);
      expect(found).toEqual(all.filter((record) => keyId === undefined || record.keyId === keyId));
    }
  });

  it("are exported to S3 by the function, which tells of it as a job", async () => {
    const range = { from: new Date(start).toISOString(), to: new Date(start + 3 * hour).toISOString() };
    const report = await call("ExportUsage", { export: { jobId: "export-1", ...range, format: "csv" } });
    expect(report).toMatchObject({ records: 60 });
    const file = await new S3Client(cloud.clientConfig()).send(
      new GetObjectCommand({ Bucket: cloud.output("BackupsBucketName"), Key: "relay-usage/by-hand/export-1.csv" }),
    );
    const lines = (await file.Body?.transformToString())?.trim().split("\r\n") ?? [];
    expect(lines).toHaveLength(61);
  });
});

describe("the watch", () => {
  /** A record that ended since the last look; time may have leapt on since it was written. */
  async function watchAfter(changes: Partial<UsageRecord>): Promise<unknown> {
    const record = recordAt(clock.now(), changes);
    await totals.putNote("watched", String(Date.parse(record.endedAt) - 1));
    await put(record);
    clock.advance(5 * 60_000);
    return call("WatchRelay", { scheduledTime: new Date(clock.now()).toISOString() });
  }

  it("looks at records, keys and figures with its own rights, and sends what it finds", async () => {
    const first = await watchAfter({ overrunNanoUsd: 500, network: "203.0.113.0/24" });
    expect(first).toMatchObject({ records: 1, overruns: 1, networks: 0, errorRates: 0 });
    expect(await watchAfter({ network: "198.51.100.0/24" })).toMatchObject({ overruns: 0, networks: 1 });
  });
});
