// Planning on a stage in memory: a table of one copy with the conditions of the real one, a source, and a target.
import type { ListedBackup, SourceBackup } from "../../../lambdas/replication/backup.ts";
import type { Claim, Copy } from "../../../lambdas/replication/copy.ts";
import { type PlanCopyPorts, type PlannedCopy, planAndReport } from "../../../lambdas/replication/plan-copy.ts";
import type { JobUnit } from "../../../lambdas/shared/jobs.ts";
import { copyOf, listedBackup, me, now, runId, someBytes, sourceBackup } from "./copy-facts.ts";
import { MemorySource } from "./memory-source.ts";
import { MemoryTarget } from "./memory-target.ts";

const settings = { bucket: "backups", keyPrefix: "", monthlyEgressLimitBytes: 5000, concurrentBatches: 7 };
export const content = someBytes(100_000);
export const limits = { smallestPartBytes: 1000, mostParts: 20 };

/** A table of one copy with the conditions of the real one, a source and a target in memory. */
export function planStage(before?: Copy) {
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

export const withoutClaim = (copy: Copy): Copy => {
  const { claim: _, ...rest } = copy;
  return rest;
};
