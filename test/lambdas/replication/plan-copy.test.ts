// Planning a copy: what is pinned, cut and begun, what is refused, and that nothing half-begun stays.
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import { at, copyId, crc64Of, key, me, someBytes } from "./copy-facts.ts";
import { silence } from "./memory-source.ts";
import { content, limits, planStage } from "./plan-stage.ts";

describe("a plan", () => {
  it("pins the source, cuts the object, begins the upload, counts the bytes, and writes the batches down", async () => {
    const here = planStage();
    const planned = await here.plan();
    const { plan, link, claim } = here.copy ?? {};
    expect(plan).toMatchObject({
      bucket: "backups",
      key,
      uploadMark: "mark-1",
      sourceFacts: here.source.facts,
      inventoryCrc64: null,
      replacesEtag: null,
      sizeBytes: content.length,
      rangesPerPart: 1,
      plannedAt: at,
    });
    expect(plan?.partCount).toBeLessThanOrEqual(limits.mostParts);
    expect(here.target.uploads.get(plan?.uploadId ?? "")).toMatchObject({ key, copyId, uploadMark: "mark-1" });
    expect(link).toEqual({ address: "https://source/fresh", expiresAt: "2026-11-20T13:00:00.000Z", version: 1 });
    expect(claim?.executionArn).toBe(me);
    expect(here.egress).toEqual([{ month: "2026-11", bytes: content.length, limitBytes: 5000 }]);
    expect(planned).toMatchObject({ copyId, outcome: "copy", concurrentBatches: 7, partCount: plan?.partCount });
    const batches = here.lines.get(planned.batchesKey ?? "") as { firstPart: number; lastPart: number }[];
    expect(batches[0]?.firstPart).toBe(1);
    expect(batches.at(-1)?.lastPart).toBe(plan?.partCount);
    expect(here.reports.at(-1)).toEqual({ phase: "copying", bytesTotal: content.length, partsTotal: plan?.partCount });
  });

  it("takes the inventory's checksum of now, and hands no address to the workflow", async () => {
    const here = planStage();
    here.located = { ...here.located, crc64: crc64Of(content) };
    const planned = await here.plan();
    expect(here.copy?.plan?.inventoryCrc64).toBe(crc64Of(content));
    expect(JSON.stringify([planned, [...here.lines.values()], here.reports])).not.toContain("https://source");
  });

  it("of a source that contradicts the list is refused", async () => {
    const disagreeing = planStage();
    disagreeing.located = { ...disagreeing.located, crc64: "123" };
    await expect(disagreeing.plan()).rejects.toMatchObject({ name: "SourceChecksumsDisagree" });
    const changed = planStage();
    changed.located = { ...changed.located, crc64: crc64Of(content) };
    await expect(changed.plan({ crc64: "123" })).rejects.toMatchObject({ name: "SourceChanged" });
    for (const { target, egress } of [disagreeing, changed]) {
      expect(target.uploads.size).toBe(0);
      expect(egress).toEqual([]);
    }
  });

  it("of an object too large for the target is refused before anything is begun", async () => {
    const here = planStage();
    Object.assign(here.target.limits, { largestObjectBytes: content.length - 1 });
    await expect(here.plan()).rejects.toMatchObject({ name: "BackupTooLarge" });
    expect(here.target.uploads.size).toBe(0);
  });

  it("leaves nothing begun when it cannot be kept", async () => {
    const here = planStage();
    here.keepPlanFails = new CausewayError("EgressLimitReached", "the month is full");
    await expect(here.plan()).rejects.toMatchObject({ name: "EgressLimitReached" });
    expect(here.target.uploads.size).toBe(0);
  });

  it("clears away what earlier attempts left unfinished at its key, and nothing else", async () => {
    const here = planStage();
    await here.target.begin(key, copyId, "left-over");
    await here.target.begin(key, copyId, "another left-over");
    const other = await here.target.begin(`${key}.2`, "other", "other");
    await here.plan();
    expect([...here.target.uploads.keys()].sort()).toEqual([here.copy?.plan?.uploadId, other.uploadId].sort());
  });

  it("clears away an upload whose beginning was never answered", async () => {
    const here = planStage();
    here.target.fail("begin", new CausewayError("TargetUnavailable", "lost"), { afterWork: true });
    await expect(here.plan()).rejects.toMatchObject({ name: "TargetUnavailable" });
    await here.plan();
    expect([...here.target.uploads.keys()]).toEqual([here.copy?.plan?.uploadId]);
  });
});

describe("the rate of the source", () => {
  const large = someBytes(6 * 1024 * 1024);

  /** Parts of six megabytes from a source that needs so many seconds for the probe of four. */
  async function ranges(probeSeconds: number): Promise<number | undefined> {
    const here = planStage();
    here.source.content = large;
    Object.assign(here.target.limits, { smallestPartBytes: large.length });
    here.source.onBytes = (bytes) => {
      here.now += probeSeconds * 1000;
      return Readable.from([bytes.subarray(0, 100_000)], { objectMode: false });
    };
    await here.plan();
    expect(here.source.opened).toHaveLength(1);
    return here.copy?.plan?.rangesPerPart;
  }

  it("decides from how many connections a part is filled", async () => {
    expect(await ranges(0.001)).toBe(1);
    // 100,000 bytes in 50 s are 2,000 bytes/s; a part of 6,291,456 has 450 s.
    expect(await ranges(50)).toBe(7);
  });

  it("too slow for any number of connections is refused with the arithmetic, and nothing is begun", async () => {
    const here = planStage();
    here.source.content = large;
    Object.assign(here.target.limits, { smallestPartBytes: large.length });
    here.source.onBytes = (bytes) => {
      here.now += 1_000_000;
      return Readable.from([bytes.subarray(0, 10)], { objectMode: false });
    };
    await expect(here.plan()).rejects.toMatchObject({
      name: "TooSlowForPart",
      message: expect.stringMatching(/6291456/),
    });
    expect(here.target.uploads.size).toBe(0);
  });

  it("is not asked for where a part is no larger than the probe", async () => {
    const here = planStage();
    here.source.onBytes = silence;
    await here.plan();
    expect(here.source.opened).toEqual([]);
  });
});

describe("an object at the key", () => {
  it("that somebody else made is not touched, unless forced", async () => {
    const here = planStage();
    const theirs = here.target.putObject(key, Buffer.from("theirs"), { copyId: null, uploadMark: null });
    await expect(here.plan()).rejects.toMatchObject({ name: "TargetExists", retryable: false });
    expect(here.target.uploads.size).toBe(0);
    expect(await here.plan({ force: true })).toMatchObject({ outcome: "copy" });
    expect(here.copy?.plan?.replacesEtag).toBe(theirs.etag);
    expect(here.target.objects.get(key)).toBe(theirs);
  });
});
