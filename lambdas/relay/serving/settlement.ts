// Settlement: what is gathered about a request while it is served, and everything that is written when it is over. Once.
import type { WorstCost } from "../counting/cost.ts";
import { nothingUsed, type Used, usageOf, usageOfGivenUp } from "../counting/estimate-usage.ts";
import { findPrice } from "../counting/find-price.ts";
import { makeRecord, type RecordFacts } from "../counting/make-record.ts";
import type { Price } from "../counting/price.ts";
import type { UsageRecord } from "../counting/usage-record.ts";
import type { Lease, LedgerKey } from "../ledger/ledger.ts";
import type { Platform } from "../platform.ts";
import { type AnswerReader, type Call, freeDemand } from "../protocols/protocol.ts";
import type { AccountChange } from "../providers/provider.ts";
import type { Refusal, RefusalName } from "../refusal.ts";
import type { SlotFigures } from "../scheduling/slot.ts";
import type { Snapshot } from "../scheduling/snapshot.ts";
import { TransportError } from "../transports/transport.ts";
import type { Meter } from "./meter.ts";
import type { Passed } from "./pass-answer.ts";
import type { Arrival, ServingPorts } from "./ports.ts";
import type { GivenUp, Reached, Seat } from "./reach-account.ts";
import { failureOf, isGivenUp, reasonOf } from "./what-failed.ts";

/** What was read before anything was written. */
export interface AdmittedFacts {
  readonly snapshot: Snapshot;
  readonly price: Price | undefined;
  readonly worst: WorstCost | undefined;
  /** The session's name, and the account it is bound to. */
  readonly session: string | undefined;
  readonly binding: { readonly accountId: string; readonly isOld: boolean } | undefined;
}

/** Refusals that are the upstream's failures, and those that are ours; all others are the client's or its budget's. */
const upstreamFailures: ReadonlySet<RefusalName> = new Set(["UpstreamFailed", "UpstreamOverloaded", "UpstreamTimeout"]);

type RecordedCall = RecordFacts["call"];

/** A request that no protocol could read, or whose path none has. */
const unread = { operation: "unread", model: "", metering: "free", answers: "json", demand: freeDemand } as const;

export class Settlement {
  readonly #arrival: Arrival;
  readonly #platform: Platform;
  readonly #ports: ServingPorts;
  readonly #startedAt: number;
  #call: Call | undefined;
  #key: LedgerKey | undefined;
  #facts: AdmittedFacts | undefined;
  #lease: Lease | undefined;
  #reached: Reached | undefined;
  #givenUp: GivenUp | undefined;
  #firstByteAt: number | undefined;
  /** Writes that nobody waits for until the end. */
  readonly #beside: Promise<void>[] = [];

  constructor(arrival: Arrival, platform: Platform, ports: ServingPorts) {
    this.#arrival = arrival;
    this.#platform = platform;
    this.#ports = ports;
    this.#startedAt = ports.now();
  }

  understood(call: Call): void {
    this.#call = call;
  }

  /** The secret is right, whatever else may speak against the key. */
  identified(key: LedgerKey): void {
    this.#key = key;
  }

  admitted(facts: AdmittedFacts): void {
    this.#facts = facts;
  }

  reserved(lease: Lease | undefined): void {
    this.#lease = lease;
    if (lease !== undefined) this.#key = lease.key;
  }

  get knowsKey(): boolean {
    return this.#key !== undefined;
  }

  get holdsLease(): boolean {
    return this.#lease !== undefined;
  }

  /** A slot that was taken in vain. */
  unused(seat: Seat): void {
    this.#aside(this.#ports.slots.release(seat.slot, this.#arrival.requestId, undefined, this.#ports.now()));
  }

  /** The session is bound at once: its next request may come before this one is over. */
  reached(reached: Reached): void {
    this.#reached = reached;
    const { account, left } = reached.seat;
    const { session, binding, snapshot } = this.#facts ?? {};
    if (left !== undefined) this.#ports.telemetry.sessionMoved(left.accountId, account.accountId, left.why);
    if (session === undefined || snapshot === undefined || this.#key === undefined) return;
    if (binding?.accountId === account.accountId && !binding.isOld) return;
    const { stickyMinutes } = snapshot.settings;
    const { keyId } = this.#key;
    this.#aside(this.#ports.bindings.bindSession(keyId, session, account.accountId, stickyMinutes, this.#ports.now()));
  }

  /** No account was reached: this one was given up while it may be at work. Answers what that costs it, nano-USD. */
  gaveUp(givenUp: GivenUp): number {
    this.#givenUp = givenUp;
    const [call, key] = [this.#call, this.#key];
    if (call === undefined || key === undefined) return 0;
    const used = this.#usedByGivenUp(call);
    return this.#record(call, key, { used, outcome: "upstream-error", reason: "", status: 0 }).realNanoUsd;
  }

  /** The upstream's first bytes are there. */
  began(at: number): void {
    this.#firstByteAt ??= at;
  }

  /** The relay answered by itself. Resolves when it is written; never rejects. */
  async refused(refusal: Refusal, status: number): Promise<void> {
    try {
      const now = this.#ports.now();
      const isOurs = refusal.name === "RelayUnavailable";
      const fault = isOurs ? "relay-error" : upstreamFailures.has(refusal.name) ? "upstream-error" : "refused";
      if (this.#key === undefined) {
        if (refusal.name === "KeyInvalid") await this.#ports.telemetry.unknownKey(this.#arrival.sourceIp, now);
      } else {
        const call = this.#call ?? { ...unread, platform: this.#platform };
        const used = this.#usedByGivenUp(call);
        await this.#write(this.#record(call, this.#key, { used, outcome: fault, reason: refusal.name, status }));
      }
      await Promise.all(this.#beside);
    } catch (error) {
      this.#ports.telemetry.failure(error, this.#arrival.requestId);
    }
  }

  /** The answer is over. Resolves when everything is written; rejects where the ledger could not be reached. */
  async finished(passed: Passed, reader: AnswerReader | undefined, meter: Meter | undefined): Promise<void> {
    const [call, key, reached] = [this.#call, this.#key, this.#reached];
    if (call === undefined || key === undefined || reached === undefined) throw new TypeError("nothing was answered");
    // The record has the error's name alone.
    if (passed.outcome === "relay-error") this.#ports.telemetry.failure(passed.error, this.#arrival.requestId);
    if (meter !== undefined) this.#lease = meter.lease;
    const record = this.#record(call, key, {
      used: this.#used(call, reader, meter, passed),
      // An error about the request: its bytes passed, but nothing was served.
      outcome: reader === undefined && passed.outcome === "ok" ? "refused" : passed.outcome,
      reason: reasonOf(passed, reached.exchange.status),
      status: reached.exchange.status,
      modelServed: reader?.servedModel,
      extensions: meter?.extensions ?? 0,
    });
    const { accountId } = reached.seat.account;
    const failed = passed.outcome === "upstream-error";
    const failure = this.#failureOf(reached, passed, reader, call);
    const figures: SlotFigures = {
      failed,
      firstByteMilliseconds:
        this.#firstByteAt === undefined ? undefined : Math.max(0, this.#firstByteAt - reached.sentAt),
      realNanoUsd: record.realNanoUsd,
      isCostAlone:
        (passed.outcome === "client-gone" && this.#firstByteAt === undefined) ||
        (reader?.streamedError !== undefined && failure === undefined),
    };
    this.#aside(this.#leave(reached, key.keyId, figures, failure));
    if (reader !== undefined && reader.madeIds.length > 0) {
      this.#aside(this.#ports.bindings.bindThings(key.keyId, reader.madeIds, accountId, this.#ports.now()));
    }
    if (!failed && failure === undefined && reader !== undefined) this.#praise(reached, call, key.keyId);
    await Promise.all([this.#write(record), ...this.#beside]);
  }

  /** A success; its headers may tell of a limit that the next request would meet. */
  #praise({ provider, seat, exchange, sentAt }: Reached, call: Call, keyId: string): void {
    const family = this.#facts?.price?.family;
    const asked = { model: call.model, family };
    // Free calls have limits of their own.
    const ahead = call.metering === "free" ? undefined : provider.foresee(exchange.headers, asked, this.#ports.now());
    const { conditions } = this.#ports;
    this.#aside(
      ahead === undefined
        ? conditions.works(seat.account, family, sentAt)
        : conditions.changed(seat.account, ahead, sentAt, keyId),
    );
  }

  /** What an error in mid-stream, or a stream that broke off, says of the account, as one before the first byte does. */
  #failureOf({ provider }: Reached, { error }: Passed, reader: AnswerReader | undefined, call: Call) {
    const streamed = reader?.streamedError;
    if (streamed === undefined) {
      const isCut = error instanceof TransportError && reader !== undefined && !reader.isComplete;
      return isCut ? failureOf(error) : undefined;
    }
    const asked = { model: call.model, family: this.#facts?.price?.family };
    const verdict = provider.judgeStreamed(streamed, asked, this.#ports.now());
    return verdict.kind === "account" ? verdict.change : undefined;
  }

  /** The slot is given back with what the answer showed; where that is in doubt, when it is known whether it counts. */
  async #leave(
    { seat, sentAt }: Reached,
    keyId: string,
    figures: SlotFigures,
    failure: AccountChange | undefined,
  ): Promise<void> {
    const { conditions, slots, now } = this.#ports;
    const noted = failure === undefined ? undefined : conditions.changed(seat.account, failure, sentAt, keyId);
    const isHearsay = failure?.isDoubtful === true && !(await noted);
    const shown = isHearsay ? { ...figures, isCostAlone: true } : figures;
    await Promise.all([noted, slots.release(seat.slot, this.#arrival.requestId, shown, now())]);
  }

  #used(call: Call, reader: AnswerReader | undefined, meter: Meter | undefined, { outcome, error }: Passed): Used {
    const snapshot = this.#facts?.snapshot;
    if (reader === undefined || snapshot === undefined) return nothingUsed;
    const coveredTokens = meter?.coveredTokens ?? 0;
    return usageOf({
      answer: reader,
      demand: call.demand,
      coveredTokens,
      reservedInputTokens: this.#facts?.worst?.inputTokens ?? 0,
      isCutByRelay: outcome === "budget" || outcome === "relay-error",
      workedMilliseconds:
        call.answers === "json" && (outcome === "deadline" || isGivenUp(error))
          ? this.#ports.now() - (this.#reached?.sentAt ?? this.#startedAt)
          : 0,
      settings: snapshot.settings,
    });
  }

  #usedByGivenUp({ demand, answers }: RecordedCall): Used {
    const { snapshot, worst } = this.#facts ?? {};
    if (this.#givenUp === undefined || this.#lease === undefined || snapshot === undefined) return nothingUsed;
    const { coveredTokens = 0, inputTokens: reservedInputTokens = 0 } = worst ?? {};
    const facts = { demand, coveredTokens, reservedInputTokens, settings: snapshot.settings };
    return usageOfGivenUp(facts, {
      isStream: answers !== "json",
      waitedMilliseconds: this.#givenUp.waitedMilliseconds,
    });
  }

  #record(
    call: RecordedCall,
    key: LedgerKey,
    end: {
      readonly used: Used;
      readonly outcome: UsageRecord["outcome"];
      readonly reason: string;
      readonly status: number;
      readonly modelServed?: string | undefined;
      readonly extensions?: number;
    },
  ): UsageRecord {
    const { snapshot, price } = this.#facts ?? {};
    const account = this.#reached?.seat.account ?? this.#givenUp?.account;
    const modelSent = account === undefined ? undefined : (this.#reached ?? this.#givenUp)?.modelSent;
    const now = this.#ports.now();
    return makeRecord({
      ...end,
      requestId: this.#arrival.requestId,
      keyId: key.keyId,
      account,
      call,
      modelSent,
      modelServed: end.modelServed,
      tierInHeaders: this.#reached?.provider.servedTier(this.#reached.exchange.headers),
      askedPrice: price,
      sentPrice:
        modelSent === undefined || snapshot === undefined
          ? undefined
          : findPrice(snapshot.priceOverrides, { platform: this.#platform, model: modelSent, now }),
      policy: key.policy,
      reservedNanoUsd: this.#lease?.nanoUsd ?? 0,
      startedAt: this.#startedAt,
      endedAt: now,
      firstByteAt: this.#firstByteAt,
      extensions: end.extensions ?? 0,
      accountsTried: (this.#reached ?? this.#givenUp)?.accountsTried ?? 0,
      userAgent: this.#arrival.headers["user-agent"],
      sourceIp: this.#arrival.sourceIp,
    });
  }

  async #write(record: UsageRecord): Promise<void> {
    await this.#ports.ledger.settle(this.#lease, record);
    this.#ports.telemetry.finished(record);
  }

  #aside(work: Promise<unknown>): void {
    this.#beside.push(
      work.then(
        () => undefined,
        (error: unknown) => this.#ports.telemetry.failure(error, this.#arrival.requestId),
      ),
    );
  }
}
