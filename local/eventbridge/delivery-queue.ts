// The journal of deliveries: each is on disk before its event counts as taken, and until it is delivered or given up.
import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { DurableMap } from "../gateway/durable-state.ts";
import type { ServiceContext } from "../gateway/service.ts";
import type { Hold } from "../rig/clock.ts";
import type { FaultEffect } from "../rig/faults.ts";
import { afterAttempt, type Delivery, type DeliveryRequest, type Outcome } from "./delivery.ts";
import { authorizeUse, type DeliveryOptions, handOver } from "./target.ts";

export interface DeliveryQueueSettings {
  readonly context: ServiceContext;
  readonly options: DeliveryOptions;
  /** The service's name in fault rules. */
  readonly faultService: string;
  readonly forwardToBus?: (busArn: string, payload: string) => void;
  /** The payload as it goes out at this attempt. */
  readonly payloadAt?: (delivery: Delivery) => string;
}

/** Beyond this an event is dropped, and said to be: a rule that triggers itself must not fill the disk. */
const mostPending = 50_000;
/** A reordered event goes out after this even if none overtakes it. */
const longestReorderMilliseconds = 10_000;
/** The rig's mistakes must stay finite too. */
const mostDuplicates = 100;

export class DeliveryQueue {
  readonly #settings: DeliveryQueueSettings;
  readonly #journal: DurableMap<Delivery>;
  readonly #closing = new AbortController();
  /** Reordered deliveries by target, to be woken when another one has passed them. */
  readonly #heldBack = new Map<string, Set<() => void>>();
  readonly #waitingForEmpty: (() => void)[] = [];
  #sequence = 0;
  #started = false;

  constructor(database: DatabaseSync, settings: DeliveryQueueSettings) {
    this.#settings = settings;
    this.#journal = new DurableMap(database, "deliveries");
  }

  /** Taken when this returns; goes out after `start`, and not before the delay. */
  add(request: DeliveryRequest, delayMilliseconds = 0): void {
    if (this.#journal.size >= mostPending) {
      this.#problem(
        `${request.senderArn} drops an event for ${request.targetArn}: ${mostPending} are waiting already.`,
      );
      return;
    }
    const now = this.#settings.context.clock.now();
    this.#sequence += 1;
    const order = `${Math.floor(now).toString().padStart(15, "0")}-${this.#sequence.toString().padStart(9, "0")}`;
    const key = `${order}-${randomUUID()}`;
    this.#journal.set(key, {
      ...request,
      acceptedAtMilliseconds: now,
      nextAttemptAtMilliseconds: now + delayMilliseconds,
      failedAttempts: 0,
    });
    if (this.#started) this.#launch(key);
  }

  /** First what an earlier process left behind, oldest first. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    for (const [key] of this.#journal.entries()) this.#launch(key);
  }

  /** Resolves when nothing is waiting to be delivered. */
  settled(): Promise<void> {
    return this.#journal.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#waitingForEmpty.push(resolve));
  }

  /** What is not delivered stays in the journal. */
  close(): void {
    this.#closing.abort(new Error("the local cloud stops"));
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  #launch(key: string): void {
    this.#begin(key).catch((error: unknown) => {
      if (!this.#closed) this.#problem(`A delivery broke, and is tried again at the next start: ${String(error)}`);
    });
  }

  async #begin(key: string): Promise<void> {
    const { clock } = this.#settings.context;
    const delivery = this.#journal.get(key);
    const delay = (delivery?.nextAttemptAtMilliseconds ?? 0) - clock.now();
    if (delivery?.failedAttempts === 0 && delay > 0) {
      // A schedule's flexible window is no work: an idle-skipping clock must not jump there.
      await clock.sleep(delay, { background: true, signal: this.#closing.signal });
    }
    const hold = clock.hold();
    try {
      // Whoever published goes on first: nothing is delivered inside the call that caused it.
      await setImmediate();
      await this.#run(key, hold);
    } finally {
      hold.release();
    }
  }

  async #run(key: string, hold: Hold): Promise<void> {
    const { clock } = this.#settings.context;
    for (;;) {
      const delivery = this.#journal.get(key);
      if (!delivery || this.#closed) return;
      const wait = delivery.nextAttemptAtMilliseconds - clock.now();
      if (wait > 0) await hold.sleep(wait, this.#closing.signal);
      const outcome = await this.#attempt(delivery, hold);
      if (this.#closed) return;
      const next = afterAttempt(delivery, outcome, clock.now());
      if (next.kind === "again") {
        this.#journal.set(key, next.delivery);
        continue;
      }
      if (next.kind === "done") this.#letOthersPass(delivery.targetArn);
      else {
        this.#problem(next.sentence);
        this.#writeDeadLetter(delivery, next.attributes);
      }
      this.#journal.delete(key);
      if (this.#journal.size === 0) for (const resolve of this.#waitingForEmpty.splice(0)) resolve();
      return;
    }
  }

  async #attempt(delivery: Delivery, hold: Hold): Promise<Outcome> {
    const { context, faultService, options, forwardToBus, payloadAt } = this.#settings;
    const call = { service: faultService, operation: "Deliver", resource: delivery.targetArn };
    const fault = context.faults.next(call);
    const failure = failureOf(fault);
    if (failure) return failure;
    if (fault?.kind === "delay") await hold.sleep(fault.milliseconds, this.#closing.signal);
    if (fault?.kind === "reorder-event") await this.#waitToBePassed(delivery.targetArn, hold);
    const asked = fault?.kind === "duplicate-event" ? fault.deliveries : 1;
    const times = Math.max(1, Math.min(asked, mostDuplicates));

    const payload = payloadAt?.(delivery) ?? delivery.payload;
    const by = { options, authorize: context.authorize, forwardToBus: forwardToBus ?? noBuses };
    const outcomes = Array.from({ length: times }, () => handOver(delivery, payload, by));
    const outcome = outcomes.find(({ kind }) => kind === "refused") ?? { kind: "delivered" };
    return fault?.kind === "fail-after-work" ? refusal("InternalException", "asked for by the fault rig") : outcome;
  }

  async #waitToBePassed(targetArn: string, hold: Hold): Promise<void> {
    const passed = new AbortController();
    const wake = () => passed.abort();
    const waiting = this.#heldBack.get(targetArn) ?? new Set();
    this.#heldBack.set(targetArn, waiting.add(wake));
    try {
      await hold.sleep(longestReorderMilliseconds, AbortSignal.any([passed.signal, this.#closing.signal]));
    } catch (error) {
      if (this.#closed) throw error;
    } finally {
      waiting.delete(wake);
    }
  }

  #letOthersPass(targetArn: string): void {
    for (const wake of this.#heldBack.get(targetArn) ?? []) wake();
  }

  #writeDeadLetter(delivery: Delivery, attributes: Readonly<Record<string, string>>): void {
    if (!delivery.deadLetter) return;
    const { queueArn, body } = delivery.deadLetter;
    const { context, options } = this.#settings;
    const { queues } = options.ports();
    try {
      if (!queues) throw new Error("the local cloud runs without SQS");
      authorizeUse("sqs:SendMessage", queueArn, delivery, { options, authorize: context.authorize });
      queues.sendMessage(queueArn, body, attributes);
    } catch (error) {
      this.#problem(`${delivery.senderArn} cannot write its dead letter to ${queueArn}: ${String(error)}`);
    }
  }

  #problem(sentence: string): void {
    this.#settings.options.onProblem?.(sentence);
  }
}

function failureOf(fault: FaultEffect | undefined): Outcome | undefined {
  if (fault?.kind === "throttle") return refusal("ThrottlingException", "asked for by the fault rig");
  if (fault?.kind === "error") return refusal(fault.code, "asked for by the fault rig");
  return undefined;
}

function refusal(code: string, message: string): Outcome {
  return { kind: "refused", retryable: true, code, message };
}

function noBuses(busArn: string): never {
  throw new Error(`No event goes to the bus ${busArn} from here.`);
}
