// Key cache: what an environment last saw of each key. Never relied on for a refusal, nor for a revocation, which the ledger's
// own condition sees.
import type { LedgerKey } from "../ledger/ledger.ts";

interface Kept {
  readonly key: LedgerKey;
  readonly readAt: number;
  /** When it was last seen how many of its requests run. */
  readonly countedAt: number;
}

/** Policies change seldom, and a newer version is seen by the reservation: this only bounds how old figures can be. */
const longestKeptMilliseconds = 30_000;
const mostKept = 2000;
/** As the snapshot's figures of accounts. */
const freshCountMilliseconds = 2000;

export class KeyCache {
  readonly #read: (keyId: string) => Promise<LedgerKey | undefined>;
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();

  constructor(read: (keyId: string) => Promise<LedgerKey | undefined>, now: () => number) {
    this.#read = read;
    this.#now = now;
  }

  /** `isFresh`: read just now. */
  async key(keyId: string, fresh: boolean): Promise<{ key: LedgerKey | undefined; isFresh: boolean }> {
    const kept = this.#kept.get(keyId);
    if (!fresh && kept !== undefined && this.#now() - kept.readAt < longestKeptMilliseconds) {
      return { key: kept.key, isFresh: false };
    }
    const readAt = this.#now();
    const key = await this.#read(keyId);
    if (key === undefined) this.#kept.delete(keyId);
    else this.#keep({ key, readAt, countedAt: readAt });
    return { key, isFresh: true };
  }

  /** Whether a reservation is to say how many requests run: it then answers with the whole item, which is a third more work. */
  isCountOld(keyId: string): boolean {
    const countedAt = this.#kept.get(keyId)?.countedAt ?? Number.NEGATIVE_INFINITY;
    return this.#now() - countedAt >= freshCountMilliseconds;
  }

  /** As a reservation left it. That does not make the policy newer. `isCounted`: it was asked how many requests run, too. */
  saw(key: LedgerKey, isCounted: boolean): void {
    const kept = this.#kept.get(key.keyId);
    if (kept !== undefined && kept.key.version > key.version) return;
    const now = this.#now();
    this.#keep({ key, readAt: kept?.readAt ?? now, countedAt: isCounted ? now : (kept?.countedAt ?? now) });
  }

  #keep(kept: Kept): void {
    this.#kept.delete(kept.key.keyId);
    this.#kept.set(kept.key.keyId, kept);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= mostKept) break;
      this.#kept.delete(oldest);
    }
  }
}
