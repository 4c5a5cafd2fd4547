// A long-running thing of any room, as a person sees it: state, phase, bytes, rate, time left.

export const jobStates = ["queued", "running", "succeeded", "succeeded-with-warnings", "failed", "cancelled"] as const;
export type JobState = (typeof jobStates)[number];

/** Nothing works on it any more. */
export function isFinished(state: JobState): boolean {
  return state !== "queued" && state !== "running";
}

export const jobKinds = [
  "replication-run",
  "snapshot-export",
  "mirror-object",
  "mirror-reconciliation",
  "relay-usage-export",
] as const;
export type JobKind = (typeof jobKinds)[number];

/** The job itself: item `job`. */
export interface Job {
  readonly jobId: string;
  readonly kind: JobKind;
  readonly state: JobState;
  readonly phase: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly startedAt: string;
  readonly heartbeatAt: string;
  readonly finishedAt?: string;
  readonly executionArn?: string;
  /** Somebody asked for its end; the work looks at it where it can stop cleanly. */
  readonly cancelRequestedAt?: string;
  readonly sentence?: string;
  readonly error?: { readonly name: string; readonly cause: string; readonly action: string };
  readonly counts?: Readonly<Record<string, number>>;
}

/** One thing the job works on: item `unit#<unit id>`. */
export interface JobUnit {
  readonly unitId: string;
  readonly title: string;
  readonly phase: string;
  readonly bytesTotal: number;
  readonly partsTotal?: number;
  readonly startedAt: string;
  readonly finishedAt?: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly proof?: string;
  readonly receiptKey?: string;
  /** Of what it has done so far; a job without counts of its own shows their sum. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** What one worker has done of a unit, in absolute numbers: item `progress#<unit id>#<worker>`. */
export interface WorkerProgress {
  readonly unitId: string;
  readonly worker: string;
  readonly bytesDone: number;
  readonly partsDone: number;
  readonly at: string;
  /** Since this worker's invocation began; 0 when it has ended. */
  readonly bytesPerSecond: number;
}

export interface JobView extends Job {
  readonly units: readonly UnitView[];
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly bytesPerSecond: number;
  /** 0 to 100, whole; 100 only when every byte is there. */
  readonly percent: number;
  /** Undefined while no rate is known. */
  readonly secondsLeft: number | undefined;
}

export interface UnitView extends Omit<JobUnit, "counts"> {
  readonly bytesDone: number;
  readonly partsDone: number;
  readonly bytesPerSecond: number;
}

/** A worker silent for longer has ended or died: its rate no longer counts, its bytes do. */
const staleProgressMilliseconds = 10_000;

/** Of units at which nobody works any more, although not all of their bytes have passed. */
const unfinishedOutcomes = new Set(["failed", "cancelled", "waiting"]);

/**
 * Sums the workers' absolute numbers. Whatever was retried or reported twice, a unit never counts more than its size.
 */
export function viewJob(
  job: Job,
  units: readonly JobUnit[],
  progress: readonly WorkerProgress[],
  nowMilliseconds: number,
): JobView {
  // Looked up, not searched: a job may have 30,000 units and 50,000 items of progress.
  const byUnit = Map.groupBy(progress, ({ unitId }) => unitId);
  const views = units.map(({ counts: _, ...unit }): UnitView => {
    const finished = unit.finishedAt !== undefined;
    const own = byUnit.get(unit.unitId) ?? [];
    const live = own.filter((item) => nowMilliseconds - Date.parse(item.at) < staleProgressMilliseconds);
    const copied = finished && !unfinishedOutcomes.has(unit.outcome ?? "");
    return {
      ...unit,
      bytesDone: copied ? unit.bytesTotal : Math.min(unit.bytesTotal, sum(own.map((item) => item.bytesDone))),
      partsDone: copied
        ? (unit.partsTotal ?? 0)
        : Math.min(unit.partsTotal ?? 0, sum(own.map((item) => item.partsDone))),
      bytesPerSecond: finished ? 0 : sum(live.map((item) => item.bytesPerSecond)),
    };
  });
  const bytesDone = sum(views.map((unit) => unit.bytesDone));
  const bytesTotal = sum(views.map((unit) => unit.bytesTotal));
  const bytesPerSecond = sum(views.map((unit) => unit.bytesPerSecond));
  const counts = job.counts ?? countTogether(units);
  // Without bytes it is the parts that tell how far it is.
  const [done, total] =
    bytesTotal > 0
      ? [bytesDone, bytesTotal]
      : [sum(views.map((unit) => unit.partsDone)), sum(views.map((unit) => unit.partsTotal ?? 0))];
  return {
    ...job,
    ...(counts !== undefined && { counts }),
    units: views,
    bytesDone,
    bytesTotal,
    bytesPerSecond,
    percent: total === 0 ? 0 : Math.floor((done / total) * 100),
    secondsLeft: bytesPerSecond > 0 ? Math.ceil((bytesTotal - bytesDone) / bytesPerSecond) : undefined,
  };
}

function countTogether(units: readonly JobUnit[]): Record<string, number> | undefined {
  if (!units.some(({ counts }) => counts !== undefined)) return undefined;
  const together: Record<string, number> = {};
  for (const { counts = {} } of units) {
    for (const [name, count] of Object.entries(counts)) together[name] = (together[name] ?? 0) + count;
  }
  return together;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
