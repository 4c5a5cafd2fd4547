// Each kind of trouble by itself: what must be survived is survived, what must be refused is refused by name.
import { afterEach, describe, expect, it } from "vitest";
import { seededContent } from "../../local/aliyun-rds/seeded-content.ts";
import type { FaultRule } from "../../local/rig/faults.ts";
import { ReplicationRig } from "./replication-rig.ts";

const sizeBytes = 700_001;
const bytes = Buffer.from(seededContent(1)(0, sizeBytes));

let rig: ReplicationRig | undefined;

afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

async function runWith(...faults: FaultRule[]) {
  rig = await ReplicationRig.start({ faults });
  const backup = await rig.addBackup({ sizeBytes });
  const run = await rig.run();
  return { rig, backup, run, fired: rig.faults.fired };
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
    ["a storm of SlowDown", { service: "s3", fromCall: 3, times: 25, effect: { kind: "throttle" } }],
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
    const { rig, backup, run, fired } = await runWith(fault);
    expect(fired.length, "the fault was met").toBeGreaterThan(0);
    expect(run.status, `${run.error} ${run.cause}`).toBe("SUCCEEDED");
    expect(run.job.percent).toBe(100);
    const { receipt } = await rig.expectCopied(backup, bytes);
    expect(receipt.proof.class).toBe("source-checksum");
  });

  it("a link that lives for seconds, by refreshing it", async () => {
    rig = await ReplicationRig.start({
      linkSeconds: 5,
      faults: [{ ...download, fromCall: 8, effect: { kind: "delay", milliseconds: 20_000 } }],
    });
    const backup = await rig.addBackup({ sizeBytes });
    const run = await rig.run();
    expect(run.status, `${run.error} ${run.cause}`).toBe("SUCCEEDED");
    await rig.expectCopied(backup, bytes);
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
        fromCall: 3,
        times: 10_000,
        effect: { kind: "error", status: 403, code: "Forbidden.RAM" },
      },
      /^SourceRefused$/,
    ],
  ])("%s", async (_, fault, error) => {
    const { rig, backup, run } = await runWith(fault);
    expect(run.status).toBe("FAILED");
    const copy = await rig.copy(backup);
    expect(copy?.lastError?.error).toMatch(error);
    expect(copy).toMatchObject({ state: "failed" });
    expect(copy?.claim).toBeUndefined();
    await rig.expectNothingUnfinished();
    expect(await rig.keys()).toEqual([]);
    const unit = run.job.units[0];
    expect(unit).toMatchObject({ outcome: "failed", reason: expect.stringMatching(/\w/) });
  });

  it("Aliyun states another checksum than the bytes have", async () => {
    rig = await ReplicationRig.start();
    const backup = await rig.addBackup({ sizeBytes, checksum: { text: "123" }, crcHeader: false });
    const run = await rig.run();
    expect(run.status).toBe("FAILED");
    expect((await rig.copy(backup))?.lastError?.error).toBe("ProofFailed");
    await rig.expectNothingUnfinished();
    expect(await rig.keys()).toEqual([]);
  });

  it("the month's egress would pass its limit", async () => {
    rig = await ReplicationRig.start();
    const backup = await rig.addBackup({
      content: { identity: "huge", sizeBytes: 600 * 1000 ** 3, bytesAt: (_first, length) => Buffer.alloc(length) },
      checksum: "empty",
      crcHeader: false,
    });
    await rig.run();
    expect((await rig.copy(backup))?.lastError?.error).toBe("EgressLimitReached");
    await rig.expectNothingUnfinished();
  });
});

describe("after a failure", () => {
  it("the next run copies what the failed one could not", async () => {
    const { rig, backup, run } = await runWith({
      ...download,
      fromCall: 6,
      effect: { kind: "replace-source", how: "same-size" },
    });
    expect(run.status).toBe("FAILED");
    const replaced = rig.cloud.aliyun.backup(backup.backupId)?.body;
    expect(replaced?.sizeBytes).toBe(sizeBytes);
    const next = await rig.run();
    expect(next.status, `${next.error} ${next.cause}`).toBe("SUCCEEDED");
    expect((await rig.copy(backup))?.state).toBe("verified");
  });
});
