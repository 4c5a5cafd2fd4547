// The meter of one answer: output is paid for in slices before it is passed on, and the next slice is asked for in time.
import type { Lease, Ledger, LedgerKey } from "../ledger/ledger.ts";
import { Refusal } from "../refusal.ts";

export interface MeterPlan {
  /** Output tokens that the reservation covers. */
  readonly coveredTokens: number;
  /** Output tokens that the request can cause at most; no slice goes beyond it. */
  readonly mostTokens: number;
  readonly sliceTokens: number;
  /** Charged cost of so many more output tokens, nano-USD, rounded up. */
  costOf(tokens: number): number;
}

export interface MeterPorts {
  readonly ledger: Pick<Ledger, "extend">;
  now(): number;
  /** Until when the lease must live: the invocation's end and some more. */
  readonly leaseUntil: number;
  /** Who serves it: known for good by now. */
  readonly accountId: string;
  /** Throws `Refusal` where a key that was changed meanwhile does not allow the request any more. */
  renewed(newer: LedgerKey): void;
}

/** The next slice is asked for when so much of what is covered is used. */
const usedShare = 0.75;

export class Meter {
  readonly #plan: MeterPlan;
  readonly #ports: MeterPorts;
  #lease: Lease;
  #covered: number;
  /** The last slice was refused: not asked for again before it is needed. */
  #isRefused = false;
  extensions = 0;

  constructor(lease: Lease, plan: MeterPlan, ports: MeterPorts) {
    this.#lease = lease;
    this.#plan = plan;
    this.#ports = ports;
    this.#covered = plan.coveredTokens;
  }

  get coveredTokens(): number {
    return this.#covered;
  }

  get lease(): Lease {
    return this.#lease;
  }

  /**
   * Call it before bytes that bring the output to so many tokens are passed on. Resolves to undefined when they are
   * covered, or to the refusal when they are not and no slice is to be had. Throws what is no refusal.
   */
  async cover(outputTokens: number): Promise<Refusal | undefined> {
    while (this.#covered < this.#plan.mostTokens && outputTokens >= this.#covered * usedShare) {
      if (this.#isRefused && outputTokens <= this.#covered) return undefined;
      const beyond = Math.max(0, outputTokens - this.#covered);
      const wanted = Math.max(this.#plan.sliceTokens, beyond + this.#plan.sliceTokens);
      const tokens = Math.min(wanted, this.#plan.mostTokens - this.#covered);
      try {
        this.#lease = await this.#ports.ledger.extend(this.#lease, {
          nanoUsd: this.#plan.costOf(tokens),
          tokens,
          now: this.#ports.now(),
          leaseUntil: this.#ports.leaseUntil,
          accountId: this.#ports.accountId,
          renewed: this.#ports.renewed,
        });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        this.#isRefused = true;
        // What is covered already may still be passed on.
        return outputTokens <= this.#covered ? undefined : error;
      }
      this.#isRefused = false;
      this.#covered += tokens;
      this.extensions += 1;
    }
    return undefined;
  }
}
