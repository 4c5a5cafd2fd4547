// Planning what was begun, or copied, before: who may take the claim, what is gone on with, what is begun anew.
import { describe, expect, it } from "vitest";
import type { Claim, Copy, CopyPlan, CopyResult, SourceLink } from "../../../lambdas/replication/copy.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { at, copyId, copyOf, key, me, now, runId, somebody } from "./copy-facts.ts";
import { content, planStage, withoutClaim } from "./plan-stage.ts";

const expired: Claim = { executionArn: somebody, expiresAt: new Date(now - 1).toISOString() };
const valid: Claim = { executionArn: somebody, expiresAt: new Date(now + 1000).toISOString() };

describe("the claim", () => {
  it.each<[string, Copy | undefined, boolean]>([
    ["nobody has it", undefined, true],
    ["it was let go", withoutClaim(copyOf({ state: "failed" })), true],
    ["it is one's own", copyOf(), true],
    ["somebody has it", copyOf({ claim: valid }), false],
    ["it has expired, but its execution still runs", copyOf({ claim: expired }), false],
  ])("when %s", async (_, before, taken) => {
    const here = planStage(before);
    if (taken) expect(await here.plan()).toMatchObject({ outcome: "copy" });
    else {
      await expect(here.plan()).rejects.toMatchObject({ name: "ClaimedElsewhere", retryable: false });
      expect(here.copy).toEqual(before);
      expect(here.target.calls).toEqual([]);
      expect(here.reports.at(-1)).toMatchObject({ outcome: "claimed-elsewhere", finishedAt: at });
    }
  });

  it("is taken over when it has expired and its execution is closed, not before both", async () => {
    const here = planStage(copyOf({ claim: expired }));
    here.closedExecutions.add(somebody);
    expect(await here.plan()).toMatchObject({ outcome: "copy" });
    expect(here.copy?.claim?.executionArn).toBe(me);
    const alive = planStage(copyOf({ claim: valid }));
    alive.closedExecutions.add(somebody);
    await expect(alive.plan()).rejects.toMatchObject({ name: "ClaimedElsewhere" });
  });

  it.each([undefined, copyOf({ claim: expired })])("is lost to whoever is quicker by a moment", async (before) => {
    const here = planStage(before);
    here.closedExecutions.add(somebody);
    here.quickerOne = { executionArn: "a third one", expiresAt: valid.expiresAt };
    await expect(here.plan()).rejects.toMatchObject({ name: "ClaimedElsewhere" });
    expect(here.target.calls).toEqual([]);
  });
});

describe("a plan that was begun before", () => {
  /** As the execution that died left it. */
  async function died(change: (plan: CopyPlan) => Partial<CopyPlan> = () => ({})) {
    const here = planStage();
    await here.plan();
    const { plan, link } = here.copy as { plan: CopyPlan; link: SourceLink };
    here.copy = withoutClaim({ ...copyOf({ state: "failed" }), plan: { ...plan, ...change(plan) }, link });
    here.egress.length = 0;
    here.target.calls.length = 0;
    return here;
  }

  it("is gone on with when source and upload are what they were: no new upload, no bytes counted again", async () => {
    const here = await died();
    const before = here.copy?.plan;
    expect(await here.plan()).toMatchObject({ outcome: "copy", partCount: before?.partCount });
    expect(here.copy?.plan).toEqual(before);
    expect(here.copy?.link).toMatchObject({ address: "https://source/fresh", version: 2 });
    expect(here.target.calls).not.toContain("begin");
    expect(here.egress).toEqual([]);
  });

  it.each<[string, (here: Awaited<ReturnType<typeof died>>) => void]>([
    [
      "another ETag",
      ({ source }) => {
        source.etag = '"memory-2"';
      },
    ],
    [
      "another size",
      ({ source }) => {
        source.content = content.subarray(1);
      },
    ],
    [
      "another CRC",
      ({ source }) => {
        source.content = Buffer.from(content).fill(0, 0, 1);
      },
    ],
  ])("is begun anew when the source has %s, and the old upload is aborted", async (_, change) => {
    const here = await died();
    const old = here.copy?.plan?.uploadId ?? "";
    change(here);
    expect(await here.plan()).toMatchObject({ outcome: "copy" });
    expect(here.copy?.plan?.uploadMark).toBe("mark-2");
    expect(here.target.uploads.has(old)).toBe(false);
    expect(here.target.uploads.size).toBe(1);
    expect(here.egress).toHaveLength(1);
  });

  it("is begun anew when the target lost the upload", async () => {
    const here = await died();
    here.target.uploads.clear();
    await here.plan();
    expect(here.copy?.plan?.uploadMark).toBe("mark-2");
  });

  it("is not begun anew when the target cannot be asked: that may pass", async () => {
    const here = await died();
    here.target.fail("listParts", new CausewayError("TargetUnavailable", "503"));
    await expect(here.plan()).rejects.toMatchObject({ name: "TargetUnavailable" });
    expect(here.target.uploads.size).toBe(1);
    await here.plan();
    expect(here.copy?.plan?.uploadMark).toBe("mark-1");
  });

  it("whose object is there already only lacks its receipt; Aliyun is not asked", async () => {
    const here = await died();
    here.target.putObject(key, content, { copyId, uploadMark: "mark-1" });
    here.source.etag = '"gone"';
    expect(await here.plan()).toEqual({ copyId, outcome: "completed" });
    expect(here.reports.at(-1)).toEqual({ phase: "completing" });
  });

  it("keeps its key, whatever the inventory says of the backup now", async () => {
    const here = await died();
    await here.plan({ engine: "unknown" });
    expect(here.copy?.plan?.key).toBe(key);
    expect(here.target.uploads.size).toBe(1);
  });
});

describe("a backup that was copied before", () => {
  const result: CopyResult = {
    bucket: "backups",
    key,
    versionId: null,
    bytes: content.length,
    proof: "source-checksum",
    crc64: "1",
    checksum: "c",
    completedAt: at,
    receiptKey: "r",
    receiptSha256: "s",
    executionArn: somebody,
    runId: "an-earlier-run",
  };
  const done = (state: Copy["state"], more: Partial<CopyResult> = {}) =>
    withoutClaim(copyOf({ state, result: { ...result, ...more } }));

  it.each(["verified", "copied-unverified"] as const)("and is %s is left alone", async (state) => {
    const here = planStage(done(state));
    expect(await here.plan()).toMatchObject({ copyId, outcome: "already-copied" });
    expect(here.copy?.claim).toBeUndefined();
    expect(here.target.calls).toEqual([]);
    expect(here.reports.at(-1)).toMatchObject({ outcome: "already-copied", finishedAt: at });
  });

  it("by this very run keeps the outcome that is in the job already, even when forced", async () => {
    const here = planStage(done("verified", { runId }));
    await here.plan();
    await here.plan({ force: true });
    expect(here.reports).toEqual([]);
    expect(here.copy?.plan).toBeUndefined();
  });

  it("is copied again when forced, to replace exactly what is there", async () => {
    const here = planStage(done("verified"));
    const present = here.target.putObject(key, Buffer.from("old"), { copyId, uploadMark: "old" });
    expect(await here.plan({ force: true })).toMatchObject({ outcome: "copy" });
    expect(here.copy?.plan?.replacesEtag).toBe(present.etag);
  });
});
