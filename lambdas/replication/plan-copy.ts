// Plan copy: take the claim, look at the source, settle what an earlier attempt left, cut the object, begin the upload.
import { CausewayError, isErrorNamed, messageOf } from "../shared/errors.ts";
import type { JobUnit } from "../shared/jobs.ts";
import type { ListedBackup } from "./backup.ts";
import { objectKeyOf } from "./backup.ts";
import type { EgressBudget } from "./copies.store.ts";
import type { Claim, Copy, CopyPlan, SourceLink } from "./copy.ts";
import { newClaim } from "./copy.ts";
import type { BackupInventory, LocatedBackup } from "./inventories/inventory.ts";
import { planBatches, planParts, rangesForPart } from "./plan-parts.ts";
import { probeBytes, probeRate } from "./probe-rate.ts";
import type { RangedSource, SourceFacts } from "./sources/source.ts";
import type { MultipartTarget, TargetObject } from "./targets/target.ts";

export interface PlanCopySettings {
  readonly bucket: string;
  readonly keyPrefix: string;
  readonly monthlyEgressLimitBytes: number;
  readonly concurrentBatches: number;
}

export interface PlanCopyPorts {
  readonly inventory: BackupInventory;
  readonly source: RangedSource;
  readonly target: MultipartTarget;
  readonly copies: {
    read(copyId: string): Promise<Copy | undefined>;
    claim(backup: ListedBackup, key: string, claim: Claim, seen: Claim | undefined): Promise<boolean>;
    keepPlan(
      copyId: string,
      executionArn: string,
      plan: CopyPlan,
      link: SourceLink,
      egress: EgressBudget,
    ): Promise<void>;
    keepLink(copyId: string, executionArn: string, link: SourceLink): Promise<void>;
  };
  isExecutionClosed(executionArn: string): Promise<boolean>;
  putLines(key: string, lines: readonly object[]): Promise<void>;
  newUploadMark(): string;
  now(): number;
}

/** A source that does not answer its first question in this time is asked again later. */
const longestLookMilliseconds = 60_000;

export interface PlannedCopy {
  readonly copyId: string;
  readonly outcome: "copy" | "completed" | "already-copied";
  readonly batchesKey?: string;
  readonly resultPrefix?: string;
  readonly concurrentBatches?: number;
  readonly sizeBytes?: number;
  readonly partCount?: number;
  readonly copiedByRun?: string | undefined;
}

/** Plans, and tells the job what came of it. */
export async function planAndReport(
  input: { runId: string; executionArn: string; backup: ListedBackup },
  settings: PlanCopySettings,
  ports: PlanCopyPorts,
  report: (changes: Partial<Omit<JobUnit, "unitId">>) => Promise<void>,
): Promise<PlannedCopy> {
  const finished = (outcome: string) => ({ phase: outcome, outcome, finishedAt: new Date(ports.now()).toISOString() });
  try {
    const planned = await planCopy(input, settings, ports);
    const { outcome, sizeBytes, partCount } = planned;
    // A map that is retried meets its own copies again: their outcome is in the job already.
    if (outcome === "already-copied" && planned.copiedByRun === input.runId) return planned;
    if (outcome === "already-copied") await report(finished(outcome));
    else if (sizeBytes === undefined || partCount === undefined) await report({ phase: "completing" });
    else await report({ phase: "copying", bytesTotal: sizeBytes, partsTotal: partCount });
    return planned;
  } catch (error) {
    if (isErrorNamed(error, "ClaimedElsewhere")) {
      await report({ ...finished("claimed-elsewhere"), reason: messageOf(error) });
    }
    throw error;
  }
}

async function planCopy(
  input: { runId: string; executionArn: string; backup: ListedBackup },
  settings: PlanCopySettings,
  ports: PlanCopyPorts,
): Promise<PlannedCopy> {
  const { backup, executionArn } = input;
  const { copyId } = backup;
  const found = await ports.copies.read(copyId);
  // A copy under way keeps its key: of a backup whose instance was deleted meanwhile, the inventory knows less.
  const key = found?.plan?.key ?? objectKeyOf(settings.keyPrefix, backup);
  const doneByThisRun = found?.result?.runId === input.runId;
  if (isDone(found) && (!backup.force || doneByThisRun))
    return { copyId, outcome: "already-copied", copiedByRun: found?.result?.runId };
  const before = await takeClaim(backup, executionArn, key, found, ports);

  // What is in S3 already needs nothing more of Aliyun, which may have deleted the backup by now.
  const present = await ports.target.describe(key);
  if (!backup.force && before?.plan !== undefined && madeBy(present, before.plan))
    return { copyId, outcome: "completed" };
  if (present !== null && !backup.force && present.copyId !== copyId) {
    throw new CausewayError(
      "TargetExists",
      `${key} exists already and was not made by this copy. Use force to replace it.`,
    );
  }

  const located = await ports.inventory.locate(backup);
  const facts = await ports.source.probe(located.address, AbortSignal.timeout(longestLookMilliseconds));
  checkAgainstInventory(backup, located, facts);
  const findings = { located, facts, key, present };
  const plan =
    (await resume(input, before, findings, ports)) ?? (await beginAnew(input, before, findings, settings, ports));

  const prefix = `runs/${input.runId}/copies/${copyId.replaceAll(":", "/")}`;
  const batches = planBatches(plan.partCount, settings.concurrentBatches);
  await ports.putLines(`${prefix}/batches.jsonl`, batches);
  return {
    copyId,
    outcome: "copy",
    batchesKey: `${prefix}/batches.jsonl`,
    resultPrefix: `${prefix}/results`,
    concurrentBatches: settings.concurrentBatches,
    sizeBytes: plan.sizeBytes,
    partCount: plan.partCount,
  };
}

/** Returns the copy as it was. Throws `ClaimedElsewhere` while another execution works on it, or may still do so. */
async function takeClaim(
  backup: ListedBackup,
  executionArn: string,
  key: string,
  before: Copy | undefined,
  ports: PlanCopyPorts,
): Promise<Copy | undefined> {
  const held = before?.claim;
  if (held !== undefined && held.executionArn !== executionArn) {
    const expired = Date.parse(held.expiresAt) <= ports.now();
    if (!expired || !(await ports.isExecutionClosed(held.executionArn))) {
      throw new CausewayError(
        "ClaimedElsewhere",
        `${held.executionArn} holds this copy until ${held.expiresAt}${expired ? " and is still running" : ""}.`,
      );
    }
  }
  if (!(await ports.copies.claim(backup, key, newClaim(executionArn, ports.now()), held))) {
    throw new CausewayError("ClaimedElsewhere", "Another execution took this copy a moment ago.");
  }
  return before;
}

function isDone(copy: Copy | undefined): boolean {
  return copy?.state === "verified" || copy?.state === "copied-unverified";
}

/** What the inventory said when the backup was listed, what it says now, and what the source itself says must agree. */
function checkAgainstInventory(backup: ListedBackup, located: LocatedBackup, facts: SourceFacts): void {
  if (backup.crc64 !== null && located.backup.crc64 !== null && backup.crc64 !== located.backup.crc64) {
    throw new CausewayError("SourceChanged", "The inventory's checksum of this backup changed since it was listed.");
  }
  const stated = located.backup.crc64;
  if (stated !== null && facts.crc64 !== null && stated !== facts.crc64) {
    throw new CausewayError(
      "SourceChecksumsDisagree",
      `The inventory states CRC-64 ${stated}, the file itself ${facts.crc64}: the download address leads to something else.`,
    );
  }
}

function madeBy(present: TargetObject | null, plan: CopyPlan): present is TargetObject {
  return present !== null && present.uploadMark === plan.uploadMark && present.sizeBytes === plan.sizeBytes;
}

interface Findings {
  readonly located: LocatedBackup;
  readonly facts: SourceFacts;
  readonly key: string;
  readonly present: TargetObject | null;
}

/** The earlier plan, where source and upload are still what they were; its link is made fresh. */
async function resume(
  input: { executionArn: string },
  before: Copy | undefined,
  { located, facts, key, present }: Findings,
  ports: PlanCopyPorts,
): Promise<CopyPlan | undefined> {
  const plan = before?.plan;
  if (before === undefined || plan === undefined || !sameFacts(plan.sourceFacts, facts)) return undefined;
  // The condition of its completion would not hold any more.
  if (plan.key !== key || plan.replacesEtag !== (present?.etag ?? null)) return undefined;
  try {
    await ports.target.listParts(plan, 1, 1);
  } catch (error) {
    if (isErrorNamed(error, "UploadLost")) return undefined;
    throw error;
  }
  await ports.copies.keepLink(before.copyId, input.executionArn, linkOf(located, (before.link?.version ?? 0) + 1));
  return plan;
}

async function beginAnew(
  input: { executionArn: string; backup: ListedBackup },
  before: Copy | undefined,
  { located, facts, key, present }: Findings,
  settings: PlanCopySettings,
  ports: PlanCopyPorts,
): Promise<CopyPlan> {
  const parts = planParts(facts.sizeBytes, ports.target.limits);
  const rangesPerPart = await rangesNeeded(parts.partBytes, located.address, facts, ports);

  // Whoever holds the claim owns the key: what lies unfinished there is left over from an attempt that died.
  if (before?.plan) await ports.target.abort(before.plan);
  const uploadMark = ports.newUploadMark();
  const ref = await ports.target.begin(key, input.backup.copyId, uploadMark);
  // After, not before: an answer that was lost on the way may have begun an upload that nobody knows.
  for (const other of await ports.target.unfinishedUploads(key)) {
    if (other.uploadId !== ref.uploadId) await ports.target.abort(other);
  }
  const plannedAt = new Date(ports.now()).toISOString();
  const plan: CopyPlan = {
    ...parts,
    rangesPerPart,
    bucket: settings.bucket,
    key,
    uploadId: ref.uploadId,
    uploadMark,
    sourceFacts: facts,
    inventoryCrc64: located.backup.crc64,
    replacesEtag: present?.etag ?? null,
    plannedAt,
  };
  const link = linkOf(located, (before?.link?.version ?? 0) + 1);
  const egress = {
    month: plannedAt.slice(0, 7),
    bytes: facts.sizeBytes,
    limitBytes: settings.monthlyEgressLimitBytes,
  };
  try {
    await ports.copies.keepPlan(input.backup.copyId, input.executionArn, plan, link, egress);
  } catch (error) {
    // An unclear answer may hide a kept plan; the retry would find its upload gone and begin once more.
    await ports.target.abort(ref);
    throw error;
  }
  return plan;
}

/** A part no larger than the probe takes a Lambda no longer than the probe would: there is nothing to find out. */
async function rangesNeeded(
  partBytes: number,
  address: string,
  facts: SourceFacts,
  ports: Pick<PlanCopyPorts, "source" | "now">,
): Promise<number> {
  const largestPartBytes = Math.min(partBytes, facts.sizeBytes);
  if (largestPartBytes <= probeBytes) return 1;
  return rangesForPart(largestPartBytes, await probeRate(ports.source, address, facts, ports.now));
}

function sameFacts(left: SourceFacts, right: SourceFacts): boolean {
  return left.sizeBytes === right.sizeBytes && left.etag === right.etag && left.crc64 === right.crc64;
}

function linkOf(located: LocatedBackup, version: number): SourceLink {
  return { address: located.address, expiresAt: located.addressExpiresAt, version };
}
