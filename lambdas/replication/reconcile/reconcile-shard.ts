// Reconcile shard: one invocation's way through one range of keys. It ends at any key, and is gone on with from there.
import type { CausewayError } from "../../shared/errors.ts";
import type { MirrorItem } from "../mirror/mirror-item.ts";
import type { Compared, Reading } from "./compare-object.ts";
import { addCounts, type ComparisonOutcome, countsOf, type ReconciliationCounts } from "./counts.ts";
import { type JoinedKey, joinLists, type ReadPage } from "./join-lists.ts";
import { judgeByLists } from "./judge-by-lists.ts";
import type { Shard } from "./plan-shards.ts";
import { differenceOf, type ReportLine, sampleOf } from "./report-differences.ts";

/** How far a shard is; travels from round to round, and fits into a payload. */
export interface ShardProgress {
  /** Everything up to this key is done; null: nothing is. */
  readonly after: string | null;
  /** Keys behind it that are done already. */
  readonly done: readonly string[];
  /** Of a large pair that is half read. */
  readonly reading: Reading | null;
  readonly counts: ReconciliationCounts;
  /** Files of differences that were written. */
  readonly reports: number;
  /** The first differences, as sentences. */
  readonly samples: readonly string[];
  /** Rounds in a row that ended at the same keys, because a side did not answer well. */
  readonly tries: number;
  /** How often in a row such keys were given up, and all of them. */
  readonly outages: number;
}

export interface ShardRound {
  readonly state: "done" | "more";
  /** Before the next round, where a side does not answer well. */
  readonly waitSeconds: number;
  readonly isFurther: boolean;
  readonly progress: ShardProgress;
}

export interface ReconcileShardPorts {
  readonly readS3: ReadPage;
  readonly readOss: ReadPage;
  /** The Mirror table's items of these keys; they may be some moments old. */
  known(sourceKeys: readonly string[]): Promise<ReadonlyMap<string, MirrorItem>>;
  compare(listed: JoinedKey, reading: Reading | null): Promise<Compared>;
  targetKeyOf(sourceKey: string): string;
  /** Writes one file of differences. */
  report(number: number, lines: readonly ReportLine[]): Promise<void>;
  /** Called at every step; must not throw. */
  tell(progress: ShardProgress): void;
  mayGoOn(): boolean;
  nameError(error: unknown): CausewayError;
  now(): number;
}

export const startOfShard: ShardProgress = {
  after: null,
  done: [],
  reading: null,
  counts: {},
  reports: 0,
  samples: [],
  tries: 0,
  outages: 0,
};

/** Keys joined before their items are read: a page of either list. */
const keysPerChunk = 1000;
/** Keys that are asked about at the same time: most of that is waiting for the far side. */
export const keysAtOnce = 16;
/** From this size on a pair may have to be read one after the other, with many ranges each: half of it is worth keeping. */
export const slowBytes = 64 * 1024 * 1024;
const linesPerReport = 5000;
const mostSamples = 5;
/** When a side does not answer well: some 14 minutes in all, then the keys are given up. */
const waitsSeconds = [5, 15, 60, 240, 500] as const;
/** Where other keys beside it can be worked on, it is soon given up. */
const mostTriesOfOneKey = 2;
/** Batches of keys given up in a row, before it is no longer this key or that one. */
const mostOutages = 3;
/** Errors that have nothing to do with the key. */
const outageErrors = new Set(["AwsUnavailable", "SourceUnavailable", "SourceThrottled", "TargetUnavailable"]);

/** Throws only what made it end where it began; trouble on the way is left to the next round. */
export async function reconcileShard(
  shard: Shard,
  options: { readonly readData: boolean; readonly progress: ShardProgress },
  ports: ReconcileShardPorts,
): Promise<ShardRound> {
  const walk = new ShardWalk(options.progress, options.readData, ports);
  const range = { after: options.progress.after ?? shard.after, upTo: shard.upTo };
  try {
    for await (const chunk of joinLists(range, ports.readS3, ports.readOss, keysPerChunk)) {
      if (!(await walk.work(chunk))) break;
    }
  } catch (error) {
    const named = ports.nameError(error);
    if (!walk.isFurther || !named.retryable) throw named;
    walk.stop(waitsSeconds[0]);
  }
  return walk.end();
}

/** One key, and what became of it; still open without an outcome. */
interface Step {
  readonly key: JoinedKey;
  readonly outcome?: ComparisonOutcome | undefined;
  readonly error?: CausewayError;
  readonly reading?: Reading;
  readonly bytesRead?: number;
  readonly isAsked?: boolean;
}

class ShardWalk {
  readonly #ports: ReconcileShardPorts;
  readonly #readData: boolean;
  readonly #begin: ShardProgress;
  #progress: ShardProgress;
  #lines: ReportLine[] = [];
  #state: ShardRound["state"] = "done";
  #waitSeconds = 0;

  constructor(progress: ShardProgress, readData: boolean, ports: ReconcileShardPorts) {
    this.#begin = progress;
    this.#progress = progress;
    this.#readData = readData;
    this.#ports = ports;
  }

  get isFurther(): boolean {
    const { after, done, reading } = this.#progress;
    const [before, now] = [readBytes(this.#begin.reading), readBytes(reading)];
    return after !== this.#begin.after || done.length > this.#begin.done.length || now > before;
  }

  stop(waitSeconds: number): void {
    this.#state = "more";
    this.#waitSeconds = waitSeconds;
  }

  async end(): Promise<ShardRound> {
    await this.#writeReport();
    const { isFurther } = this;
    return { state: this.#state, waitSeconds: this.#waitSeconds, isFurther, progress: this.#progress };
  }

  /** False: the round is over. */
  async work(chunk: readonly JoinedKey[]): Promise<boolean> {
    const items = await this.#ports.known(chunk.map(({ sourceKey }) => sourceKey));
    const now = this.#ports.now();
    const steps = chunk.map((key): Step => {
      const outcome = judgeByLists(key, items.get(key.sourceKey), now);
      return { key, outcome: outcome === "equal" && this.#readData ? undefined : outcome };
    });
    for (let from = 0; from < steps.length; ) {
      if (!this.#ports.mayGoOn()) {
        this.stop(0);
        return false;
      }
      const batch = this.#batchFrom(steps, from);
      if (!(await this.#workBatch(batch))) return false;
      from += batch.length;
      this.#ports.tell(this.#progress);
    }
    return true;
  }

  /** The steps up to so many that are to be asked about, or up to a slow one, which is a batch of its own. */
  #batchFrom(steps: readonly Step[], from: number): Step[] {
    // Together with the keys that are done no more than would be asked about at once: what travels stays small.
    const most = Math.max(1, keysAtOnce - this.#progress.done.length);
    const batch: Step[] = [];
    let asked = 0;
    for (const step of steps.slice(from)) {
      const isOpen = step.outcome === undefined && !this.#progress.done.includes(step.key.sourceKey);
      if (isOpen && (asked >= most || (asked > 0 && isSlow(step.key)))) break;
      batch.push(step);
      if (isOpen) asked += 1;
      if (isOpen && isSlow(step.key)) break;
    }
    return batch;
  }

  async #workBatch(batch: readonly Step[]): Promise<boolean> {
    const { after, done, tries, outages, reading } = this.#progress;
    const asked = await Promise.all(
      batch
        .filter(({ key }) => !done.includes(key.sourceKey))
        .map((step) => (step.outcome === undefined ? this.#compare(step) : step)),
    );
    const trouble = asked.find(({ error, outcome }) => error !== undefined && outcome === undefined)?.error;
    const isOutage = trouble !== undefined && done.length === 0 && !asked.some(({ isAsked }) => isAsked);
    const isGivenUp = trouble !== undefined && tries >= (isOutage ? waitsSeconds.length : mostTriesOfOneKey);
    if (isGivenUp && isOutage && outages + 1 >= mostOutages) throw trouble;
    const steps = isGivenUp ? asked.map(failedIfOpen) : asked;
    const open = steps.findIndex(({ outcome }) => outcome === undefined);
    if (open < 0) {
      const isAsked = steps.some((step) => step.isAsked);
      const nowOutages = isGivenUp && isOutage ? outages + 1 : isAsked ? 0 : outages;
      const last = batch.at(-1)?.key.sourceKey ?? after;
      await this.#commit(steps, { after: last, done: [], reading: null, tries: 0, outages: nowOutages });
      return true;
    }
    const first = steps[open];
    const behind = steps.slice(open).filter(({ outcome, isAsked }) => outcome !== undefined && isAsked);
    const before = batch[batch.findIndex(({ key }) => key === first?.key) - 1];
    await this.#commit([...steps.slice(0, open), ...(first === undefined ? [] : [first]), ...behind], {
      after: before?.key.sourceKey ?? after,
      done: [...done, ...behind.map(({ key }) => key.sourceKey)],
      reading: first?.reading ?? reading,
      tries: trouble === undefined ? tries : tries + 1,
      outages,
    });
    this.stop(trouble === undefined ? 0 : (waitsSeconds[tries] ?? 0));
    return false;
  }

  async #compare({ key }: Step): Promise<Step> {
    try {
      const { reading } = this.#progress;
      const compared = await this.#ports.compare(key, reading?.sourceKey === key.sourceKey ? reading : null);
      if (compared.outcome !== "unfinished") return { key, ...compared, isAsked: true };
      return { key, reading: compared.reading, bytesRead: compared.bytesRead };
    } catch (thrown) {
      const error = this.#ports.nameError(thrown);
      // The time is up: the next round has it first.
      if (error.name === "StillWorking") return { key };
      if (outageErrors.has(error.name)) return { key, error };
      return { key, error, outcome: "failed", isAsked: true };
    }
  }

  async #commit(steps: readonly Step[], place: Omit<ShardProgress, "counts" | "samples" | "reports">): Promise<void> {
    const outcomes = steps.flatMap(({ outcome }) => outcome ?? []);
    const lines = steps.flatMap(({ key, outcome, error }) => {
      if (outcome === undefined) return [];
      const reason = error && `${error.name}: ${error.message}`;
      return differenceOf(key, outcome, this.#ports.targetKeyOf(key.sourceKey), reason) ?? [];
    });
    const bytesRead = steps.reduce((sum, step) => sum + (step.bytesRead ?? 0), 0);
    const { counts, samples } = this.#progress;
    this.#progress = {
      ...this.#progress,
      ...place,
      counts: addCounts(counts, countsOf(outcomes, bytesRead)),
      samples: [...samples, ...lines.flatMap((line) => sampleOf(line) ?? [])].slice(0, mostSamples),
    };
    this.#lines.push(...lines);
    if (this.#lines.length >= linesPerReport) await this.#writeReport();
  }

  async #writeReport(): Promise<void> {
    if (this.#lines.length === 0) return;
    await this.#ports.report(this.#progress.reports, this.#lines);
    this.#progress = { ...this.#progress, reports: this.#progress.reports + 1 };
    this.#lines = [];
  }
}

function failedIfOpen(step: Step): Step {
  const isOpen = step.outcome === undefined && step.error !== undefined;
  return isOpen ? { ...step, outcome: "failed", isAsked: true } : step;
}

function isSlow({ s3, oss }: JoinedKey): boolean {
  return s3 !== null && oss !== null && s3.sizeBytes >= slowBytes && s3.sizeBytes === oss.sizeBytes;
}

function readBytes(reading: Reading | null): number {
  return reading === null ? 0 : reading.s3.bytes + reading.oss.bytes;
}
