// A delivery on its way to a target, and the rules for what follows an attempt: done, another one, or given up.
// Source: "How EventBridge retries delivering events" and "Using dead-letter queues" in the EventBridge guide.

export interface RetryPolicy {
  /** 0 to 185. */
  readonly maximumRetryAttempts: number;
  /** 60 to 86,400. */
  readonly maximumEventAgeSeconds: number;
}

/** AWS's defaults for rules and for schedules: for a day. */
export const defaultRetryPolicy: RetryPolicy = { maximumRetryAttempts: 185, maximumEventAgeSeconds: 86_400 };

export interface DeliveryRequest {
  /** `events.amazonaws.com` or `scheduler.amazonaws.com`. */
  readonly servicePrincipal: string;
  /** The rule or schedule that sends. */
  readonly senderArn: string;
  /** What `aws:SourceArn` says to policies: the rule itself, but a schedule's group. */
  readonly sourceArn: string;
  readonly targetArn: string;
  /** Whose permissions count; absent: those that the target grants to the service. */
  readonly roleArn?: string;
  readonly payload: string;
  readonly retryPolicy: RetryPolicy;
  readonly deadLetter?: { readonly queueArn: string; readonly body: string };
  /** Facts that go with a dead letter, besides why it died. */
  readonly facts: Readonly<Record<string, string>>;
}

export interface Delivery extends DeliveryRequest {
  readonly acceptedAtMilliseconds: number;
  readonly nextAttemptAtMilliseconds: number;
  /** Attempts to hand the event over that failed. */
  readonly failedAttempts: number;
}

export type Outcome =
  | { readonly kind: "delivered" }
  /** The target did not take it. */
  | { readonly kind: "refused"; readonly retryable: boolean; readonly code: string; readonly message: string };

export type NextStep =
  | { readonly kind: "done" }
  | { readonly kind: "again"; readonly delivery: Delivery }
  /** To the dead-letter queue, if there is one. */
  | { readonly kind: "dead"; readonly attributes: Readonly<Record<string, string>>; readonly sentence: string };

const firstBackoffMilliseconds = 1000;
/** 185 attempts then span a day, as AWS's defaults are meant to. */
const longestBackoffMilliseconds = 10 * 60_000;

export function afterAttempt(delivery: Delivery, outcome: Outcome, nowMilliseconds: number): NextStep {
  if (outcome.kind === "delivered") return { kind: "done" };
  const ageSeconds = (nowMilliseconds - delivery.acceptedAtMilliseconds) / 1000;
  const failedAttempts = delivery.failedAttempts + 1;
  const { maximumRetryAttempts, maximumEventAgeSeconds } = delivery.retryPolicy;
  // No jitter: one process has no herd to spread, and a run stays the same from seed to seed.
  const wait = Math.min(firstBackoffMilliseconds * 2 ** (failedAttempts - 1), longestBackoffMilliseconds);
  let exhausted: string | undefined;
  if (failedAttempts > maximumRetryAttempts) exhausted = "MaximumRetryAttempts";
  else if (ageSeconds + wait / 1000 > maximumEventAgeSeconds) exhausted = "MaximumEventAgeInSeconds";
  if (outcome.retryable && exhausted === undefined) {
    const next = { ...delivery, failedAttempts, nextAttemptAtMilliseconds: nowMilliseconds + wait };
    return { kind: "again", delivery: next };
  }
  return {
    kind: "dead",
    sentence: `${delivery.senderArn} gives up on ${delivery.targetArn}: ${outcome.code}: ${outcome.message}`,
    attributes: {
      ...delivery.facts,
      TARGET_ARN: delivery.targetArn,
      ERROR_CODE: outcome.code,
      ERROR_MESSAGE: outcome.message,
      RETRY_ATTEMPTS: String(delivery.failedAttempts),
      ...(outcome.retryable && exhausted !== undefined ? { EXHAUSTED_RETRY_CONDITION: exhausted } : {}),
    },
  };
}
