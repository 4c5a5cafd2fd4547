// Copy batch: what ledger and target do not both hold of a batch is copied, many parts at once, until the time is used up.
import { CausewayError, isErrorNamed } from "../shared/errors.ts";
import { pause } from "../shared/retry.ts";
import type { Concurrency } from "./choose-concurrency.ts";
import type { UploadPlan } from "./copy.ts";
import type { CopyPartPorts } from "./copy-part.ts";
import { copyPart } from "./copy-part.ts";
import type { LedgerPart } from "./part-ledger.store.ts";
import type { Batch } from "./plan-parts.ts";
import { lengthOfRange, mostPartsInFlight, rangeOfPart } from "./plan-parts.ts";
import { checksumFor, type MultipartTarget, type StoredPart } from "./targets/target.ts";

export interface BatchPorts extends Omit<CopyPartPorts, "onBytes"> {
  readLedger(firstPart: number, lastPart: number): Promise<LedgerPart[]>;
  /** Absolute numbers of this batch; called as often as it likes, the caller slows it down. */
  onProgress(done: { bytes: number; parts: number }): void;
  remainingMilliseconds(): number;
  /** In [0, 1): spreads retries. */
  random(): number;
  readonly concurrency: Concurrency;
}

export interface BatchResult {
  /** `done`: the whole batch is there. `more`: out of time. `link-expired`: the address must be made fresh. */
  readonly state: "done" | "more" | "link-expired";
  /** Parts copied in this call, without those that were there before. */
  readonly copiedParts: number;
  readonly remainingParts: number;
}

/** Attempts for one part within one call; the state machine adds rounds of its own. */
const mostAttemptsPerPart = 6;
/** Failed attempts in one call, whatever the part: beyond it the trouble is general, and a pause by the workflow does more good. */
const mostFailedAttempts = 100;
const firstRetryMilliseconds = 200;
const longestRetryMilliseconds = 10_000;
/** From then on the bytes that have passed tell how fast this line is. */
const rateKnownAfterMilliseconds = 1_000;
/** Parts begun before that: enough for a fast line, little enough that a slow one still ends them. */
const mostBytesBeforeRate = 256 * 1024 * 1024;
/** How often it is looked whether one more part fits. */
const wakeMilliseconds = 250;
/** What a call keeps for itself to write its last rows and answer. */
const closingMilliseconds = 10_000;
/** A range that comes back wrong once may be a proxy's hiccup; more often than this it is how the source is. */
const mostWrongRanges = 3;

export async function copyBatch(
  plan: UploadPlan,
  address: string,
  batch: Batch,
  ports: BatchPorts,
): Promise<BatchResult> {
  const { missing, presentBytes, presentParts } = await findMissing(plan, batch, ports);
  const work = new BatchWork(plan, address, missing, ports, { bytes: presentBytes, parts: presentParts });
  return work.run();
}

/** A part counts as there only when ledger and target agree on it: number, length, ETag, and checksum where stated. */
export function agrees(
  target: Pick<MultipartTarget, "checksum">,
  row: LedgerPart | undefined,
  stored: StoredPart | undefined,
): boolean {
  if (row === undefined || stored === undefined) return false;
  if (row.etag !== stored.etag || row.bytes !== stored.bytes) return false;
  return stored.checksum === null || stored.checksum === checksumFor(target, row);
}

async function findMissing(plan: UploadPlan, batch: Batch, ports: BatchPorts) {
  const [rows, stored] = await Promise.all([
    ports.readLedger(batch.firstPart, batch.lastPart),
    ports.target.listParts(plan, batch.firstPart, batch.lastPart),
  ]);
  const rowOf = new Map(rows.map((row) => [row.partNumber, row]));
  const storedOf = new Map(stored.map((part) => [part.partNumber, part]));
  const missing: number[] = [];
  let presentBytes = 0;
  for (let partNumber = batch.firstPart; partNumber <= batch.lastPart; partNumber += 1) {
    if (agrees(ports.target, rowOf.get(partNumber), storedOf.get(partNumber))) {
      presentBytes += lengthOfRange(rangeOfPart(plan, partNumber));
    } else missing.push(partNumber);
  }
  return { missing, presentBytes, presentParts: batch.lastPart - batch.firstPart + 1 - missing.length };
}

class BatchWork {
  readonly #plan: UploadPlan;
  readonly #address: string;
  readonly #queue: number[];
  readonly #ports: BatchPorts;
  readonly #abort = new AbortController();
  readonly #done: { bytes: number; parts: number };
  #copied = 0;
  #failedAttempts = 0;
  #passedBytes = 0;
  readonly #startedAt: number;
  #slowestPartMilliseconds = 0;
  #wokenAt = 0;
  #inFlight = 0;
  #stopped = false;
  #fatal: unknown;
  #linkExpired = false;
  #wake: () => void = () => undefined;

  constructor(
    plan: UploadPlan,
    address: string,
    missing: number[],
    ports: BatchPorts,
    present: { bytes: number; parts: number },
  ) {
    this.#plan = plan;
    this.#address = address;
    this.#queue = missing;
    this.#ports = ports;
    this.#done = present;
    this.#startedAt = ports.now();
  }

  async run(): Promise<BatchResult> {
    this.#ports.onProgress({ ...this.#done });
    const deadline = setTimeout(
      () => this.#stop(new Error("the Lambda's time is used up")),
      Math.max(0, this.#ports.remainingMilliseconds() - closingMilliseconds),
    );
    try {
      while (!this.#stopped && (this.#queue.length > 0 || this.#inFlight > 0)) {
        while (this.#mayStart()) this.#start(this.#queue.shift() ?? 0);
        if (this.#inFlight === 0) break;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      while (this.#inFlight > 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(deadline);
    }
    if (this.#fatal !== undefined) throw this.#fatal;
    const remainingParts = this.#queue.length;
    const state = remainingParts === 0 ? "done" : this.#linkExpired ? "link-expired" : "more";
    return { state, copiedParts: this.#copied, remainingParts };
  }

  #mayStart(): boolean {
    const most = Math.min(this.#ports.concurrency.limit(), mostPartsInFlight(this.#plan));
    if (this.#stopped || this.#queue.length === 0 || this.#inFlight >= most) return false;
    // A part that cannot end in time is not begun; the first one always is, or nothing would ever move.
    if (this.#copied === 0 && this.#inFlight === 0) return true;
    const left = this.#ports.remainingMilliseconds() - closingMilliseconds;
    return left > 2 * this.#slowestPartMilliseconds && this.#fitsInto(left);
  }

  /**
   * Whether one part more would end in time together with those in flight, at the rate of this call so far. Without
   * it, a slow line would be shared by so many parts that none of them ends, and every byte is paid for in vain.
   */
  #fitsInto(leftMilliseconds: number): boolean {
    const bytes = (this.#inFlight + 1) * this.#plan.partBytes;
    const elapsed = this.#ports.now() - this.#startedAt;
    if (elapsed < rateKnownAfterMilliseconds || this.#passedBytes === 0) return bytes <= mostBytesBeforeRate;
    return bytes / (this.#passedBytes / elapsed) < leftMilliseconds;
  }

  #start(partNumber: number): void {
    this.#inFlight += 1;
    const startedAt = this.#ports.now();
    this.#copyWithRetries(partNumber)
      .then(
        (part) => {
          this.#copied += 1;
          this.#done.bytes += part.bytes;
          this.#done.parts += 1;
          this.#slowestPartMilliseconds = Math.max(this.#slowestPartMilliseconds, this.#ports.now() - startedAt);
          this.#ports.onProgress({ ...this.#done });
        },
        (error: unknown) => {
          this.#queue.unshift(partNumber);
          if (isErrorNamed(error, "LinkExpired")) this.#linkExpired = true;
          else if (!this.#abort.signal.aborted) this.#fatal = error;
          this.#stop(error);
        },
      )
      .finally(() => {
        this.#inFlight -= 1;
        this.#wake();
      });
  }

  /** Ends the call: parts in flight are given up, for their bytes would not count anyhow. */
  #stop(reason: unknown): void {
    this.#stopped = true;
    // An expired link fails every next range, but what is flowing may end well.
    if (!isErrorNamed(reason, "LinkExpired")) this.#abort.abort(reason);
    this.#wake();
  }

  async #copyWithRetries(partNumber: number): Promise<LedgerPart> {
    const { signal } = this.#abort;
    let wrongRanges = 0;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await copyPart(this.#plan, this.#address, partNumber, this.#partPorts(), signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof CausewayError)) throw error;
        this.#failedAttempts += 1;
        const wrongRange = error.name === "SourceIgnoresRanges";
        if (wrongRange) wrongRanges += 1;
        const hopeful = wrongRange ? wrongRanges < mostWrongRanges : error.retryable && error.name !== "LinkExpired";
        if (!hopeful || attempt >= mostAttemptsPerPart || this.#failedAttempts > mostFailedAttempts) throw error;
        if (error.name === "SourceThrottled" || error.name === "TargetUnavailable") {
          this.#ports.concurrency.throttled(this.#ports.now());
        }
        const ceiling = Math.min(longestRetryMilliseconds, firstRetryMilliseconds * 2 ** (attempt - 1));
        await pause(ceiling * this.#ports.random(), signal);
      }
    }
  }

  #partPorts(): CopyPartPorts {
    const { source, target, keepPart, now } = this.#ports;
    return {
      source,
      target,
      keepPart,
      now,
      onBytes: (bytes) => {
        this.#passedBytes += bytes;
        const at = now();
        const before = this.#ports.concurrency.limit();
        this.#ports.concurrency.observe(this.#passedBytes, at);
        if (this.#ports.concurrency.limit() <= before && at - this.#wokenAt < wakeMilliseconds) return;
        this.#wokenAt = at;
        this.#wake();
      },
    };
  }
}
