// Completion: the fold over the parts, the proof against the source, and what an unclear or refused answer comes to.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { completeCopy, fold, isThisUpload } from "../../../lambdas/replication/complete-copy.ts";
import type { CompletedUpload, CopyPlan } from "../../../lambdas/replication/copy.ts";
import type { LedgerPart } from "../../../lambdas/replication/part-ledger.store.ts";
import { CausewayError, type ErrorName } from "../../../lambdas/shared/errors.ts";
import { at, copyId, copyOf, crc64Of, key, ledgerFor, mark, now, nvmeOf, planFor, someBytes } from "./copy-facts.ts";
import { streamOf } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";

const content = someBytes(10_123);
const partBytes = 3000;
const never = new AbortController().signal;

/** An upload whose parts are all in the target and in the ledger. */
async function stage(more: Partial<CopyPlan> | ((target: MemoryTarget) => Partial<CopyPlan>) = {}) {
  const target = new MemoryTarget();
  const special = typeof more === "function" ? more(target) : more;
  const ref = await target.begin(key, copyId, mark);
  const plan = planFor(content, partBytes, { ...ref, ...special });
  const rows: LedgerPart[] = [];
  for (const row of ledgerFor(content, plan)) {
    const body = streamOf(content.subarray(row.offset, row.offset + row.bytes));
    const stored = await target.putPart(ref, row.partNumber, body, row.bytes, { signal: never });
    rows.push({ ...row, etag: stored.etag });
  }
  const kept: CompletedUpload[] = [];
  const complete = (copy = copyOf({ plan })) =>
    completeCopy(copy, plan, {
      target,
      readLedger: async (_mark, first, last) =>
        rows.filter(({ partNumber }) => partNumber >= first && partNumber <= last),
      keepCompleted: async (completed) => void kept.push(completed),
      now: () => now,
    });
  return { target, plan, rows, kept, complete };
}

describe("the fold over the parts", () => {
  it("is the checksum of the whole, wherever it was cut", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        fc.integer({ min: 1, max: 700 }),
        (bytes, anyPartBytes) => {
          const whole = Buffer.from(bytes);
          const plan = planFor(whole, anyPartBytes);
          expect(fold(plan, ledgerFor(whole, plan))).toEqual({ crc64: crc64Of(whole), checksum: nvmeOf(whole) });
        },
      ),
    );
  });

  it("is refused over any gap, doubling, wrong order or wrong length, which are named", () => {
    const plan = planFor(content, partBytes);
    const rows = ledgerFor(content, plan);
    const [first, second, third, last] = rows as [LedgerPart, LedgerPart, LedgerPart, LedgerPart];
    const wrong: readonly (readonly LedgerPart[])[] = [
      [],
      [first, third, last],
      [first, second, third],
      [first, second, second, last],
      [second, first, third, last],
      [first, second, third, last, { ...last, partNumber: 5 }],
      [first, { ...second, bytes: second.bytes - 1 }, third, last],
    ];
    for (const given of wrong) {
      expect(() => fold(plan, given)).toThrowError(expect.objectContaining({ name: "PartsMissing" }));
    }
    expect(() => fold(plan, [first, third, last])).toThrowError(/2/);
  });
});

describe("a completion", () => {
  it("makes the object and keeps what it found", async () => {
    const { target, kept, complete } = await stage({ inventoryCrc64: crc64Of(content) });
    const completed = await complete();
    const object = target.objects.get(key);
    expect(object?.bytes.equals(content)).toBe(true);
    expect(completed).toEqual({
      uploadMark: mark,
      crc64: crc64Of(content),
      checksum: nvmeOf(content),
      proof: "source-checksum",
      versionId: object?.versionId,
      etag: object?.etag,
      completedAt: at,
    });
    expect(kept).toEqual([completed]);
  });

  it("says how far equality is shown: by the list, by the file's own header, or only by length", async () => {
    const header = { sizeBytes: content.length, etag: '"memory-1"', crc64: crc64Of(content) };
    expect((await (await stage({ sourceFacts: header })).complete()).proof).toBe("source-crc-header");
    expect((await (await stage()).complete()).proof).toBe("length-and-etag");
  });

  it("is called again without harm, and makes nothing anew", async () => {
    const { target, plan, complete } = await stage();
    const first = await complete();
    const attempts = () => target.calls.filter((call) => call === "complete").length;
    expect(await complete()).toEqual(first);
    expect(await complete(copyOf({ plan, completed: first }))).toEqual(first);
    expect(attempts()).toBe(1);
  });

  it.each([
    ["the list", { inventoryCrc64: "123" }],
    ["the file's header", { sourceFacts: { sizeBytes: content.length, etag: null, crc64: "123" } }],
  ])("is refused when %s states another checksum than the bytes have", async (_, more) => {
    const { target, complete } = await stage(more);
    await expect(complete()).rejects.toMatchObject({ name: "ProofFailed", retryable: false });
    expect(target.objects.size).toBe(0);
    expect(target.calls).not.toContain("complete");
  });

  it("sends for the parts on which ledger and target disagree", async () => {
    const { target, plan, rows, complete } = await stage();
    const [, second] = rows;
    if (second) rows[1] = { ...second, etag: '"another"' };
    target.uploads.get(plan.uploadId)?.parts.delete(3);
    const missing = { name: "PartsMissing", message: expect.stringMatching(/^2 parts.*2, 3/) };
    await expect(complete()).rejects.toMatchObject(missing);
    expect(target.objects.size).toBe(0);
  });

  it("leaves somebody else's object alone, one that came in between too", async () => {
    const { target, complete } = await stage();
    const theirs = target.putObject(key, Buffer.from("theirs"), { copyId: null, uploadMark: null });
    await expect(complete()).rejects.toMatchObject({
      name: "TargetExists",
      message: expect.stringContaining("somebody else"),
    });
    expect(target.objects.get(key)).toBe(theirs);
  });

  it("replaces the object that a forced copy was to replace, and no other", async () => {
    const old = (target: MemoryTarget) =>
      target.putObject(key, Buffer.from("old"), { copyId, uploadMark: "an-earlier-upload" });
    const kept = await stage((target) => ({ replacesEtag: old(target).etag }));
    await kept.complete();
    expect(kept.target.objects.get(key)).toMatchObject({ uploadMark: mark, sizeBytes: content.length });

    const changed = await stage((target) => ({ replacesEtag: old(target).etag }));
    changed.target.putObject(key, Buffer.from("newer"), { copyId, uploadMark: "another-upload" });
    await expect(changed.complete()).rejects.toMatchObject({
      name: "TargetExists",
      message: expect.stringContaining("another upload of this copy"),
    });
    expect(String(changed.target.objects.get(key)?.bytes)).toBe("newer");
  });
});

describe("an answer to a completion that", () => {
  const answers = (name: ErrorName) => new CausewayError(name, "said the target");

  it.each<ErrorName>([
    "TargetUnavailable",
    "TargetExists",
    "UploadLost",
    "TargetRefused",
    "PartDamaged",
    "PartsMissing",
  ])("is %s, while the object is there all the same, is a completion", async (name) => {
    const { target, kept, complete } = await stage();
    target.fail("complete", answers(name), { afterWork: true });
    expect(await complete()).toMatchObject({ uploadMark: mark, checksum: nvmeOf(content) });
    expect(kept).toHaveLength(1);
  });

  it.each<[ErrorName, ErrorName]>([
    ["TargetUnavailable", "CompletionUnclear"],
    ["UploadLost", "UploadLost"],
    ["TargetRefused", "TargetRefused"],
    ["PartDamaged", "ProofFailed"],
    ["PartsMissing", "PartsMissing"],
    ["TargetExists", "TargetExists"],
  ])("is %s, while nothing is there, is told as %s", async (name, told) => {
    const { target, kept, complete } = await stage();
    target.fail("complete", answers(name));
    await expect(complete()).rejects.toMatchObject({ name: told });
    expect(kept).toEqual([]);
    expect(target.objects.size).toBe(0);
  });

  it("was unclear, while somebody else's object is there, is told as that", async () => {
    const { target, complete } = await stage();
    target.putObject(key, Buffer.from("theirs"), { copyId: null, uploadMark: null });
    target.fail("complete", answers("TargetUnavailable"));
    await expect(complete()).rejects.toMatchObject({ name: "TargetExists" });
  });

  it("was unclear is tried again, and found done or done then", async () => {
    const { target, complete } = await stage();
    target.fail("complete", answers("TargetUnavailable"));
    await expect(complete()).rejects.toMatchObject({ name: "CompletionUnclear", retryable: true });
    expect(await complete()).toMatchObject({ uploadMark: mark });
  });

  it("is a success, while another object is there, is unclear", async () => {
    const { target, complete } = await stage();
    target.after = (operation) => {
      if (operation === "complete") target.putObject(key, Buffer.from("other"), { copyId, uploadMark: "other" });
    };
    await expect(complete()).rejects.toMatchObject({ name: "CompletionUnclear" });
  });
});

describe("an object", () => {
  const folded = { crc64: "1", checksum: "sum" };
  const object = {
    key,
    versionId: null,
    sizeBytes: 10,
    etag: '"e"',
    checksum: "sum",
    copyId,
    uploadMark: mark,
  };
  const plan = { uploadMark: mark, sizeBytes: 10 };

  it("is this upload's only with its mark, its size, and its checksum where the target states one", () => {
    const nvme = { checksum: "crc64Nvme" } as const;
    expect(isThisUpload(nvme, object, plan, folded)).toBe(true);
    expect(isThisUpload(nvme, { ...object, checksum: null }, plan, folded)).toBe(true);
    expect(isThisUpload(nvme, { ...object, checksum: "other" }, plan, folded)).toBe(false);
    expect(isThisUpload(nvme, { ...object, sizeBytes: 11 }, plan, folded)).toBe(false);
    expect(isThisUpload(nvme, { ...object, uploadMark: null }, plan, folded)).toBe(false);
  });
});
