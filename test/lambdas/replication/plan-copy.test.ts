// Planning a copy: who may take the claim, what is gone on with, what is begun anew, and that nothing half-begun stays.
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { ListedBackup, SourceBackup } from "../../../lambdas/replication/backup.ts";
import type { Claim, Copy, CopyPlan, CopyResult, SourceLink } from "../../../lambdas/replication/copy.ts";
import { type PlanCopyPorts, type PlannedCopy, planAndReport } from "../../../lambdas/replication/plan-copy.ts";
import { CausewayError } from "../../../lambdas/shared/errors.ts";
import type { JobUnit } from "../../../lambdas/shared/jobs.ts";
import {
  at,
  copyId,
  copyOf,
  crc64Of,
  key,
  listedBackup,
  me,
  now,
  runId,
  someBytes,
  somebody,
  sourceBackup,
} from "./copy-facts.ts";
import { MemorySource, silence } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";

const settings = { bucket: "backups", keyPrefix: "", monthlyEgressLimitBytes: 5000, concurrentBatches: 7 };
const content = someBytes(100_000);
const limits = { smallestPartBytes: 1000, mostParts: 20 };

/** A table of one copy with the conditions of the real one, a source and a target in memory. */
function stage(before?: Copy) {
  const source = new MemorySource(content);
  const target = new MemoryTarget(limits);
  const here = {
    source,
    target,
    copy: before,
    located: { ...sourceBackup, sizeBytes: content.length } as SourceBackup,
    lines: new Map<string, readonly object[]>(),
    reports: [] as Partial<JobUnit>[],
    egress: [] as { month: string; bytes: number; limitBytes: number }[],
    closedExecutions: new Set<string>(),
    /** Takes the claim away just before it is asked for. */
    quickerOne: undefined as Claim | undefined,
    keepPlanFails: undefined as Error | undefined,
    now,
    marks: 0,
  };
  const ports: PlanCopyPorts = {
    source,
    target,
    inventory: {
      list: async function* () {},
      locate: async () => ({
        backup: here.located,
        address: "https://source/fresh",
        addressExpiresAt: "2026-11-20T13:00:00.000Z",
      }),
    },
    copies: {
      read: async () => here.copy,
      claim: async (backup, ownKey, claim, seen) => {
        const held = here.quickerOne ?? here.copy?.claim;
        const free = seen === undefined ? held === undefined : held?.expiresAt === seen.expiresAt;
        if (!free && held?.executionArn !== claim.executionArn) return false;
        here.copy = { ...(here.copy ?? copyOf()), backup, key: ownKey, claim };
        return true;
      },
      keepPlan: async (_id, _arn, plan, link, egress) => {
        if (here.keepPlanFails) throw here.keepPlanFails;
        here.egress.push(egress);
        here.copy = { ...(here.copy ?? copyOf()), plan, link };
      },
      keepLink: async (_id, _arn, link) => {
        here.copy = { ...(here.copy ?? copyOf()), link };
      },
    },
    isExecutionClosed: async (arn) => here.closedExecutions.has(arn),
    putLines: async (lineKey, lines) => void here.lines.set(lineKey, lines),
    newUploadMark: () => {
      here.marks += 1;
      return `mark-${here.marks}`;
    },
    now: () => here.now,
  };
  const plan = (backup: Partial<ListedBackup> = {}, executionArn = me, ofRun = runId): Promise<PlannedCopy> =>
    planAndReport(
      { runId: ofRun, executionArn, backup: { ...listedBackup, sizeBytes: content.length, ...backup } },
      settings,
      ports,
      async (changes) => void here.reports.push(changes),
    );
  return Object.assign(here, { plan });
}

const expired: Claim = { executionArn: somebody, expiresAt: new Date(now - 1).toISOString() };
const valid: Claim = { executionArn: somebody, expiresAt: new Date(now + 1000).toISOString() };
const withoutClaim = (copy: Copy): Copy => {
  const { claim: _, ...rest } = copy;
  return rest;
};

describe("a plan", () => {
  it("pins the source, cuts the object, begins the upload, counts the bytes, and writes the batches down", async () => {
    const here = stage();
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
    const here = stage();
    here.located = { ...here.located, crc64: crc64Of(content) };
    const planned = await here.plan();
    expect(here.copy?.plan?.inventoryCrc64).toBe(crc64Of(content));
    expect(JSON.stringify([planned, [...here.lines.values()], here.reports])).not.toContain("https://source");
  });

  it("of a source that contradicts the list is refused", async () => {
    const disagreeing = stage();
    disagreeing.located = { ...disagreeing.located, crc64: "123" };
    await expect(disagreeing.plan()).rejects.toMatchObject({ name: "SourceChecksumsDisagree" });
    const changed = stage();
    changed.located = { ...changed.located, crc64: crc64Of(content) };
    await expect(changed.plan({ crc64: "123" })).rejects.toMatchObject({ name: "SourceChanged" });
    for (const { target, egress } of [disagreeing, changed]) {
      expect(target.uploads.size).toBe(0);
      expect(egress).toEqual([]);
    }
  });

  it("of an object too large for the target is refused before anything is begun", async () => {
    const here = stage();
    Object.assign(here.target.limits, { largestObjectBytes: content.length - 1 });
    await expect(here.plan()).rejects.toMatchObject({ name: "BackupTooLarge" });
    expect(here.target.uploads.size).toBe(0);
  });

  it("leaves nothing begun when it cannot be kept", async () => {
    const here = stage();
    here.keepPlanFails = new CausewayError("EgressLimitReached", "the month is full");
    await expect(here.plan()).rejects.toMatchObject({ name: "EgressLimitReached" });
    expect(here.target.uploads.size).toBe(0);
  });

  it("clears away what earlier attempts left unfinished at its key, and nothing else", async () => {
    const here = stage();
    await here.target.begin(key, copyId, "left-over");
    await here.target.begin(key, copyId, "another left-over");
    const other = await here.target.begin(`${key}.2`, "other", "other");
    await here.plan();
    expect([...here.target.uploads.keys()].sort()).toEqual([here.copy?.plan?.uploadId, other.uploadId].sort());
  });

  it("clears away an upload whose beginning was never answered", async () => {
    const here = stage();
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
    const here = stage();
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
    const here = stage();
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
    const here = stage();
    here.source.onBytes = silence;
    await here.plan();
    expect(here.source.opened).toEqual([]);
  });
});

describe("the claim", () => {
  it.each<[string, Copy | undefined, boolean]>([
    ["nobody has it", undefined, true],
    ["it was let go", withoutClaim(copyOf({ state: "failed" })), true],
    ["it is one's own", copyOf(), true],
    ["somebody has it", copyOf({ claim: valid }), false],
    ["it has expired, but its execution still runs", copyOf({ claim: expired }), false],
  ])("when %s", async (_, before, taken) => {
    const here = stage(before);
    if (taken) expect(await here.plan()).toMatchObject({ outcome: "copy" });
    else {
      await expect(here.plan()).rejects.toMatchObject({ name: "ClaimedElsewhere", retryable: false });
      expect(here.copy).toEqual(before);
      expect(here.target.calls).toEqual([]);
      expect(here.reports.at(-1)).toMatchObject({ outcome: "claimed-elsewhere", finishedAt: at });
    }
  });

  it("is taken over when it has expired and its execution is closed, not before both", async () => {
    const here = stage(copyOf({ claim: expired }));
    here.closedExecutions.add(somebody);
    expect(await here.plan()).toMatchObject({ outcome: "copy" });
    expect(here.copy?.claim?.executionArn).toBe(me);
    const alive = stage(copyOf({ claim: valid }));
    alive.closedExecutions.add(somebody);
    await expect(alive.plan()).rejects.toMatchObject({ name: "ClaimedElsewhere" });
  });

  it.each([undefined, copyOf({ claim: expired })])("is lost to whoever is quicker by a moment", async (before) => {
    const here = stage(before);
    here.closedExecutions.add(somebody);
    here.quickerOne = { executionArn: "a third one", expiresAt: valid.expiresAt };
    await expect(here.plan()).rejects.toMatchObject({ name: "ClaimedElsewhere" });
    expect(here.target.calls).toEqual([]);
  });
});

describe("a plan that was begun before", () => {
  /** As the execution that died left it. */
  async function died(change: (plan: CopyPlan) => Partial<CopyPlan> = () => ({})) {
    const here = stage();
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
    const here = stage(done(state));
    expect(await here.plan()).toMatchObject({ copyId, outcome: "already-copied" });
    expect(here.copy?.claim).toBeUndefined();
    expect(here.target.calls).toEqual([]);
    expect(here.reports.at(-1)).toMatchObject({ outcome: "already-copied", finishedAt: at });
  });

  it("by this very run keeps the outcome that is in the job already, even when forced", async () => {
    const here = stage(done("verified", { runId }));
    await here.plan();
    await here.plan({ force: true });
    expect(here.reports).toEqual([]);
    expect(here.copy?.plan).toBeUndefined();
  });

  it("is copied again when forced, to replace exactly what is there", async () => {
    const here = stage(done("verified"));
    const present = here.target.putObject(key, Buffer.from("old"), { copyId, uploadMark: "old" });
    expect(await here.plan({ force: true })).toMatchObject({ outcome: "copy" });
    expect(here.copy?.plan?.replacesEtag).toBe(present.etag);
  });
});

describe("an object at the key", () => {
  it("that somebody else made is not touched, unless forced", async () => {
    const here = stage();
    const theirs = here.target.putObject(key, Buffer.from("theirs"), { copyId: null, uploadMark: null });
    await expect(here.plan()).rejects.toMatchObject({ name: "TargetExists", retryable: false });
    expect(here.target.uploads.size).toBe(0);
    expect(await here.plan({ force: true })).toMatchObject({ outcome: "copy" });
    expect(here.copy?.plan?.replacesEtag).toBe(theirs.etag);
    expect(here.target.objects.get(key)).toBe(theirs);
  });
});
