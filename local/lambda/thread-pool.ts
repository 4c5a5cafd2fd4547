// Lends worker threads to invocations: warm ones are used again, shared ones by several at once, and only so many run on one
// machine.
import type { WorkerThread } from "./worker-thread.ts";

export interface PoolLimits {
  /** Threads in all, busy and warm. Default 32. */
  readonly mostThreads?: number;
  /** A warm thread ends after this long without work. Default 60,000. */
  readonly idleRealMilliseconds?: number;
}

interface WarmThread {
  readonly functionArn: string;
  readonly thread: WorkerThread;
  readonly expiry: NodeJS.Timeout;
}

interface Waiting {
  readonly functionArn: string;
  readonly start: () => WorkerThread;
  readonly take: (thread: WorkerThread) => void;
  readonly refuse: (error: unknown) => void;
}

const defaultMostThreads = 32;
const defaultIdleRealMilliseconds = 60_000;

export class ThreadPool {
  readonly #mostThreads: number;
  readonly #idleRealMilliseconds: number;
  /** Longest idle first. */
  readonly #warm: WarmThread[] = [];
  /** With the invocations that have a place in them. */
  readonly #busy = new Map<WorkerThread, { readonly functionArn: string; places: number }>();
  /** As long as the account's concurrency limit lets it become. */
  readonly #waiting: Waiting[] = [];

  constructor(limits: PoolLimits) {
    this.#mostThreads = limits.mostThreads ?? defaultMostThreads;
    this.#idleRealMilliseconds = limits.idleRealMilliseconds ?? defaultIdleRealMilliseconds;
  }

  get warmCount(): number {
    return this.#warm.length;
  }

  /** Waits for a free place when the machine's are all taken; rejects when aborted meanwhile. */
  borrow(functionArn: string, start: () => WorkerThread, signal?: AbortSignal): Promise<WorkerThread> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        functionArn,
        start,
        take: (thread) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(thread);
        },
        refuse: (error) => {
          signal?.removeEventListener("abort", onAbort);
          reject(error);
        },
      };
      const onAbort = () => {
        const at = this.#waiting.indexOf(entry);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(entry);
      this.#serve();
    });
  }

  /** One place in the thread is free again. */
  giveBack(functionArn: string, thread: WorkerThread): void {
    const use = this.#busy.get(thread);
    if (use && use.places > 1) {
      use.places -= 1;
      this.#serve();
      return;
    }
    this.#busy.delete(thread);
    if (!thread.hasExited) {
      thread.rest();
      const expiry = setTimeout(() => this.#endWarm(thread), this.#idleRealMilliseconds);
      expiry.unref();
      this.#warm.push({ functionArn, thread, expiry });
    }
    this.#serve();
  }

  async close(): Promise<void> {
    this.#waiting.length = 0;
    for (const { expiry } of this.#warm) clearTimeout(expiry);
    const threads = [...this.#busy.keys(), ...this.#warm.map(({ thread }) => thread)];
    this.#warm.length = 0;
    await Promise.all(threads.map((thread) => thread.end()));
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      try {
        const { functionArn } = next;
        const thread = this.#sharedThreadOf(functionArn) ?? this.#warmThreadOf(functionArn) ?? this.#startOne(next);
        if (!thread) return;
        const use = this.#busy.get(thread) ?? { functionArn, places: 0 };
        use.places += 1;
        this.#busy.set(thread, use);
        next.take(thread);
      } catch (error) {
        // The machine has no room for one more thread: that is this caller's trouble, not the next one's.
        next.refuse(error);
      }
      this.#waiting.shift();
    }
  }

  /** The first one with a free place: environments fill one after the other. */
  #sharedThreadOf(functionArn: string): WorkerThread | undefined {
    for (const [thread, use] of this.#busy) {
      if (use.functionArn === functionArn && use.places < thread.slots && !thread.hasExited) return thread;
    }
    return undefined;
  }

  #warmThreadOf(functionArn: string): WorkerThread | undefined {
    const found = this.#warm.findLast((warm) => warm.functionArn === functionArn && !warm.thread.hasExited);
    if (!found) return undefined;
    clearTimeout(found.expiry);
    this.#warm.splice(this.#warm.indexOf(found), 1);
    return found.thread;
  }

  #startOne(waiting: Waiting): WorkerThread | undefined {
    if (this.#busy.size + this.#warm.length >= this.#mostThreads) {
      const oldest = this.#warm[0];
      if (!oldest) return undefined;
      this.#endWarm(oldest.thread);
    }
    return waiting.start();
  }

  #endWarm(thread: WorkerThread): void {
    const at = this.#warm.findIndex((warm) => warm.thread === thread);
    if (at < 0) return;
    clearTimeout(this.#warm[at]?.expiry);
    this.#warm.splice(at, 1);
    // Nobody waits for the end of a thread without work; a failure to end it changes nothing for anyone.
    thread.end().catch(() => undefined);
  }
}
