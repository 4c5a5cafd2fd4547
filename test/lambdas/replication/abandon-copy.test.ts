// Giving a copy up: nothing half-done stays, nothing of anybody else's is touched, and the reason is kept.
import { describe, expect, it } from "vitest";
import { abandonCopy } from "../../../lambdas/replication/abandon-copy.ts";
import type { Copy, CopyFailure, CopyResult, CopyState } from "../../../lambdas/replication/copy.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { at, copyId, copyOf, key, mark, me, now, planFor, runId, someBytes, somebody } from "./copy-facts.ts";
import { MemoryTarget } from "./memory-target.ts";

const content = someBytes(10_000);
const failure = { Error: "SourceChanged", Cause: "The source's ETag is another." };

const earlierResult: CopyResult = {
  bucket: "backups",
  key,
  versionId: "v0",
  bytes: 5,
  proof: "source-checksum",
  crc64: "1",
  checksum: "c",
  completedAt: at,
  receiptKey: "r",
  receiptSha256: "s",
  executionArn: somebody,
  runId: "an-earlier-run",
};

async function stage() {
  const target = new MemoryTarget();
  const ref = await target.begin(key, copyId, mark);
  const plan = planFor(content, 4000, ref);
  const failed: { failure: CopyFailure; state: CopyState; keepPlan: boolean }[] = [];
  const here = { target, plan, failed, copy: copyOf({ plan }) as Copy | undefined };
  const abandon = (given: { Error?: string; Cause?: string } = failure) =>
    abandonCopy(
      { copyId, executionArn: me, failure: given },
      {
        target,
        read: async () => here.copy,
        fail: async (_id, kept, state, keepPlan) => void failed.push({ failure: kept, state, keepPlan }),
        now: () => now,
      },
    );
  return Object.assign(here, { abandon });
}

describe("a copy that is given up", () => {
  it("aborts its upload and keeps the reason", async () => {
    const { target, failed, abandon } = await stage();
    const reason = { error: "SourceChanged", cause: "The source's ETag is another." };
    expect(await abandon()).toMatchObject(reason);
    expect(target.uploads.size).toBe(0);
    expect(failed).toEqual([{ failure: { executionArn: me, ...reason, at }, state: "failed", keepPlan: false }]);
  });

  it("aborts an upload too that was begun and that no plan knows", async () => {
    const here = await stage();
    await here.target.begin(key, copyId, "unknown");
    const theirs = await here.target.begin(`${key}-2`, "another", "theirs");
    here.copy = copyOf();
    await here.abandon();
    expect([...here.target.uploads.keys()]).toEqual([theirs.uploadId]);
  });

  it("keeps plan and object when the object is complete and only its receipt is missing", async () => {
    const { target, failed, abandon } = await stage();
    target.putObject(key, content, { copyId, uploadMark: mark });
    await abandon();
    expect(failed).toMatchObject([{ keepPlan: true }]);
    expect(target.calls).not.toContain("abort");
  });

  it("leaves an earlier good copy as good as it was", async () => {
    const here = await stage();
    here.target.putObject(key, Buffer.from("old"), { copyId, uploadMark: "old" });
    here.copy = copyOf({ plan: here.plan, result: earlierResult });
    await here.abandon();
    here.copy = copyOf({ plan: here.plan, result: { ...earlierResult, proof: "length-and-etag" } });
    await here.abandon();
    expect(here.failed.map(({ state }) => state)).toEqual(["verified", "copied-unverified"]);
    expect(String(here.target.objects.get(key)?.bytes)).toBe("old");
  });

  it("touches nothing when another execution holds the copy now, or nobody does", async () => {
    const here = await stage();
    for (const claim of [{ executionArn: somebody, expiresAt: at }, undefined]) {
      const { claim: _, ...unclaimed } = copyOf({ plan: here.plan });
      here.copy = claim ? { ...unclaimed, claim } : unclaimed;
      expect(await here.abandon()).toMatchObject({ error: "SourceChanged" });
    }
    here.copy = undefined;
    expect(await here.abandon()).toMatchObject({ error: "SourceChanged" });
    expect(here.failed).toEqual([]);
    expect(here.target.uploads.size).toBe(1);
  });

  it("is given up again without harm after its answer was lost", async () => {
    const here = await stage();
    const first = await here.abandon();
    const { claim: _, plan: _plan, ...rest } = copyOf();
    const kept = here.failed[0]?.failure;
    here.copy = { ...rest, state: "failed", ...(kept ? { lastError: kept } : {}) };
    expect(await here.abandon()).toEqual(first);
    expect(here.failed).toHaveLength(1);
  });

  it("takes a lost claim for its own work only where it was", async () => {
    const { target, plan } = await stage();
    const lost = async () => {
      throw new CausewayError("ClaimLost", "another holds it");
    };
    const mine = { executionArn: me, error: "SourceChanged", cause: "c", at };
    const reads = (later: Copy) => {
      let count = 0;
      return async () => {
        count += 1;
        return count === 1 ? copyOf({ plan }) : later;
      };
    };
    const input = { copyId, executionArn: me, failure };
    const ports = { target, fail: lost, now: () => now };
    expect(await abandonCopy(input, { ...ports, read: reads(copyOf({ lastError: mine })) })).toMatchObject({
      error: "SourceChanged",
    });
    const theirs = copyOf({ claim: { executionArn: somebody, expiresAt: at } });
    await expect(abandonCopy(input, { ...ports, read: reads(theirs) })).rejects.toMatchObject({ name: "ClaimLost" });
  });

  it("keeps the upload's reference when the target cannot be reached: it is tried again", async () => {
    const { target, failed, abandon } = await stage();
    target.fail("abort", new CausewayError("TargetUnavailable", "503"));
    await expect(abandon()).rejects.toMatchObject({ name: "TargetUnavailable" });
    expect(failed).toEqual([]);
    await abandon();
    expect(target.uploads.size).toBe(0);
  });

  it("says whether the copy itself was done, and only telling of it failed", async () => {
    const here = await stage();
    const { claim: _, ...done } = copyOf({ state: "verified", result: { ...earlierResult, executionArn: me, runId } });
    here.copy = done;
    expect(await here.abandon()).toMatchObject({ isCopied: true });
    here.copy = { ...done, result: earlierResult };
    expect(await here.abandon()).toMatchObject({ isCopied: false });
  });
});

describe("the reason", () => {
  const noted = { executionArn: me, error: "SourceChanged", cause: "the worker's own words", at };

  it.each(["States.ExceedToleratedFailureThreshold", "States.ItemReaderFailed", "States.TaskFailed"])(
    "is the worker's own where the map above only says %s",
    async (stated) => {
      const here = await stage();
      here.copy = copyOf({ plan: here.plan, lastError: noted });
      const reason = { error: "SourceChanged", cause: "the worker's own words" };
      expect(await here.abandon({ Error: stated, Cause: "" })).toMatchObject(reason);
    },
  );

  it("is what was stated where the note is another execution's, or something else is stated", async () => {
    const here = await stage();
    const map = { Error: "States.ExceedToleratedFailureThreshold", Cause: "x" };
    here.copy = copyOf({ plan: here.plan, lastError: { ...noted, executionArn: somebody } });
    expect(await here.abandon(map)).toMatchObject({ error: map.Error, cause: "x" });
    here.copy = copyOf({ plan: here.plan, lastError: noted });
    expect(await here.abandon({ Error: "ProofFailed", Cause: "y" })).toMatchObject({
      error: "ProofFailed",
      cause: "y",
    });
  });

  it.each([
    [JSON.stringify({ errorType: "SourceChanged", errorMessage: "a sentence", trace: ["…"] }), "a sentence"],
    ["a sentence", "a sentence"],
    ["[1]", "[1]"],
    ["", ""],
    ["x".repeat(5000), "x".repeat(2000)],
  ])("is readable", async (cause, expected) => {
    const { abandon } = await stage();
    expect((await abandon({ Error: "E", Cause: cause })).cause).toBe(expected);
  });

  it("has a name even where none was given", async () => {
    const { abandon } = await stage();
    expect(await abandon({})).toMatchObject({ error: "States.Unknown", cause: "" });
  });
});
