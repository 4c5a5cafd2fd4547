// What reached the upstream: a bounded list of requests, each with what it was answered, for tests to look at.
import type { Behaviour, Operation, Platform } from "./behaviour.ts";
import { type Answer, type Call, composeAnswer } from "./compose-answer.ts";
import { headersWithoutCredentials, queryWithoutCredentials } from "./upstream-keys.ts";

/**
 * `cut`: the script ended it before its end. `aborted`: the client went away before it was answered whole.
 */
export type RequestState = "answering" | "done" | "aborted" | "cut";

/** The oldest are forgotten beyond this, too. */
const mostBytesKept = 128 * 1024 * 1024;

/** `answer` is what decides what is sent, so that a test can hold what arrived against what was to arrive. */
export class ReceivedRequest {
  /** 1-based, over everything that ever came. */
  readonly sequence: number;
  /** RFC 3339, UTC, the clock's time. */
  readonly at: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** As received, before any content-encoding was undone. */
  readonly rawBody: Buffer;
  /** Decoded. */
  readonly body: Buffer;
  /** The name of the upstream key that it brought; undefined when it was refused for it. */
  readonly key: string | undefined;
  status = 0;
  /** Of the body, as it went over the wire. */
  sentBytes = 0;
  state: RequestState = "answering";
  /** RFC 3339; when the client went away before the end. */
  abortedAt: string | undefined;
  // Private, for they hold credentials: nothing that prints a request may print them.
  readonly #call: Call;
  readonly #behaviour: Behaviour;
  readonly #id: string;
  readonly #now: number;
  readonly #rawHeaders: readonly string[];
  readonly #url: string;
  readonly #onProgress: () => void;

  constructor(given: {
    readonly sequence: number;
    readonly method: string;
    readonly url: string;
    readonly path: string;
    readonly rawHeaders: readonly string[];
    readonly rawBody: Buffer;
    readonly body: Buffer;
    readonly call: Call;
    readonly key: string | undefined;
    readonly behaviour: Behaviour;
    readonly id: string;
    readonly now: number;
    readonly onProgress: () => void;
  }) {
    this.sequence = given.sequence;
    this.at = new Date(given.now).toISOString();
    this.method = given.method;
    this.path = given.path;
    this.rawBody = given.rawBody;
    this.body = given.body;
    this.#call = given.call;
    this.key = given.key;
    this.#behaviour = given.behaviour;
    this.#id = given.id;
    this.#now = given.now;
    this.#rawHeaders = given.rawHeaders;
    this.#url = given.url;
    this.#onProgress = given.onProgress;
  }

  onSent(): void {
    this.#onProgress();
  }

  onCut(): void {
    this.state = "cut";
  }

  get platform(): Platform {
    return this.#call.asked.platform;
  }

  get operation(): Operation {
    return this.#call.asked.operation;
  }

  get model(): string {
    return this.#call.asked.model;
  }

  get stream(): boolean {
    return this.#call.asked.stream;
  }

  /** Undefined when the body is none. */
  get json(): unknown {
    return this.#call.json;
  }

  /** Without the question mark; a key in it as its hash. */
  get query(): string {
    return queryWithoutCredentials(this.#call.query);
  }

  /** Lower-case names; credentials as `sha256:…` (`hashCredential`). */
  get headers(): Readonly<Record<string, string>> {
    return headersWithoutCredentials(this.#rawHeaders);
  }

  /** Whether a secret, or anything else, stands anywhere in it: address, headers, body. */
  mentions(text: string): boolean {
    return this.#url.includes(text) || this.#rawHeaders.some((part) => part.includes(text)) || this.body.includes(text);
  }

  /** What the script says is sent for it: exact bytes, before content-encoding and before an early end. */
  answer(): Answer {
    return composeAnswer(this.#call, this.#behaviour, this.#id, this.#now);
  }
}

export class RequestLog {
  readonly #most: number;
  readonly #kept: ReceivedRequest[] = [];
  #keptBytes = 0;
  readonly #watchers = new Set<() => void>();

  constructor(most: number) {
    this.#most = most;
  }

  list(): readonly ReceivedRequest[] {
    return this.#kept;
  }

  add(request: ReceivedRequest): void {
    if (this.#most === 0) return;
    this.#kept.push(request);
    this.#keptBytes += request.body.length;
    while (this.#kept.length > this.#most || (this.#keptBytes > mostBytesKept && this.#kept.length > 1)) {
      this.#keptBytes -= this.#kept.shift()?.body.length ?? 0;
    }
    this.changed();
  }

  clear(): void {
    this.#kept.length = 0;
    this.#keptBytes = 0;
  }

  changed(): void {
    for (const look of [...this.#watchers]) look();
  }

  /** Resolves once what is asked is true of the list; looks at every arrival, every piece sent and every end. */
  until(isTrue: (requests: readonly ReceivedRequest[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = () => {
        try {
          if (!isTrue(this.#kept)) return;
          resolve();
        } catch (error) {
          reject(error);
        }
        this.#watchers.delete(look);
      };
      this.#watchers.add(look);
      look();
    });
  }
}
