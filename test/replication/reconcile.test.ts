// The comparison of S3 and OSS on the local cloud: whatever the two sides have come to, they are equal afterwards.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { someBytes } from "./mirror-rig.ts";
import { ReconcileStage, targetOf } from "./reconcile-stage.ts";

let stage: ReconcileStage;
let number = 0;
/** A folder for each test: a run looks at nothing else. */
let prefix: string;

beforeAll(async () => {
  stage = await ReconcileStage.start();
});

beforeEach(() => {
  number += 1;
  prefix = `mysql/test-${number}/`;
});

afterAll(async () => {
  await stage?.close();
});

describe("a comparison", () => {
  it("asks neither side about objects that the lists and the table agree on", async () => {
    await stage.mirrored(`${prefix}a`, "one");
    await stage.mirrored(`${prefix}b`, "");
    const before = stage.requestsSoFar;
    const run = await stage.run({ prefix });
    expect(run.status, run.cause).toBe("SUCCEEDED");
    expect(stage.counted(run)).toEqual({ compared: 2, equal: 2 });
    expect(run.job).toMatchObject({ kind: "mirror-reconciliation", state: "succeeded", percent: 100 });
    const asked = stage.rig.cloud.oss.requests.slice(before).map(({ operation }) => operation);
    expect(new Set(asked)).toEqual(new Set(["ListObjectsV2"]));
  });

  it("brings back what OSS has lost, and says so", async () => {
    await stage.mirrored(`${prefix}kept`, "kept");
    await stage.mirrored(`${prefix}lost`, "lost");
    await stage.loseInOss(`${prefix}lost`);
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toEqual({ compared: 2, equal: 1, restored: 1 });
    expect(run.job.state).toBe("succeeded-with-warnings");
    expect(run.summary?.differences).toEqual([`${prefix}lost had been lost or changed in OSS, and is there again`]);
    expect(await stage.differences(run)).toMatchObject([{ outcome: "restored", sourceKey: `${prefix}lost` }]);
    await stage.rig.expectInOss(`${prefix}lost`, Buffer.from("lost"));
  });

  it("replaces what somebody else put over it in OSS, of the same size and of another", async () => {
    await stage.mirrored(`${prefix}same-size`, "1234");
    await stage.mirrored(`${prefix}shorter`, "1234");
    await stage.putInOss(targetOf(`${prefix}same-size`), "abcd");
    await stage.putInOss(targetOf(`${prefix}shorter`), "ab");
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toEqual({ compared: 2, restored: 2 });
    await stage.rig.expectInOss(`${prefix}same-size`, Buffer.from("1234"));
    await stage.rig.expectInOss(`${prefix}shorter`, Buffer.from("1234"));
  });

  it("takes the same bytes under another ETag as what they are, without copying", async () => {
    await stage.mirrored(`${prefix}again`, "1234");
    await stage.putInOssInOnePart(targetOf(`${prefix}again`), "1234");
    const before = stage.requestsSoFar;
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toEqual({ compared: 1, adopted: 1 });
    expect(run.job.state).toBe("succeeded");
    expect(stage.writesToOss(before)).toEqual([]);
  });

  it("adopts what is in OSS already but unknown here, small and large, without copying", async () => {
    await stage.mirrored(`${prefix}small`, someBytes(50_000));
    await stage.mirrored(`${prefix}large`, someBytes(300_000));
    await stage.mirrored(`${prefix}empty`, "");
    for (const name of ["small", "large", "empty"]) await stage.forget(prefix + name);
    const before = stage.requestsSoFar;
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toEqual({ compared: 3, adopted: 3, "bytes-read": 350_000 });
    expect(run.job.state).toBe("succeeded");
    expect(stage.writesToOss(before)).toEqual([]);
    await stage.rig.expectInOss(`${prefix}large`, someBytes(300_000));
    expect(stage.counted(await stage.run({ prefix }))).toEqual({ compared: 3, equal: 3 });
  });

  it("adopts a copied backup by its copy's receipt: nothing is read, and the mirror's receipt is kept", async () => {
    const { key, crc64 } = await stage.rig.copyBackup(50_000);
    const receiptOf = () => stage.rig.item(key).then((item) => item?.mirrored?.receiptKey ?? undefined);
    const receiptKey = await stage.rig.until("the mirror's receipt", receiptOf);
    await stage.forget(key);
    expect(stage.counted(await stage.run({ prefix: key }))).toEqual({ compared: 1, adopted: 1 });
    expect((await stage.rig.item(key))?.mirrored).toMatchObject({ crc64, receiptKey, bytes: 50_000 });
  });

  it("brings what never came to OSS, and leaves large objects to their workflow", async () => {
    const [small, large] = [someBytes(1000), someBytes(300_000, 9)];
    await stage.mirrored(`${prefix}small`, small);
    await stage.mirrored(`${prefix}large`, large);
    for (const name of ["small", "large"]) {
      await stage.forget(prefix + name);
      await stage.loseInOss(prefix + name);
    }
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toEqual({ compared: 2, mirrored: 1, started: 1 });
    expect(run.job.state).toBe("succeeded");
    await stage.rig.until("the workflow brought the large one", async () => {
      const item = await stage.rig.item(`${prefix}large`);
      return item?.mirrored === undefined || item.lease !== undefined ? undefined : item;
    });
    await stage.rig.expectInOss(`${prefix}small`, small);
    await stage.rig.expectInOss(`${prefix}large`, large);
  });

  it("finds by reading what OSS itself has not noticed", async () => {
    const { faults } = stage.rig;
    const effect = { kind: "flip-stored-bit", when: "at-rest" } as const;
    faults.add({ service: "oss", operation: "PutObject", resourceIncludes: `${prefix}rotten`, effect });
    await stage.mirrored(`${prefix}rotten`, someBytes(5000));
    await stage.mirrored(`${prefix}sound`, someBytes(6000));
    faults.clear();
    expect(stage.counted(await stage.run({ prefix }))).toEqual({ compared: 2, equal: 2 });
    const run = await stage.run({ prefix, readData: true });
    expect(stage.counted(run)).toEqual({ compared: 2, equal: 1, restored: 1, "bytes-read": 22_000 });
    await stage.rig.expectInOss(`${prefix}rotten`, someBytes(5000));
    expect(stage.counted(await stage.run({ prefix, readData: true }))).toMatchObject({ equal: 2 });
  });

  it("reports what only OSS has, tells its own from others', and deletes nothing", async () => {
    await stage.mirrored(`${prefix}deleted in S3`, "kept");
    await stage.rig.delete(`${prefix}deleted in S3`);
    await stage.putInOss(targetOf(`${prefix}stranger`), "who is this?");
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toEqual({ compared: 2, "kept-only-in-oss": 1, "only-in-oss": 1 });
    expect(run.job.state).toBe("succeeded-with-warnings");
    expect(run.summary?.differences).toEqual([`${targetOf(`${prefix}stranger`)} is only in OSS`]);
    expect(await stage.differences(run)).toMatchObject([
      { outcome: "kept-only-in-oss", targetKey: targetOf(`${prefix}deleted in S3`), oss: { bytes: 4 } },
      { outcome: "only-in-oss", targetKey: targetOf(`${prefix}stranger`), oss: { bytes: 12 } },
    ]);
    expect(await stage.rig.ossBytes(targetOf(`${prefix}deleted in S3`))).toEqual(Buffer.from("kept"));
    expect(await stage.rig.ossBytes(targetOf(`${prefix}stranger`))).toEqual(Buffer.from("who is this?"));
  });

  it("knows keys of every kind, and their order", async () => {
    const names = [
      "a b+c%20",
      "a b+c 20",
      "备份 一.gz",
      "\u{1f40b}",
      "\uff5e",
      "quote\"'&<",
      "dots/../x",
      "tail/",
      "\u0001",
    ];
    for (const name of names) await stage.mirrored(prefix + name, name);
    await stage.loseInOss(`${prefix}\u{1f40b}`);
    await stage.forget(`${prefix}\uff5e`);
    const run = await stage.run({ prefix });
    expect(stage.counted(run)).toMatchObject({
      compared: names.length,
      equal: names.length - 2,
      restored: 1,
      adopted: 1,
    });
    for (const name of names) await stage.rig.expectInOss(prefix + name, Buffer.from(name));
  });

  it("gets through an OSS that is throttled for a while", async () => {
    await stage.mirrored(`${prefix}a`, "1");
    await stage.mirrored(`${prefix}b`, "2");
    await stage.loseInOss(`${prefix}a`);
    const before = stage.rig.faults.fired.length;
    stage.rig.faults.add({ service: "oss", times: 12, effect: { kind: "throttle" } });
    const run = await stage.run({ prefix });
    expect(stage.rig.faults.fired.length - before).toBe(12);
    stage.rig.faults.clear();
    expect(stage.counted(run)).toEqual({ compared: 2, equal: 1, restored: 1 });
  });
});

it("the schedule starts a run, named by its time", async () => {
  const { cloud } = stage.rig;
  await cloud.scheduler.fire("causeway-local-reconcile-mirror", Date.parse("2026-11-20T22:00:00Z"));
  await cloud.scheduler.settled();
  const machine = cloud.output("ReconcileMirrorArn");
  const executionArn = `${machine.replace(":stateMachine:", ":execution:")}:reconcile-20261120T220000Z`;
  const { status, job } = await stage.rig.until("the run", () =>
    stage.rig.runEnded(executionArn).catch((error: unknown) => {
      if (error instanceof Error && error.name === "ExecutionDoesNotExist") return undefined;
      throw error;
    }),
  );
  expect(status).toBe("SUCCEEDED");
  expect(job).toMatchObject({ kind: "mirror-reconciliation", phase: "finished" });
});

describe("a run fails", () => {
  it.each([
    [{ prefix: "postgresql/" }, /InputInvalid.*nothing below "postgresql\/" is mirrored; mirrored are mysql\//],
    [{ prefix: "" }, /InputInvalid.*request.prefix/],
    [{ everything: true }, /InputInvalid.*everything/],
  ])("for the request %j", async (request, sentence) => {
    const run = await stage.run(request);
    expect(run.status).toBe("FAILED");
    expect(run.job.state).toBe("failed");
    expect(run.job.sentence).toMatch(sentence);
  });

  it("when a key cannot be mirrored, after all others", async () => {
    await stage.mirrored(`${prefix}bad`, "bad");
    await stage.mirrored(`${prefix}good`, "good");
    await stage.loseInOss(`${prefix}bad`);
    await stage.loseInOss(`${prefix}good`);
    const effect = { kind: "error", status: 403, code: "AccessDenied" } as const;
    stage.rig.faults.add({ service: "oss", operation: "PutObject", resourceIncludes: "bad", times: 99, effect });
    const run = await stage.run({ prefix });
    stage.rig.faults.clear();
    expect(run.status).toBe("FAILED");
    expect(stage.counted(run)).toEqual({ compared: 2, failed: 1, restored: 1 });
    expect(run.job.units[0]?.reason).toMatch(/bad could not be compared or mirrored: TargetRefused/);
    expect((await stage.differences(run)).map(({ outcome }) => outcome)).toEqual(["failed", "restored"]);
  });
});
