// Trying again, bounded: exponential waits with full jitter, never more than so many attempts.

export interface RetryOptions {
  /** In all, the first one included. */
  readonly mostAttempts: number;
  readonly firstWaitMilliseconds: number;
  readonly longestWaitMilliseconds: number;
  /** Whether this error may pass by itself. */
  readonly isRetryable: (error: unknown) => boolean;
  readonly onRetry?: (error: unknown, attempt: number) => void;
  readonly signal?: AbortSignal;
  readonly random?: () => number;
}

/** Runs until success, until an error that is not retryable, or until the attempts are used up: then throws the last one. */
export async function retry<Result>(attempt: () => Promise<Result>, options: RetryOptions): Promise<Result> {
  const random = options.random ?? Math.random;
  for (let number = 1; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (number >= options.mostAttempts || options.signal?.aborted || !options.isRetryable(error)) throw error;
      options.onRetry?.(error, number);
      const ceiling = Math.min(options.longestWaitMilliseconds, options.firstWaitMilliseconds * 2 ** (number - 1));
      await pause(ceiling * random(), options.signal);
    }
  }
}

/** Waits, or rejects with the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
