// The fault rig: rules that make a service misbehave at chosen calls, repeatable from a seed.

/** What goes wrong. The gateway does the general ones; the rest are handed to the service in `ServiceRequest.fault`. */
export type FaultEffect =
  /** Gateway: the service's own throttling error, nothing done. */
  | { readonly kind: "throttle" }
  /** Gateway: the call waits in cloud time first. */
  | { readonly kind: "delay"; readonly milliseconds: number }
  /** Gateway: an error of this status and code, nothing done. */
  | { readonly kind: "error"; readonly status: number; readonly code: string }
  /** Gateway: the work is done, the answer is a 500. */
  | { readonly kind: "fail-after-work" }
  /** Gateway: the connection is reset before anything is done. */
  | { readonly kind: "reset" }
  /** Gateway: the connection is reset after the work, before the answer. */
  | { readonly kind: "reset-after-work" }
  /**
   * Gateway: the answer's body ends after this share of its bytes (0 to 1), the connection closes. Download servers can
   * also end it "clean": chunked, without a length, as a proxy does that lost its own source.
   */
  | { readonly kind: "short-body"; readonly share: number; readonly ending?: "cut" | "clean" }
  /** Gateway: one bit of the answer's body is flipped, at this share of its length. */
  | { readonly kind: "flip-bit"; readonly share: number }
  /** S3: one bit of the stored body is flipped after its checksums were taken from the flipped or true bytes. */
  | { readonly kind: "flip-stored-bit"; readonly when: "in-transit" | "at-rest" }
  /** S3 CompleteMultipartUpload, CopyObject: 200 with an error body; with `afterWork`, the object exists all the same. */
  | { readonly kind: "error-in-200"; readonly afterWork: boolean }
  /** Download servers: a range other than the asked one. */
  | { readonly kind: "wrong-range" }
  /** Download servers: 200 and the whole object although a range was asked. */
  | { readonly kind: "ignore-range" }
  /** Download servers: the link counts as expired. */
  | { readonly kind: "expire-link" }
  /** Download servers: the object is replaced before this call is answered. */
  | { readonly kind: "replace-source"; readonly how: "same-size" | "shorter" }
  /** EventBridge, queues, streams: the event (of a stream: the batch) is delivered this many times in all. */
  | { readonly kind: "duplicate-event"; readonly deliveries: number }
  /** EventBridge: the event is kept back until the next one has been delivered. */
  | { readonly kind: "reorder-event" }
  /** Streams: after this batch its shard goes back by so many records, which are delivered again. */
  | { readonly kind: "rewind"; readonly records: number }
  /** DynamoDB: another transaction holds the call's first item; nothing is done. */
  | { readonly kind: "transaction-conflict" }
  /**
   * Lambda host: the worker dies at its n-th outgoing call (1-based), before it is sent or after it was answered, and with
   * it every invocation that shares it. With the scope "invocation" only that one ends: nothing more of it gets out.
   */
  | {
      readonly kind: "kill";
      readonly atCall: number;
      readonly when: "before" | "after";
      readonly scope?: "environment" | "invocation";
    };

export interface FaultRule {
  /** `s3`, `dynamodb`, `lambda`, `aliyun-rds`, `aliyun-download` … as in `LocalService.name`. */
  readonly service: string;
  /** The API's operation name; for Lambda the function's name or its ending. Absent: any. */
  readonly operation?: string;
  /** Part of the resource's name. Absent: any. */
  readonly resourceIncludes?: string;
  /** The first matching call (1-based) that is hit. Default 1. */
  readonly fromCall?: number;
  /** How many matching calls are hit, counted from `fromCall`. Default 1. */
  readonly times?: number;
  /** Each call in reach is hit with this probability, drawn from the seed. Default 1. */
  readonly probability?: number;
  readonly effect: FaultEffect;
}

export interface FaultCall {
  readonly service: string;
  readonly operation: string;
  readonly resource: string;
}

export interface FiredFault extends FaultCall {
  readonly effect: FaultEffect;
}

/** A small, fast generator with a 32-bit state (mulberry32): the same seed gives the same run. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Fired faults kept for a test to read; older ones are dropped. */
const mostFiredKept = 10_000;

export class Faults {
  readonly seed: number;
  readonly fired: FiredFault[] = [];
  /** Draws in [0, 1) from the seed. */
  readonly random: () => number;
  readonly #rules: { rule: FaultRule; seen: number; hit: number }[] = [];

  constructor(seed = 1) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  add(...rules: FaultRule[]): void {
    for (const rule of rules) this.#rules.push({ rule, seen: 0, hit: 0 });
  }

  clear(): void {
    this.#rules.length = 0;
  }

  /** Counts the call against every matching rule; the first rule whose turn it is decides. */
  next(call: FaultCall): FaultEffect | undefined {
    let effect: FaultEffect | undefined;
    for (const entry of this.#rules) {
      const { rule } = entry;
      if (rule.service !== call.service) continue;
      if (rule.operation !== undefined && !call.operation.endsWith(rule.operation)) continue;
      if (rule.resourceIncludes !== undefined && !call.resource.includes(rule.resourceIncludes)) continue;
      entry.seen += 1;
      if (effect !== undefined || entry.seen < (rule.fromCall ?? 1) || entry.hit >= (rule.times ?? 1)) continue;
      if (rule.probability !== undefined && this.random() >= rule.probability) continue;
      entry.hit += 1;
      effect = rule.effect;
    }
    if (effect !== undefined) {
      this.fired.push({ ...call, effect });
      if (this.fired.length > mostFiredKept) this.fired.shift();
    }
    return effect;
  }
}
