// Each kind of trouble by itself: what must be survived is survived, what must be refused is refused by name.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import type { FaultRule } from "../../local/rig/faults.ts";
import { ReplicationRig } from "./replication-rig.ts";
import { SeenEvents } from "./seen-events.ts";

const sizeBytes = 700_001;

let rig: ReplicationRig;
let seen: SeenEvents;
let seed = 0;

beforeAll(async () => {
  rig = await ReplicationRig.start();
  seen = new SeenEvents(rig.cloud);
});

afterEach(() => {
  rig.faults.clear();
});

afterAll(async () => {
  await rig?.close();
});

/** One backup of its own through the given trouble. */
async function runWith(...faults: FaultRule[]) {
  seed += 1;
  const content = { seed, sizeBytes };
  const backup = await rig.addBackup({ content });
  const firedBefore = rig.faults.fired.length;
  rig.faults.add(...faults);
  const run = await rig.run({ backupIds: [backup.backupId] });
  rig.faults.clear();
  const fired = rig.faults.fired.slice(firedBefore);
  const reason = JSON.stringify([run.error, run.cause, run.job.units.map((unit) => unit.reason)]);
  return { backup, run, fired, reason, bytes: Buffer.from(seededContent(seed)(0, sizeBytes)) };
}

const download = { service: "aliyun-download" } as const;

describe("a copy survives", () => {
  it.each<[string, FaultRule]>([
    ["a link that expires between parts", { ...download, fromCall: 6, effect: { kind: "expire-link" } }],
    ["a body that ends early", { ...download, fromCall: 5, times: 3, effect: { kind: "short-body", share: 0.4 } }],
    [
      "a body that ends early in good order",
      { ...download, fromCall: 5, effect: { kind: "short-body", share: 0.4, ending: "clean" } },
    ],
    ["a wrong Content-Range, once", { ...download, fromCall: 5, effect: { kind: "wrong-range" } }],
    ["200 instead of 206, once", { ...download, fromCall: 5, effect: { kind: "ignore-range" } }],
    ["resets by the source", { ...download, fromCall: 4, times: 4, effect: { kind: "reset" } }],
    ["a source that throttles", { ...download, fromCall: 1, times: 5, effect: { kind: "throttle" } }],
    [
      "a bit flipped on the way into S3",
      { service: "s3", operation: "UploadPart", fromCall: 3, effect: { kind: "flip-stored-bit", when: "in-transit" } },
    ],
    ["a storm of SlowDown", { service: "s3", fromCall: 3, times: 60, probability: 0.5, effect: { kind: "throttle" } }],
    [
      "a clock that S3 calls skewed, until it is corrected",
      {
        service: "s3",
        operation: "UploadPart",
        times: 3,
        effect: { kind: "error", status: 403, code: "RequestTimeTooSkewed" },
      },
    ],
    [
      "parts answered 500 after they were stored",
      { service: "s3", operation: "UploadPart", times: 4, effect: { kind: "fail-after-work" } },
    ],
    [
      "Complete answered 200 with an error, nothing done",
      { service: "s3", operation: "CompleteMultipartUpload", effect: { kind: "error-in-200", afterWork: false } },
    ],
    [
      "Complete answered 200 with an error after doing it",
      { service: "s3", operation: "CompleteMultipartUpload", effect: { kind: "error-in-200", afterWork: true } },
    ],
    [
      "Complete answered 500 after doing it",
      { service: "s3", operation: "CompleteMultipartUpload", effect: { kind: "fail-after-work" } },
    ],
    [
      "Complete cut off after doing it",
      { service: "s3", operation: "CompleteMultipartUpload", effect: { kind: "reset-after-work" } },
    ],
    ["a throttled Aliyun", { service: "aliyun-rds", times: 3, effect: { kind: "throttle" } }],
    ["an HTML error page from Aliyun", { service: "aliyun-rds", effect: { kind: "error", status: 502, code: "Html" } }],
    ["a throttled DynamoDB", { service: "dynamodb", fromCall: 4, times: 12, effect: { kind: "throttle" } }],
    [
      "DynamoDB writes answered 500 after they were done",
      { service: "dynamodb", fromCall: 5, times: 6, effect: { kind: "fail-after-work" } },
    ],
    [
      "a throttled key for the signature",
      { service: "kms", operation: "Sign", times: 3, effect: { kind: "throttle" } },
    ],
  ])("%s", async (_, fault) => {
    const { backup, run, fired, reason, bytes } = await runWith(fault);
    expect(fired.length, "the fault was met").toBeGreaterThan(0);
    expect(run.status, reason).toBe("SUCCEEDED");
    expect(run.job.percent).toBe(100);
    const { receipt } = await rig.expectCopied(backup, bytes);
    expect(receipt.proof.class).toBe("source-checksum");
  });

  it("a link that lives for seconds, by refreshing it", async () => {
    const own = await ReplicationRig.start({
      linkSeconds: 5,
      faults: [{ ...download, fromCall: 8, effect: { kind: "delay", milliseconds: 20_000 } }],
    });
    try {
      const backup = await own.addBackup({ content: { seed: 1, sizeBytes } });
      const run = await own.run();
      expect(run.status, `${run.error} ${run.cause}`).toBe("SUCCEEDED");
      await own.expectCopied(backup, Buffer.from(seededContent(1)(0, sizeBytes)));
    } finally {
      await own.close();
    }
  });
});

describe("a copy is refused, and leaves nothing behind, when", () => {
  it.each<[string, FaultRule, RegExp]>([
    [
      "the source is replaced by as many other bytes",
      { ...download, fromCall: 6, effect: { kind: "replace-source", how: "same-size" } },
      /^SourceChanged$/,
    ],
    [
      "the source is replaced by fewer bytes",
      { ...download, fromCall: 6, effect: { kind: "replace-source", how: "shorter" } },
      /^SourceChanged$/,
    ],
    [
      "the source never keeps to a range",
      { ...download, times: 10_000, effect: { kind: "ignore-range" } },
      /^SourceIgnoresRanges$/,
    ],
    [
      "the source always sends another range",
      { ...download, fromCall: 3, times: 10_000, effect: { kind: "wrong-range" } },
      /^SourceIgnoresRanges$/,
    ],
    [
      "every link is expired as soon as it is made",
      { ...download, fromCall: 2, times: 10_000, effect: { kind: "expire-link" } },
      /^(NoProgress|LinkExpired)$/,
    ],
    [
      "S3 refuses every part",
      {
        service: "s3",
        operation: "UploadPart",
        times: 10_000,
        effect: { kind: "error", status: 403, code: "AccessDenied" },
      },
      /^TargetRefused$/,
    ],
    [
      "Aliyun refuses the key pair",
      {
        service: "aliyun-rds",
        // After the list was made.
        operation: "DescribeBackups",
        fromCall: 2,
        times: 10_000,
        effect: { kind: "error", status: 403, code: "Forbidden.RAM" },
      },
      /^SourceRefused$/,
    ],
  ])("%s", async (_, fault, error) => {
    const { backup, run, reason } = await runWith(fault);
    expect(run.status, reason).toBe("FAILED");
    const copy = await rig.copy(backup);
    expect(copy?.lastError?.error).toMatch(error);
    expect(copy).toMatchObject({ state: "failed" });
    expect(copy?.claim).toBeUndefined();
    await rig.expectNothingUnfinished();
    expect((await rig.keys()).filter((key) => key.includes(backup.backupId))).toEqual([]);
    const unit = run.job.units[0];
    expect(unit).toMatchObject({ outcome: "failed", reason: expect.stringMatching(/\w/) });
  });

  it("Aliyun states another checksum than the bytes have", async () => {
    const backup = await rig.addBackup({ sizeBytes, checksum: { text: "123" }, crcHeader: false });
    const run = await rig.run({ backupIds: [backup.backupId] });
    expect(run.status).toBe("FAILED");
    expect((await rig.copy(backup))?.lastError?.error).toBe("ProofFailed");
    await rig.expectNothingUnfinished();
    expect((await rig.keys()).filter((key) => key.includes(backup.backupId))).toEqual([]);
  });

  it("the month's egress would pass its limit", async () => {
    const backup = await rig.addBackup({
      content: { identity: "huge", sizeBytes: 600 * 1000 ** 3, bytesAt: (_first, length) => Buffer.alloc(length) },
      checksum: "empty",
      crcHeader: false,
    });
    await rig.run({ backupIds: [backup.backupId] });
    expect((await rig.copy(backup))?.lastError?.error).toBe("EgressLimitReached");
    const [event] = await seen.named("EgressLimitReached");
    expect(event).toMatchObject({ backupId: backup.backupId, limitBytes: 500 * 1000 ** 3 });
    expect(event?.usedBytes).toBeGreaterThan(0);
    await rig.expectNothingUnfinished();
  });
});

describe("after a failure", () => {
  it("the next run copies what the failed one could not", async () => {
    const replaced = { ...download, fromCall: 6, effect: { kind: "replace-source", how: "same-size" } } as const;
    const { backup, run, bytes } = await runWith(replaced);
    expect(run.status).toBe("FAILED");
    const next = await rig.run({ backupIds: [backup.backupId] });
    expect(next.status, `${next.error} ${next.cause}`).toBe("SUCCEEDED");
    const copy = await rig.copy(backup);
    expect(copy?.state).toBe("verified");
    expect(copy?.result?.bytes).toBe(bytes.length);
  });
});
