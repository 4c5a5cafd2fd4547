// The lifecycle rule that our buckets have: uploads left incomplete for some days are aborted.
import { dropUpload } from "./multipart-upload.ts";
import type { S3State } from "./s3-call.ts";

const dayMilliseconds = 24 * 3_600_000;

/** Aborts what is due. Returns how many uploads went. */
export function abortOldUploads(state: S3State): number {
  let aborted = 0;
  for (const bucket of state.index.listBuckets()) {
    if (bucket.abortUploadsAfterDays === undefined) continue;
    const latestStart = state.context.clock.now() - bucket.abortUploadsAfterDays * dayMilliseconds;
    for (const upload of state.uploads.startedBefore(bucket.name, latestStart)) {
      dropUpload(state, upload.uploadId);
      aborted += 1;
    }
  }
  return aborted;
}

/** At the start and once a day in cloud time, as S3 does, until the signal is aborted. Never rejects for that reason. */
export async function abortOldUploadsDaily(
  state: S3State,
  signal: AbortSignal,
  onDefect: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      abortOldUploads(state);
      await state.context.clock.sleep(dayMilliseconds, { signal, background: true });
    } catch (error) {
      if (signal.aborted) return;
      onDefect(error);
    }
  }
}
