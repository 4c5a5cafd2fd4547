// The tables' conditions on a real DynamoDB: who may take, keep and let go of a copy; paging; and receipts that are written once.
import { S3Client } from "@aws-sdk/client-s3";
import { GetCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CopiesStore } from "../../../lambdas/replication/copies.store.ts";
import { type CompletedUpload, type CopyResult, newClaim } from "../../../lambdas/replication/copy.ts";
import { type LedgerPart, PartLedgerStore } from "../../../lambdas/replication/part-ledger.store.ts";
import { ReceiptsStore } from "../../../lambdas/replication/receipts.store.ts";
import { JobsStore } from "../../../lambdas/shared/jobs.store.ts";
import type { Job, JobUnit } from "../../../lambdas/shared/jobs.ts";
import { at, key, ledgerFor, listedBackup, mark, me, now, planFor, someBytes, somebody } from "./copy-facts.ts";
import { buckets, type RoomRig, startRoomRig, tables } from "./room-rig.ts";

let rig: RoomRig;
let copies: CopiesStore;
let jobs: JobsStore;
let ledger: PartLedgerStore;
let counter = 0;

beforeAll(async () => {
  rig = await startRoomRig();
  copies = new CopiesStore(rig.documents, tables.copies);
  jobs = new JobsStore(rig.documents, tables.jobs);
  ledger = new PartLedgerStore(rig.documents, tables.partLedger);
});

afterAll(async () => {
  await rig?.[Symbol.asyncDispose]();
});

const content = someBytes(10_000);
const plan = planFor(content, 3000);
const link = { address: "https://source", expiresAt: at, version: 1 };
const freeEgress = { month: "2026-11", bytes: 10_000, limitBytes: 0 };

function newBackup() {
  counter += 1;
  return { ...listedBackup, copyId: `aliyun-rds:rm-1:${counter}`, backupId: String(counter) };
}

/** A copy that `me` holds and has planned. */
async function heldCopy() {
  const backup = newBackup();
  await copies.claim(backup, key, newClaim(me, now), undefined);
  await copies.keepPlan(backup.copyId, me, plan, link, freeEgress);
  return backup;
}

const result: CopyResult = {
  bucket: "backups",
  key,
  versionId: null,
  bytes: 10_000,
  proof: "source-checksum",
  crc64: "1",
  checksum: "c",
  completedAt: at,
  receiptKey: "r",
  receiptSha256: "s",
  executionArn: me,
  runId: "run-1",
};

describe("the claim on a copy", () => {
  it("goes to exactly one of many that want it at once", async () => {
    const backup = newBackup();
    const takers = Array.from({ length: 20 }, (_, index) => newClaim(`execution-${index}`, now));
    const taken = await Promise.all(takers.map((claim) => copies.claim(backup, key, claim, undefined)));
    expect(taken.filter(Boolean)).toHaveLength(1);
    const winner = takers[taken.indexOf(true)];
    expect(await copies.read(backup.copyId)).toMatchObject({
      copyId: backup.copyId,
      backup,
      key,
      claim: winner,
      state: "copying",
    });
  });

  it("is one's own to take again, and another's only as it was seen", async () => {
    const backup = newBackup();
    const mine = newClaim(me, now);
    expect(await copies.claim(backup, key, mine, undefined)).toBe(true);
    const renewed = newClaim(me, now + 1000);
    expect(await copies.claim(backup, key, renewed, mine)).toBe(true);
    const theirs = newClaim(somebody, now + 2000);
    expect(await copies.claim(backup, key, theirs, undefined)).toBe(false);
    expect(await copies.claim(backup, key, theirs, mine)).toBe(false);
    expect(await copies.claim(backup, key, theirs, renewed)).toBe(true);
    await expect(copies.renewClaim(backup.copyId, newClaim(me, now))).rejects.toMatchObject({ name: "ClaimLost" });
    await copies.renewClaim(backup.copyId, newClaim(somebody, now + 3000));
  });

  it("that was dead goes to exactly one of those who saw it dead", async () => {
    const backup = newBackup();
    const dead = newClaim(somebody, now - 1e7);
    await copies.claim(backup, key, dead, undefined);
    const takers = Array.from({ length: 10 }, (_, index) => newClaim(`heir-${index}`, now));
    const taken = await Promise.all(takers.map((claim) => copies.claim(backup, key, claim, dead)));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });

  it("is needed for every change of the copy", async () => {
    const { copyId } = await heldCopy();
    const lost = { name: "ClaimLost" };
    const completed: CompletedUpload = { ...result, uploadMark: mark, etag: '"e"' };
    await expect(copies.keepPlan(copyId, somebody, plan, link, freeEgress)).rejects.toMatchObject(lost);
    await expect(copies.keepCompleted(copyId, somebody, completed)).rejects.toMatchObject(lost);
    await expect(copies.finish(copyId, somebody, "verified", result)).rejects.toMatchObject(lost);
    const failure = { executionArn: somebody, error: "E", cause: "c", at };
    await expect(copies.fail(copyId, failure, "failed", false)).rejects.toMatchObject(lost);
    await copies.noteError(copyId, failure);
    await copies.keepLink(copyId, somebody, { ...link, version: 9 });
    expect(await copies.read(copyId)).toMatchObject({ state: "copying", plan, link });
    expect(await copies.read(copyId)).not.toHaveProperty("lastError");
  });
});

describe("a copy", () => {
  it("that is finished keeps its result, and neither claim nor plan nor link", async () => {
    const { copyId } = await heldCopy();
    await copies.noteError(copyId, { executionArn: me, error: "E", cause: "c", at });
    await copies.finish(copyId, me, "verified", result);
    const found = await copies.read(copyId);
    expect(found).toMatchObject({ state: "verified", result });
    for (const gone of ["claim", "plan", "link", "lastError", "completed"]) expect(found).not.toHaveProperty(gone);
    expect(await copies.claim({ ...listedBackup, copyId }, key, newClaim(somebody, now), undefined)).toBe(true);
    expect(await copies.read(copyId)).toMatchObject({ state: "verified", result });
  });

  it.each([true, false])(
    "that failed keeps the reason, no address, and its plan only where it is of use (%s)",
    async (keep) => {
      const { copyId } = await heldCopy();
      const failure = { executionArn: me, error: "SourceChanged", cause: "another ETag", at };
      await copies.fail(copyId, failure, "failed", keep);
      const found = await copies.read(copyId);
      expect(found).toMatchObject({ state: "failed", lastError: failure });
      expect(found).not.toHaveProperty("claim");
      expect(found).not.toHaveProperty("link");
      expect(found?.plan !== undefined).toBe(keep);
    },
  );

  it("takes a link only when it is newer than the one it has", async () => {
    const { copyId } = await heldCopy();
    await copies.keepLink(copyId, me, { ...link, address: "https://second", version: 2 });
    await copies.keepLink(copyId, me, { ...link, address: "https://late", version: 2 });
    expect((await copies.read(copyId))?.link).toMatchObject({ address: "https://second", version: 2 });
  });

  it("is found by its id among hundreds, and its state told", async () => {
    const backups = Array.from({ length: 130 }, newBackup);
    for (const backup of backups.slice(0, 120)) await copies.claim(backup, key, newClaim(me, now), undefined);
    const states = await copies.statesOf(backups.map(({ copyId }) => copyId));
    expect(states.size).toBe(120);
    expect(new Set(states.values())).toEqual(new Set(["copying"]));
    expect(await copies.statesOf([])).toEqual(new Map());
  });
});

describe("the month's egress", () => {
  const counted = async (month: string) => {
    const item = await rig.documents.send(
      new GetCommand({ TableName: tables.copies, Key: { copyId: `egress#${month}` } }),
    );
    return item.Item?.egressBytes ?? 0;
  };

  it("is counted with the plan, refused above its limit, and then neither counted nor planned", async () => {
    const month = "2027-01";
    const egress = { month, bytes: 400, limitBytes: 1000 };
    const first = await heldCopy();
    const second = await heldCopy();
    const third = newBackup();
    await copies.claim(third, key, newClaim(me, now), undefined);
    await copies.keepPlan(first.copyId, me, plan, link, egress);
    await copies.keepPlan(second.copyId, me, plan, link, egress);
    expect(await counted(month)).toBe(800);
    await expect(copies.keepPlan(third.copyId, me, plan, link, egress)).rejects.toMatchObject({
      name: "EgressLimitReached",
      message: expect.stringContaining("2027-01"),
    });
    expect(await counted(month)).toBe(800);
    expect(await copies.read(third.copyId)).not.toHaveProperty("plan");
    await copies.keepPlan(third.copyId, me, plan, link, { ...egress, bytes: 200 });
    expect(await counted(month)).toBe(1000);
  });

  it("of a backup larger than the whole limit is refused in an empty month, too", async () => {
    const { copyId } = await heldCopy();
    const egress = { month: "2027-02", bytes: 1001, limitBytes: 1000 };
    await expect(copies.keepPlan(copyId, me, plan, link, egress)).rejects.toMatchObject({ name: "EgressLimitReached" });
  });

  it("is counted exactly when many plan at once", async () => {
    const month = "2027-03";
    const held = await Promise.all(Array.from({ length: 12 }, heldCopy));
    const egress = { month, bytes: 100, limitBytes: 0 };
    await Promise.all(held.map(({ copyId }) => copies.keepPlan(copyId, me, plan, link, egress)));
    expect(await counted(month)).toBe(1200);
  });
});

describe("the part ledger", () => {
  it("gives the rows of one upload between two parts, in order, with their last version", async () => {
    const rows = ledgerFor(content, plan);
    const [first, second] = rows as [LedgerPart, LedgerPart];
    for (const row of rows.toReversed()) await ledger.put("upload-a", row, now);
    await ledger.put("upload-b", { ...first, etag: '"other"' }, now);
    await ledger.put("upload-a", { ...second, etag: '"again"' }, now);
    const read = await ledger.read("upload-a", 2, 4);
    expect(read.map(({ partNumber }) => partNumber)).toEqual([2, 3, 4]);
    expect(read[0]).toMatchObject({ ...second, etag: '"again"' });
    expect(await ledger.read("upload-none", 1, 10_000)).toEqual([]);
  });

  it("gives rows beyond what one page holds", async () => {
    // DynamoDB's page is 1 MB: long ETags make few rows enough.
    const [row] = ledgerFor(content, plan);
    if (!row) throw new Error("there is a row");
    const long = "e".repeat(30_000);
    for (let partNumber = 1; partNumber <= 80; partNumber += 1) {
      await ledger.put("upload-long", { ...row, partNumber, etag: `${long}${partNumber}` }, now);
    }
    const read = await ledger.read("upload-long", 1, 10_000);
    expect(read.map(({ partNumber }) => partNumber)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
  });

  it("names a table that does not answer, so that the part is sent again", async () => {
    const [row] = ledgerFor(content, plan);
    rig.faults.add({
      service: "dynamodb",
      operation: "PutItem",
      times: 100,
      effect: { kind: "error", status: 400, code: "AccessDeniedException" },
    });
    await expect(ledger.put("upload-x", row as NonNullable<typeof row>, now)).rejects.toMatchObject({
      name: "AwsRefused",
    });
    rig.faults.clear();
  });
});

describe("the jobs table", () => {
  const job: Job = {
    jobId: "job-1",
    kind: "replication-run",
    state: "running",
    phase: "copying",
    startedAt: at,
    heartbeatAt: at,
  };

  it("shows a job with units and progress beyond what one page holds", async () => {
    const units: JobUnit[] = Array.from({ length: 60 }, (_, index) => ({
      unitId: `unit-${index}`,
      title: "t".repeat(40_000),
      phase: "copying",
      bytesTotal: 1000,
      startedAt: at,
    }));
    await jobs.putJob(job);
    await jobs.putUnits(job.jobId, units);
    await jobs.putUnits("job-10", [{ ...(units[0] as JobUnit), unitId: "another job's" }]);
    for (const worker of ["1", "2"]) {
      const progress = { unitId: "unit-7", worker, bytesDone: 300, partsDone: 1, at, bytesPerSecond: 10 };
      await jobs.putProgress(job.jobId, progress);
      await jobs.putProgress(job.jobId, { ...progress, bytesDone: 400 });
    }
    const view = await jobs.view(job.jobId, now);
    expect(view?.units).toHaveLength(60);
    expect(view).toMatchObject({ ...job, bytesTotal: 60_000, bytesDone: 800, bytesPerSecond: 20 });
    expect(await jobs.units(job.jobId)).toHaveLength(60);
    expect(await jobs.view("job-none", now)).toBeUndefined();
  });

  it("changes only the fields that are given", async () => {
    await jobs.putJob({ ...job, jobId: "job-2" });
    await jobs.updateJob("job-2", { state: "failed", sentence: "It failed." });
    await jobs.updateJob("job-2", {});
    await jobs.updateUnit("job-2", "unit-1", { phase: "failed", reason: "a reason", bytesTotal: 5 });
    await jobs.updateUnit("job-2", "unit-1", { outcome: "failed" });
    const view = await jobs.view("job-2", now);
    expect(view).toMatchObject({ phase: "copying", state: "failed", sentence: "It failed.", startedAt: at });
    expect(view?.units).toMatchObject([{ unitId: "unit-1", phase: "failed", reason: "a reason", outcome: "failed" }]);
  });

  it("keeps a wish to cancel that came before the work's first step, or while that is tried again", async () => {
    const jobId = "job-wished";
    await jobs.enterJob({ ...job, jobId, state: "queued", phase: "asked for" });
    await jobs.updateJob(jobId, { cancelRequestedAt: at });
    await jobs.putJob({ ...job, jobId });
    await jobs.putJob({ ...job, jobId, phase: "listing again" });
    expect(await jobs.find(jobId)).toMatchObject({ state: "running", phase: "listing again", cancelRequestedAt: at });
  });

  it("has a whole job of a run that failed before it put one", async () => {
    const end = { state: "failed", sentence: "It broke off.", counts: { failed: 0 }, finishedAt: at } as const;
    await jobs.finishJob("job-early", "snapshot-export", end);
    const entered = { jobId: "job-early", kind: "snapshot-export", startedAt: at, phase: "finished", listing: "job" };
    expect(await jobs.find("job-early")).toMatchObject({ ...end, ...entered });
    await jobs.putJob({ ...job, jobId: "job-usual", startedAt: "2026-11-20T00:00:00.000Z" });
    await jobs.finishJob("job-usual", "snapshot-export", end);
    expect(await jobs.find("job-usual")).toMatchObject({
      ...end,
      kind: "replication-run",
      startedAt: "2026-11-20T00:00:00.000Z",
    });
  });

  it("takes more units than one batch holds, and gets those that DynamoDB kept back", async () => {
    const units = Array.from({ length: 60 }, (_, index) => ({
      unitId: `u${index}`,
      title: "",
      phase: "",
      bytesTotal: 1,
      startedAt: at,
    }));
    await jobs.putUnits("job-3", units);
    expect(await jobs.units("job-3")).toHaveLength(60);
    await jobs.putUnits("job-3", []);
  });
});

describe("a receipt in the bucket", () => {
  it("is written once: whoever comes later gets what is there", async () => {
    const receipts = new ReceiptsStore(new S3Client({}), buckets.backups);
    const texts = await Promise.all(
      ["one", "two", "three"].map((text) => receipts.writeOnce("receipts/a/copy.json", text)),
    );
    expect(new Set(texts).size).toBe(1);
    expect(await receipts.writeOnce("receipts/a/copy.json", "four")).toBe(texts[0]);
  });

  it("that cannot be written is an error, not a receipt", async () => {
    const receipts = new ReceiptsStore(new S3Client({}), "no-such-bucket");
    await expect(receipts.writeOnce("receipts/a/copy.json", "one")).rejects.toMatchObject({ name: "NoSuchBucket" });
  });
});
