// Plan reconciliation: opens the job, cuts what is mirrored into shards, and writes their list for the workflow's map.
import type { Job, JobUnit } from "../../shared/jobs.ts";
import type { Mapping } from "../mirror/mappings.ts";
import { type PlanShardsPorts, planShards, type Shard, scopesOf } from "./plan-shards.ts";
import type { ReconcileRequest } from "./reconcile-request.ts";

export interface PlanReconciliationPorts extends PlanShardsPorts {
  putJob(job: Job): Promise<void>;
  updateJob(jobId: string, changes: Partial<Omit<Job, "jobId">>): Promise<void>;
  putUnits(jobId: string, units: readonly JobUnit[]): Promise<void>;
  putLines(key: string, lines: readonly object[]): Promise<void>;
  now(): number;
}

export interface PlannedReconciliation {
  readonly runId: string;
  readonly readData: boolean;
  readonly shardsKey: string;
  readonly resultPrefix: string;
  readonly shardCount: number;
}

/** Throws `InputInvalid` when nothing below the prefix is mirrored; the job then stays open for the summary to close. */
export async function planReconciliation(
  run: { readonly runId: string; readonly executionArn: string; readonly startedAt: string },
  request: ReconcileRequest,
  mappings: readonly Mapping[],
  ports: PlanReconciliationPorts,
): Promise<PlannedReconciliation> {
  const { runId, executionArn, startedAt } = run;
  const at = () => new Date(ports.now()).toISOString();
  const readData = request.readData ?? false;
  await ports.putJob({
    jobId: runId,
    kind: "mirror-reconciliation",
    state: "running",
    phase: "planning",
    startedAt,
    heartbeatAt: at(),
    executionArn,
    sentence: sentenceOf(request),
  });
  const shards = await planShards(scopesOf(mappings, request.prefix), ports);
  const shardsKey = `runs/${runId}/shards.jsonl`;
  await ports.putLines(shardsKey, shards);
  await ports.putUnits(
    runId,
    shards.map((shard) => unitOf(shard, at())),
  );
  await ports.updateJob(runId, { phase: "comparing", heartbeatAt: at() });
  return { runId, readData, shardsKey, resultPrefix: `runs/${runId}/results`, shardCount: shards.length };
}

function sentenceOf({ prefix, readData }: ReconcileRequest): string {
  const what = prefix === undefined ? "everything that is mirrored" : `what begins with ${prefix}`;
  return `Compares ${what} with OSS${readData ? ", byte by byte" : ""}.`;
}

export function unitIdOf({ number }: Pick<Shard, "number">): string {
  return `shard-${number}`;
}

/** How many bytes there are nobody knows before the end: a shard counts as one part. */
function unitOf(shard: Shard, startedAt: string): JobUnit {
  const { s3Prefix, after, upTo } = shard;
  const range =
    after === null && upTo === null ? s3Prefix : `${s3Prefix}: ${after ?? "the first"} to ${upTo ?? "the last"}`;
  return { unitId: unitIdOf(shard), title: range, phase: "waiting", bytesTotal: 0, partsTotal: 1, startedAt };
}
