// What the metrics say: when each thing last succeeded, first; then how many jobs there are, and what waits for the mirror.
import type { JobsPage, JobsQuestion } from "../shared/jobs.store.ts";
import { jobKinds } from "../shared/jobs.ts";
import type { Gauge, Sample } from "./render-metrics.ts";
import type { ListQuestion } from "./state-lists.store.ts";

export interface MetricsTables {
  readonly copies: string;
  readonly exports: string;
  readonly mirror: string;
}

export interface MetricsPorts {
  jobs(question: JobsQuestion): Promise<JobsPage>;
  list(question: ListQuestion): Promise<Record<string, unknown>[]>;
}

/** The newest jobs and items that are looked at: more than happen in a day. */
const newestJobs = 500;
const newestItems = 1000;
/** Above this, "at least so many" is what counts. */
const mostWaiting = 1000;

export async function collectMetrics(tables: MetricsTables, ports: MetricsPorts): Promise<Gauge[]> {
  const [lastSuccesses, recoveryPoints, { jobs }, waiting] = await Promise.all([
    lastSuccessByKind(ports),
    lastRecoveryPoints(tables, ports),
    ports.jobs({ most: newestJobs }),
    ports.list({
      table: tables.mirror,
      index: "byWaiting",
      listing: "waiting",
      oldestFirst: true,
      attributes: ["waitingSince"],
      most: mostWaiting,
    }),
  ]);
  const byState = Map.groupBy(jobs, ({ kind, state }) => JSON.stringify([kind, state]));
  const oldest = waiting[0]?.waitingSince;
  return [
    {
      name: "causeway_last_success_timestamp_seconds",
      unit: "seconds",
      help: "When a job of this kind last ended well",
      samples: lastSuccesses,
    },
    {
      name: "causeway_last_recovery_point_timestamp_seconds",
      unit: "seconds",
      help: "When a recovery point of this database last arrived",
      samples: recoveryPoints,
    },
    {
      name: "causeway_mirror_oldest_waiting_timestamp_seconds",
      unit: "seconds",
      help: "Since when the object waits that has waited longest for the mirror",
      samples: typeof oldest === "string" ? [{ labels: {}, value: secondsOf(oldest) }] : [],
    },
    {
      name: "causeway_mirror_waiting_objects",
      help: `Objects that wait for the mirror, counted up to ${mostWaiting}`,
      samples: [{ labels: {}, value: waiting.length }],
    },
    {
      name: "causeway_jobs",
      help: `The newest ${newestJobs} jobs by kind and state`,
      samples: [...byState].map(([key, members]) => {
        const [kind = "", state = ""] = JSON.parse(key) as string[];
        return { labels: { kind, state }, value: members.length };
      }),
    },
  ];
}

async function lastSuccessByKind({ jobs }: MetricsPorts): Promise<Sample[]> {
  const found = await Promise.all(
    jobKinds.map(async (kind) => {
      const page = await jobs({ kind, states: ["succeeded", "succeeded-with-warnings"], most: 1 });
      const finishedAt = page.jobs[0]?.finishedAt;
      return finishedAt === undefined ? [] : [{ labels: { kind }, value: secondsOf(finishedAt) }];
    }),
  );
  return found.flat();
}

async function lastRecoveryPoints(tables: MetricsTables, { list }: MetricsPorts): Promise<Sample[]> {
  const [copies, exported] = await Promise.all([
    list({
      table: tables.copies,
      index: "byChange",
      listing: "copy",
      attributes: ["copyId", "state", "result"],
      most: newestItems,
    }),
    list({
      table: tables.exports,
      index: "byChange",
      listing: "export",
      attributes: ["snapshot", "state", "result"],
      most: newestItems,
    }),
  ]);
  const points = [
    ...copies
      .filter(({ state }) => state === "verified" || state === "copied-unverified")
      .map(({ copyId, result }) => point("aliyun-rds", String(copyId).split(":")[1], result)),
    ...exported
      .filter(({ state }) => state === "complete")
      .map(({ snapshot, result }) =>
        point("aws-rds", (snapshot as { databaseId?: string } | undefined)?.databaseId, result),
      ),
  ].filter((found) => found !== undefined);
  const newest = new Map<string, Sample>();
  for (const sample of points) {
    const key = JSON.stringify(sample.labels);
    const before = newest.get(key);
    if (before === undefined || before.value < sample.value) newest.set(key, sample);
  }
  return [...newest.values()];
}

function point(source: string, database: string | undefined, result: unknown): Sample | undefined {
  const completedAt = (result as { completedAt?: unknown } | undefined)?.completedAt;
  if (database === undefined || typeof completedAt !== "string") return undefined;
  return { labels: { source, database }, value: secondsOf(completedAt) };
}

const secondsOf = (time: string) => Date.parse(time) / 1000;
