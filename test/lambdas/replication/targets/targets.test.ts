// What every target must do, run over the registry: an upload in parts that the target itself checks, and named errors.
import { Readable } from "node:stream";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { targets } from "../../../../lambdas/replication/targets/index.ts";
import type { Completion, StoredPart, UploadRef } from "../../../../lambdas/replication/targets/target.ts";
import type { FaultEffect } from "../../../../local/rig/faults.ts";
import { someBytes } from "../../../local/s3/s3-rig.ts";
import { calmRandom } from "../calm-random.ts";
import { type TargetStage, targetStages } from "./target-stages.ts";

const never = new AbortController().signal;
const key = "mysql/rm-1/2026/11/19/77/hins1_data.xb";
const mark = "0b1c2d3e-upload";
const copyId = "aliyun-rds:rm-1:77";
const bytes = someBytes(200_003);
const partBytes = 80_000;

/** The object's bytes as parts of 80,000, and what is left. */
const cut = [0, 1, 2].map((index) => bytes.subarray(index * partBytes, (index + 1) * partBytes));

beforeEach(() => {
  calmRandom();
  // The SDK warns of every stream that it cannot send twice.
  vi.spyOn(console, "warn").mockImplementation(() => undefined);
});

it("every target of the registry has a stage", () => {
  expect(Object.keys(targetStages).sort()).toEqual(Object.keys(targets).sort());
});

describe.each(Object.entries(targets))("the target %s", (name, { limits }) => {
  async function stage(): Promise<TargetStage> {
    const start = targetStages[name];
    if (start === undefined) throw new Error(`there is no stage for the target ${name}`);
    return start();
  }

  const fault = (here: TargetStage, operation: keyof TargetStage["operations"], effect: FaultEffect, times = 1) =>
    here.faults.add({ service: here.service, operation: here.operations[operation], effect, times });

  /** Of a copy: a target may free what it has sent. */
  const put = ({ target }: TargetStage, ref: UploadRef, partNumber: number, part: Buffer, checksum?: string) =>
    target.putPart(ref, partNumber, Readable.from([Buffer.from(part)], { objectMode: false }), part.length, {
      signal: never,
      ...(checksum === undefined ? {} : { checksum }),
    });

  /** An upload with all of its parts, and what would complete it. */
  async function uploaded(here: TargetStage, at = key, uploadMark = mark): Promise<Completion> {
    const ref = await here.target.begin(at, copyId, uploadMark);
    const parts: StoredPart[] = [];
    for (const [index, part] of cut.entries()) parts.push(await put(here, ref, index + 1, part));
    return { ref, parts, sizeBytes: bytes.length, checksum: here.checksumOf(bytes), replacesEtag: null };
  }

  it("states limits that fit one another", () => {
    expect(limits.smallestPartBytes).toBeGreaterThan(0);
    expect(limits.largestPartBytes).toBeGreaterThan(limits.smallestPartBytes);
    expect(limits.mostParts).toBeGreaterThanOrEqual(1);
    expect(limits.largestObjectBytes).toBeLessThanOrEqual(limits.mostParts * limits.largestPartBytes);
  });

  it("makes the object of its parts, and knows afterwards who made it and what it is", async () => {
    await using here = await stage();
    expect(await here.target.describe(key)).toBeNull();
    const completion = await uploaded(here);
    expect(completion.parts).toEqual(
      cut.map((part, index) => ({
        partNumber: index + 1,
        bytes: part.length,
        etag: expect.stringMatching(/^".+"$/),
        checksum: here.checksumOf(part),
      })),
    );
    expect(await here.target.listParts(completion.ref, 1, 3)).toEqual(completion.parts);
    await here.target.complete(completion);
    expect((await here.read(key)).equals(bytes)).toBe(true);
    expect(await here.target.describe(key)).toMatchObject({
      key,
      sizeBytes: bytes.length,
      checksum: completion.checksum,
      copyId,
      uploadMark: mark,
      etag: expect.stringMatching(/\w/),
    });
    expect(await here.target.unfinishedUploads(key)).toEqual([]);
    expect(here.defects).toEqual([]);
  });

  it("keeps keys and copy ids of any letters", async () => {
    await using here = await stage();
    const odd = `mysql/rm-1/2026/11/19/77/备份 a+b%20"' ü#?&=.sql.gz`;
    const oddId = "aliyun-rds:rm-1:备份 100%";
    const ref = await here.target.begin(odd, oddId, mark);
    const part = await put(here, ref, 1, bytes);
    expect(await here.target.unfinishedUploads(odd)).toEqual([ref]);
    expect(await here.target.listParts(ref, 1, 1)).toEqual([part]);
    const checksum = here.checksumOf(bytes);
    await here.target.complete({ ref, parts: [part], sizeBytes: bytes.length, checksum, replacesEtag: null });
    expect(await here.target.describe(odd)).toMatchObject({ key: odd, copyId: oddId });
    expect((await here.read(odd)).equals(bytes)).toBe(true);
  });

  it("lists more than a thousand parts, all of them or a stretch, and completes with them", async () => {
    await using here = await stage();
    const ref = await here.target.begin(key, copyId, mark);
    const partCount = 1003;
    const partOf = (partNumber: number) => Buffer.from(String(partNumber).padStart(8, "0"));
    const numbers = Array.from({ length: partCount }, (_, index) => index + 1);
    const stored: StoredPart[] = [];
    for (let from = 0; from < partCount; from += 50) {
      const some = numbers.slice(from, from + 50);
      stored.push(...(await Promise.all(some.map((number) => put(here, ref, number, partOf(number))))));
    }
    expect(await here.target.listParts(ref, 1, partCount)).toEqual(stored);
    expect(await here.target.listParts(ref, 1, 1000)).toEqual(stored.slice(0, 1000));
    expect(await here.target.listParts(ref, 998, 1002)).toEqual(stored.slice(997, 1002));
    expect(await here.target.listParts(ref, partCount, partCount + 100)).toEqual(stored.slice(-1));
    expect(await here.target.listParts(ref, partCount + 1, partCount + 100)).toEqual([]);
    const whole = Buffer.concat(numbers.map(partOf));
    const checksum = here.checksumOf(whole);
    await here.target.complete({ ref, parts: stored, sizeBytes: whole.length, checksum, replacesEtag: null });
    expect((await here.read(key)).equals(whole)).toBe(true);
  });

  it("lists the parts that are there, in order, where some are missing", async () => {
    await using here = await stage();
    const ref = await here.target.begin(key, copyId, mark);
    for (const partNumber of [7, 2, 5]) await put(here, ref, partNumber, Buffer.from(`part ${partNumber}`));
    const numbers = async (first: number, last: number) =>
      (await here.target.listParts(ref, first, last)).map(({ partNumber }) => partNumber);
    expect(await numbers(1, 10)).toEqual([2, 5, 7]);
    expect(await numbers(3, 6)).toEqual([5]);
    expect(await numbers(3, 4)).toEqual([]);
  });

  it("finds the unfinished uploads of the very key, and of no other", async () => {
    await using here = await stage();
    const begin = (at: string) => here.target.begin(at, copyId, mark);
    const [first, second] = [await begin("a"), await begin("a")];
    for (const other of ["ab", "a/b", "a.xb", "A"]) await begin(other);
    const found = await here.target.unfinishedUploads("a");
    expect(new Set(found.map(({ uploadId }) => uploadId))).toEqual(new Set([first.uploadId, second.uploadId]));
    expect(found.every((ref) => ref.key === "a")).toBe(true);
    await here.target.abort(first);
    expect(await here.target.unfinishedUploads("a")).toEqual([second]);
    expect(await here.target.unfinishedUploads("b")).toEqual([]);
  });

  it("keeps the later of two parts of one number", async () => {
    await using here = await stage();
    const completion = await uploaded(here);
    const { ref } = completion;
    const other = someBytes(partBytes, 9);
    const replaced = await put(here, ref, 1, other);
    expect(await here.target.listParts(ref, 1, 1)).toEqual([replaced]);
    await expect(here.target.complete(completion)).rejects.toMatchObject({ name: "PartsMissing" });
    const whole = Buffer.concat([other, ...cut.slice(1)]);
    const parts = [replaced, ...completion.parts.slice(1)];
    await here.target.complete({ ...completion, parts, checksum: here.checksumOf(whole) });
    expect((await here.read(key)).equals(whole)).toBe(true);
  });

  it("refuses a part whose bytes have another checksum than was sent along, and does not keep it if the vendor can", async () => {
    await using here = await stage();
    const ref = await here.target.begin(key, copyId, mark);
    await expect(put(here, ref, 1, bytes, here.checksumOf(cut[0] ?? bytes))).rejects.toMatchObject({
      name: "PartDamaged",
    });
    if (here.refusesDamagedParts) expect(await here.target.listParts(ref, 1, 1)).toEqual([]);
    expect(await put(here, ref, 1, bytes, here.checksumOf(bytes))).toMatchObject({ checksum: here.checksumOf(bytes) });
  });

  it("tells the checksum of what arrived, not of what was sent", async () => {
    await using here = await stage();
    const ref = await here.target.begin(key, copyId, mark);
    fault(here, "putPart", { kind: "flip-stored-bit", when: "in-transit" });
    const stored = await put(here, ref, 1, bytes);
    expect(stored.checksum).not.toBe(here.checksumOf(bytes));
    expect((await here.target.listParts(ref, 1, 1))[0]?.checksum).toBe(stored.checksum);
  });

  it.each<[string, (completion: Completion, here: TargetStage) => Completion, RegExp]>([
    ["another size", (given) => ({ ...given, sizeBytes: given.sizeBytes + 1 }), /^TargetRefused$/],
    [
      "another checksum of the whole",
      (given, here) => ({ ...given, checksum: here.checksumOf(Buffer.from("x")) }),
      /^PartDamaged$/,
    ],
    [
      "another checksum of a part",
      (given) => ({ ...given, parts: given.parts.map((part) => ({ ...part, checksum: given.checksum })) }),
      // Where it is not the vendor who compares, it is the whole that does not fit.
      /^Parts?(Missing|Damaged)$/,
    ],
    [
      "a part that is not there",
      (given) => ({ ...given, parts: [...given.parts, { ...given.parts[0], partNumber: 4, bytes: 0 } as StoredPart] }),
      /^Parts?(Missing|Damaged)$/,
    ],
    ["a part left out", (given) => ({ ...given, parts: given.parts.slice(1) }), /^TargetRefused$/],
    ["the parts out of order", (given) => ({ ...given, parts: given.parts.toReversed() }), /^TargetRefused$/],
  ])("makes no object from a completion with %s", async (_, change, errorName) => {
    await using here = await stage();
    const completion = await uploaded(here);
    await expect(here.target.complete(change(completion, here))).rejects.toMatchObject({
      name: expect.stringMatching(errorName),
    });
    expect(await here.target.describe(key)).toBeNull();
    // Nothing is lost: the right completion still works.
    await here.target.complete(completion);
    expect(await here.target.describe(key)).toMatchObject({ sizeBytes: bytes.length });
  });

  it("never touches an object that is there already", async () => {
    await using here = await stage();
    const completion = await uploaded(here);
    await here.putForeign(key, Buffer.from("somebody else's"));
    await expect(here.target.complete(completion)).rejects.toMatchObject({ name: "TargetExists" });
    expect(String(await here.read(key))).toBe("somebody else's");
    expect(await here.target.describe(key)).toMatchObject({ copyId: null, uploadMark: null, sizeBytes: 15 });
  });

  it("replaces exactly the object that was named by its ETag", async () => {
    await using here = await stage();
    const etag = await here.putForeign(key, Buffer.from("the old one"));
    const completion = await uploaded(here);
    await here.putForeign(key, Buffer.from("a newer one"));
    const replacing = { ...completion, replacesEtag: etag };
    await expect(here.target.complete(replacing)).rejects.toMatchObject({ name: "TargetExists" });
    expect(String(await here.read(key))).toBe("a newer one");
    const present = await here.target.describe(key);
    await here.target.complete({ ...completion, replacesEtag: present?.etag ?? "" });
    expect((await here.read(key)).equals(bytes)).toBe(true);
  });

  it("knows an upload that is gone", async () => {
    await using here = await stage();
    const completion = await uploaded(here);
    await here.target.abort(completion.ref);
    await expect(put(here, completion.ref, 1, bytes)).rejects.toMatchObject({ name: "UploadLost" });
    await expect(here.target.listParts(completion.ref, 1, 1)).rejects.toMatchObject({ name: "UploadLost" });
    await expect(here.target.complete(completion)).rejects.toMatchObject({ name: "UploadLost" });
  });

  it("aborts as often as it is asked to, also after completion, whose object stays", async () => {
    await using here = await stage();
    const completion = await uploaded(here);
    await here.target.complete(completion);
    await here.target.abort(completion.ref);
    const other = await here.target.begin(key, copyId, "another");
    for (let times = 0; times < 3; times += 1) await here.target.abort(other);
    expect(await here.target.unfinishedUploads(key)).toEqual([]);
    expect((await here.read(key)).equals(bytes)).toBe(true);
  });

  it.each<[string, FaultEffect]>([
    ["a request to slow down", { kind: "throttle" }],
    ["an error of the vendor", { kind: "error", status: 500, code: "InternalError" }],
    ["an answer lost on the way", { kind: "reset-after-work" }],
    ["a connection that was reset", { kind: "reset" }],
  ])("tries a part and a completion once, and names %s", async (_, effect) => {
    await using here = await stage();
    const completion = await uploaded(here);
    fault(here, "putPart", effect);
    const unavailable = { name: "TargetUnavailable", retryable: true };
    await expect(put(here, completion.ref, 1, cut[0] ?? bytes)).rejects.toMatchObject(unavailable);
    fault(here, "complete", effect);
    await expect(here.target.complete(completion)).rejects.toMatchObject(unavailable);
    expect(here.faults.fired).toHaveLength(2);
  });

  it.each([false, true])(
    "names an error inside an answer of 200 to a completion (the object exists: %s)",
    async (afterWork) => {
      await using here = await stage();
      if (!here.saysErrorsIn200) return;
      const completion = await uploaded(here);
      fault(here, "complete", { kind: "error-in-200", afterWork });
      await expect(here.target.complete(completion)).rejects.toMatchObject({ name: "TargetUnavailable" });
      expect((await here.target.describe(key))?.uploadMark ?? null).toBe(afterWork ? mark : null);
    },
  );

  it("tries small calls again by itself, and names what does not pass", async () => {
    await using here = await stage();
    const ref = await here.target.begin(key, copyId, mark);
    fault(here, "listParts", { kind: "throttle" }, 2);
    expect(await here.target.listParts(ref, 1, 1)).toEqual([]);
    fault(here, "describe", { kind: "error", status: 503, code: "SlowDown" }, 2);
    expect(await here.target.describe(key)).toBeNull();
    fault(here, "abort", { kind: "reset-after-work" });
    await here.target.abort(ref);
    fault(here, "begin", { kind: "error", status: 500, code: "InternalError" }, 100);
    await expect(here.target.begin(key, copyId, mark)).rejects.toMatchObject({ name: "TargetUnavailable" });
    fault(here, "describe", { kind: "error", status: 503, code: "SlowDown" }, 100);
    await expect(here.target.describe(key)).rejects.toMatchObject({ name: "TargetUnavailable" });
  });

  it("names a refusal, which nobody tries again", async () => {
    await using here = await stage();
    const completion = await uploaded(here);
    here.denyEverything();
    const refused = { name: "TargetRefused", retryable: false };
    await expect(here.target.begin(key, copyId, mark)).rejects.toMatchObject(refused);
    await expect(here.target.unfinishedUploads(key)).rejects.toMatchObject(refused);
    await expect(put(here, completion.ref, 1, bytes)).rejects.toMatchObject(refused);
    await expect(here.target.listParts(completion.ref, 1, 1)).rejects.toMatchObject(refused);
    await expect(here.target.complete(completion)).rejects.toMatchObject(refused);
    await expect(here.target.describe(key)).rejects.toMatchObject(refused);
    await expect(here.target.abort(completion.ref)).rejects.toMatchObject(refused);
  });

  it("gives a part up when the caller does, and does not keep it", async () => {
    await using here = await stage();
    const ref = await here.target.begin(key, copyId, mark);
    const stop = new AbortController();
    let sentBytes = 0;
    const endless = new Readable({
      read() {
        sentBytes += 1000;
        setImmediate(() => this.push(Buffer.alloc(1000)));
      },
    });
    const putting = here.target.putPart(ref, 1, endless, 10_000_000, { signal: stop.signal });
    await vi.waitFor(() => expect(sentBytes).toBeGreaterThan(10_000));
    stop.abort(new Error("the Lambda's time is used up"));
    await expect(putting).rejects.toThrow();
    endless.destroy();
    expect(await here.target.listParts(ref, 1, 1)).toEqual([]);
  });
});
