// One key under its lease: the newest version ends in OSS, whatever comes, goes, fails or is slow meanwhile.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { targetKeyOf } from "../../../../lambdas/replication/mirror/mappings.ts";
import { leaseMarginMilliseconds } from "../../../../lambdas/replication/mirror/mirror-key.ts";
import { CausewayError } from "../../../../lambdas/shared/errors.ts";
import { invocationMilliseconds, MirrorStage, mappings } from "./mirror-stage.ts";
import { type MirrorTable, startMirrorTable } from "./mirror-table.ts";

let table: MirrorTable;
let stage: MirrorStage;
let keys = 0;
let sourceKey = "";
let targetKey = "";

beforeAll(async () => {
  table = await startMirrorTable();
});

afterAll(async () => {
  await table?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  stage = new MirrorStage(table.store);
  keys += 1;
  sourceKey = `mysql/rm-1/${keys}/备份 a+b%"'.xb`;
  targetKey = targetKeyOf(sourceKey, mappings) ?? "";
});

const inOss = () => stage.oss.objects.get(targetKey)?.bytes.toString();
const item = () => table.store.read(sourceKey);
const unavailable = new CausewayError("TargetUnavailable", "503");

describe("a small object", () => {
  it("is in OSS afterwards, under its own key, and the item says which version with which checksum", async () => {
    const { versionId, etag } = stage.objects.put(sourceKey, Buffer.from("123456789"));
    const outcome = await stage.mirror({ sourceKey, since: "2026-11-20T11:00:00.000Z" });
    expect(outcome).toMatchObject({ outcome: "mirrored", targetKey });
    expect(inOss()).toBe("123456789");
    expect(await item()).toMatchObject({
      targetKey,
      wanted: 1,
      fence: 1,
      mirrored: { versionId, s3Etag: etag, bytes: 9, crc64: "11051210869376104954", receiptKey: null },
    });
    expect(await item()).not.toHaveProperty("lease");
    expect(await item()).not.toHaveProperty("waitingSince");
    expect(stage.mirrored).toMatchObject([
      { sourceKey, targetKey, versionId, bytes: 9, crc64: "11051210869376104954" },
    ]);
  });

  it("may have no bytes", async () => {
    stage.objects.put(sourceKey, Buffer.alloc(0));
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "mirrored" });
    expect(inOss()).toBe("");
    expect(await item()).toMatchObject({ mirrored: { bytes: 0, crc64: "0" } });
  });

  it("is sent once, however often its event comes", async () => {
    stage.objects.put(sourceKey, Buffer.from("once"));
    await stage.mirror({ sourceKey });
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "already-mirrored" });
    expect(stage.oss.puts).toHaveLength(1);
    expect(stage.mirrored).toHaveLength(1);
  });

  it("is sent again where somebody knows that OSS holds something else", async () => {
    stage.objects.put(sourceKey, Buffer.from("right"));
    await stage.mirror({ sourceKey });
    stage.oss.putObject(targetKey, Buffer.from("wrong"), { copyId: null, uploadMark: null });
    expect(await stage.mirror({ sourceKey, again: true })).toMatchObject({ outcome: "mirrored" });
    expect(inOss()).toBe("right");
  });

  it("outside of every mapping is nobody's business", async () => {
    expect(await stage.mirror({ sourceKey: "receipts/mysql/x/copy.json" })).toMatchObject({ outcome: "not-mapped" });
    expect(await table.store.read("receipts/mysql/x/copy.json")).toBeUndefined();
  });

  it("whose key OSS does not take is refused by name, told once, and waits no longer", async () => {
    sourceKey = `mysql/${"长".repeat(340)}`;
    stage.objects.put(sourceKey, Buffer.from("x"));
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "refused" });
    await stage.mirror({ sourceKey });
    expect(stage.failed).toMatchObject([
      { sourceKey, error: "InputInvalid", cause: expect.stringMatching(/1023 bytes/) },
    ]);
    expect(await item()).not.toHaveProperty("waitingSince");
  });
});

describe("what comes meanwhile", () => {
  it("a newer version, while the older one is on its way, is mirrored before the lease is let go", async () => {
    stage.objects.put(sourceKey, Buffer.from("old"));
    stage.oss.beforePut = async (_key, bytes) => {
      if (bytes.toString() !== "old") return;
      stage.objects.put(sourceKey, Buffer.from("new"));
      expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "left-to-holder" });
    };
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "mirrored" });
    expect(stage.oss.puts.map(({ bytes }) => bytes.toString())).toEqual(["old", "new"]);
    expect(inOss()).toBe("new");
    expect(await item()).not.toHaveProperty("waitingSince");
  });

  it("a wish at the very last moment keeps the lease, and the key is looked at again", async () => {
    stage.objects.put(sourceKey, Buffer.from("old"));
    let settled = 0;
    const mirror = {
      take: table.store.take.bind(table.store),
      giveBack: table.store.giveBack.bind(table.store),
      settle: async (...given: Parameters<typeof table.store.settle>) => {
        settled += 1;
        if (settled === 1) {
          stage.objects.put(sourceKey, Buffer.from("new"));
          expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "left-to-holder" });
        }
        return table.store.settle(...given);
      },
    };
    await stage.mirror({ sourceKey }, { mirror });
    expect(inOss()).toBe("new");
    expect(await item()).not.toHaveProperty("waitingSince");
  });

  it("a deletion leaves OSS what it has, and is noted; what is created afterwards is mirrored", async () => {
    stage.objects.put(sourceKey, Buffer.from("kept"));
    await stage.mirror({ sourceKey });
    stage.objects.delete(sourceKey);
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "kept-deleted" });
    expect(inOss()).toBe("kept");
    expect(await item()).toMatchObject({ deletedAt: expect.stringMatching(/Z$/) });
    stage.objects.put(sourceKey, Buffer.from("anew"));
    await stage.mirror({ sourceKey });
    expect(inOss()).toBe("anew");
    expect(await item()).not.toHaveProperty("deletedAt");
  });

  it("a version that is gone before it could be read does not matter: the newer one is mirrored", async () => {
    const old = stage.objects.put(sourceKey, Buffer.from("old"));
    stage.objects.beforeOpen = () => {
      stage.objects.beforeOpen = () => undefined;
      stage.objects.put(sourceKey, Buffer.from("new"));
      stage.objects.drop(sourceKey, old.versionId ?? "");
    };
    await stage.mirror({ sourceKey });
    expect(inOss()).toBe("new");
  });

  it("two Lambdas with the same event: one works, the other leaves it", async () => {
    stage.objects.put(sourceKey, Buffer.from("once"));
    const outcomes = await Promise.all([stage.mirror({ sourceKey }), stage.mirror({ sourceKey })]);
    expect(outcomes.filter(({ outcome }) => outcome === "mirrored")).toHaveLength(1);
    expect(stage.oss.puts).toHaveLength(1);
  });

  it("a slow old write that lands after the new one is seen, and the new one is put again", async () => {
    stage.objects.put(sourceKey, Buffer.from("new"));
    // A request of a holder long dead, which OSS carries out between our answer and our look.
    stage.oss.afterPut = () => {
      stage.oss.putObject(targetKey, Buffer.from("old"), { copyId: "v0", uploadMark: "dead" });
      stage.oss.afterPut = () => undefined;
    };
    await stage.mirror({ sourceKey });
    expect(stage.oss.puts).toHaveLength(2);
    expect(inOss()).toBe("new");
  });

  it("a key that changes faster than it is mirrored waits for the next message", async () => {
    stage.objects.put(sourceKey, Buffer.from("0"));
    stage.oss.beforePut = () => void stage.objects.put(sourceKey, Buffer.from(String(stage.oss.puts.length + 1)));
    await expect(stage.mirror({ sourceKey })).rejects.toMatchObject({ name: "StillWorking", retryable: true });
    expect(await item()).toMatchObject({ waitingSince: expect.anything(), lastError: { announced: false } });
    stage.oss.beforePut = () => undefined;
    await stage.mirror({ sourceKey });
    expect(inOss()).toBe(stage.objects.bytes(sourceKey)?.toString());
  });
});

describe("the lease", () => {
  it("lasts longer than its holder can write", async () => {
    stage.objects.put(sourceKey, Buffer.from("x"));
    const leases: unknown[] = [];
    stage.oss.beforePut = async () => void leases.push((await item())?.lease?.expiresAt);
    await stage.mirror({ sourceKey });
    expect(leases).toEqual([new Date(stage.now + invocationMilliseconds + leaseMarginMilliseconds).toISOString()]);
  });

  it("of a holder that died is taken over when it is over, and what the dead one still writes counts for nothing", async () => {
    stage.objects.put(sourceKey, Buffer.from("x"));
    const dead = await table.store.take({
      sourceKey,
      targetKey,
      holder: "dead",
      since: "2026-11-20T11:00:00.000Z",
      now: new Date(stage.now).toISOString(),
      expiresAt: new Date(stage.now + 1000).toISOString(),
    });
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "left-to-holder" });
    stage.now += 2000;
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "mirrored" });
    const held = { sourceKey, fence: dead?.fence ?? 0 };
    await expect(table.store.settle(held, { wanted: 2 })).rejects.toMatchObject({ name: "MirrorLeaseLost" });
    await expect(table.store.renew(held, "2027-01-01T00:00:00.000Z")).rejects.toMatchObject({
      name: "MirrorLeaseLost",
    });
    await table.store.giveBack(held, { lastError: { error: "E", cause: "", at: "", announced: true } });
    expect(await item()).not.toHaveProperty("lastError");
  });

  it("ends writing: a body on its way is cut off when the invocation's time is up, and the key waits", async () => {
    stage.objects.put(sourceKey, Buffer.from("slow"));
    const time = new AbortController();
    const late = new CausewayError("StillWorking", "the time is up");
    stage.oss.beforePut = (_key, _bytes, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new Error("closed")));
        time.abort(late);
      });
    await expect(stage.mirror({ sourceKey }, {}, time.signal)).rejects.toBe(late);
    expect(inOss()).toBeUndefined();
    expect(await item()).toMatchObject({ waitingSince: expect.anything(), lastError: { error: "StillWorking" } });
    expect(await item()).not.toHaveProperty("lease");
  });
});

describe("trouble", () => {
  it("of AWS that passes is no news before the last attempt, and goes by its name", async () => {
    const current = () =>
      Promise.reject(Object.assign(new Error("Reduce your rate."), { name: "SlowDown", $metadata: {} }));
    await expect(stage.mirror({ sourceKey }, { current })).rejects.toMatchObject({ name: "AwsUnavailable" });
    expect(stage.failed).toEqual([]);
    expect(await item()).toMatchObject({ lastError: { error: "AwsUnavailable", announced: false } });
  });

  it("of a workflow that was stopped leaves no parts in OSS, once something small is there instead", async () => {
    const { versionId, etag } = stage.objects.put(sourceKey, Buffer.alloc(100_001));
    const now = new Date(stage.now).toISOString();
    const wish = { sourceKey, targetKey, holder: "stopped", since: now, now, expiresAt: now };
    const held = await table.store.take(wish);
    if (held === undefined) throw new Error("the lease was free");
    const { uploadId } = await stage.oss.begin(targetKey, versionId ?? "", "mark");
    await table.store.keepUpload(held, {
      key: targetKey,
      uploadId,
      uploadMark: "mark",
      sourceFacts: { sizeBytes: 100_001, etag, crc64: null },
      replacesEtag: null,
      plannedAt: now,
      partCount: 1,
      partBytes: 100_001,
      rangesPerPart: 1,
      sizeBytes: 100_001,
      versionId,
      crc64Nvme: null,
    });
    stage.now += 1000;
    stage.objects.put(sourceKey, Buffer.from("small"));
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "mirrored" });
    expect(stage.oss.uploads.size).toBe(0);
    expect(await item()).not.toHaveProperty("upload");
  });

  it("that passes is tried again at once, a few times", async () => {
    stage.objects.put(sourceKey, Buffer.from("x"));
    let times = 0;
    stage.oss.beforePut = () => {
      times += 1;
      if (times < 4) throw unavailable;
    };
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "mirrored" });
  });

  it("that stays gives the lease back, keeps the reason, and is told at the last attempt only", async () => {
    stage.objects.put(sourceKey, Buffer.from("x"));
    stage.oss.beforePut = () => {
      throw unavailable;
    };
    await expect(stage.mirror({ sourceKey })).rejects.toBe(unavailable);
    expect(stage.failed).toEqual([]);
    expect(await item()).toMatchObject({ lastError: { error: "TargetUnavailable", announced: false } });
    expect(await item()).not.toHaveProperty("lease");
    await expect(stage.mirror({ sourceKey, isLastAttempt: true })).rejects.toBe(unavailable);
    expect(stage.failed).toMatchObject([
      { sourceKey, versionId: "v1", targetKey, error: "TargetUnavailable", cause: "503" },
    ]);
    await expect(stage.mirror({ sourceKey, isLastAttempt: true })).rejects.toBe(unavailable);
    expect(stage.failed).toHaveLength(1);
    stage.now += 2 * 3_600_000;
    await expect(stage.mirror({ sourceKey, isLastAttempt: true })).rejects.toBe(unavailable);
    expect(stage.failed).toHaveLength(2);
    stage.oss.beforePut = () => undefined;
    await stage.mirror({ sourceKey });
    expect(await item()).not.toHaveProperty("lastError");
  });

  it("that waiting does not mend is told at once", async () => {
    stage.objects.put(sourceKey, Buffer.from("x"));
    stage.oss.beforePut = () => {
      throw new CausewayError("TargetRefused", "AccessDenied");
    };
    await expect(stage.mirror({ sourceKey })).rejects.toMatchObject({ name: "TargetRefused" });
    expect(stage.failed).toMatchObject([{ error: "TargetRefused" }]);
  });

  it.each([
    ["on the way to OSS", "oss"],
    ["on the way from S3", "s3"],
  ])("a bit that was flipped %s is noticed, and the object is sent again", async (_, where) => {
    stage.objects.put(sourceKey, Buffer.from("intact"));
    let flips = 1;
    const flip = (bytes: Buffer) => {
      if (flips === 0) return bytes;
      flips -= 1;
      return Buffer.from("lntact");
    };
    if (where === "oss") stage.oss.onTheWay = flip;
    else stage.objects.onTheWay = flip;
    await stage.mirror({ sourceKey });
    expect(stage.oss.puts).toHaveLength(2);
    expect(inOss()).toBe("intact");
  });

  it("after everything is done, but before the lease is let go, is done over without harm", async () => {
    stage.objects.put(sourceKey, Buffer.from("x"));
    const events = {
      mirrored: () => Promise.reject(new CausewayError("AwsUnavailable", "the bus")),
      failed: () => Promise.resolve(),
    };
    await expect(stage.mirror({ sourceKey }, { events })).rejects.toMatchObject({ name: "AwsUnavailable" });
    await stage.mirror({ sourceKey });
    expect(await item()).toMatchObject({ mirrored: { versionId: "v1" } });
    expect(stage.mirrored).toHaveLength(1);
  });
});

describe("a large object", () => {
  it("is left to the workflow, and waits until that has it", async () => {
    const { versionId } = stage.objects.put(sourceKey, Buffer.alloc(100_000));
    expect(await stage.mirror({ sourceKey, again: true })).toMatchObject({ outcome: "workflow-started" });
    expect(stage.started).toEqual([{ sourceKey, versionId, again: true }]);
    expect(await item()).toMatchObject({ run: { versionId, attempt: 1 }, waitingSince: expect.anything() });
    expect(await item()).not.toHaveProperty("lease");
    expect(stage.oss.puts).toEqual([]);
  });

  it("that replaces a small one meanwhile is left to the workflow, too", async () => {
    stage.objects.put(sourceKey, Buffer.from("small"));
    stage.oss.beforePut = () => void stage.objects.put(sourceKey, Buffer.alloc(100_000));
    expect(await stage.mirror({ sourceKey })).toMatchObject({ outcome: "workflow-started" });
    expect(await item()).toMatchObject({ mirrored: { bytes: 5 } });
  });
});
