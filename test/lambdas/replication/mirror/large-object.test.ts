// A large object's way through plan, batches, completion and failure, with everything in memory.
import { beforeEach, describe, expect, it } from "vitest";
import { chooseConcurrency } from "../../../../lambdas/replication/choose-concurrency.ts";
import { abandonMirror } from "../../../../lambdas/replication/mirror/abandon-mirror.ts";
import { completeMirror } from "../../../../lambdas/replication/mirror/complete-mirror.ts";
import { type PlannedMirror, planMirror } from "../../../../lambdas/replication/mirror/plan-mirror.ts";
import { runMirrorBatch } from "../../../../lambdas/replication/mirror/run-mirror-batch.ts";
import type { LedgerPart } from "../../../../lambdas/replication/part-ledger.store.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { someBytes } from "../../../local/s3/s3-rig.ts";
import { MemoryMirror } from "./memory-mirror.ts";
import { sourceBucket } from "./memory-objects.ts";
import { MirrorStage, mappings } from "./mirror-stage.ts";

const sourceKey = "mysql/rm-1/large 备份.xb";
const targetKey = `iotdb-backup/${sourceKey}`;
const content = someBytes(350_000);
const settings = { mappings, largeObjectBytes: 100_000, concurrentBatches: 2 };
const input = { sourceKey, runId: "run", executionArn: "arn:run", again: false };

let store: MemoryMirror;
let stage: MirrorStage;
let ledger: Map<string, LedgerPart>;
let enqueued: string[];

beforeEach(() => {
  store = new MemoryMirror();
  stage = new MirrorStage(store);
  ledger = new Map();
  enqueued = [];
  Object.assign(stage.oss.limits, { smallestPartBytes: 100_000 });
  stage.objects.put(sourceKey, content);
});

function plan(more: Partial<typeof input> = {}): Promise<PlannedMirror> {
  const ports = stage.ports();
  return planMirror({ ...input, ...more }, settings, {
    target: stage.oss,
    mirror: store,
    current: ports.current,
    putLines: async () => undefined,
    newUploadMark: ports.newUploadMark,
    now: ports.now,
  });
}

function copy({ fence, partCount = 0 }: PlannedMirror) {
  const batch = { number: 1, firstPart: 1, lastPart: partCount };
  return runMirrorBatch(
    { sourceKey, fence, batch, idleRounds: 0 },
    {
      sourceBucket,
      source: stage.objects.source,
      target: stage.oss,
      mirror: store,
      ledger: {
        put: async (mark, part) => void ledger.set(`${mark}/${part.partNumber}`, part),
        read: async (mark) => rowsOf(mark),
      },
      putProgress: async () => undefined,
      onLost: () => undefined,
      now: () => stage.now,
      random: () => 0,
      remainingMilliseconds: () => 600_000,
      concurrency: chooseConcurrency({ most: 2 }),
    },
  );
}

function rowsOf(mark: string): LedgerPart[] {
  const rows = [...ledger].flatMap(([key, part]) => (key.startsWith(mark) ? [part] : []));
  return rows.sort((left, right) => left.partNumber - right.partNumber);
}

function complete({ fence, outcome }: PlannedMirror) {
  const ports = stage.ports();
  return completeMirror(
    { sourceKey, fence, isUploaded: outcome === "copy" },
    {
      ...ports,
      places: ports.settings,
      mirror: store,
      readLedger: async (mark) => rowsOf(mark),
      enqueue: async (key) => void enqueued.push(key),
    },
  );
}

function abandon(failure: { Error: string; Cause?: string }) {
  const { events, now } = stage.ports();
  return abandonMirror(
    { sourceKey, executionArn: "arn:run", failure },
    { target: stage.oss, mirror: store, events, now },
  );
}

const inOss = () => stage.oss.objects.get(targetKey)?.bytes;

describe("a large object", () => {
  it("is planned, copied, completed, proved, and let go", async () => {
    const planned = await plan();
    expect(planned).toMatchObject({
      outcome: "copy",
      partCount: 4,
      sizeBytes: 350_000,
      batchesKey: "runs/run/batches.jsonl",
    });
    expect(await copy(planned)).toMatchObject({ state: "done", copiedParts: 4 });
    expect(await complete(planned)).toMatchObject({ outcome: "mirrored", bytes: 350_000 });
    expect(inOss()?.equals(content)).toBe(true);
    const item = await store.read(sourceKey);
    expect(item).toMatchObject({ mirrored: { versionId: "v1", bytes: 350_000 } });
    for (const name of ["lease", "waitingSince", "upload"]) expect(item).not.toHaveProperty(name);
    expect(stage.mirrored).toHaveLength(1);
    // A call whose answer was lost finds everything done.
    expect(await complete(planned)).toMatchObject({ outcome: "already-mirrored" });
    expect(stage.mirrored).toHaveLength(1);
  });

  it("goes on with the parts that an earlier execution left, if the version is the same", async () => {
    await copy(await plan());
    stage.now += 3_600_000;
    const again = await plan({ executionArn: "arn:second" });
    expect(await copy(again)).toMatchObject({ copiedParts: 0 });
    await complete(again);
    expect(inOss()?.equals(content)).toBe(true);
    expect(stage.oss.calls.filter((call) => call === "begin")).toHaveLength(1);
  });

  it("begins anew for another version, and leaves no upload behind", async () => {
    await copy(await plan());
    const newer = someBytes(350_000, 9);
    stage.objects.put(sourceKey, newer);
    stage.now += 3_600_000;
    const again = await plan({ executionArn: "arn:second" });
    await copy(again);
    await complete(again);
    expect(inOss()?.equals(newer)).toBe(true);
    expect(stage.oss.uploads.size).toBe(0);
  });

  it("that was replaced while it was copied is mirrored as it was, and the newer one goes into the queue", async () => {
    const planned = await plan();
    await copy(planned);
    stage.objects.put(sourceKey, Buffer.from("newer"));
    expect(await complete(planned)).toMatchObject({ outcome: "handed-over" });
    expect(inOss()?.equals(content)).toBe(true);
    expect(enqueued).toEqual([sourceKey]);
    expect(await store.read(sourceKey)).toMatchObject({
      mirrored: { versionId: "v1" },
      waitingSince: expect.anything(),
    });
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "mirrored" });
    expect(String(inOss())).toBe("newer");
  });

  it("that is gone, small or mirrored by now needs no copying", async () => {
    stage.objects.delete(sourceKey);
    const gone = await plan();
    expect(gone).toMatchObject({ outcome: "settle" });
    expect(await complete(gone)).toMatchObject({ outcome: "kept-deleted" });
    stage.objects.put(sourceKey, Buffer.from("small"));
    const small = await plan();
    expect(small).toMatchObject({ outcome: "settle" });
    expect(await complete(small)).toMatchObject({ outcome: "handed-over" });
    await stage.mirror({ sourceKey });
    const mirrored = await plan();
    expect(await complete(mirrored)).toMatchObject({ outcome: "already-mirrored" });
  });

  it("waits while somebody else holds the key, who will see that it is wanted", async () => {
    const now = new Date(stage.now).toISOString();
    const held = await store.take({
      sourceKey,
      targetKey,
      holder: "x",
      since: now,
      now,
      expiresAt: "2026-11-20T13:00:00.000Z",
    });
    await expect(plan()).rejects.toMatchObject({ name: "MirrorLeaseHeld", retryable: true });
    expect(await store.settle(held ?? { sourceKey, fence: 0 }, { wanted: 1 })).toMatchObject({ wanted: 2 });
  });

  it("whose lease was taken over is given up by batch and completion", async () => {
    const planned = await plan();
    stage.now += 3_600_000;
    await plan({ executionArn: "arn:second" });
    await expect(copy(planned)).rejects.toMatchObject({ name: "MirrorLeaseLost" });
    await expect(complete(planned)).rejects.toMatchObject({ name: "MirrorLeaseLost" });
  });

  it("whose bytes are not those that S3 states becomes no object", async () => {
    const planned = await plan();
    stage.objects.onTheWay = (bytes) => Buffer.from(bytes).fill(0, 0, 1);
    await copy(planned);
    await expect(complete(planned)).rejects.toMatchObject({ name: "ProofFailed" });
    expect(inOss()).toBeUndefined();
  });
});

describe("a failed execution", () => {
  it("leaves no upload, keeps the batch's own reason, tells it, and lets the key wait", async () => {
    const planned = await plan();
    stage.oss.before = (operation) => {
      if (operation === "putPart") throw new CausewayError("TargetRefused", "AccessDenied");
    };
    await expect(copy(planned)).rejects.toMatchObject({ name: "TargetRefused" });
    const told = { error: "TargetRefused", cause: "AccessDenied" };
    expect(await abandon({ Error: "States.ExceedToleratedFailureThreshold", Cause: "{}" })).toMatchObject(told);
    expect(stage.oss.uploads.size).toBe(0);
    const item = await store.read(sourceKey);
    expect(item).toMatchObject({ lastError: { ...told, announced: true }, waitingSince: expect.anything() });
    expect(item).not.toHaveProperty("lease");
    // Called once more because its answer was lost, it says the same.
    expect(await abandon({ Error: "States.ExceedToleratedFailureThreshold", Cause: "{}" })).toMatchObject(told);
    expect(stage.failed).toMatchObject([told, told]);
  });

  it("does not touch what another execution works on by now", async () => {
    await plan();
    stage.now += 3_600_000;
    await plan({ executionArn: "arn:second" });
    await abandon({ Error: "States.Timeout" });
    expect(stage.oss.uploads.size).toBe(1);
    expect(await store.read(sourceKey)).toMatchObject({ lease: { holder: "arn:second" } });
  });
});
