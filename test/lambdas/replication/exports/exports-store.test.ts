// The Exports table on a real DynamoDB: who may queue, take, keep and let go of an export; and the list in order of change.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { newClaim } from "../../../../lambdas/replication/copy.ts";
import type { ExportResult } from "../../../../lambdas/replication/exports/export-item.ts";
import { exportableOf, exportIdOf } from "../../../../lambdas/replication/exports/snapshot.ts";
import { ExportsStore } from "../../../../lambdas/replication/exports.store.ts";
import { documentClient } from "../../../../lambdas/shared/aws-clients.ts";
import { startDynamodbService } from "../../../../local/dynamodb/dynamodb-service.ts";
import { accountId, region, type ServiceRig, startServiceRig } from "../../../local/service-rig.ts";
import { pointSdkAt } from "../point-sdk-at.ts";
import { now, snapshot } from "./snapshot-facts.ts";

const me = "arn:aws:states:x:1:execution:me";
const somebody = "arn:aws:states:x:1:execution:somebody";
const at = new Date(now).toISOString();
const failure = { executionArn: me, error: "ExportFailed", cause: "too large", at };
const result = { completedAt: at, executionArn: me, receiptKey: "r" } as ExportResult;

let folder: string;
let rig: ServiceRig<object>;
let store: ExportsStore;
let counter = 0;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "causeway-exports-store-"));
  const dynamodb = await startDynamodbService({
    region,
    accountId,
    stateDirectory: folder,
    authorize: () => undefined,
  });
  const text = (name: string) => ({ AttributeName: name, AttributeType: "S" as const });
  const key = (AttributeName: string, KeyType: "HASH" | "RANGE") => ({ AttributeName, KeyType });
  await dynamodb.addTable({
    tableName: "Exports",
    arn: `arn:aws:dynamodb:${region}:${accountId}:table/Exports`,
    keySchema: [key("exportId", "HASH")],
    attributeDefinitions: ["exportId", "listing", "changedAt"].map(text),
    globalSecondaryIndexes: [
      {
        IndexName: "byChange",
        KeySchema: [key("listing", "HASH"), key("changedAt", "RANGE")],
        Projection: { ProjectionType: "ALL" },
      },
    ],
    localSecondaryIndexes: [],
    timeToLiveAttribute: undefined,
    streamViewType: undefined,
  });
  rig = await startServiceRig(() => ({ dynamodb }));
  pointSdkAt(rig.url);
  store = new ExportsStore(documentClient(), "Exports");
});

afterAll(async () => {
  await rig?.close();
  rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
});

function newLine() {
  counter += 1;
  const found = snapshot({ snapshotId: `s${counter}` });
  return { exportId: exportIdOf(found.arn), snapshot: exportableOf(found), requested: false, force: false };
}

/** An export that `me` holds. */
async function held() {
  const line = newLine();
  await store.queue(line, at);
  await store.claim(line, "waiting", newClaim(me, now), undefined, at);
  return line;
}

describe("the queue", () => {
  it("keeps since when something waits, and that it was asked for, when a later run finds it again", async () => {
    const line = newLine();
    await store.queue({ ...line, requested: true }, "2026-11-20T01:00:00.000Z");
    await store.queue(line, "2026-11-20T02:00:00.000Z");
    expect(await store.read(line.exportId)).toMatchObject({
      state: "waiting",
      requested: true,
      queuedAt: "2026-11-20T01:00:00.000Z",
      changedAt: "2026-11-20T02:00:00.000Z",
    });
  });

  it("leaves alone what somebody works on", async () => {
    const line = await held();
    await store.noteRunning(line.exportId, me, { attempt: 1, taskId: "t", startedAt: at }, at);
    expect(await store.queue(line, at)).toBe(false);
    expect(await store.refuse(line.exportId, line.snapshot, "too old", at)).toBe(false);
    expect(await store.read(line.exportId)).toMatchObject({ state: "running", taskId: "t" });
  });

  it("does not call refused what was exported before", async () => {
    const line = await held();
    await store.finish(line.exportId, me, "complete", result);
    expect(await store.refuse(line.exportId, line.snapshot, "too old", at)).toBe(false);
    const other = newLine();
    expect(await store.refuse(other.exportId, other.snapshot, "too old", at)).toBe(true);
    expect(await store.read(other.exportId)).toMatchObject({ state: "refused", lastError: { cause: "too old" } });
  });
});

describe("a claim", () => {
  it("is one execution's, which alone writes; a dead one is taken over by whoever saw it", async () => {
    const line = await held();
    const { claim } = (await store.read(line.exportId)) ?? {};
    const theirs = newClaim(somebody, now);
    expect(await store.claim(line, "waiting", theirs, undefined, at)).toBe(false);
    await expect(store.reserveAttempt(line.exportId, somebody, 1)).rejects.toMatchObject({ name: "ClaimLost" });
    expect(await store.claim(line, "waiting", theirs, claim, at)).toBe(true);
    for (const write of [
      () => store.renewClaim(line.exportId, newClaim(me, now)),
      () => store.noteRunning(line.exportId, me, { attempt: 1, taskId: "t", startedAt: at }, at),
      () => store.finish(line.exportId, me, "complete", result),
      () => store.end(line.exportId, "failed", failure),
      () => store.leaveWaiting(line.exportId, failure),
    ]) {
      await expect(write()).rejects.toMatchObject({ name: "ClaimLost" });
    }
  });

  it("that was ended by a write whose answer was lost is ended by the same write again, until somebody else comes", async () => {
    const line = await held();
    await store.leaveWaiting(line.exportId, failure);
    await store.leaveWaiting(line.exportId, failure);
    await store.claim(line, "waiting", newClaim(somebody, now), undefined, at);
    await expect(store.leaveWaiting(line.exportId, failure)).rejects.toMatchObject({ name: "ClaimLost" });
  });

  it("goes with every end, and a failure keeps the result of before", async () => {
    const line = await held();
    await store.finish(line.exportId, me, "partial", result);
    await store.claim(line, "partial", newClaim(me, now), undefined, at);
    await store.end(line.exportId, "failed", failure);
    const item = await store.read(line.exportId);
    expect(item).toMatchObject({ state: "failed", lastError: failure, result, endedBy: me });
    expect(item?.claim).toBeUndefined();
  });
});

describe("the list", () => {
  it("has the last changed first, by state, in pages that go on where the one before ended", async () => {
    const failed: string[] = [];
    for (let hour = 10; hour < 22; hour += 1) {
      const line = newLine();
      await store.queue(line, at);
      await store.claim(line, "waiting", newClaim(me, now), undefined, at);
      const end = { ...failure, at: `2027-01-01T${hour}:00:00.000Z` };
      await store.end(line.exportId, hour % 2 === 0 ? "failed" : "cancelled", end);
      if (hour % 2 === 0) failed.unshift(line.exportId);
    }
    const found: string[] = [];
    let after: Parameters<ExportsStore["list"]>[0]["after"];
    do {
      const page = await store.list({ states: ["failed"], limit: 4, since: "2027-01-01", after });
      found.push(...page.items.map(({ exportId }) => exportId));
      after = page.next ?? undefined;
    } while (after !== undefined);
    expect(found).toEqual(failed);
    const first = await store.list({ limit: 1 });
    expect(first.items[0]).toMatchObject({ changedAt: "2027-01-01T21:00:00.000Z", state: "cancelled" });
  });

  it("says what waits or runs, and only that", async () => {
    const waiting = newLine();
    await store.queue(waiting, "2028-01-01T00:00:00.000Z");
    const refused = newLine();
    await store.refuse(refused.exportId, refused.snapshot, "too old", "2028-01-01T00:00:00.000Z");
    const open = await store.openItems("2028-01-01T00:00:00.000Z");
    expect(open.map(({ exportId }) => exportId)).toEqual([waiting.exportId]);
  });

  it("is read by ids, with nothing for those that are not there", async () => {
    const line = await held();
    const items = await store.readMany([line.exportId, "absent", line.exportId]);
    expect([...items.keys()]).toEqual([line.exportId]);
  });
});
