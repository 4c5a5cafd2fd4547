// A worker's progress in absolute numbers, written at most every two seconds and once at the end.
import type { WorkerProgress } from "../shared/jobs.ts";

export interface ProgressPorts {
  put(item: WorkerProgress): Promise<void>;
  now(): number;
  /** A report was lost; the copy goes on. */
  onLost(error: unknown): void;
}

const shortestIntervalMilliseconds = 2_000;

export function reportProgress(who: { unitId: string; worker: string }, ports: ProgressPorts) {
  const startedAt = ports.now();
  let bytesAtStart: number | undefined;
  let latest: { bytes: number; parts: number } | undefined;
  let writtenAt = Number.NEGATIVE_INFINITY;
  let writing: Promise<void> = Promise.resolve();

  function write(done: { bytes: number; parts: number }, ended: boolean): void {
    writtenAt = ports.now();
    const seconds = Math.max(0.001, (writtenAt - startedAt) / 1000);
    const item: WorkerProgress = {
      ...who,
      bytesDone: done.bytes,
      partsDone: done.parts,
      at: new Date(writtenAt).toISOString(),
      bytesPerSecond: ended ? 0 : Math.round((done.bytes - (bytesAtStart ?? 0)) / seconds),
    };
    // One after the other, so that an older number never lands on a newer one. A lost report is no reason to fail a copy.
    writing = writing.then(() => ports.put(item)).catch(ports.onLost);
  }

  return {
    update(done: { bytes: number; parts: number }): void {
      bytesAtStart ??= done.bytes;
      latest = done;
      if (ports.now() - writtenAt >= shortestIntervalMilliseconds) write(done, false);
    },
    /** Writes the last numbers and waits for them. */
    async end(): Promise<void> {
      if (latest) write(latest, true);
      await writing;
    },
  };
}
