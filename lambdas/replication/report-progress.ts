// A worker's progress in absolute numbers, written at most every two seconds and once at the end.
import type { WorkerProgress } from "../shared/jobs.ts";

export interface ProgressPorts {
  put(item: WorkerProgress): Promise<void>;
  now(): number;
  /** In [0, 1): spreads the workers' reports, so that their sum moves more often than each of them. */
  random(): number;
  /** A report was lost; the copy goes on. */
  onLost(error: unknown): void;
}

const shortestIntervalMilliseconds = 2_000;
/** The first report comes after this share of the interval at the earliest: by then there is something to tell. */
const leastFirstShare = 0.15;

export function reportProgress(who: { unitId: string; worker: string }, ports: ProgressPorts) {
  const startedAt = ports.now();
  let dueAt = startedAt + shortestIntervalMilliseconds * (leastFirstShare + (1 - leastFirstShare) * ports.random());
  let bytesAtStart: number | undefined;
  let latest: { bytes: number; parts: number } | undefined;
  let written = { bytes: 0, parts: 0 };
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();

  function write(done: { bytes: number; parts: number }, ended: boolean): void {
    const now = ports.now();
    dueAt = now + shortestIntervalMilliseconds;
    written = done;
    const seconds = Math.max(0.001, (now - startedAt) / 1000);
    const item: WorkerProgress = {
      ...who,
      bytesDone: done.bytes,
      partsDone: done.parts,
      at: new Date(now).toISOString(),
      bytesPerSecond: ended ? 0 : Math.round((done.bytes - (bytesAtStart ?? 0)) / seconds),
    };
    // One after the other, so that an older number never lands on a newer one. A lost report is no reason to fail a copy.
    writing = writing.then(() => ports.put(item)).catch(ports.onLost);
  }

  /** Parts end in waves: what comes between two reports is told when the next one is due, not when the next wave comes. */
  function writeWhenDue(): void {
    clearTimeout(timer);
    timer = undefined;
    if (latest === undefined || (latest.bytes === written.bytes && latest.parts === written.parts)) return;
    const wait = dueAt - ports.now();
    if (wait <= 0) write(latest, false);
    else timer = setTimeout(writeWhenDue, wait);
  }

  return {
    update(done: { bytes: number; parts: number }): void {
      bytesAtStart ??= done.bytes;
      latest = done;
      writeWhenDue();
    },
    /** Writes the last numbers and waits for them. */
    async end(): Promise<void> {
      clearTimeout(timer);
      if (latest) write(latest, true);
      await writing;
    },
  };
}
