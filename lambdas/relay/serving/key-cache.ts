// Key cache: what an environment last saw of each key. Never relied on for a refusal, nor for a revocation, which the ledger's
// own condition sees.
import type { LedgerKey } from "../ledger/ledger.ts";

interface Kept {
  readonly key: LedgerKey;
  readonly readAt: number;
}

/** Policies change seldom, and a newer version is seen by the reservation: this only bounds how old figures can be. */
const longestKeptMilliseconds = 30_000;
const mostKept = 2000;

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
    else this.#keep({ key, readAt });
    return { key, isFresh: true };
  }

  /** As a reservation left it. That tells its figures, but not how many requests run: it does not make the whole newer. */
  saw(key: LedgerKey): void {
    const kept = this.#kept.get(key.keyId);
    if (kept === undefined || kept.key.version <= key.version) {
      this.#keep({ key, readAt: kept?.readAt ?? this.#now() });
    }
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
